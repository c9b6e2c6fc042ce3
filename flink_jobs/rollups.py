"""1-minute candles to those of 5 and 15 minutes, 1 and 4 hours and a day, to Postgres."""

from flink_jobs.plan import Filled, Job

MINUTES = {"5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
"""Minutes of each interval."""

# Flink keeps all values under a maximum that may be taken back, and looks through them: 60 at most this way, not 1,440.
_FINER = {
    "5m": "counted_minute",
    "15m": "counted_minute",
    "1h": "counted_minute",
    "4h": "rollup_1h",
    "1d": "rollup_1h",
}

JOB = Job(
    name="rollups",
    tables=(
        "minute_changes",
        "gap_marks",
        *(Filled("candle", {"interval": interval}) for interval in MINUTES),
    ),
    views=(
        "newest_minute",
        "counted_minute",
        *(
            Filled("rollup", {"interval": interval, "minutes": str(minutes), "finer": _FINER[interval]})
            for interval, minutes in MINUTES.items()
        ),
        *(Filled("rolled_candle", {"interval": interval}) for interval in MINUTES),
    ),
    # Planned in blocks, as the other jobs are, the maxima of every second interval would be wrong: Flink 2.2 forgets at
    # the edge of a block that its rows may be taken back, and takes it that a maximum only grows.
    options={"table.optimizer.reuse-optimize-block-with-digest-enabled": "false"},
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
