"""What ingest counts, by venue and channel, and how Prometheus and `/health` see it.

The counters are plain numbers, since a frame touches several of them and a Prometheus counter takes a lock each
time. They are written by the event loop and read by the thread that answers HTTP.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ingest.pace import Staleness
from ingest.silence import Silence
from market.records import Venue

_PREFIX = "pricebraid_ingest_"
_LAG_BOUNDS = (0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_MICROSECONDS = 1_000_000


class Lag:
    """A histogram of how many seconds after the match trades were received; less than zero where clocks differ."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_LAG_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one trade."""
        self.counts[bisect_left(_LAG_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative buckets as Prometheus has them."""
        names = [*(str(bound) for bound in _LAG_BOUNDS), "+Inf"]
        running, found = 0, []
        for name, count in zip(names, self.counts, strict=True):
            running += count
            found.append((name, float(running)))
        return found


class ChannelStats(msgspec.Struct):
    """What came on one channel of a venue since the start. `bytes` are those of the frames, uncompressed."""

    messages: int = 0
    bytes: int = 0
    trades: int = 0
    tickers: int = 0
    dead_letters: int = 0
    ignored: int = 0
    lag: Lag = msgspec.field(default_factory=Lag)


class VenueStats:
    """What is known of one venue since the start. Offsets and event times are microseconds."""

    def __init__(self, venue: Venue, silence: Silence, staleness: Staleness) -> None:
        self.venue = venue
        self.silence = silence
        self.staleness = staleness
        self.channels: dict[str, ChannelStats] = {}
        self.symbols = 0
        self.closed: frozenset[str] = frozenset()
        """The followed symbols that the venue halts, or lists no more."""
        self.planned = 0
        """How many connections there are to be."""
        self.open = 0
        self.reconnects = 0
        self.renewals = 0
        """How often an open connection was replaced, before it could be lost or because its trades stayed away."""
        self.newest_event_time: int | None = None
        self.delay: int | None = None
        """From the last trade's time to when it came, in microseconds of two clocks: the venue's and this machine's."""
        self.clock_offset: int | None = None
        self.last_message: float | None = None
        """When the last frame with market data came, in seconds of the monotonic clock."""

    @property
    def lag_seconds(self) -> float | None:
        """How long the last trade took to come here; unknown without a trade, or before the clocks are compared."""
        if self.delay is None or self.clock_offset is None:
            return None
        return (self.delay + self.clock_offset) / _MICROSECONDS

    def close(self, symbols: Collection[str], now: float) -> None:
        """Take note that these symbols, and no others, do not trade. `now` is seconds of the monotonic clock."""
        self.closed = frozenset(symbols)
        self.silence.close(symbols, now)
        self.staleness.close(symbols)

    def channel(self, name: str) -> ChannelStats:
        """Return the numbers of a channel."""
        found = self.channels.get(name)
        if found is None:
            found = self.channels[name] = ChannelStats()
        return found

    def total(self, name: str) -> int:
        """Return one number, summed over the channels."""
        return sum(getattr(item, name) for item in list(self.channels.values()))

    def health(self, now: float) -> dict[str, Any]:
        """Return the venue's part of `/health`. `now` is seconds of the monotonic clock."""
        return {
            "connected": self.planned > 0 and self.open >= self.planned,
            "connections": self.open,
            "symbols": self.symbols,
            "messages": self.total("messages"),
            "last_message_age_seconds": None if self.last_message is None else round(now - self.last_message, 3),
            "trades": self.total("trades"),
            "newest_event_time": self.newest_event_time,
            "lag_seconds": self.lag_seconds,
            "clock_offset_seconds": None if self.clock_offset is None else self.clock_offset / _MICROSECONDS,
            "reconnects": self.reconnects,
            "renewals": self.renewals,
            "dead_letters": self.total("dead_letters"),
            "ignored": self.total("ignored"),
            "silent_symbols": sorted(self.silence.silent),
            "stale_symbols": sorted(self.staleness.stale),
            "closed_symbols": sorted(self.closed),
        }


class IngestCollector:
    """Hands the numbers to Prometheus whenever it asks. `queue` returns queue depth and delivery errors."""

    def __init__(self, venues: Sequence[VenueStats], queue: Callable[[], tuple[int, int]]) -> None:
        self._venues = venues
        self._queue = queue

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from self._by_channel()
        yield from self._by_venue()
        depth, errors = self._queue()
        queued = GaugeMetricFamily(f"{_PREFIX}queue_depth", "Records that Kafka has not acknowledged yet")
        queued.add_metric([], depth)
        yield queued
        failed = CounterMetricFamily(f"{_PREFIX}delivery_errors", "Deliveries to Kafka that failed and are retried")
        failed.add_metric([], errors)
        yield failed

    def _by_channel(self) -> Iterator[Metric]:
        counters = {
            "messages": "Frames received, and answers over REST",
            "bytes": "Bytes received, uncompressed",
            "trades": "Trades mapped",
            "tickers": "Ticker messages mapped",
            "dead_letters": "Frames, or parts of frames, that could not be mapped",
            "ignored": "Frames of channels that were not subscribed",
        }
        for name, text in counters.items():
            family = CounterMetricFamily(f"{_PREFIX}{name}", text, labels=("venue", "channel"))
            for stats, channel, numbers in self._channels():
                family.add_metric([stats.venue, channel], getattr(numbers, name))
            yield family
        lag = HistogramMetricFamily(
            f"{_PREFIX}lag_seconds",
            "Time from a trade's match to its receipt, the clocks' difference taken off",
            labels=("venue", "channel"),
        )
        for stats, channel, numbers in self._channels():
            if any(numbers.lag.counts):
                lag.add_metric([stats.venue, channel], numbers.lag.buckets(), numbers.lag.total)
        yield lag

    def _channels(self) -> Iterator[tuple[VenueStats, str, ChannelStats]]:
        for stats in self._venues:
            for channel, numbers in list(stats.channels.items()):
                yield stats, channel, numbers

    def _by_venue(self) -> Iterator[Metric]:
        now = time.monotonic()
        gauges: dict[str, tuple[str, Callable[[VenueStats], float | None]]] = {
            "connected": ("Whether every connection of the venue is open", lambda s: s.health(now)["connected"]),
            "connections": ("Connections that are open", lambda s: s.open),
            "symbols": ("Symbols that are followed", lambda s: s.symbols),
            "silent_symbols": ("Symbols that were subscribed and never sent", lambda s: len(s.silence.silent)),
            "stale_symbols": (
                "Symbols without a trade for much longer than is usual for them",
                lambda s: len(s.staleness.stale),
            ),
            "closed_symbols": (
                "Followed symbols that the venue halts or lists no more",
                lambda s: len(s.closed),
            ),
            "last_message_age_seconds": (
                "Time since the last frame with market data",
                lambda s: None if s.last_message is None else now - s.last_message,
            ),
            "newest_event_time_seconds": (
                "Newest match time of a trade, since the epoch",
                lambda s: None if s.newest_event_time is None else s.newest_event_time / _MICROSECONDS,
            ),
            "clock_offset_seconds": (
                "The venue's clock minus ours",
                lambda s: None if s.clock_offset is None else s.clock_offset / _MICROSECONDS,
            ),
        }
        for name, (text, value) in gauges.items():
            family = GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=("venue",))
            for stats in self._venues:
                number = value(stats)
                if number is not None:
                    family.add_metric([stats.venue], number)
            yield family
        counters: dict[str, tuple[str, Callable[[VenueStats], int]]] = {
            "reconnects": ("Connections opened anew after they were lost", lambda s: s.reconnects),
            "renewals": ("Connections replaced while they were open", lambda s: s.renewals),
        }
        for name, (text, count) in counters.items():
            counter = CounterMetricFamily(f"{_PREFIX}{name}", text, labels=("venue",))
            for stats in self._venues:
                counter.add_metric([stats.venue], count(stats))
            yield counter
