"""A feed that follows the market on localhost, and what it sends."""

import asyncio
from typing import Any

from ingest.feeds import Feed
from ingest.lists import Lists
from ingest.tickers import TickerBoard
from ingest.venues.adapters import adapters
from market.records import Venue
from market.settings import load
from replay.server import Server
from tests.ingest.kafka import eventually
from tests.ingest.scripted import Collected

SYMBOLS = "BTC-USDT,ETH-USDT"


class Watcher:
    """A feed of one venue, and when marks of a kind came, in seconds of the loop's clock."""

    def __init__(self, server: Server, venue: Venue, **ingest: Any) -> None:
        self.collected = Collected()
        self._server = server
        addresses = {"rest_url": server.rest_url}
        settings = load(binance=addresses | {"ws_url": server.ws_url}, kucoin=addresses, symbols=SYMBOLS, ingest=ingest)
        self._venue = next(item for item in adapters(settings) if item.name == venue)
        publisher: Any = self.collected
        lists = Lists(settings.symbols, [venue])
        self.feed = Feed(self._venue, settings, lists=lists, publisher=publisher, board=TickerBoard(0.2))

    async def __aenter__(self) -> "Watcher":
        self._task = asyncio.create_task(self.feed.run())
        await self.regained(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))
        await self._venue.close()

    async def trades(self, count: int) -> None:
        """Wait until so many more trades have come."""
        enough = len(self.collected.of("trades_in")) + count
        await eventually(lambda: len(self.collected.of("trades_in")) >= enough, "trades")

    async def event(self, kind: str) -> None:
        """Wait until such an event was told."""
        await eventually(lambda: kind in self.collected.events(), kind)

    async def regained(self, times: int) -> float:
        """Wait until each symbol's data has begun to flow so many times; return when it did."""

        def done() -> bool:
            kinds = [mark["kind"] for mark in self.collected.of("feed_marks")]
            return kinds.count("regained") >= 2 * times

        await eventually(done, "data")
        return asyncio.get_running_loop().time()
