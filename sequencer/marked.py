"""Which candles a gap keeps from being complete: told by its fields alone, so that nobody has to remember. Pure."""

from collections.abc import Iterator
from typing import Literal

from market.records import Gap, GapHow, GapMark

SECOND = 1_000_000
MINUTE = 60 * SECOND
HORIZON = 3 * 24 * 60 * MINUTE
"""How far back from its end the minutes of a gap are marked, in microseconds, where nothing else is said."""

_EDGE = 1_800 * SECOND
_MENDS_SECONDS: frozenset[GapHow] = frozenset({"stream", "repair", "nothing_missed", "confirmed"})


def standing(gap: Gap | None, seconds: Literal[1, 60], horizon: int) -> frozenset[int]:
    """Return the starts of the candles of the interval that the gap, as it is now, leaves incomplete.

    All that it touches while it is open: minutes within `horizon` microseconds before its end, and of a long gap the
    first and last 1,800 seconds. A gap whose end isn't known touches where it begins. `start` gaps leave seconds alone.
    Once closed, none; but seconds that nobody repaired trade by trade stay incomplete, for the venue has none.
    """
    if gap is None:
        return frozenset()
    first, last = gap.from_time, gap.from_time if gap.to_time is None else gap.to_time
    if seconds == 60:
        if gap.closed is not None:
            return frozenset()
        return frozenset(_starts(max(first, last - horizon + MINUTE), last, MINUTE))
    if gap.kind == "start" or (gap.closed is not None and gap.how in _MENDS_SECONDS):
        return frozenset()
    head = _starts(first, min(last, first + _EDGE - SECOND), SECOND)
    tail = _starts(max(first, last - _EDGE + SECOND), last, SECOND)
    return frozenset(head) | frozenset(tail)


def marks(old: Gap | None, new: Gap, known_time: int, horizon: int) -> Iterator[GapMark]:
    """Yield what a change of a gap (`old` is None where it opens) means to the candles."""
    intervals: tuple[Literal[60], Literal[1]] = (60, 1)
    for seconds in intervals:
        before, after = standing(old, seconds, horizon), standing(new, seconds, horizon)
        for start in sorted(after - before):
            yield GapMark(new.venue, new.symbol, seconds, start, 1, known_time)
        for start in sorted(before - after):
            yield GapMark(new.venue, new.symbol, seconds, start, -1, known_time)


def _starts(first: int, last: int, step: int) -> range:
    return range(first - first % step, last + 1, step)
