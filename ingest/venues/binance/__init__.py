"""Binance spot: trades, best bid and ask, and the whole market's 24-hour figures from its streams.

No stream has bid and ask of the whole market, and a symbol's own is what Binance sends most of; so of symbols that are
not followed they come over REST.
"""

import time
from collections.abc import Sequence

from ingest.venues import Codes, Endpoint, Mapped, Mapper, Poll, Session, Shard
from ingest.venues.binance.messages import BinanceMapper
from ingest.venues.binance.rest import BinanceRest
from ingest.venues.binance.session import BinanceSession, shards
from market.records import Venue as VenueName
from market.sections import BinanceSettings
from market.symbols import Instrument


class BinanceVenue:
    """Binance as ingest uses it: see `ingest.venues.Venue`."""

    name: VenueName = "binance"
    poll: Poll | None

    def __init__(self, settings: BinanceSettings) -> None:
        self._settings = settings
        self._rest = BinanceRest(settings.rest_url)
        self.instruments = self._rest.instruments
        self.clock_offset = self._rest.clock_offset
        self.close = self._rest.close
        self.poll = Poll(settings.books_seconds, self._books)

    def mapper(self, codes: Codes) -> Mapper:
        """Return the mapping of the venue's frames."""
        return BinanceMapper(codes, self._settings.trade_channel)

    def shards(self, instruments: Sequence[Instrument]) -> list[Shard]:
        """Return the connections that follow these instruments, within the venue's limits."""
        return shards(instruments, self._settings.trade_channel, self._settings.streams_per_connection)

    def session(self, shard: Shard, endpoint: Endpoint, now: float) -> Session:  # noqa: ARG002
        """Return the rules of a connection that was just opened."""
        return BinanceSession(shard)

    async def endpoint(self) -> Endpoint:
        """Return where to connect: bare, since the streams are subscribed by message."""
        return Endpoint(f"{self._settings.ws_url.rstrip('/')}/stream")

    async def _books(self, codes: Codes) -> tuple[Mapped, int] | None:
        if codes.tickers.keys() <= codes.followed.keys():
            return None
        body = await self._rest.books()
        return BinanceMapper(codes, self._settings.trade_channel).map_books(body, time.time_ns()), len(body)
