"""Feed events, gaps, late trades and the venues' lists of symbols, to Postgres."""

from flink_jobs.plan import Job

JOB = Job(
    name="feed",
    tables=(
        "feed_events",
        "feed_event",
        "gaps",
        "gap",
        "late_trades",
        "late_trade",
        "instruments",
        "instrument_list",
    ),
    views=("timed_feed_event", "timed_gap", "timed_late_trade", "timed_instrument_list"),
    parallel=False,
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
