"""1-minute candles to those of 5 and 15 minutes, 1 and 4 hours and a day, to Postgres."""

from itertools import pairwise

from flink_jobs.plan import Filled, Job
from market.intervals import INTERVALS

_MINUTE = INTERVALS["1m"]

MINUTES = {name: length // _MINUTE for name, length in INTERVALS.items() if length > _MINUTE}
"""Minutes of each interval that is coarser than a minute, the finest first."""

# Each is made of the next finer, of at most six.
_FINER = {"5m": ("newest_minute", 1)} | {
    coarser: (f"rollup_{finer}", MINUTES[finer]) for finer, coarser in pairwise(MINUTES)
}


def _values(interval: str) -> dict[str, str]:
    finer, finer_minutes = _FINER[interval]
    minutes = {"minutes": str(MINUTES[interval]), "finer_minutes": str(finer_minutes)}
    return {"interval": interval, "finer": finer} | minutes


JOB = Job(
    name="rollups",
    tables=(
        "minute_changes",
        "gap_marks",
        *(Filled("candle", {"interval": interval}) for interval in MINUTES),
    ),
    views=(
        "minute_input",
        "newest_minute",
        *(Filled("rollup", _values(interval)) for interval in MINUTES),
        *(Filled("rolled_candle", {"interval": interval}) for interval in MINUTES),
    ),
    # Planned in blocks, as the other jobs are, the maxima of every second interval would be wrong: Flink 2.2 forgets at
    # the edge of a block that its rows may be taken back, and takes it that a maximum only grows.
    options={"table.optimizer.reuse-optimize-block-with-digest-enabled": "false"},
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
