"""One venue's feed: its list of symbols, its connections, its clock, and what it gives over REST only."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingest.backoff import Backoff
from ingest.connection import Connection
from ingest.events import Events
from ingest.intake import Intake
from ingest.lists import Lists
from ingest.metrics import VenueStats
from ingest.pace import Staleness
from ingest.publisher import Publisher
from ingest.selection import changes
from ingest.silence import Silence
from ingest.tickers import TickerBoard
from ingest.venues import Codes, Poll, Venue
from ingest.venues.http import VenueError, VenueRefusal
from market.settings import Settings
from market.symbols import Instrument

log = logging.getLogger(__name__)

_SILENCE_SECONDS = 1.0

T = TypeVar("T")


class Feed:
    """Everything that comes from one venue."""

    def __init__(
        self,
        venue: Venue,
        settings: Settings,
        *,
        lists: Lists,
        publisher: Publisher,
        board: TickerBoard,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._lists = lists
        self._publisher = publisher
        self._events = Events(venue.name, publisher)
        silence, staleness = Silence(settings.ingest.silent_seconds), Staleness(settings.ingest.stale_seconds)
        self.stats = VenueStats(venue.name, silence, staleness)
        mapper = venue.mapper(Codes.of((), ()))
        self.intake = Intake(mapper, publisher, board, self.stats, settings.ingest.raw_batch_frames)

    async def run(self) -> None:
        """Follow the venue until cancelled; return only where there is nothing to follow here, or no way to.

        Raises:
            NothingToFollow: no venue has anything to follow.
        """
        try:
            instruments = await self._persist(self._venue.instruments)
        except VenueRefusal as error:
            self._refused(error)
            self._lists.report(self._venue.name, None)
            return
        self._lists.report(self._venue.name, instruments)
        choice = await self._lists.choice(self._venue.name)
        for symbol in choice.unknown:
            self._events.tell("unknown_symbol", {"reason": "the venue does not list it"}, symbol=symbol)
        self.stats.symbols = len(choice.followed)
        if not choice.followed:
            log.warning("%s: lists none of the symbols, so it is not followed", self._venue.name)
            return
        self.intake.mapper.codes = Codes.of(instruments, choice.followed)
        try:
            await self._follow(instruments, choice.followed)
        except* VenueRefusal as group:
            self._refused(group.exceptions[0])

    async def _follow(self, instruments: list[Instrument], followed: list[Instrument]) -> None:
        shards = self._venue.shards(followed)
        self.stats.planned = len(shards)
        async with asyncio.TaskGroup() as tasks:
            for shard in shards:
                connection = Connection(
                    venue=self._venue,
                    shard=shard,
                    intake=self.intake,
                    publisher=self._publisher,
                    events=self._events,
                    stats=self.stats,
                    settings=self._settings.ingest,
                    random=random.random,
                )
                tasks.create_task(connection.run())
            tasks.create_task(self._watch_clock())
            tasks.create_task(self._watch_list(instruments, followed))
            tasks.create_task(self._watch_silence())
            tasks.create_task(self._watch_pace())
            if self._venue.poll is not None:
                tasks.create_task(self._keep_polling(self._venue.poll))

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.ingest.reconnect_max_seconds, random.random)

    def _refused(self, error: BaseException) -> None:
        log.error("%s: %s", self._venue.name, error)
        self._events.tell("refused", {"reason": str(error)})

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer."""
        backoff = self._backoff()
        while True:
            try:
                return await ask()
            except VenueError as error:
                self._events.tell("unreachable", {"reason": str(error)})
                await asyncio.sleep(backoff.next(error.wait))

    async def _watch_clock(self) -> None:
        while True:
            self.stats.clock_offset = await self._persist(self._venue.clock_offset)
            await asyncio.sleep(self._settings.ingest.clock_seconds)

    async def _watch_list(self, instruments: list[Instrument], followed: list[Instrument]) -> None:
        """Read the venue's list again and again, and tell when a followed symbol begins or ceases to trade."""
        codes = {item.code for item in followed}
        while True:
            await asyncio.sleep(self._settings.ingest.instruments_seconds)
            before, instruments = instruments, await self._persist(self._venue.instruments)
            for kind, item in changes(before, instruments):
                if item.code in codes:
                    self._events.tell(kind, {"code": item.code}, symbol=item.symbol)
            self.intake.mapper.codes = Codes.of(instruments, followed)

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(_SILENCE_SECONDS)
            for symbol in self.stats.silence.due(time.monotonic()):
                reason = f"subscribed, and nothing came in {self._settings.ingest.silent_seconds:g} s"
                self._events.tell("silent_symbol", {"reason": reason}, symbol=symbol)

    async def _watch_pace(self) -> None:
        while True:
            await asyncio.sleep(_SILENCE_SECONDS)
            # While Kafka is behind sockets are not read, and silence says nothing.
            if self._publisher.full:
                continue
            for turn in self.stats.staleness.turns(time.monotonic()):
                detail = {"seconds": round(turn.seconds, 3), "usual_seconds": round(turn.usual, 3)}
                self._events.tell(turn.kind, detail, symbol=turn.symbol)

    async def _keep_polling(self, poll: Poll) -> None:
        while True:
            mapped, size = await self._persist(lambda: poll.ask(self.intake.mapper.codes))
            self.intake.take(mapped, size, time.time_ns())
            await self._publisher.room()
            await asyncio.sleep(poll.seconds)
