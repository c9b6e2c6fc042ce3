"""How soon trades are in their candles, as the database tells it of itself."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.postgres.candles import MINUTE, SECOND, rows, write

pytestmark = pytest.mark.stack

TOLD = "select start_time, candles, round(p50_seconds), round(p99_seconds) from freshness(%s, %s, %s)"


def minute() -> datetime:
    """Return the start of the minute before this one: what is written now is a minute or two old."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - MINUTE


def write_ages(connection: psycopg.Connection, start: datetime, ages: list[float]) -> None:
    """Write 1-second candles of one second, as many seconds after their last trade as told."""
    for number, age in enumerate(ages):
        last = datetime.now(UTC) - timedelta(seconds=age)
        write(connection, "1s", start_time=start, symbol=f"TEST{number}-USDT", last_trade_time=last)


def test_the_median_and_the_slowest_are_told_by_step(writer: psycopg.Connection) -> None:
    start = minute()
    write_ages(writer, start, [1, 2, 3])
    write_ages(writer, start + 2 * SECOND, [10])
    assert rows(writer, TOLD, start, start + MINUTE, SECOND) == [(start, 3, 2, 3), (start + 2 * SECOND, 1, 10, 10)]
    ((_, candles, _, slowest),) = rows(writer, TOLD, start, start + MINUTE, MINUTE)
    assert (candles, slowest) == (4, 10)


def test_what_became_known_late_says_nothing_of_how_fast_all_this_is(writer: psycopg.Connection) -> None:
    start = minute()
    write_ages(writer, start, [1])
    write(writer, "1s", start_time=start, symbol="LATE-USDT", last_trade_time=start, late_inputs=1)
    assert rows(writer, TOLD, start, start + MINUTE, MINUTE) == [(start, 1, 1, 1)]


def test_of_a_recording_nothing_is_told(writer: psycopg.Connection) -> None:
    start = minute() - timedelta(days=400)
    write(writer, "1s", start_time=start, last_trade_time=start)
    assert rows(writer, TOLD, start, start + MINUTE, MINUTE) == []


def test_without_a_candle_there_is_no_row(writer: psycopg.Connection) -> None:
    assert rows(writer, TOLD, minute(), minute() + MINUTE, MINUTE) == []


def test_of_a_long_range_few_seconds_are_looked_at(writer: psycopg.Connection) -> None:
    end = minute()
    start = end - 20 * MINUTE
    for second in range(0, 1200, 5):
        write(writer, "1s", start_time=start + second * SECOND, last_trade_time=datetime.now(UTC))
    ((candles,),) = rows(writer, "select candles from freshness(%s, %s, '1 hour')", start, end)
    assert candles == 60


def test_a_reader_may_ask(writer: psycopg.Connection) -> None:
    asked = (
        "select has_function_privilege('pricebraid_reader', 'freshness(timestamptz, timestamptz, interval)', 'execute')"
    )
    assert rows(writer, asked) == [(True,)]
