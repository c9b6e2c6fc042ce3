"""Which candles a gap keeps from being complete: told by its fields alone, so that nobody has to remember. Pure."""

from collections.abc import Iterator

from market.intervals import INTERVALS
from market.records import Gap, GapHow, GapMark

SECOND = 1_000_000
MINUTE = 60 * SECOND
HORIZON = 3 * 24 * 60 * MINUTE
"""How far back from its end a gap is marked in minutes and more, in microseconds, where nothing else is said."""

_EDGE = 1_800 * SECOND
_MENDS_SECONDS: frozenset[GapHow] = frozenset({"stream", "repair", "nothing_missed", "confirmed"})


def standing(gap: Gap | None, length: int, horizon: int) -> frozenset[int]:
    """Return the starts of the candles, `length` microseconds long, that the gap, as it is now, leaves incomplete.

    All that it touches while it is open: those within `horizon` microseconds before its end, and seconds of a long gap
    only if they are of its first or last 1,800. A gap whose end isn't known touches where it begins. `start` gaps leave
    seconds alone. Once closed, none; but seconds that nobody repaired trade by trade stay incomplete, for the venue has
    none.
    """
    if gap is None:
        return frozenset()
    first, last = gap.from_time, gap.from_time if gap.to_time is None else gap.to_time
    if length > SECOND:
        if gap.closed is not None:
            return frozenset()
        return frozenset(_starts(max(first, last - horizon + MINUTE), last, length))
    if gap.kind == "start" or (gap.closed is not None and gap.how in _MENDS_SECONDS):
        return frozenset()
    head = _starts(first, min(last, first + _EDGE - SECOND), SECOND)
    tail = _starts(max(first, last - _EDGE + SECOND), last, SECOND)
    return frozenset(head) | frozenset(tail)


def marks(old: Gap | None, new: Gap, known_time: int, horizon: int) -> Iterator[GapMark]:
    """Yield what a change of a gap (`old` is None where it opens) means to the candles."""
    for length in INTERVALS.values():
        before, after = standing(old, length, horizon), standing(new, length, horizon)
        for start in sorted(after - before):
            yield GapMark(new.venue, new.symbol, length // SECOND, start, 1, known_time)
        for start in sorted(before - after):
            yield GapMark(new.venue, new.symbol, length // SECOND, start, -1, known_time)


def _starts(first: int, last: int, step: int) -> range:
    return range(first - first % step, last + 1, step)
