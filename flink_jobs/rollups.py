"""1-minute candles to those of 5 and 15 minutes, 1 and 4 hours and a day, to Postgres and to a topic."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from flink_jobs.plan import DROP_INCOMPLETE_ROWS, Filled, Job
from market.intervals import INTERVALS

MINUTES = {name: length // INTERVALS["1m"] for name, length in INTERVALS.items() if length >= INTERVALS["1m"]}
"""Minutes of each interval from a minute on, the finest first. Each is made of the next finer, of at most six."""


def _case(value: str, results: Mapping[Any, str | int]) -> str:
    """Return a case as SQL has it. Strings and integers stand in it as Python writes them."""
    return f"case {value} " + " ".join(f"when {given!r} then {result!r}" for given, result in results.items()) + " end"


_COARSER = dict(pairwise(MINUTES))
_FINER = "coalesce(`interval`, '1m')"
_OF_PART = {
    "coarser": _case(_FINER, _COARSER),
    "minutes": _case(_FINER, {finer: MINUTES[coarser] for finer, coarser in _COARSER.items()}),
    "finer_minutes": _case(_FINER, {finer: MINUTES[finer] for finer in _COARSER}),
}
_OF_MARK = {"marked": _case("seconds", {60 * minutes: name for name, minutes in MINUTES.items()})}

JOB = Job(
    name="rollups",
    tables=("rollup_parts", "gap_marks", "candle", "rollups"),
    views=(Filled("rollup_part", _OF_PART), Filled("rollup_input", _OF_MARK), "rolled_candle"),
    # A key has one row or two at a time: it costs more than it saves to put them together before they change tasks.
    options=DROP_INCOMPLETE_ROWS | {"table.optimizer.agg-phase-strategy": "ONE_PHASE"},
    parallel=False,
    # Minutes come once a second, all at a time: to wait for more would gather little, at each of a day's five steps.
    gather_ms=10,
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
