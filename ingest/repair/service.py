"""The whole of repair in one process: the ledger's reader, workers for each venue's gaps, checks, and one HTTP port."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import psycopg

from ingest.backoff import Backoff
from ingest.process import live
from ingest.publisher import Publisher, producer_config
from ingest.repair.catalogue import Catalogue
from ingest.repair.checks import Checks
from ingest.repair.database import Database
from ingest.repair.ledger import Ledger
from ingest.repair.outbox import Outbox
from ingest.repair.queue import Queue
from ingest.repair.repairers import BinanceRepairer, KucoinRepairer, Later, Outcome, Repairer
from ingest.repair.sources import BinanceSource, KucoinSource, Source
from ingest.repair.stats import Stats
from ingest.venues.http import VenueError, VenueRefusal
from market.records import VENUES, Gap, Venue
from market.settings import Settings
from market.symbols import Instrument

log = logging.getLogger(__name__)

# Gaps of one venue that are worked on at once: a large one must not hold up all others.
_WORKERS = 4
_IDLE_SECONDS = 0.1
_CHECK_SECONDS = 5.0
_AWAY_SECONDS = 10.0
_RARELY_SECONDS = 900.0
_LONGEST_SECONDS = 60.0
_TELL_SECONDS = 300.0


class _Desk(msgspec.Struct, frozen=True):
    """What works for one venue."""

    source: Source
    repairer: Repairer
    queue: Queue
    check: Callable[[Sequence[Instrument]], Awaitable[None]]


class Repair:
    """The service. To be made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        queues: dict[Venue, Queue] = {venue: Queue() for venue in VENUES}
        self._stats = stats = Stats(lambda: {venue: len(queue) for venue, queue in queues.items()})
        self._publisher = Publisher(
            producer_config(settings) | {"client.id": "pricebraid-repair"}, settings.ingest.queue_records
        )
        self._database = Database(settings)
        self._outbox = outbox = Outbox(self._publisher, self._database, stats, settings.flink.horizon_hours)
        self._catalogue = Catalogue(settings.symbols)
        self._ledger = Ledger(settings, self._take_in)
        self._told: dict[str, float] = {}

        binance, kucoin = BinanceSource(settings, stats), KucoinSource(settings, stats)

        def checks(source: Source) -> Checks:
            return Checks(source, outbox, self._database, stats, settings, touched=queues[source.venue].touches)

        self._venues: dict[Venue, _Desk] = {
            "binance": _Desk(
                binance,
                BinanceRepairer(binance, outbox, self._database, settings),
                queues["binance"],
                checks(binance).some_minutes,
            ),
            "kucoin": _Desk(
                kucoin,
                KucoinRepairer(kucoin, outbox, self._database, settings),
                queues["kucoin"],
                checks(kucoin).all_minutes,
            ),
        }

    async def run(self) -> int:
        """Run until told to stop by SIGTERM or SIGINT; return the exit code."""
        return await live(self, "repair", self._settings, self._publisher, self._stats)

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells. Called from another thread."""
        return self._stats.health()

    async def work(self) -> None:
        """Read the ledger, and repair what it holds."""
        self._ledger.start()
        async with asyncio.TaskGroup() as tasks:
            for venue in VENUES:
                tasks.create_task(self._keep_list(venue))
            await self._ledger.read.wait()
            self._stats.ready = True
            log.info("the ledger of gaps is read", extra={"open": self._stats.health()["queue"]})
            for venue in VENUES:
                tasks.create_task(self._keep_checking(venue))
                for _ in range(_WORKERS):
                    tasks.create_task(self._keep_repairing(venue))

    async def finish(self) -> int:
        """Stop reading, and return how many records Kafka has not; what they were for is still open in its ledger."""
        await self._ledger.close()
        for venue in self._venues.values():
            await venue.source.close()
        await self._database.close()
        return await self._publisher.close(self._settings.ingest.flush_seconds)

    def _take_in(self, gaps: Sequence[Gap]) -> None:
        now = time.monotonic()
        for gap in gaps:
            if self._venues[gap.venue].queue.take_in(gap, now) and self._stats.ready:
                self._stats.closed[gap.venue, gap.how or ""] += 1

    async def _keep_list(self, venue: Venue) -> None:
        """Ask for the venue's list of symbols, until there is one, and then now and then."""
        backoff = Backoff(_LONGEST_SECONDS, random.random)
        while True:
            wait = self._settings.ingest.instruments_seconds
            try:
                self._catalogue.report(venue, await self._venues[venue].source.instruments())
                backoff.reset()
            except VenueRefusal as error:
                self._catalogue.refused(venue)
                self._tell(venue, error)
                return
            except VenueError as error:
                self._tell(venue, error)
                wait = backoff.next(1.0)
            await asyncio.sleep(wait)

    async def _keep_repairing(self, venue: Venue) -> None:
        queue = self._venues[venue].queue
        while True:
            taken = queue.take(time.monotonic())
            if taken is None:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            gap, tries = taken
            try:
                outcome = await self._attempt(gap, tries)
            except (VenueError, VenueRefusal, psycopg.Error) as error:
                self._tell(venue, error)
                if _is_lasting(error):
                    queue.tried(gap, time.monotonic(), rarely=True)
                else:
                    queue.postpone(gap, time.monotonic(), _AWAY_SECONDS)
            except Exception:
                log.exception("the repair of %s went wrong", gap.gap_id)
                queue.tried(gap, time.monotonic(), rarely=True)
            else:
                if isinstance(outcome, Later):
                    queue.postpone(gap, time.monotonic(), outcome.seconds)
                else:
                    queue.tried(gap, time.monotonic())

    async def _attempt(self, gap: Gap, tries: int) -> Outcome:
        if not self._catalogue.known(gap.venue):
            return Later(_IDLE_SECONDS)
        item = self._catalogue.instrument(gap.venue, gap.symbol)
        if item is None:
            raise VenueError(f"{gap.symbol} is not listed", trouble="lacking")
        outcome = await self._venues[gap.venue].repairer.attempt(gap, item, tries)
        if outcome is not None and not isinstance(outcome, Later):
            await self._outbox.settle(gap, outcome)
        if not isinstance(outcome, Later):
            log.info("%s: %s", gap.gap_id, outcome or "left to the sequencer", extra={"tries": tries + 1})
        return outcome

    async def _keep_checking(self, venue: Venue) -> None:
        while True:
            wait = _CHECK_SECONDS
            try:
                await self._venues[venue].check(self._catalogue.followed(venue))
            except (VenueError, VenueRefusal, psycopg.Error) as error:
                self._tell(venue, error)
                wait = _RARELY_SECONDS if _is_lasting(error) else _AWAY_SECONDS
            except Exception:
                log.exception("a check of %s went wrong", venue)
                wait = _LONGEST_SECONDS
            await asyncio.sleep(wait)

    def _tell(self, venue: Venue, error: Exception) -> None:
        """Log an error: one that lasts once, any other kind now and then."""
        kind = error.trouble if isinstance(error, VenueError) else type(error).__name__
        key = f"{venue} {kind}"
        last = self._told.get(key)
        now = time.monotonic()
        if last is None or (not _is_lasting(error) and now - last > _TELL_SECONDS):
            self._told[key] = now
            log.warning("%s: %s", "Postgres" if isinstance(error, psycopg.Error) else venue, error)


def _is_lasting(error: Exception) -> bool:
    """Return whether trying again soon is of no use."""
    return isinstance(error, VenueRefusal) or (isinstance(error, VenueError) and error.trouble == "lacking")
