"""The documented questions: each is one statement that a reader may ask, and answers what it says."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from market.settings import ROOT
from tests.postgres.candles import MINUTE, rows, set_now, upsert

pytestmark = pytest.mark.stack

QUESTIONS = {path.stem: path.read_text() for path in sorted((ROOT / "sql" / "questions").glob("*.sql"))}
YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def answers(connection: psycopg.Connection, question: str) -> list[tuple[object, ...]]:
    """Ask a question with the rights of a reader."""
    connection.execute("set local time zone 'UTC'")
    return rows(connection, QUESTIONS[question])


def tell(connection: psycopg.Connection, symbol: str, start: datetime, binance: int | None, kucoin: int | None) -> None:
    row = {"symbol": symbol, "start_time": start, "version": 1}
    for venue, close in (("binance", binance), ("kucoin", kucoin)):
        row |= {f"{venue}_close": close, f"{venue}_volume": close and 1, f"{venue}_quote_volume": close}
    upsert(connection, "minute_fact", "symbol start_time", row)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_documented_as_it_is_asked(question: str) -> None:
    assert QUESTIONS[question].strip() in (ROOT / "docs" / "reconciliation.md").read_text()


def test_where_the_two_are_apart_now(writer: psycopg.Connection) -> None:
    for symbol, prices in (("A-USDT", (100, 100)), ("B-USDT", (100, 101)), ("C-USDT", (100, None))):
        for venue, price in zip(("binance", "kucoin"), prices, strict=True):
            if price is not None:
                row = {"venue": venue, "symbol": symbol, "last_price": price, "bid_price": price, "ask_price": price}
                upsert(writer, "ticker", "venue symbol", row | {"event_time": YESTERDAY, "receive_time": YESTERDAY})
    assert [answer[:2] for answer in answers(writer, "apart_now")] == [("B-USDT", "diverged"), ("A-USDT", "agreed")]


def test_the_ten_worst_minutes_of_a_day(writer: psycopg.Connection) -> None:
    set_now(writer, YESTERDAY + timedelta(days=1, hours=1))
    for minute in range(12):
        tell(writer, "A-USDT", YESTERDAY + minute * MINUTE, 10_000, 10_000 + minute)
    tell(writer, "A-USDT", YESTERDAY - MINUTE, 10_000, 12_000)
    tell(writer, "B-USDT", YESTERDAY, 10_000, None)
    found = answers(writer, "worst_minutes")
    assert [answer[:2] for answer in found] == [("A-USDT", YESTERDAY + minute * MINUTE) for minute in range(11, 1, -1)]


def test_how_complete_each_venue_was_this_week(writer: psycopg.Connection) -> None:
    set_now(writer, YESTERDAY + timedelta(hours=3) - MINUTE)
    key = "venue symbol start_time"
    for venue, hour, traded in (("binance", 0, 60), ("kucoin", 0, 59), ("binance", 2, 60), ("binance", -24 * 9, 1)):
        row = {"venue": venue, "symbol": "A-USDT", "start_time": YESTERDAY + timedelta(hours=hour)}
        upsert(writer, "hour_fact", key, row | {"minutes_traded": traded, "minutes_repaired": hour})
    found = answers(writer, "complete_this_week")
    # Binance's week begins within hours that nothing is known of, since it had traded before them.
    assert [answer[0] for answer in found] == ["binance", "kucoin"]
    assert found[1][1:] == (180, 59, 121, 0, 0, 100)


def test_which_minutes_rest_on_one_venue(writer: psycopg.Connection) -> None:
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    set_now(writer, datetime.now(UTC))
    tell(writer, "A-USDT", minute, 100, None)
    tell(writer, "A-USDT", minute + MINUTE, 100, 100)
    tell(writer, "B-USDT", minute + MINUTE, None, 50)
    assert answers(writer, "one_venue") == [
        ("B-USDT", minute + MINUTE, "kucoin", "stale", 50),
        ("A-USDT", minute, "binance", "stale", 100),
    ]
