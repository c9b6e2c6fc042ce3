"""What each part exports, from the part's own collectors, with numbers that move at every scrape."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.metrics import IngestCollector, VenueStats
from ingest.pace import Staleness
from ingest.repair.stats import Stats
from ingest.silence import Silence
from market.records import VENUES
from sequencer.core import Verdict
from sequencer.gaps import OPENED, REPAIRED
from sequencer.tally import Tally
from tests.grafana.flink import METRICS


class _Mover(Collector):
    """Exports nothing, and lets something happen before those are asked that were registered after it."""

    def __init__(self, move: Callable[[], None]) -> None:
        self._move = move

    def collect(self) -> Iterable[Metric]:
        self._move()
        return ()


def _moved(move: Callable[[], None]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Mover(move))
    return registry


def _ingest() -> CollectorRegistry:
    venues = [VenueStats(venue, Silence(300), Staleness(8)) for venue in VENUES]
    for stats in venues:
        stats.planned = stats.open = stats.symbols = 2
        stats.clock_offset = 12_000
        stats.last_message = 0.0
        stats.newest_event_time = 1_700_000_000_000_000

    def move() -> None:
        for stats in venues:
            trades = stats.channel("trade")
            for name in ("messages", "bytes", "trades", "tickers", "dead_letters", "ignored"):
                setattr(trades, name, getattr(trades, name) + 3)
            trades.lag.observe(0.02)
            stats.reconnects += 1
            stats.renewals += 1

    registry = _moved(move)
    registry.register(IngestCollector(venues, lambda: (5, 2)))
    return registry


def _sequencer() -> CollectorRegistry:
    def move() -> None:
        for venue in VENUES:
            tally.trades.update({(venue, verdict): 2 for verdict in Verdict})
            tally.gaps.update({(venue, OPENED): 1, (venue, REPAIRED): 1})
        tally.refused += 1
        tally.resets += 1
        tally.transaction_seconds.observe(0.01)
        tally.rebuild_seconds.observe(1)

    tally = Tally(_moved(move))
    tally.behind = 7
    tally.partitions = (0, 1)
    tally.gaps_open.update(VENUES)
    return tally.registry


def _repair() -> CollectorRegistry:
    stats = Stats(lambda: dict.fromkeys(VENUES, 1))

    def move() -> None:
        for venue in VENUES:
            for count in (stats.weight, stats.trades, stats.candles):
                count[venue] += 2
            stats.requests.update([(venue, "ok"), (venue, "limit")])
            stats.closed.update([(venue, "repair"), (venue, "confirmed")])
            stats.checks.update([(venue, "check")])
            stats.mismatches.update([(venue, "check")])

    registry = _moved(move)
    registry.register(stats)
    return registry


class _Flink(Collector):
    """Stands in for Flink's reporter: everything that it may be asked for, of two jobs."""

    def __init__(self) -> None:
        self._value = 0.0

    def collect(self) -> Iterable[Metric]:
        self._value += 1
        for name, labels in METRICS.items():
            family = GaugeMetricFamily(name, name, labels=labels)
            for job in ("candles", "feed") if "job_name" in labels else ("",):
                family.add_metric([job if label == "job_name" else label for label in labels], self._value)
            yield family


def _flink() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Flink())
    return registry


OURS: dict[str, Callable[[], CollectorRegistry]] = {"ingest": _ingest, "sequencer": _sequencer, "repair": _repair}
"""By the names of Prometheus' scrape jobs."""
ALL = OURS | {"flink": _flink}
