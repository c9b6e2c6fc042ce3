"""Feed events, gaps and late trades, to Postgres."""

from flink_jobs.plan import Job

JOB = Job(
    name="feed",
    tables=("feed_events", "feed_event", "gaps", "gap", "late_trades", "late_trade"),
    views=("timed_feed_event", "timed_gap", "timed_late_trade"),
    parallel=False,
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
