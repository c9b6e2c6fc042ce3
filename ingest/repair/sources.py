"""The venues as repair asks them over REST. All times are microseconds since the epoch, UTC.

Every question raises `VenueError` where there was no answer, a few tries after the venue said that it was busy or asked
too much, and `VenueRefusal` where there will never be one.
"""

import asyncio
import time
from typing import Protocol

import msgspec

from ingest.repair.budget import Budget
from ingest.repair.desk import Desk
from ingest.repair.plan import Span
from ingest.repair.stats import Stats
from ingest.venues.binance import rest as binance
from ingest.venues.candles import MinuteCandle
from ingest.venues.kucoin import rest as kucoin
from market.records import Trade, Venue
from market.settings import Settings
from market.symbols import Instrument

_CLOCK_SECONDS = 1.0


class _Rest(Protocol):
    """What both venues' REST has."""

    async def instruments(self) -> list[Instrument]: ...
    async def candles(self, code: str, start: int, end: int) -> list[MinuteCandle]: ...
    async def time(self) -> int: ...
    async def close(self) -> None: ...


class _Weights(msgspec.Struct, frozen=True):
    instruments: int
    candles: int
    time: int


class Source:
    """What both venues are asked. `page` is how many candles come in one answer."""

    def __init__(self, desk: Desk, rest: _Rest, weights: _Weights, page: int) -> None:
        self.venue: Venue = desk.venue
        self.page = page
        self._desk = desk
        self._rest = rest
        self._weights = weights
        self._told = 0
        self._told_at = float("-inf")
        self._telling = asyncio.Lock()
        self.close = rest.close

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""
        return await self._desk.ask(self._weights.instruments, self._rest.instruments)

    async def now(self) -> int:
        """Return the venue's time. It is asked for once a second at most, so it may be behind, but never ahead."""
        async with self._telling:
            if time.monotonic() - self._told_at >= _CLOCK_SECONDS:
                self._told = await self._desk.ask(self._weights.time, self._rest.time)
                self._told_at = time.monotonic()
            return self._told

    async def candles(self, item: Instrument, span: Span, *, background: bool = False) -> dict[int, MinuteCandle]:
        """Return the venue's own candles of a span by their starts; idle minutes are among them or not."""
        found: dict[int, MinuteCandle] = {}
        for page in span.pages(self.page):
            candles = await self._desk.ask(
                self._weights.candles,
                # The answer is awaited before the next page is begun.
                lambda: self._rest.candles(item.code, page.start, page.end),  # noqa: B023
                background=background,
            )
            found |= {candle.start_time: candle for candle in candles}
        return found


class BinanceSource(Source):
    """Binance, which has every trade by its id."""

    def __init__(self, settings: Settings, stats: Stats) -> None:
        budget = Budget(binance.WEIGHT_LIMIT, binance.WEIGHT_SECONDS, settings.repair.budget)
        desk = Desk("binance", budget, stats)
        self._trades = binance.BinanceRest(settings.binance.rest_url, desk.told)
        weights = _Weights(binance.LIST_WEIGHT, binance.CANDLES_WEIGHT, binance.TIME_WEIGHT)
        super().__init__(desk, self._trades, weights, binance.PAGE)

    async def aggregates_since(self, item: Instrument, start: int) -> list[Trade]:
        """Return the oldest aggregates from the time `start` on, at most `page`, oldest first."""
        return await self._desk.ask(binance.AGGREGATES_WEIGHT, lambda: self._trades.aggregates_since(item, start))

    async def aggregates_from(self, item: Instrument, aggregate: int) -> list[Trade]:
        """Return the aggregates from one on, by its own id, at most `page`, oldest first."""
        return await self._desk.ask(binance.AGGREGATES_WEIGHT, lambda: self._trades.aggregates_from(item, aggregate))

    async def trades_from(self, item: Instrument, first_id: int) -> list[Trade]:
        """Return the trades from one on by its id, at most `page`, oldest first. Some hosts don't have this."""
        return await self._desk.ask(binance.TRADES_WEIGHT, lambda: self._trades.trades_from(item, first_id))


class KucoinSource(Source):
    """KuCoin, which has the last 100 trades only."""

    def __init__(self, settings: Settings, stats: Stats) -> None:
        budget = Budget(kucoin.WEIGHT_LIMIT, kucoin.WEIGHT_SECONDS, settings.repair.budget)
        desk = Desk("kucoin", budget, stats)
        self._trades = kucoin.KucoinRest(settings.kucoin.rest_url, desk.told)
        weights = _Weights(kucoin.LIST_WEIGHT, kucoin.CANDLES_WEIGHT, kucoin.TIME_WEIGHT)
        super().__init__(desk, self._trades, weights, kucoin.PAGE)

    async def trades(self, item: Instrument) -> list[Trade]:
        """Return the last trades, 100 at most, oldest first."""
        return await self._desk.ask(kucoin.TRADES_WEIGHT, lambda: self._trades.trades(item))
