"""The whole of ingest in one process: both venues' feeds, one producer, one HTTP port, and an orderly stop."""

import asyncio
import logging
import signal
import time
from typing import Any

from prometheus_client import CollectorRegistry

from ingest.feeds import Feed
from ingest.lists import Lists, NothingToFollow
from ingest.metrics import IngestCollector
from ingest.publisher import Publisher, producer_config
from ingest.tickers import TickerBoard
from ingest.venues.adapters import adapters
from market.records import Ticker, encode
from market.service import serve
from market.settings import Settings
from market.topics import TICKERS

log = logging.getLogger(__name__)

# How often tickers are looked at; what is due waits half of this on average.
_TICKER_SECONDS = 0.05


class Ingest:
    """The service. To be made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publisher = Publisher(producer_config(settings), settings.ingest.queue_records)
        self._board = TickerBoard(settings.ingest.ticker_seconds)
        self._venues = adapters(settings)
        lists = Lists(settings.symbols, [venue.name for venue in self._venues])
        self._feeds = [
            Feed(venue, settings, lists=lists, publisher=self._publisher, board=self._board) for venue in self._venues
        ]

    async def run(self) -> int:
        """Run until told to stop by SIGTERM or SIGINT; return the exit code."""
        registry = CollectorRegistry()
        registry.register(IngestCollector([feed.stats for feed in self._feeds], self._queue))
        try:
            server = serve(self._settings.ports.ingest, self.health, registry)
        except OSError as error:
            log.critical("port %d for metrics, the setting `ports.ingest`: %s", self._settings.ports.ingest, error)
            await self._finish()
            return 1
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((work, stopped, self._publisher.fatal), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        stopped.cancel()
        work.cancel()
        await asyncio.wait((work,))
        failed = self._failure(work)
        unsent = await self._finish()
        server.shutdown()
        server.server_close()
        return 1 if failed or unsent else 0

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells. Called from another thread."""
        depth, errors = self._queue()
        now = time.monotonic()
        return {
            "venues": {feed.stats.venue: feed.stats.health(now) for feed in self._feeds},
            "queue_depth": depth,
            "delivery_errors": errors,
        }

    def _queue(self) -> tuple[int, int]:
        return self._publisher.depth, self._publisher.delivery_errors

    def _failure(self, work: asyncio.Task[None]) -> bool:
        """Return whether it was an error that stopped the work, and say which."""
        if self._publisher.fatal.done():
            log.error("the Kafka producer can't go on: %s", self._publisher.fatal.result())
            return True
        if work.cancelled():
            return False
        error = work.exception()
        if isinstance(error, ExceptionGroup) and (known := error.subgroup(NothingToFollow)) is not None:
            log.error("%s", known.exceptions[0])
        elif error is not None:
            log.error("ingest can't go on", exc_info=error)
        return error is not None

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_tickers())
            tasks.create_task(self._publish_raw())
            await asyncio.gather(*(tasks.create_task(feed.run()) for feed in self._feeds))
            raise NothingToFollow("no venue is left that could be followed")

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

    async def _finish(self) -> int:
        """Send what is still held back, and wait until Kafka has everything; return how many records it has not."""
        self._send(self._board.rest())
        for feed in self._feeds:
            feed.intake.sweep()
        for venue in self._venues:
            await venue.close()
        return await self._publisher.close(self._settings.ingest.flush_seconds)
