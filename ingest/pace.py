"""How often trades usually come, of a symbol or of a whole connection, and when they have stayed away too long. Pure.

Heartbeats, acknowledgements and tickers say nothing of this: only trades are counted. Times are seconds of a monotonic
clock.
"""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

# Trades come in bursts: what follows so closely belongs to the same one, or a burst would pass for a usual pace.
_BURST_SECONDS = 0.2
_WEIGHT = 0.05
# So many intervals must be known before their mean means anything.
_FEWEST = 10
_INTERVALS = 20.0
# A silence counts for no more than so many intervals, so that an outage is not taken for a pace; a stream that slows
# down for good is still followed.
_LONGEST_INTERVALS = 8.0
_MOST_PATIENCE = 8.0


class Pace:
    """The smoothed interval between the bursts of one stream of trades."""

    __slots__ = ("_count", "_patience", "interval", "last")

    def __init__(self) -> None:
        self.last: float | None = None
        """When a burst was last heard to begin."""
        self.interval = 0.0
        self._count = 0
        self._patience = 1.0

    def heard(self, now: float) -> None:
        """Take note of a trade."""
        last = self.last
        if last is None:
            self.last = now
            return
        passed = now - last
        if passed < _BURST_SECONDS:
            return
        self.last = now
        self._count += 1
        self._patience = 1.0
        if self._count > _FEWEST:
            passed = min(passed, _LONGEST_INTERVALS * self.interval)
        self.interval += (passed - self.interval) * max(_WEIGHT, 1 / self._count)

    def limit(self, least: float) -> float | None:
        """Return the seconds of silence that are too long, not fewer than `least`; None while too little is known."""
        if self._count < _FEWEST:
            return None
        return max(least, _INTERVALS * self.interval) * self._patience

    def excuse(self, seconds: float) -> None:
        """Leave out so many seconds, in which nobody listened."""
        if self.last is not None:
            self.last += seconds

    def rest(self) -> None:
        """Expect nothing until the next trade, which is measured from anew."""
        self.last = None

    def missed(self) -> None:
        """Be more patient until trades come again: to act on their absence has not helped."""
        self._patience = min(2 * self._patience, _MOST_PATIENCE)


class Turn(msgspec.Struct, frozen=True):
    """A symbol has fallen silent (`stale`) or has come back (`fresh`). `seconds` is how long nothing came."""

    kind: Literal["stale", "fresh"]
    symbol: str
    seconds: float
    usual: float
    """The usual interval between its trades, in seconds."""


class Staleness:
    """Which symbols of one venue are silent for much longer than is usual for them, and for `least` seconds."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._paces: dict[str, Pace] = {}
        self._closed: frozenset[str] = frozenset()
        self.stale: dict[str, float] = {}
        """The stale symbols, and when each was last heard."""

    def heard(self, symbol: str, now: float) -> None:
        """Take note of a trade of the symbol."""
        pace = self._paces.get(symbol)
        if pace is None:
            pace = self._paces[symbol] = Pace()
        pace.heard(now)

    def close(self, symbols: Collection[str]) -> None:
        """Expect nothing of these symbols, since they do not trade: they are stale no longer, and nothing is told.

        One of which that was said before is looked at again from its next trade on.
        """
        closed = frozenset(symbols)
        for symbol in closed ^ self._closed:
            self.stale.pop(symbol, None)
            if symbol in self._paces:
                self._paces[symbol].rest()
        self._closed = closed

    def excuse(self, symbols: Iterable[str], seconds: float) -> None:
        """Leave out so many seconds, in which nobody listened to these symbols."""
        for symbol in symbols:
            if symbol in self._paces:
                self._paces[symbol].excuse(seconds)

    def turns(self, now: float) -> list[Turn]:
        """Return what has changed since the last time, each change once."""
        found: list[Turn] = []
        for symbol, pace in self._paces.items():
            last, limit = pace.last, pace.limit(self._least)
            if last is None or limit is None or symbol in self._closed:
                continue
            since = self.stale.get(symbol)
            if since is None and now - last >= limit:
                self.stale[symbol] = last
                found.append(Turn("stale", symbol, now - last, pace.interval))
            elif since is not None and last > since:
                del self.stale[symbol]
                found.append(Turn("fresh", symbol, last - since, pace.interval))
        return found
