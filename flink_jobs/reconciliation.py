"""Both venues' 1-minute candles beside each other, and how many minutes of each hour they have, to Postgres."""

from flink_jobs.plan import Job

JOB = Job(
    name="reconciliation",
    tables=("minutes", "minute_fact", "hour_fact"),
    views=("compared_minute", "counted_hour"),
    # A minute has one row or two at a time: it costs more than it saves to put them together before they change tasks.
    options={"table.optimizer.agg-phase-strategy": "ONE_PHASE"},
    # Rows of one symbol are written by one connection, or what fills its idle minutes could wait for the other.
    parallel=False,
    # Only closed minutes are looked at: both venues' changes of a second are one.
    gather_ms=1000,
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
