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
from ingest.selection import Change, changes, choose
from ingest.silence import Silence
from ingest.tickers import TickerBoard
from ingest.venues import Codes, Poll, Venue
from ingest.venues.http import VenueError, VenueRefusal
from market.settings import Settings
from market.symbols import Instrument, InstrumentList, encode_list
from market.topics import INSTRUMENTS

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
        self._board = board
        self._instruments: list[Instrument] = []
        self._followed: list[Instrument] = []
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
            self._instruments = await self._persist(self._read_list)
        except VenueRefusal as error:
            self._refused(error)
            self._lists.report(self._venue.name, None)
            return
        self._lists.report(self._venue.name, self._instruments)
        choice = await self._lists.choice(self._venue.name)
        for symbol in choice.unknown:
            self._events.tell("unknown_symbol", {"reason": "the venue does not list it"}, symbol=symbol)
        self.stats.symbols = len(choice.followed)
        if not choice.followed:
            log.warning("%s: lists none of the symbols, so it is not followed", self._venue.name)
            return
        self._followed = choice.followed
        self._board.follow(self._venue.name, (item.symbol for item in choice.followed))
        self._use_list()
        try:
            await self._follow()
        except* VenueRefusal as group:
            self._refused(group.exceptions[0])

    async def _follow(self) -> None:
        shards = self._venue.shards(self._followed)
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
            tasks.create_task(self._watch_list())
            tasks.create_task(self._await_lists())
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

    async def _read_list(self) -> list[Instrument]:
        """Read the venue's list and publish it: whole, whatever has changed, or what it lacks could not be told."""
        found = await self._venue.instruments()
        if self._is_whole(found):
            read = InstrumentList(self._venue.name, time.time_ns() // 1000, found)
            self._publisher.send(INSTRUMENTS, self._venue.name, encode_list(read))
        return found

    def _is_whole(self, found: list[Instrument]) -> bool:
        # No venue delists everything, nor half of it within an hour: that is an outage.
        return bool(found) and 2 * len(found) >= len(self._instruments)

    def _use_list(self) -> None:
        """Let the newest list say what codes stand for, and of what nothing is to be expected."""
        others = choose(self._lists.on_both(), self._instruments).followed
        self.intake.mapper.codes = Codes.of(self._instruments, self._followed, others)
        trading = {item.code for item in self._instruments if item.trading}
        self.stats.close([item.symbol for item in self._followed if item.code not in trading], time.monotonic())

    async def _await_lists(self) -> None:
        """Take tickers of what trades on both venues as soon as the other venue's list is there, too."""
        await self._lists.complete()
        self._use_list()

    async def _watch_list(self) -> None:
        """Read the venue's list again and again, and tell what has changed in it, of symbols that nobody follows too.

        What is followed stays so, by its code and under its symbol: one that is halted or delisted may trade again.
        """
        while True:
            await asyncio.sleep(self._settings.ingest.instruments_seconds)
            found = await self._persist(self._read_list)
            if not self._is_whole(found):
                log.warning("%s: lists %d pairs instead of %d", self._venue.name, len(found), len(self._instruments))
                continue
            before, self._instruments = self._instruments, found
            for change in changes(before, found):
                self._tell(change)
            self._lists.renew(self._venue.name, found)
            self._use_list()

    def _tell(self, change: Change) -> None:
        item = change.item
        detail: dict[str, object] = {"code": item.code, "name": item.name, "status": item.status}
        if change.kind == "renamed" and change.was is not None:
            detail |= {"symbol": item.symbol, "was_name": change.was.name, "was_symbol": change.was.symbol}
        symbol = self.intake.mapper.codes.followed.get(item.code, item.symbol)
        self._events.tell(change.kind, detail, symbol=symbol)

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
            found = await self._persist(lambda: poll.ask(self.intake.mapper.codes))
            if found is not None:
                self.intake.take(*found, time.time_ns())
            await self._publisher.room()
            await asyncio.sleep(poll.seconds)
