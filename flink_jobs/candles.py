"""Trades to candles of one second and one minute: to Postgres, and the minutes to the topic `candles_1m`."""

from flink_jobs.plan import Job

JOB = Job(
    name="candles",
    tables=("trades", "candle_1s", "candle_1m", "candles_1m"),
    views=("priced_trade", "second_candle", "minute_candle"),
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
