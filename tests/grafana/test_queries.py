"""Every query of every dashboard, asked of a real database as Grafana asks it: with a reader's rights."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bench._dashboards import ASKED, QUERIES, VARIABLES, Query, choose, ending
from bench._expansion import Shown, expand
from tests.grafana.rows import ask, check

pytestmark = pytest.mark.stack

CHOSEN = {"symbol": "BTC-USDT", "venue": "binance", "resolution": "1s", "interval": "auto", "step": "1m"}
SELDOM = ("Corrections", "Late trades")

all_queries = pytest.mark.parametrize("query", QUERIES, ids=str)
ranges = pytest.mark.parametrize("hours", [0.25, 6, 24, 240], ids=lambda hours: f"{hours:g} h")


def ending_now(hours: float) -> Shown:
    """Return the range of so many hours up to now."""
    return ending(datetime.now(UTC), hours)


@all_queries
def test_a_database_without_a_row_is_no_error(empty: psycopg.Connection, query: Query) -> None:
    ask(empty, query, CHOSEN, ending_now(6))


@ranges
@pytest.mark.parametrize("query", ASKED, ids=str)
def test_a_query_gives_what_its_panel_needs(filled: psycopg.Connection, query: Query, hours: float) -> None:
    shown = ending_now(hours)
    rows = ask(filled, query, choose(filled, query.dashboard, shown), shown)
    # What goes wrong does so within a day, but not within every quarter of an hour.
    assert rows or (hours != 24 and (query.kind == "annotation" or query.name.startswith(SELDOM)))
    if rows:
        check(query, rows, shown)


@all_queries
def test_a_name_that_is_made_to_break_a_query_breaks_none(filled: psycopg.Connection, query: Query) -> None:
    # Variables come from the address, where anybody may write anything.
    ask(filled, query, CHOSEN | {"symbol": "'; drop table candle; --", "venue": "''"}, ending_now(1))


def step(connection: psycopg.Connection, interval: str, shown: Shown) -> Any:
    """Return the length of a candle that *History* takes for a range."""
    (query,) = (query for query in VARIABLES if query.name == "step")
    (row,) = ask(connection, query, {"interval": interval}, shown)
    return row["interval"]


def test_the_length_of_a_candle_follows_the_range_until_it_is_chosen(filled: psycopg.Connection) -> None:
    hours = {0.2: "1s", 1: "1m", 24: "1m", 48: "5m", 240: "15m", 720: "1h", 6000: "4h", 36_000: "1d", 99_999: "1d"}
    assert {length: step(filled, "auto", ending_now(length)) for length in hours} == hours
    assert step(filled, "5m", ending_now(6000)) == "5m"


def test_seconds_are_chosen_only_where_they_are_kept(filled: psycopg.Connection) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert step(filled, "auto", Shown(yesterday, yesterday + timedelta(minutes=9))) == "1m"


def test_only_the_newest_candles_of_too_many_are_asked_for(filled: psycopg.Connection) -> None:
    # By the newest candle, and not by now: the database may have been filled a while ago.
    row = filled.execute("select max(start_time) from candle_1m").fetchone()
    assert row is not None
    shown = Shown(row[0] - timedelta(hours=47), row[0])
    for query in ASKED:
        if query.kind == "candlestick":
            values = CHOSEN | {"symbol": "T001-USDT", "step": "1m", "resolution": "1m"}
            assert len(ask(filled, query, values, shown)) in (2000, 2001)


def test_a_state_over_time_is_that_of_the_minute_furthest_apart(filled: psycopg.Connection) -> None:
    (query,) = (query for query in ASKED if query.name == "State by symbol A")
    # Steps are of an hour, a 120th of the range, of which the last two days are shown.
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    shown = Shown(now - timedelta(hours=120), now)
    told = {(row["time"], row["symbol"]): row["state"] for row in ask(filled, query, CHOSEN, shown)}
    furthest = filled.execute(
        """
        select distinct on (hour, symbol) date_trunc('hour', start_time) as hour, symbol, state
        from reconciliation
        where start_time between %s and %s
        order by hour, symbol, apart_bps desc nulls last, start_time desc
        """,
        (now - timedelta(days=2), now),
    )
    assert told == {(hour, symbol): state for hour, symbol, state in furthest}


def test_how_far_a_symbol_was_apart_is_read_from_the_key_alone(filled: psycopg.Connection) -> None:
    # Its minutes lie between those of all other symbols: to read weeks of them there takes many times as long.
    asked = [query for query in ASKED if query.kind == "timeseries" and query.name.endswith("Binance above KuCoin A")]
    assert {query.dashboard for query in asked} == {"history", "live-price", "two-venues"}
    for query in asked:
        sql = expand(query.sql, CHOSEN | {"symbol": "T001-USDT"}, ending_now(24))
        plan = "\n".join(line for (line,) in filled.execute(b"explain " + sql.encode()))
        assert "Index Only Scan using minute_fact_pkey" in plan
