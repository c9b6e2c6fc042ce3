"""The latest ticker of every symbol, to Postgres."""

from flink_jobs.plan import Job

JOB = Job(name="tickers", tables=("tickers", "ticker"), views=("latest_ticker",))

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
