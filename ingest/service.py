"""The whole of ingest in one process: both venues' feeds, one producer, one HTTP port, and an orderly stop."""

import asyncio
import logging
import time
from typing import Any

from ingest.feeds import Feed
from ingest.lists import Lists, NothingToFollow
from ingest.metrics import IngestCollector
from ingest.process import live
from ingest.publisher import Publisher, producer_config
from ingest.tickers import TickerBoard
from ingest.venues.adapters import adapters
from market.records import Ticker, encode
from market.settings import Settings
from market.topics import TICKERS

log = logging.getLogger(__name__)

# How often tickers are looked at; what is due waits half of this on average.
_TICKER_SECONDS = 0.1


class Ingest:
    """The service. To be made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publisher = Publisher(producer_config(settings), settings.ingest.queue_records)
        self._board = TickerBoard(settings.ingest.ticker_seconds, settings.ingest.other_ticker_seconds)
        self._venues = adapters(settings)
        lists = Lists(settings.symbols, [venue.name for venue in self._venues])
        self._feeds = [
            Feed(venue, settings, lists=lists, publisher=self._publisher, board=self._board) for venue in self._venues
        ]

    async def run(self) -> int:
        """Run until told to stop by SIGTERM or SIGINT; return the exit code."""
        collector = IngestCollector([feed.stats for feed in self._feeds], self._queue)
        return await live(self, "ingest", self._settings, self._publisher, collector)

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells. Called from another thread."""
        depth, errors = self._queue()
        now = time.monotonic()
        return {
            "venues": {feed.stats.venue: feed.stats.health(now) for feed in self._feeds},
            "queue_depth": depth,
            "delivery_errors": errors,
        }

    async def work(self) -> None:
        """Follow the venues."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_tickers())
            tasks.create_task(self._publish_raw())
            await asyncio.gather(*(tasks.create_task(feed.run()) for feed in self._feeds))
            raise NothingToFollow("no venue is left that could be followed")

    async def finish(self) -> int:
        """Send what is still held back, and wait until Kafka has everything; return how many records it has not."""
        self._send(self._board.rest())
        for feed in self._feeds:
            feed.intake.sweep()
        for venue in self._venues:
            await venue.close()
        return await self._publisher.close(self._settings.ingest.flush_seconds)

    def _queue(self) -> tuple[int, int]:
        return self._publisher.depth, self._publisher.delivery_errors

    async def _publish_tickers(self) -> None:
        while True:
            # What waits here is merged meanwhile, so that an old value never costs room in the queue.
            await self._publisher.room()
            self._send(self._board.due(time.monotonic()))
            await asyncio.sleep(_TICKER_SECONDS)

    async def _publish_raw(self) -> None:
        while True:
            await asyncio.sleep(self._settings.ingest.raw_batch_seconds)
            await self._publisher.room()
            for feed in self._feeds:
                feed.intake.sweep()

    def _send(self, tickers: list[Ticker]) -> None:
        for ticker in tickers:
            self._publisher.send(TICKERS, ticker.symbol, encode(ticker))
