"""Trades, gap marks and venue candles to candles of one second and one minute: to Postgres, and minutes to a topic."""

from flink_jobs.plan import DROP_INCOMPLETE_ROWS, Filled, Job

JOB = Job(
    name="candles",
    tables=(
        "candle_inputs",
        Filled("candle_of_interval", {"interval": "1s"}),
        Filled("candle_of_interval", {"interval": "1m"}),
        "candles_1m",
    ),
    views=(
        "candle_input",
        Filled("candle", {"view": "second_candle", "seconds": "1", "hours": "${second_state_hours}"}),
        Filled("candle", {"view": "minute_candle", "seconds": "60", "hours": "${state_hours}"}),
    ),
    options=DROP_INCOMPLETE_ROWS,
)

if __name__ == "__main__":
    from flink_jobs.submit import main

    main(JOB)
