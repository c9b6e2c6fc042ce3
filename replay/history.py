"""What traded in the simulated market: candles of thousands of minutes at once, and trades by number or time.

Everything is as of a time that the caller gives: what has not happened by then is not there, and the candle of a minute
that has not ended is made of the trades so far. Nothing is kept but what can be made again.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from market.records import Venue
from replay.noise import Ints
from replay.pairs import Level
from replay.simulation import FIRST_MINUTE, Market, Series, Trades
from replay.source import Listing

OPEN, HIGH, LOW, CLOSE, BASE, QUOTE, TAKER_BASE, TAKER_QUOTE, COUNT = range(9)
"""The columns of a candle, prices and volumes in steps; those of quote in price step times size step."""

_COLUMNS = 9
_MINUTE_MS = 60_000
# Whole candles are made and kept in blocks of so many minutes.
_BLOCK = 60
_BLOCKS = 20_000
_MINUTES = 256
_FILLS_AT_ONCE = 16_384
_MINUTES_AT_ONCE = 500


def _runs(series: Series, first: int, end: int) -> Iterator[Trades]:
    """Return the trades of the minutes from `first` to `end` - 1, as many minutes at once as is quick."""
    count = max(1, min(_MINUTES_AT_ONCE, _FILLS_AT_ONCE // max(1, series.most_fills)))
    for minute in range(first, end, count):
        yield series.minutes(minute, min(count, end - minute))


def columns(trades: Trades, count: int, levels: int | None = None) -> Ints:
    """Return the candles of the `count` minutes of `trades`, a row each; of idle minutes zeros.

    Where `levels` is given only so many levels count.
    """
    found = np.zeros((count, _COLUMNS), dtype=np.int64)
    begin = trades.begin if levels is None else np.minimum(trades.begin, levels)
    busy = np.flatnonzero(np.diff(begin))
    if not len(busy):
        return found
    first, last, end = begin[busy], begin[busy + 1] - 1, int(begin[-1])
    price, size = trades.price[:end], trades.level_size[:end]
    taken = np.where(trades.buy[:end], size, 0)
    found[busy, OPEN], found[busy, CLOSE] = price[first], price[last]
    found[busy, HIGH], found[busy, LOW] = np.maximum.reduceat(price, first), np.minimum.reduceat(price, first)
    for column, values in ((BASE, size), (QUOTE, price * size), (TAKER_BASE, taken), (TAKER_QUOTE, price * taken)):
        found[busy, column] = np.add.reduceat(values, first)
    found[busy, COUNT] = trades.start[last + 1] - trades.start[first]
    return found


class History:
    """The simulated market's past. One thread at a time may use it: its own `worker`."""

    def __init__(self, market: Market) -> None:
        self.worker = ThreadPoolExecutor(1, "history")
        self._series = market.series
        self._blocks: OrderedDict[tuple[Venue, str, int], Ints] = OrderedDict()
        self._minutes: OrderedDict[tuple[Venue, str, int], Trades] = OrderedDict()

    def candles(self, listing: Listing, first: int, end: int, as_of: int) -> tuple[int, Ints]:
        """Return the first of the minutes `first` to `end` - 1 that has a candle, and the candles, a row each.

        There are none of minutes before the market's first and after that of `as_of` (ms); the last one may still form.
        An idle minute's is flat at the close before, with no volume; before the pair's first trade there is none.
        """
        now = as_of // _MINUTE_MS
        first, end = max(first, FIRST_MINUTE), min(end, now + 1)
        if end <= first:
            return first, np.zeros((0, _COLUMNS), dtype=np.int64)
        parts = self._blocks_of(listing, range(first // _BLOCK, (end - 1) // _BLOCK + 1))
        found = np.concatenate(parts)[first % _BLOCK :][: end - first].copy()
        if end == now + 1:
            trades = self._minute(listing, now)
            found[-1] = columns(trades, 1, int(np.searchsorted(trades.time_ms, as_of, "right")))[0]
        found = self._filled(listing, found, first)
        return end - len(found), found

    def level_at(self, listing: Listing, time_ms: int) -> int:
        """Return the number of the first level at `time_ms` or after it, which is how many came before."""
        if time_ms < FIRST_MINUTE * _MINUTE_MS:
            return 0
        trades = self._minute(listing, time_ms // _MINUTE_MS)
        return trades.first_level + int(np.searchsorted(trades.time_ms, time_ms))

    def fill_at(self, listing: Listing, time_ms: int) -> int:
        """Return the number of the first fill at `time_ms` or after it, which is how many came before."""
        if time_ms < FIRST_MINUTE * _MINUTE_MS:
            return 0
        trades = self._minute(listing, time_ms // _MINUTE_MS)
        return trades.first_fill + int(trades.start[np.searchsorted(trades.time_ms, time_ms)])

    def made(self, listing: Listing, start_ms: int, end_ms: int) -> dict[str, int]:
        """Return how many trades were made from `start_ms` to before `end_ms`, and their first and last id (0: none).

        `records` counts them as a socket sends them, `trades` as the venue numbers them.
        """
        first, end = self.fill_at(listing, start_ms), self.fill_at(listing, end_ms)
        if end <= first:
            return {"records": 0, "trades": 0, "first_id": 0, "last_id": 0}
        ids = self._series[listing.venue, listing.code].fill_ids
        records = self.level_at(listing, end_ms) - self.level_at(listing, start_ms)
        return {
            "records": records if listing.venue == "binance" else end - first,
            "trades": end - first,
            "first_id": int(ids(first, 1)[0]),
            "last_id": int(ids(end - 1, 1)[0]),
        }

    def levels(self, listing: Listing, first: int, end: int) -> Iterator[Level]:
        """Return the levels numbered `first` to `end` - 1."""
        first = max(0, first)
        if end <= first:
            return
        series = self._series[listing.venue, listing.code]
        for trades in self._between(series, series.minute_of_level(first), series.minute_of_level(end - 1)):
            low, high = max(0, first - trades.first_level), min(len(trades.price), end - trades.first_level)
            yield from _levels(series, trades, low, high)

    def levels_of_fills(self, listing: Listing, first: int, end: int) -> Iterator[Level]:
        """Return the levels that hold the fills numbered `first` to `end` - 1; no others' fills are in them."""
        first = max(0, first)
        if end <= first:
            return
        series = self._series[listing.venue, listing.code]
        for trades in self._between(series, series.minute_of_fill(first), series.minute_of_fill(end - 1)):
            start, stop = max(0, first - trades.first_fill), min(len(trades.size), end - trades.first_fill)
            low, high = np.searchsorted(trades.start, [start, stop - 1], "right") - 1
            for level in _levels(series, trades, int(low), int(high) + 1):
                own = int(trades.start[level.number - trades.first_level])
                kept = slice(max(0, start - own), stop - own)
                yield replace(level, ids=level.ids[kept], sizes=level.sizes[kept])

    def _between(self, series: Series, first: int, last: int) -> Iterator[Trades]:
        if first == last:
            yield self._minute(series.listing, first)
        else:
            yield from _runs(series, first, last + 1)

    def _minute(self, listing: Listing, minute: int) -> Trades:
        key = listing.venue, listing.code, minute
        found = self._minutes.pop(key, None)
        if found is None:
            found = self._series[listing.venue, listing.code].minute(minute)
            if len(self._minutes) >= _MINUTES:
                self._minutes.popitem(last=False)
        self._minutes[key] = found
        return found

    def _blocks_of(self, listing: Listing, numbers: range) -> list[Ints]:
        """Return blocks of candles; those that follow each other and are not kept are made at once."""
        keys = [(listing.venue, listing.code, number) for number in numbers]
        found = {key: self._blocks.pop(key, None) for key in keys}
        series = self._series[listing.venue, listing.code]
        for missing, group in itertools.groupby(keys, lambda key: found[key] is None):
            if missing:
                made = list(group)
                runs = _runs(series, made[0][2] * _BLOCK, (made[-1][2] + 1) * _BLOCK)
                rows = np.concatenate([columns(run, len(run.begin) - 1) for run in runs])
                found.update(zip(made, np.split(rows, len(made)), strict=True))
        self._blocks.update((key, block) for key, block in found.items() if block is not None)
        while len(self._blocks) > _BLOCKS:
            self._blocks.popitem(last=False)
        return [block for block in found.values() if block is not None]

    def _filled(self, listing: Listing, found: Ints, first: int) -> Ints:
        """Put flat candles where nothing traded; leave out those before the pair's first trade."""
        busy = found[:, COUNT] > 0
        if busy.all():
            return found
        rows = np.arange(len(found))
        last = np.maximum.accumulate(np.where(busy, rows, -1))
        closes = np.where(last >= 0, found[last, CLOSE], self._close_before(listing, first))
        for column in (OPEN, HIGH, LOW, CLOSE):
            found[:, column] = np.where(busy, found[:, column], closes)
        return found[found[:, CLOSE] > 0]

    def _close_before(self, listing: Listing, minute: int) -> int:
        """Return the pair's last price before a minute, 0 where there is none."""
        number = self.level_at(listing, minute * _MINUTE_MS)
        return next(self.levels(listing, number - 1, number)).price if number else 0


def _levels(series: Series, trades: Trades, low: int, high: int) -> Iterator[Level]:
    """Return the levels with index `low` to `high` - 1."""
    start = trades.start[low : high + 1].tolist()
    sizes = trades.size[start[0] : start[-1]].tolist()
    ids = series.fill_ids(trades.first_fill + start[0], len(sizes)).tolist()
    times, prices = trades.time_ms[low:high].tolist(), trades.price[low:high].tolist()
    buys, orders = trades.buy[low:high].tolist(), trades.order[low:high].tolist()
    for index in range(high - low):
        own = slice(start[index] - start[0], start[index + 1] - start[0])
        yield Level(
            times[index],
            prices[index],
            buys[index],
            ids[own],
            sizes[own],
            trades.first_level + low + index,
            orders[index],
        )
