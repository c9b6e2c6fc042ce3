"""Plays faults on the market on localhost: each at its time, or as soon as there is something that it can hit.

Times are the market's, in microseconds since the epoch, UTC.
"""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from market import symbols
from market.records import VENUES, Venue
from replay.connections import Client, Hub
from replay.faults import DISCONNECTS, LISTS, MESSAGES, Fault
from replay.kucoin import Sockets
from replay.lists import Relisting
from replay.misbehaviour import Bending, Cut, Outage
from replay.source import Listing, Source
from replay.targets import Done, Moment, Targets
from replay.wire import Message

_SETTLE_SECONDS = 0.5
# A client that has not come back after so long never does.
_GIVE_UP_SECONDS = 300.0
Running = Cut | Bending | Outage | Relisting

_SEVERITY = ("rest_429000_bare", "rest_429000", "rest_429", "rest_418", "halt")


@dataclass(frozen=True, slots=True, order=True)
class _Planned:
    at: int
    id: int
    fault: Fault


class Chaos:
    """All faults of a server: planned, running and done."""

    def __init__(self, hub: Hub, source: Source, sockets: Sockets, settle: float = _SETTLE_SECONDS) -> None:
        """Take what the faults act upon; a connection can be hit `settle` seconds after it has subscribed."""
        listed = [(venue, listing) for venue in VENUES for listing in source.listings(venue)]
        names = {
            (venue, each.code): symbols.instrument(venue, each.code, each.base, each.quote, trading=True).symbol
            for venue, each in listed
        }
        self._hub = hub
        self._source = source
        self._sockets = sockets
        self._targets = Targets(hub, names, settle)
        self._ids = itertools.count(1)
        self._planned: list[_Planned] = []
        self._running: list[tuple[Running, float]] = []
        self._done: list[Done] = []

    def schedule(self, faults: Iterable[Fault]) -> list[dict[str, int]]:
        """Plan these faults; return the number of each and when it was planned for."""
        new = [_Planned(fault.at, next(self._ids), fault) for fault in faults]
        self._planned = sorted([*self._planned, *new])
        return [{"id": each.id, "planned_at": each.at} for each in new]

    def counts(self) -> dict[str, int]:
        """Return how many faults are planned, running, and over."""
        running = len(self._running)
        return {"planned": len(self._planned), "running": running, "done": len(self._done) - running}

    def report(self) -> Sequence[Done]:
        """Return what was really done so far, in the order in which it began."""
        return self._done

    def outage(self, venue: Venue) -> Outage | None:
        """Return the worst of what keeps the venue's REST from answering now."""
        outages = [each for each, _ in self._running if isinstance(each, Outage) and each.done.venue == venue]
        return max(outages, key=lambda each: _SEVERITY.index(each.kind), default=None)

    def listings(self, venue: Venue) -> list[Listing]:
        """Return the pairs that the venue lists now."""
        found = self._source.listings(venue)
        for running, _ in self._running:
            if isinstance(running, Relisting) and running.done.venue == venue:
                found = [now for each in found if (now := running.listed(each)) is not None]
        return found

    def halted(self, venue: Venue) -> bool:
        """Say whether the venue takes no connection."""
        outage = self.outage(venue)
        return outage is not None and outage.kind == "halt"

    def wait_seconds(self, outage: Outage) -> float:
        """Return how many seconds of the wall clock an outage still lasts."""
        return max(0.0, (outage.until - self._source.now()) / 1e6 / self._source.speed)

    def turn(self) -> None:
        """Begin what is due, and go on with what runs."""
        if not self._planned and not self._running:
            return
        moment = Moment(self._source.played(), asyncio.get_running_loop().time())
        left = []
        for planned in self._planned:
            begun = self._begin(planned, moment) if planned.at <= moment.now else False
            if not begun:
                left.append(planned)
        self._planned = left
        going = []
        for running, began in self._running:
            given_up = isinstance(running, Cut | Bending) and moment.wall - began > _GIVE_UP_SECONDS
            if running.over(moment) or given_up:
                running.stop(moment)
            else:
                going.append((running, began))
        self._running = going
        self._attend()

    def _begin(self, planned: _Planned, moment: Moment) -> bool:
        fault = planned.fault
        done = Done(planned.id, fault.kind, fault.venue, [], None, None, 0, planned.at)
        running: Running
        if fault.kind in DISCONNECTS or fault.kind in MESSAGES:
            hit = self._targets.live(fault, moment.wall)
            if not hit:
                return False
            if fault.kind in DISCONNECTS:
                running = Cut(fault, done, self._targets, self._sockets, hit)
            else:
                running = Bending(fault, done, self._targets, hit)
        elif fault.kind in LISTS:
            running = Relisting(fault, done, self._source.listings(fault.venue))
        else:
            running = Outage(fault, done, self._targets)
        running.begin(moment)
        self._running.append((running, moment.wall))
        self._done.append(done)
        return True

    def _attend(self) -> None:
        """Have the hub give us the messages that running faults touch or wait for, and no others."""
        channels: set[str] = set()
        for running, _ in self._running:
            if isinstance(running, Bending | Relisting):
                channels.update(running.channels)
            elif isinstance(running, Cut) and running.back and not running.flows:
                channels.update(running.needed)
        self._hub.bends = dict.fromkeys(channels, self._take)

    def _take(self, message: Message, clients: Iterable[Client]) -> None:
        now = self._source.played()
        sent = [(message, list(clients))]
        for running, _ in self._running:
            if isinstance(running, Relisting) and message.channel in running.channels:
                sent = [(left, to) for one, to in sent if (left := running.left(one)) is not None]
            elif isinstance(running, Bending) and message.channel in running.channels:
                sent = [each for one, to in sent for each in running.take(one, to, now)]
            elif isinstance(running, Cut) and running.back and message.channel in running.needed:
                running.flows = True
        for one, to in sent:
            self._hub.send(one, to)
