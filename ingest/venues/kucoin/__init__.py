"""KuCoin spot (Classic): trades and tickers from its socket, 24-hour figures over REST."""

import time
import uuid
from collections.abc import Sequence

from ingest.venues import Codes, Endpoint, Mapped, Mapper, Poll, Session, Shard
from ingest.venues.kucoin.messages import KucoinMapper
from ingest.venues.kucoin.rest import KucoinRest
from ingest.venues.kucoin.session import KucoinSession, shards
from market.records import Venue as VenueName
from market.sections import KucoinSettings
from market.symbols import Instrument


class KucoinVenue:
    """KuCoin as ingest uses it: see `ingest.venues.Venue`."""

    name: VenueName = "kucoin"
    poll: Poll | None

    def __init__(self, settings: KucoinSettings) -> None:
        self._settings = settings
        self._rest = KucoinRest(settings.rest_url)
        self.instruments = self._rest.instruments
        self.clock_offset = self._rest.clock_offset
        self.close = self._rest.close
        self.poll = Poll(settings.day_figures_seconds, self._day_figures)

    def mapper(self, codes: Codes) -> Mapper:
        """Return the mapping of the venue's frames."""
        return KucoinMapper(codes)

    def shards(self, instruments: Sequence[Instrument]) -> list[Shard]:
        """Return the connections that follow these instruments, within the venue's limits."""
        return shards(instruments, self._settings.ticker_channel, self._settings.topics_per_connection)

    def session(self, shard: Shard, endpoint: Endpoint, now: float) -> Session:
        """Return the rules of a connection that was just opened."""
        return KucoinSession(shard, endpoint, now)

    async def endpoint(self) -> Endpoint:
        """Return where to connect, with a token of its own."""
        return await self._rest.endpoint(uuid.uuid4().hex)

    async def _day_figures(self, codes: Codes) -> tuple[Mapped, int]:
        body = await self._rest.all_tickers()
        return KucoinMapper(codes).map_day_figures(body, time.time_ns()), len(body)
