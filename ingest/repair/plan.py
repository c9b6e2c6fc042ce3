"""What has to be fetched for a gap, and when: pure. Times are microseconds since the epoch, UTC, the market's clock."""

from collections.abc import Iterable, Sequence

import msgspec

from market.records import Gap, Trade

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

CANDLE_MISMATCH = "candle_mismatch"
"""The reason of a gap that came to light because a candle was not the venue's own."""

# How long a gap that was just told is left alone, in seconds of the local clock: at Binance the next trade may show
# that nothing is missing, and KuCoin's database lags behind its stream.
_GRACE_SECONDS = {("binance", "suspected"): 5.0, ("kucoin", "suspected"): 3.0}


class Span(msgspec.Struct, frozen=True):
    """Whole minutes: [start, end)."""

    start: int
    end: int

    def minutes(self) -> range:
        """Return the start of each minute."""
        return range(self.start, self.end, MINUTE)

    def pages(self, size: int) -> list["Span"]:
        """Return spans of at most `size` minutes that make up this one, in order."""
        step = size * MINUTE
        return [Span(start, min(start + step, self.end)) for start in range(self.start, self.end, step)]


def floor(time: int, unit: int = MINUTE) -> int:
    """Return the start of the minute (or hour, or day) that holds the time."""
    return time - time % unit


def ceiling(time: int, unit: int = MINUTE) -> int:
    """Return the first start of a minute (or hour, or day) that is not before the time."""
    return -(-time // unit) * unit


def touched(from_time: int, to_time: int) -> Span:
    """Return the minutes that hold any of the times from `from_time` to `to_time`, both included."""
    return Span(floor(from_time), floor(to_time) + MINUTE)


def runs(minutes: Iterable[int]) -> list[Span]:
    """Return the spans that minutes, in rising order, make up."""
    found: list[Span] = []
    for minute in minutes:
        if found and found[-1].end == minute:
            found[-1] = Span(found[-1].start, minute + MINUTE)
        else:
            found.append(Span(minute, minute + MINUTE))
    return found


def history(first: int, hours: float) -> Span:
    """Return the minutes before `first` that charts begin with: so many hours, and on to the start of that day."""
    return Span(floor(first - int(hours * HOUR), DAY), floor(first)) if hours else Span(first, first)


def cutoff(now: int, horizon_hours: float) -> int:
    """Return the time from which on candles are corrected by the jobs; older ones are corrected in Postgres.

    It is the first midnight (UTC) within the horizon, so that the candles of a day are all made in one place.
    """
    return ceiling(now - int(horizon_hours * HOUR), DAY)


def grace(gap: Gap) -> float | None:
    """Return how many seconds to leave an open gap alone; None until more is known of it."""
    if gap.to_time is None:
        return None
    return _GRACE_SECONDS.get((gap.venue, gap.kind), 0.0)


def badness(gap: Gap) -> float:
    """Return how bad a gap is: its trades where ids prove it, else its seconds; a feed's start is no gap at all."""
    if gap.kind == "start":
        return -1.0
    if gap.first_id is not None and gap.last_id is not None:
        return float(gap.last_id - gap.first_id + 1)
    return (gap.to_time - gap.from_time) / SECOND if gap.to_time is not None else 0.0


class Ids(msgspec.Struct, frozen=True):
    """A range of trade ids, both ends included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def within(trades: Iterable[Trade], wanted: Ids) -> list[Trade]:
    """Return the trades of which every id is wanted."""
    return [trade for trade in trades if wanted.first <= trade.first_id and trade.last_id <= wanted.last]


def lacking(trades: Iterable[Trade], wanted: Ids) -> list[Ids]:
    """Return the wanted ids that no trade has, as ranges in rising order."""
    found: list[Ids] = []
    at = wanted.first
    for first, last in sorted((trade.first_id, trade.last_id) for trade in trades):
        if first > at:
            found.append(Ids(at, min(first - 1, wanted.last)))
        at = max(at, last + 1)
        if at > wanted.last:
            return found
    return [*found, Ids(at, wanted.last)]


def before(aggregates: Sequence[Trade], first_id: int) -> int:
    """Return the id of an aggregate that certainly does not begin after `first_id`, given some that do.

    An aggregate stands for one trade at least, so going back by as many aggregates as trades goes far enough.
    """
    first = aggregates[0]
    return max(0, int(first.source_id) - (first.first_id - first_id))
