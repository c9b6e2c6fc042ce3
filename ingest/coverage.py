"""Which trades can be relied on to have come, told to the sequencer as marks: what was lost, regained, suspect. Pure.

A connection has one socket after another, and two at once while a new one takes over from an old one. All times are
event times (the market's clock, microseconds since the epoch, UTC); nothing here knows the local clock.
"""

from collections.abc import Iterable
from typing import Literal

from market.records import FeedMark, Instance, Lost, Regained, Suspect, Venue

# A trade of an earlier time may come late, as the first after a loss. So many in a row are no stragglers: then it is
# the market's clock that was set back, as when a recording is played again.
_STRAGGLERS = 10
_NOTHING: list[FeedMark] = []


class Carrier:
    """What one socket has delivered. To be used through its `Coverage`."""

    __slots__ = ("answered", "newest", "others_newest", "since", "symbols", "trades")

    def __init__(self) -> None:
        self.answered = False
        """Whether every subscription to trades has its answer."""
        self.symbols: frozenset[str] = frozenset()
        """Those whose trades it is known to carry."""
        self.newest: int | None = None
        self.since: int | None = None
        """From here on it has delivered everything; None while that is not proved by a trade."""
        self.trades = 0
        """How many have come while `since` was not known."""
        self.others_newest: int | None = None
        """The newest event time of the other socket when this one was subscribed."""


class Coverage:
    """The trades of one connection's symbols, over all its sockets."""

    def __init__(self, venue: Venue, instance: Instance, symbols: Iterable[str]) -> None:
        self._venue = venue
        self._instance = instance
        self._symbols = tuple(symbols)
        self._carriers: list[Carrier] = []
        self._begun: set[str] = set()
        self._carried: set[str] = set()
        self._lost: set[str] = set()
        # The newest time that was told with a loss: a trade from before it proves no return.
        self._lost_at: int | None = None
        # Symbols of which a trade may have been dropped after that time.
        self._doubts: dict[str, int] = {}

    def open(self) -> Carrier:
        """Return a new socket's part."""
        carrier = Carrier()
        self._carriers.append(carrier)
        return carrier

    def subscribed(self, carrier: Carrier, symbols: Iterable[str]) -> None:
        """Take note that every subscription was answered, and that the socket carries the trades of these symbols."""
        carrier.answered = True
        carrier.symbols = frozenset(symbols)
        carrier.others_newest = self._newest(carrier)

    def trade(self, carrier: Carrier, time: int) -> list[FeedMark]:
        """Take note of a trade of any symbol; return what it proves."""
        advances = carrier.newest is None or time > carrier.newest
        if advances:
            carrier.newest = time
        if carrier.since is None:
            return self._prove(carrier, time)
        if advances and self._doubts:
            return self._suspects(time)
        return _NOTHING

    def doubt(self, carrier: Carrier, symbols: Iterable[str]) -> None:
        """Take note that a trade of these symbols may have been dropped."""
        if carrier.since is None or carrier.newest is None:
            # Nothing is relied on yet: what is told with the return covers this too.
            return
        for symbol in symbols:
            if symbol in carrier.symbols and symbol in self._carried:
                self._doubts.setdefault(symbol, carrier.newest)

    def fell_silent(self, carrier: Carrier, reason: str) -> list[FeedMark]:
        """Take note that trades have stayed away from the socket for too long, though it is open."""
        marks = self._lose(carrier, reason) if carrier.since is not None else []
        carrier.since, carrier.trades = None, 0
        return marks

    def ended(self, carrier: Carrier, reason: str, *, replaced: bool = False) -> list[FeedMark]:
        """Take note of the socket's end; `replaced` where another took over from it as planned."""
        self._carriers.remove(carrier)
        marks: list[FeedMark] = []
        if carrier.since is not None:
            heir = next((other for other in self._carriers if replaced and other.answered), None)
            if heir is not None and heir.since is None:
                # Both were quiet while both were subscribed: the new one goes on where the old one stood.
                heir.since = heir.newest = carrier.newest
            marks = self._lose(carrier, reason)
        return marks if self._carriers else marks + self.unreachable(reason)

    def unreachable(self, reason: str) -> list[FeedMark]:
        """Take note that no socket could be had; only the first time matters, for symbols that have not begun."""
        fresh = [symbol for symbol in self._symbols if symbol not in self._lost and symbol not in self._carried]
        self._lost.update(fresh)
        return [Lost(self._venue, symbol, self._instance, None, reason) for symbol in fresh]

    def takes_over(self, old: Carrier, new: Carrier, *, patient: bool) -> bool | None:
        """Return whether the old socket may go, since the new one carries what it did.

        None is not yet. `patient` is whether both have been given time enough: then no trade need have come.
        """
        if not new.answered:
            return False if patient else None
        if not old.symbols <= new.symbols:
            return False
        if not self._symbols:
            return True
        if new.since is not None and (old.since is None or old.newest is None or old.newest >= new.since):
            return True
        if not patient:
            return None
        # Without a trade since then on either, all is quiet; with some on the old one alone, the new one is mute.
        return new.since is not None or old.newest == new.others_newest

    def _newest(self, without: Carrier) -> int | None:
        return max((c.newest for c in self._carriers if c is not without and c.newest is not None), default=None)

    def _prove(self, carrier: Carrier, time: int) -> list[FeedMark]:
        if not carrier.answered:
            return _NOTHING
        carrier.trades += 1
        if self._lost_at is not None and time <= self._lost_at and carrier.trades < _STRAGGLERS:
            return _NOTHING
        if self._lost_at is not None and time <= self._lost_at:
            carrier.newest = time
        carrier.since, self._lost_at = carrier.newest, None
        return self._regain(carrier.symbols - self._carried, carrier.newest or time)

    def _regain(self, symbols: Iterable[str], time: int) -> list[FeedMark]:
        marks: list[FeedMark] = []
        for symbol in sorted(symbols):
            reason: Literal["start", "reconnect"] = "reconnect" if symbol in self._begun else "start"
            marks.append(Regained(self._venue, symbol, self._instance, time, reason))
            self._begun.add(symbol)
            self._carried.add(symbol)
            self._lost.discard(symbol)
        return marks

    def _lose(self, carrier: Carrier, reason: str) -> list[FeedMark]:
        """Return the marks of a proved socket that delivers no more."""
        newest = carrier.newest
        marks: list[FeedMark] = []
        for symbol in sorted(carrier.symbols & self._carried):
            heirs = [
                c.since for c in self._carriers if c is not carrier and symbol in c.symbols and c.since is not None
            ]
            since = min(heirs, default=None)
            if since is not None and newest is not None and newest >= since:
                continue
            marks.append(Lost(self._venue, symbol, self._instance, newest, reason))
            self._doubts.pop(symbol, None)
            self._carried.discard(symbol)
            if since is not None:
                # The old socket had died unseen before the new one was there.
                marks += self._regain([symbol], since)
            else:
                self._lost.add(symbol)
                self._lost_at = newest
        return marks

    def _suspects(self, time: int) -> list[FeedMark]:
        found = [symbol for symbol, since in self._doubts.items() if time > since]
        return [Suspect(self._venue, symbol, self._doubts.pop(symbol), time, "dropped") for symbol in found]
