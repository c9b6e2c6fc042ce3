"""The simulated market as a pure function: seed, venue, pair and minute give that minute's trades.

Nothing is remembered, so a server that starts again goes on with the very same trades and ids, and any minute of the
past can be made again. Ids have no hole because the number of trades of each minute of a day is fixed by a table: the
number of the first trade of a minute is `day * trades a day + trades of the day before that minute`.

Both venues share one price path; each adds a deviation of its own of a few basis points. Times are bursty, sizes
log-normal, the number of trades falls by Zipf's law from pair to pair.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from market.records import Venue
from replay import noise
from replay.instruments import Asset, assets
from replay.noise import Floats, Ints
from replay.runs import spread_out, sums
from replay.source import Listing

FIRST_MINUTE = 26_297_280
"""2020-01-01 00:00 UTC in minutes since the epoch: the market's first minute, where its ids begin."""

MOST_MINUTES = 2000
"""How many minutes can be made at once."""

_DAY = 1440
_MINUTE_MS = 60_000
_SHARE: dict[Venue, float] = {"binance": 0.6, "kucoin": 0.4}
_ZIPF = 0.8
# How often a level of a taker order is followed by the next level of the same order.
_SWEEP = 0.08
# Fills beyond the first, for each level.
_EXTRA = 0.5
_SIZE_SPREAD = 1.2
_SEQUENCE_START = 11_000_000_000_000_000
_SEQUENCE_STEP = 1000

# Each minute has so many positions to draw numbers at.
_MINUTE_NUMBERS = 4096 * 1024

_HOUR_MS = 3_600_000
_PATH_PERIODS = [64 * 24 * _HOUR_MS >> (2 * octave) for octave in range(12)]
_DEVIATION_PERIODS = [900_000, 90_000, 11_000]


def _minute_of(before: NDArray[np.int32], number: int) -> int:
    """Return the minute of a thing by its number, where each day has the same: so many `before` each minute."""
    day, of_day = divmod(number, int(before[-1]))
    return FIRST_MINUTE + day * _DAY + int(np.searchsorted(before, of_day, "right")) - 1


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades of one venue and pair in consecutive minutes, in the order in which they happened.

    A level is what one taker order takes at one price: an aggregate trade at Binance. Its fills are the trades. Levels
    of the same minute and `order` follow each other at the same time. Prices are in price steps, sizes in size steps.
    `first_level` and `first_fill` number the levels and fills of the pair since the market's first minute.
    """

    minute: int
    """The first of the minutes."""
    begin: Ints
    """Of each minute the index of its first level, and at the end the number of levels."""
    first_level: int
    first_fill: int
    time_ms: Ints
    price: Ints
    buy: NDArray[np.bool_]
    order: Ints
    start: Ints
    """Of each level the index of its first fill, and at the end the number of fills."""
    size: Ints
    """Of each fill."""
    spread: int

    @property
    def level_size(self) -> Ints:
        """The size of each level."""
        sizes: Ints = np.diff(sums(self.size)[self.start])
        return sizes


@dataclass(frozen=True, slots=True)
class Candle:
    """A minute's candle from its trades, exact. Volumes in base, but for `quote_volume`."""

    minute: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    taker_buy_base_volume: Decimal
    trade_count: int
    first_id: int
    last_id: int


