"""The venues' limits, and the counters that enforce them.

Every number can be replaced, and so can the clock, so that a test need not wait for a minute or a day. Sources of the
numbers: Binance `web-socket-streams.md`, `rest-api.md` and `enums.md`; KuCoin's pages on rate limits and its
`openapi-spot-public.json`.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BinanceRules:
    """Binance's numbers; seconds, counts, and weight a minute."""

    ping_seconds: float = 20.0
    pong_seconds: float = 60.0
    lifetime_seconds: float = 86_400.0
    messages: int = 5
    messages_seconds: float = 1.0
    streams: int = 1024
    connections: int = 300
    connections_seconds: float = 300.0
    weight: int = 6000
    weight_seconds: float = 60.0
    lag_ms: int = 0
    """How far the database, which REST is answered from, lags behind the streams (market time)."""
    flat_errors: bool = False
    """Send errors as the documents print them, `{"code":…,"msg":…,"id":…}`; on the wire they were seen wrapped in
    `error`, which is what is sent otherwise."""


@dataclass(frozen=True, slots=True)
class KucoinRules:
    """KuCoin's numbers; seconds, counts, and weight in 30 seconds."""

    ping_interval_ms: int = 18_000
    ping_timeout_ms: int = 10_000
    idle_seconds: float = 60.0
    token_seconds: float = 86_400.0
    welcome_seconds: float = 0.02
    messages: int = 100
    messages_seconds: float = 10.0
    symbols_a_request: int = 100
    topics: int = 400
    sessions: int = 800
    connections: int = 30
    connections_seconds: float = 60.0
    weight: int = 2000
    weight_seconds: float = 30.0
    tickers_seconds: float = 2.0
    """How old an answer of `allTickers` may get before it is made anew."""
    lag_ms: int = 0
    """How far the database, which REST is answered from, lags behind the sockets (market time)."""
    idle_candles: bool = True
    """Whether a candle in which nothing traded is given, flat and with no volume, or left out: both were seen."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All limits of a server, and the monotonic clock (seconds) that they are measured with."""

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    """The wall clock, seconds since the epoch."""
    watch_seconds: float = 0.1
    """How often sessions are looked at for what is due."""
    buffer_bytes: int = 8 << 20
    """What may wait for a client that reads too slowly before it is cut off."""
    binance: BinanceRules = field(default_factory=BinanceRules)
    kucoin: KucoinRules = field(default_factory=KucoinRules)


class Sliding:
    """At most `limit` events in any `seconds`; times are passed in."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque()

    def hit(self, now: float) -> bool:
        """Count an event at `now` and return whether it is still within the limit. A refused one is not counted."""
        self._forget(now)
        if len(self._times) >= self._limit:
            return False
        self._times.append(now)
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until an event is allowed again: 0 where it is now."""
        self._forget(now)
        return 0.0 if len(self._times) < self._limit else self._times[0] + self._seconds - now

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()


class Pool:
    """A weight that fills up again at the start of every period, as both venues count REST requests."""

    def __init__(self, limit: int, seconds: float, now: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._start = now
        self.used = 0

    def take(self, weight: int, now: float) -> bool:
        """Use `weight` at `now`; return whether the pool had it. A refused request uses nothing."""
        passed = (now - self._start) // self._seconds
        if passed >= 1:
            self._start += passed * self._seconds
            self.used = 0
        if self.used + weight > self.limit:
            return False
        self.used += weight
        return True

    def reset(self, now: float) -> float:
        """Return the seconds until the next period."""
        return max(0.0, self._start + self._seconds - now)
