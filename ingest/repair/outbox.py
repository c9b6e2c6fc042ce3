"""What repair sends: trades, candles and marks to Kafka, and candles older than the jobs correct to Postgres."""

import asyncio
import time
from collections.abc import Iterable

from ingest.publisher import Publisher
from ingest.repair.database import Database
from ingest.repair.plan import MINUTE, Span, cutoff
from ingest.repair.stats import Stats
from ingest.venues.candles import MinuteCandle
from market.records import Gap, GapHow, Settled, Suspect, Trade, Venue, VenueCandle, encode
from market.symbols import Instrument
from market.topics import FEED_MARKS, TRADES_IN, VENUE_CANDLES

_DELIVERY_SECONDS = 0.01


def venue_candles(
    item: Instrument, candles: Iterable[MinuteCandle], *, corrected_at: int | None = None
) -> list[VenueCandle]:
    """Return the records of a venue's candles, but for those of idle minutes, which have no record anywhere.

    With `corrected_at`, the market's time, they supersede what was made of trades; else they fill history.
    """
    fetched = time.time_ns() // 1000
    return [
        VenueCandle(
            item.venue, item.symbol, candle.start_time, candle.open, candle.high, candle.low, candle.close,
            candle.base_volume, candle.quote_volume, candle.taker_buy_base_volume, candle.trade_count, None, None,
            supersedes=corrected_at is not None,
            known_time=candle.start_time + MINUTE - 1 if corrected_at is None else corrected_at,
            fetched_time=fetched,
        )
        for candle in candles
        if not candle.idle
    ]  # fmt: skip


class Outbox:
    """Sends and counts. What was sent is only in Kafka for certain after `delivered`."""

    def __init__(self, publisher: Publisher, database: Database, stats: Stats, horizon_hours: float) -> None:
        self._publisher = publisher
        self._database = database
        self._stats = stats
        self._horizon_hours = horizon_hours

    def cutoff(self, now: int) -> int:
        """Return the time from which on the jobs correct candles, at the market's time `now`."""
        return cutoff(now, self._horizon_hours)

    async def trades(self, trades: Iterable[Trade]) -> None:
        """Send trades to the sequencer."""
        for trade in trades:
            await self._send(TRADES_IN, trade.symbol, encode(trade))
            self._stats.trades[trade.venue] += 1

    async def candles(self, candles: list[VenueCandle], now: int) -> None:
        """Send candles of one venue and symbol to the jobs, or where they are too old for these, into the database.

        Raises:
            psycopg.Error: the database is away; nothing was sent.
        """
        first = self.cutoff(now)
        await self._database.store([candle for candle in candles if candle.start_time < first])
        for candle in candles:
            if candle.start_time >= first:
                await self._send(VENUE_CANDLES, candle.symbol, encode(candle))
            self._stats.candles[candle.venue] += 1

    async def settle(self, gap: Gap, how: GapHow) -> None:
        """Tell the sequencer that a gap is done with, once everything that mends it is in Kafka."""
        await self.delivered()
        await self._send(FEED_MARKS, gap.symbol, encode(Settled(gap.venue, gap.symbol, gap.gap_id, how)))

    async def suspect(self, venue: Venue, symbol: str, span: Span, reason: str) -> None:
        """Tell the sequencer that trades of these minutes may be missing."""
        mark = Suspect(venue, symbol, span.start, span.end - 1, reason)
        await self._send(FEED_MARKS, symbol, encode(mark))

    async def delivered(self) -> None:
        """Wait until Kafka has everything that was sent."""
        while self._publisher.depth:  # noqa: ASYNC110  (the producer tells nobody that its queue is empty)
            await asyncio.sleep(_DELIVERY_SECONDS)

    async def _send(self, topic: str, key: str, value: bytes) -> None:
        await self._publisher.room()
        self._publisher.send(topic, key, value)