class Series:
    """One pair at one venue."""

    def __init__(self, seed: int, asset: Asset, venue: Venue, rate: float) -> None:
        self.listing: Listing = asset.listing(venue)
        self._venue = venue
        self._key = noise.key(seed, venue, asset.base)
        keys = {name: noise.key(self._key, name) for name in ("profile", "extra", "time", "side", "size", "sequence")}
        self._keys = keys
        self._tick = 10.0**-self.listing.price_decimals
        self._base = float(np.log(asset.price))
        self._path = noise.Waves(
            noise.key(seed, "path", asset.base),
            _PATH_PERIODS,
            [0.9 * asset.daily_move * (period / (24 * _HOUR_MS)) ** 0.5 for period in _PATH_PERIODS],
        )
        bps = asset.spread_bps * 1e-4
        self._deviation = noise.Waves(noise.key(self._key, "deviation"), _DEVIATION_PERIODS, [bps, bps, 0.5 * bps])
        ticks_a_bp = asset.price * 1e-4 / self._tick
        self._spread = max(1, min(10, round(ticks_a_bp / 2)))
        worth = 60.0 + 240.0 * float(noise.uniform(keys["size"], np.array([-1]))[0])
        step = 10.0**-self.listing.size_decimals
        self._log_size = float(np.log(worth / asset.price / step))

        # The level counts of the minutes of a day, as sums from the day's start; the same every day.
        minutes = np.arange(_DAY)
        phase = float(noise.uniform(keys["profile"], np.array([-1]))[0])
        shape = (1 + 0.3 * np.sin(2 * np.pi * (minutes / _DAY + phase))) * np.exp(
            0.3 * noise.normal(keys["profile"], minutes)
        )
        fills_a_level = 1 + _EXTRA
        levels_a_minute = 60 * rate / (1 if venue == "binance" else fills_a_level)
        levels = np.floor(levels_a_minute * shape / shape.mean() + noise.uniform(keys["profile"], minutes + 2 * _DAY))
        fills = levels + np.floor(levels * _EXTRA + noise.uniform(keys["extra"], minutes)) * (levels > 0)
        self._levels = np.concatenate(([0], np.cumsum(levels))).astype(np.int32)
        self._fills = np.concatenate(([0], np.cumsum(fills))).astype(np.int32)

    def counts(self, minute: int) -> tuple[int, int, int, int]:
        """Return the first level's and first fill's number of a minute, and how many of each it has.

        Raises:
            ValueError: the minute is before the market's first.
        """
        if minute < FIRST_MINUTE:
            raise ValueError(f"minute {minute} is before the market's first, {FIRST_MINUTE}")
        day, of_day = divmod(minute - FIRST_MINUTE, _DAY)
        level, next_level = int(self._levels[of_day]), int(self._levels[of_day + 1])
        fill, next_fill = int(self._fills[of_day]), int(self._fills[of_day + 1])
        return (
            day * int(self._levels[-1]) + level,
            day * int(self._fills[-1]) + fill,
            next_level - level,
            next_fill - fill,
        )

    @property
    def most_fills(self) -> int:
        """How many fills the busiest minute of a day has."""
        return int(np.diff(self._fills).max())

    def minute_of_level(self, number: int) -> int:
        """Return the minute of the level with this number, counted since the market's first minute."""
        return _minute_of(self._levels, number)

    def minute_of_fill(self, number: int) -> int:
        """Return the minute of the fill with this number, counted since the market's first minute."""
        return _minute_of(self._fills, number)

    def fill_ids(self, first_fill: int, count: int) -> Ints:
        """Return the venue's ids of `count` fills from number `first_fill` on.

        Binance numbers trades without holes. KuCoin's sequence rises by 2 at least, so it is never contiguous.
        """
        numbers = np.arange(first_fill, first_fill + count, dtype=np.int64)
        if self._venue == "binance":
            return numbers + 1
        jitter = noise.bits(self._keys["sequence"], numbers) % np.uint64(_SEQUENCE_STEP - 1)
        ids: Ints = _SEQUENCE_START + numbers * _SEQUENCE_STEP + jitter.astype(np.int64)
        return ids

    def middle(self, times_ms: Ints) -> Floats:
        """Return the price in price steps, not rounded, at times in milliseconds since the epoch."""
        # Cubed, a wave is small most of the time: the venues are rarely far apart.
        apart = self._deviation.at(times_ms)
        logarithm = self._base + self._path.at(times_ms) + apart * (0.35 + 0.65 * (apart / self._deviation.bound) ** 2)
        prices: Floats = np.exp(logarithm) / self._tick
        return prices

    def minute(self, minute: int) -> Trades:
        """Return the trades of a minute (minutes since the epoch, UTC).

        Raises:
            ValueError: the minute is before the market's first.
        """
        return self.minutes(minute, 1)

    def minutes(self, first: int, count: int) -> Trades:
        """Return the trades of `count` minutes (1 to `MOST_MINUTES`), the same as each minute alone has.

        Raises:
            ValueError: the first minute is before the market's first.
        """
        first_level, first_fill, _, _ = self.counts(first)
        of_day = np.arange(first - FIRST_MINUTE, first - FIRST_MINUTE + count) % _DAY
        levels = (self._levels[of_day + 1] - self._levels[of_day]).astype(np.int64)
        fills = (self._fills[of_day + 1] - self._fills[of_day]).astype(np.int64)
        begin = sums(levels)
        numbers = np.arange(first_level, first_level + begin[-1], dtype=np.int64)
        follows = noise.uniform(self._keys["side"], numbers * 2) < _SWEEP
        follows[begin[:-1][levels > 0]] = False
        order = np.cumsum(~follows) - 1
        opens = np.flatnonzero(~follows)
        # How many levels of its order came before this one.
        depth = np.arange(len(numbers)) - opens[order]
        minute = np.repeat(np.arange(count), levels)
        orders = np.bincount(minute[opens], minlength=count)
        time_ms = self._times(first, orders)[order]
        buy = (noise.uniform(self._keys["side"], numbers * 2 + 1) < 0.5)[opens][order]
        bid = np.floor(self.middle(time_ms) - (self._spread - 1) / 2).astype(np.int64)
        price = np.where(buy, bid + self._spread + depth, bid - depth)
        start = sums(self._fills_a_level(first, levels, fills - levels))
        fill_numbers = np.arange(first_fill, first_fill + start[-1], dtype=np.int64)
        logarithm = self._log_size + _SIZE_SPREAD * noise.normal(self._keys["size"], fill_numbers)
        size = np.maximum(1, np.exp(logarithm)).astype(np.int64)
        order_of_minute = order - sums(orders)[minute]
        return Trades(
            first, begin, first_level, first_fill, time_ms, price, buy, order_of_minute, start, size, self._spread
        )

    def candle(self, minute: int) -> Candle | None:
        """Return the candle of a minute, null where nothing traded.

        Raises:
            ValueError: the minute is before the market's first.
        """
        trades = self.minute(minute)
        if not len(trades.size):
            return None
        sizes, ids = trades.level_size, self.fill_ids(trades.first_fill, len(trades.size))
        price_scale, size_scale = -self.listing.price_decimals, -self.listing.size_decimals

        def price(steps: np.int64) -> Decimal:
            return Decimal(int(steps)).scaleb(price_scale)

        def size(steps: np.int64) -> Decimal:
            return Decimal(int(steps)).scaleb(size_scale)

        return Candle(
            minute,
            price(trades.price[0]),
            price(trades.price.max()),
            price(trades.price.min()),
            price(trades.price[-1]),
            size(sizes.sum()),
            Decimal(int(np.dot(trades.price, sizes))).scaleb(price_scale + size_scale),
            size(sizes[trades.buy].sum()),
            len(trades.size),
            int(ids[0]),
            int(ids[-1]),
        )

    def _times(self, first: int, orders: Ints) -> Ints:
        """Return when the orders of each minute come, milliseconds since the epoch: some alone, some in bursts."""
        minute, index = spread_out(orders)
        positions = (first + minute) * _MINUTE_NUMBERS + index
        chosen = noise.uniform(self._keys["time"], positions)
        alone = noise.uniform(self._keys["time"], positions + (1 << 20))
        # A burst's moment is that of one of the orders, of those at the front.
        bursts = np.maximum(1, orders // 6)[minute]
        which = (noise.uniform(self._keys["time"], positions + (2 << 20)) * bursts).astype(np.int64)
        burst = alone[sums(orders)[minute] + which]
        after = -np.log(1.0 - noise.uniform(self._keys["time"], positions + (3 << 20))) * (0.3 / 60)
        moments = np.where(chosen < 0.55, alone, (burst + after) % 1.0)
        times: Ints = np.sort((first + minute) * _MINUTE_MS + (moments * _MINUTE_MS).astype(np.int64))
        return times

    def _fills_a_level(self, first: int, levels: Ints, extra: Ints) -> Ints:
        """Spread the fills beyond each level's first over the levels of their minute: few levels get many."""
        minute, index = spread_out(levels)
        draws = noise.bits(self._keys["extra"], (first + minute) * _MINUTE_NUMBERS + index)
        # Sorted by minute, and within it by the 53 bits that a draw has as a number.
        favour = np.argsort(minute.astype(np.uint64) << np.uint64(53) | draws >> np.uint64(11))
        minute, index = spread_out(extra)
        rank = noise.uniform(self._keys["extra"], (first + minute) * _MINUTE_NUMBERS + levels[minute] + index)
        chosen = favour[sums(levels)[minute] + (rank**2 * levels[minute]).astype(np.int64)]
        fills: Ints = 1 + np.bincount(chosen, minlength=len(favour))
        return fills


class Market:
    """All pairs of the simulated market.

    `trades_per_second` counts records as a subscriber gets them, over both venues: Binance's aggregate trades and
    KuCoin's matches. A day's average of each pair is exact; a minute's number varies. The seed, the number of symbols
    and the rate together make the market: another rate has other trades and ids.
    """

    def __init__(self, seed: int, symbols: int, trades_per_second: float) -> None:
        self.seed = seed
        listed = assets(symbols)
        weights = [1 / (rank + 1) ** _ZIPF for rank in range(symbols)]
        total = sum(weights)
        self.series: dict[tuple[Venue, str], Series] = {}
        """By venue and the venue's code."""
        for asset, weight in zip(listed, weights, strict=True):
            for venue, share in _SHARE.items():
                series = Series(seed, asset, venue, trades_per_second * share * weight / total)
                self.series[venue, series.listing.code] = series

    def listings(self, venue: Venue) -> list[Listing]:
        """Return the pairs that the venue lists, the busiest first."""
        return [series.listing for (where, _), series in self.series.items() if where == venue]
