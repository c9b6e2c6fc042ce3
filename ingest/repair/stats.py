"""What repair counts, and how Prometheus and `/health` see it.

The numbers are written by the event loop and read by the thread that answers HTTP.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from market.records import VENUES, Venue

_PREFIX = "pricebraid_repair_"


class Stats:
    """What happened since the start. `queues` returns the number of open gaps of each venue."""

    def __init__(self, queues: Callable[[], Mapping[Venue, int]]) -> None:
        self._queues = queues
        self.ready = False
        """Whether the ledger of gaps was read to its end."""
        self.requests: Counter[tuple[Venue, str]] = Counter()
        """By venue and what came of them: `ok`, or the trouble."""
        self.weight: Counter[Venue] = Counter()
        self.closed: Counter[tuple[Venue, str]] = Counter()
        """Gaps that were seen to close, by venue and how."""
        self.trades: Counter[Venue] = Counter()
        self.candles: Counter[Venue] = Counter()
        self.checks: Counter[tuple[Venue, str]] = Counter()
        """Minutes that were compared with the venue's own, by venue and task."""
        self.mismatches: Counter[tuple[Venue, str]] = Counter()

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells. Called from another thread."""
        queues = self._queues()
        return {
            "ready": self.ready,
            "queue": sum(queues.values()),
            "venues": {
                venue: {
                    "queue": queues.get(venue, 0),
                    "requests": _of(self.requests, venue),
                    "failed_requests": _of(self.requests, venue) - self.requests[venue, "ok"],
                    "weight": self.weight[venue],
                    "gaps_closed": {
                        how: count for (where, how), count in sorted(self.closed.items()) if where == venue
                    },
                    "trades": self.trades[venue],
                    "candles": self.candles[venue],
                    "checks": _of(self.checks, venue),
                    "mismatches": _of(self.mismatches, venue),
                }
                for venue in VENUES
            },
        }

    def collect(self) -> Iterable[Metric]:
        """Yield every metric, as Prometheus asks for them."""
        queue = GaugeMetricFamily(f"{_PREFIX}queue", "Gaps that are open", labels=("venue",))
        for venue, length in self._queues().items():
            queue.add_metric([venue], length)
        yield queue
        by_venue = {
            "weight": ("Weight used of the venue's REST limit", self.weight),
            "trades": ("Trades fetched for gaps", self.trades),
            "candles": ("The venue's own candles that were published", self.candles),
        }
        for name, (text, numbers) in by_venue.items():
            family = CounterMetricFamily(_PREFIX + name, text, labels=("venue",))
            for venue in VENUES:
                family.add_metric([venue], numbers[venue])
            yield family
        by_label = {
            "requests": ("Requests to the venue, by what came of them", "result", self.requests),
            "gaps_closed": ("Gaps that closed, by how", "how", self.closed),
            "checks": ("Minutes compared with the venue's own candles", "task", self.checks),
            "mismatches": ("Minutes that were not the same", "task", self.mismatches),
        }
        for name, (text, label, counts) in by_label.items():
            family = CounterMetricFamily(_PREFIX + name, text, labels=("venue", label))
            for (venue, value), count in sorted(counts.items()):
                family.add_metric([venue, value], count)
            yield family


def _of(counts: Counter[tuple[Venue, str]], venue: Venue) -> int:
    return sum(count for (where, _), count in list(counts.items()) if where == venue)
