"""Candles of any interval, from those of minutes or, for seconds, from trades."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from replay.history import BASE, CLOSE, COUNT, HIGH, LOW, OPEN, QUOTE, TAKER_BASE, TAKER_QUOTE, History
from replay.source import Listing

_MINUTE_MS = 60_000
_WEEK_MS = 7 * 86_400_000
# The epoch was a Thursday; weeks begin on Mondays.
_MONDAY_MS = 4 * 86_400_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Where candles begin and end: every `length_ms`, null for calendar months; `zone_ms` east of Greenwich.

    Candles are numbered; times are milliseconds since the epoch, UTC.
    """

    length_ms: int | None
    zone_ms: int = 0

    @property
    def _shift(self) -> int:
        return (_MONDAY_MS if self.length_ms == _WEEK_MS else 0) - self.zone_ms

    def number(self, time_ms: int) -> int:
        """Return the number of the candle that holds the time."""
        if self.length_ms is not None:
            return (time_ms - self._shift) // self.length_ms
        local = datetime.fromtimestamp((time_ms + self.zone_ms) / 1000, UTC)
        return local.year * 12 + local.month - 1

    def start(self, number: int) -> int:
        """Return when the candle with this number begins, which is when the one before it ends."""
        if self.length_ms is not None:
            return number * self.length_ms + self._shift
        year, month = divmod(number, 12)
        return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp() * 1000) - self.zone_ms


@dataclass(frozen=True, slots=True)
class Candle:
    """A candle in steps, as `replay.history` has them; `start_ms` to `end_ms`, which is the next one's start."""

    start_ms: int
    end_ms: int
    open: int
    high: int
    low: int
    close: int
    base: int = 0
    quote: int = 0
    taker_base: int = 0
    taker_quote: int = 0
    count: int = 0


def candles(history: History, listing: Listing, interval: Interval, numbers: range, as_of: int) -> Iterator[Candle]:
    """Return the candles with these numbers, as of `as_of` (ms); the last one may still form."""
    if interval.length_ms is not None and interval.length_ms < _MINUTE_MS:
        yield from _of_trades(history, listing, interval, numbers, as_of)
        return
    minute, rows = history.candles(
        listing, interval.start(numbers.start) // _MINUTE_MS, interval.start(numbers.stop) // _MINUTE_MS, as_of
    )
    if interval.length_ms == _MINUTE_MS:
        for start, row in zip(range(minute * _MINUTE_MS, 1 << 62, _MINUTE_MS), rows.tolist(), strict=False):
            yield Candle(start, start + _MINUTE_MS, *row)
        return
    for number in numbers:
        start, stop = interval.start(number), interval.start(number + 1)
        own = rows[max(0, start // _MINUTE_MS - minute) : max(0, stop // _MINUTE_MS - minute)]
        if not len(own):
            continue
        if len(own) > 1 and own[:, COUNT].any():
            # Flat candles of idle minutes say nothing of what was paid in this one.
            own = own[own[:, COUNT] > 0]
        # Sums of many minutes may be beyond 64 bits.
        base, quote, taker_base, taker_quote, count = (
            int(own[0, column]) if len(own) == 1 else sum(own[:, column].tolist())
            for column in (BASE, QUOTE, TAKER_BASE, TAKER_QUOTE, COUNT)
        )
        yield Candle(
            start, stop, int(own[0, OPEN]), int(own[:, HIGH].max()), int(own[:, LOW].min()), int(own[-1, CLOSE]),
            base, quote, taker_base, taker_quote, count,
        )  # fmt: skip


def _of_trades(history: History, listing: Listing, interval: Interval, numbers: range, as_of: int) -> Iterator[Candle]:
    begin, stop = interval.start(numbers.start), min(interval.start(numbers.stop), as_of + 1)
    first = history.level_at(listing, begin)
    before = next(history.levels(listing, first - 1, first), None)
    close = before.price if before is not None else 0
    levels = list(history.levels(listing, first, history.level_at(listing, stop)))
    times = [level.time_ms for level in levels]
    edges = np.searchsorted(times, [interval.start(number) for number in (*numbers, numbers.stop)]).tolist()
    for number, low, high in zip(numbers, edges[:-1], edges[1:], strict=True):
        own, start = levels[low:high], interval.start(number)
        if start > as_of or not (own or close):
            continue
        prices = [level.price for level in own] or [close]
        close = prices[-1]
        sizes = [(level.price, sum(level.sizes), level.buy) for level in own]
        yield Candle(
            start, interval.start(number + 1), prices[0], max(prices), min(prices), close,
            sum(size for _, size, _ in sizes), sum(price * size for price, size, _ in sizes),
            sum(size for _, size, buy in sizes if buy), sum(price * size for price, size, buy in sizes if buy),
            sum(len(level.ids) for level in own),
        )  # fmt: skip
