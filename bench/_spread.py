"""How numbers are spread: percentiles by nearest rank, and a histogram to look at. Pure."""

import math
from collections.abc import Sequence

import msgspec

EDGES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper ends of the histogram's classes, in seconds; the last class has none."""


class Spread(msgspec.Struct, frozen=True):
    """Percentiles and histogram of some numbers of seconds. `classes` are counts up to each of `EDGES`, and beyond."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    most: float
    classes: list[int]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the number that `share` of the sorted numbers do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(numbers: Sequence[float]) -> Spread | None:
    """Return how the numbers are spread, None where there are none."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    classes = [0] * (len(EDGES) + 1)
    for number in ordered:
        classes[next((at for at, edge in enumerate(EDGES) if number <= edge), len(EDGES))] += 1
    p50, p90, p99, p999 = (round(percentile(ordered, share), 4) for share in (0.5, 0.9, 0.99, 0.999))
    mean = round(math.fsum(ordered) / len(ordered), 4)
    return Spread(len(ordered), mean, p50, p90, p99, p999, round(ordered[-1], 4), classes)


def histogram(found: Spread, width: int = 40) -> list[str]:
    """Return a line a class from the first to the last that holds anything: its upper end, a bar, the count."""
    used = [at for at, count in enumerate(found.classes) if count]
    tallest = max(found.classes)
    lines = []
    for at in range(used[0], used[-1] + 1):
        end = f"≤ {EDGES[at]:5.2f} s" if at < len(EDGES) else f"> {EDGES[-1]:5.2f} s"
        count = found.classes[at]
        lines.append(f"{end}  {'█' * math.ceil(width * count / tallest):<{width}}  {count:,}")
    return lines
