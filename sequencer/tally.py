"""What the sequencer counts and shows: Prometheus metrics, and the JSON of `/health`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from market.records import VENUES, Venue
from sequencer.core import Verdict
from sequencer.gaps import OPENED, REPAIRED

_OUTCOMES = {
    Verdict.PASSED: "passed",
    Verdict.DOUBLE: "double",
    Verdict.LATE: "late",
    Verdict.PARTLY: "partly",
}


class Tally(Collector):
    """Counts of what was committed. Written by the sequencer's thread, read by the one that answers HTTP.

    A plain counter per verdict costs a tenth of a Prometheus counter; they are turned into metrics when asked for.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.trades: Counter[tuple[Venue, Verdict]] = Counter()
        self.refused = 0
        self.resets = 0
        self.behind = 0
        self.ready = False
        self.partitions: tuple[int, ...] = ()
        self.newest: dict[Venue, int] = {}
        self.gaps: Counter[tuple[Venue, str]] = Counter()
        """Gaps by venue and the kind of the event that told of them."""
        self.gaps_open: Counter[Venue] = Counter()
        own = registry if registry is not None else CollectorRegistry()
        self.registry = own
        self.transaction_seconds = Histogram(
            "pricebraid_sequencer_transaction_seconds",
            "Time that committing a transaction took",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=own,
        )
        self.rebuild_seconds = Histogram(
            "pricebraid_sequencer_rebuild_seconds",
            "Time from the assignment of a partition until its state was rebuilt",
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120),
            registry=own,
        )
        own.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics for Prometheus."""
        trades = CounterMetricFamily(
            "pricebraid_sequencer_trades", "Trades by what became of them", labels=["venue", "outcome"]
        )
        for venue in VENUES:
            for verdict, outcome in _OUTCOMES.items():
                trades.add_metric([venue, outcome], self.trades[venue, verdict])
        yield trades
        opened = CounterMetricFamily("pricebraid_sequencer_gaps_opened", "Gaps that were opened", labels=["venue"])
        closed = CounterMetricFamily("pricebraid_sequencer_gaps_closed", "Gaps that were closed", labels=["venue"])
        still = GaugeMetricFamily("pricebraid_sequencer_gaps_open", "Gaps that are open here", labels=["venue"])
        for venue in VENUES:
            opened.add_metric([venue], self.gaps[venue, OPENED])
            closed.add_metric([venue], self.gaps[venue, REPAIRED])
            still.add_metric([venue], self.gaps_open[venue])
        yield from (opened, closed, still)
        yield CounterMetricFamily(
            "pricebraid_sequencer_refused", "Records that no reader could read, now dead letters", value=self.refused
        )
        yield CounterMetricFamily(
            "pricebraid_sequencer_resets", "Transactions that had to be aborted and done again", value=self.resets
        )
        yield GaugeMetricFamily(
            "pricebraid_sequencer_behind_records", "Records of trades_in that are not yet read", value=self.behind
        )
        yield GaugeMetricFamily(
            "pricebraid_sequencer_partitions", "Partitions that this process sequences", value=len(self.partitions)
        )

    def health(self) -> dict[str, Any]:
        """Return the JSON of `/health`. Times are microseconds since the epoch, UTC, or null before the first trade."""
        return {
            "ready": self.ready,
            "partitions": list(self.partitions),
            "behind": self.behind,
            "refused": self.refused,
            "venues": {
                venue: {
                    "passed": self.trades[venue, Verdict.PASSED],
                    "doubles": self.trades[venue, Verdict.DOUBLE],
                    "late": self.trades[venue, Verdict.LATE],
                    "partly": self.trades[venue, Verdict.PARTLY],
                    "newest_event_time": self.newest.get(venue),
                    "gaps_opened": self.gaps[venue, OPENED],
                    "gaps_closed": self.gaps[venue, REPAIRED],
                    "gaps_open": self.gaps_open[venue],
                }
                for venue in VENUES
            },
        }
