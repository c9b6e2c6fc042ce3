"""What the database refuses, whoever writes; each test undoes what it did."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.postgres.conftest import Database

pytestmark = pytest.mark.stack

START = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
KEEP = '{"1s": 3, "1m": 400, "5m": 800, "15m": 1200, "1h": 3650, "4h": 3650, "1d": 36500, "events": 90}'
UPSERT = """
insert into candle_1m (
    venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, trade_count, origin, last_trade_time,
    generation, version
) values ('binance', 'TEST-USDT', %s, 1, 2, 1, %s, 1.500, 3, 1, 'trades', %s, %s, %s)
on conflict (venue, symbol, start_time) do update set
    close = excluded.close, generation = excluded.generation, version = excluded.version
"""


def write(connection: psycopg.Connection, close: int, generation: int, version: int, start: datetime = START) -> None:
    connection.execute(UPSERT, [start, close, start, generation, version])


def closes(connection: psycopg.Connection) -> list[Any]:
    return connection.execute("select close, version from candle where symbol = 'TEST-USDT'").fetchall()


@pytest.mark.parametrize(("generation", "version"), [(2, 4), (2, 5), (1, 100)])
def test_a_row_of_no_more_records_does_not_replace_one(
    writer: psycopg.Connection, generation: int, version: int
) -> None:
    write(writer, 7, 2, 5)
    write(writer, 8, generation, version)
    assert closes(writer) == [(7, 5)]


@pytest.mark.parametrize(("generation", "version"), [(2, 6), (3, 1)])
def test_a_row_of_more_records_or_of_a_later_start_does(
    writer: psycopg.Connection, generation: int, version: int
) -> None:
    write(writer, 7, 2, 5)
    write(writer, 8, generation, version)
    assert closes(writer) == [(8, version)]


def test_the_sink_cannot_delete(writer: psycopg.Connection) -> None:
    write(writer, 7, 1, 1)
    writer.execute("delete from candle_1m where symbol = 'TEST-USDT'")
    writer.execute("delete from candle where symbol = 'TEST-USDT'")
    assert closes(writer) == [(7, 1)]


def test_a_row_gets_its_interval_and_loses_trailing_zeros(writer: psycopg.Connection) -> None:
    write(writer, 7, 1, 1)
    row = writer.execute("select interval, base_volume::text from candle where symbol = 'TEST-USDT'").fetchone()
    assert row == ("1m", "1.5")


def test_a_ticker_received_earlier_does_not_replace_a_later_one(writer: psycopg.Connection) -> None:
    sql = """
    insert into ticker (venue, symbol, last_price, event_time, receive_time) values ('kucoin', 'TEST-USDT', %s, %s, %s)
    on conflict (venue, symbol) do update set last_price = excluded.last_price, receive_time = excluded.receive_time
    """
    writer.execute(sql, [2, START, START])
    writer.execute(sql, [1, START, START - timedelta(milliseconds=1)])
    assert writer.execute("select last_price from ticker where symbol = 'TEST-USDT'").fetchone() == (Decimal(2),)
    writer.execute(sql, [3, START, START + timedelta(milliseconds=1)])
    assert writer.execute("select last_price from ticker where symbol = 'TEST-USDT'").fetchone() == (Decimal(3),)


def test_partitions_are_made_ahead_and_take_over_what_the_default_held(owner: psycopg.Connection) -> None:
    write(owner, 7, 1, 1)
    owner.execute("select maintain_partitions(%s, %s)", [START, "{}"])
    found = owner.execute("select tableoid::regclass::text, close from candle where symbol = 'TEST-USDT'").fetchall()
    assert found == [("candle_1m_20010201", 7)]
    ahead = owner.execute("select to_regclass('candle_1s_20010205'), to_regclass('candle_1m_20010401')").fetchone()
    assert ahead is not None
    assert None not in ahead


def test_what_is_older_than_is_kept_is_dropped_by_the_markets_clock(owner: psycopg.Connection) -> None:
    owner.execute("select maintain_partitions(%s, %s)", [START, "{}"])
    write(owner, 7, 1, 1)
    write(owner, 8, 1, 1, START - timedelta(days=3000))
    newest = datetime(2099, 1, 1, tzinfo=UTC)
    owner.execute(
        "insert into candle_1s (venue, symbol, start_time, open, high, low, close, base_volume, quote_volume,"
        " last_trade_time, generation, version) values ('binance', 'TEST-USDT', %s, 1, 1, 1, 1, 1, 1, %s, 1, 1)",
        [newest, newest],
    )
    owner.execute("select maintain_partitions(%s, %s)", [START, KEEP])
    assert owner.execute("select interval from candle where symbol = 'TEST-USDT'").fetchall() == [("1s",)]
    assert owner.execute("select to_regclass('candle_1m_20010201')").fetchone() == (None,)


def test_times_are_utc_whatever_the_machine_thinks(database: Database) -> None:
    with database.connect("reader") as reader:
        assert reader.execute("show timezone").fetchone() == ("UTC",)


def test_every_table_view_and_function_says_what_it_is_for(owner: psycopg.Connection) -> None:
    silent = """
    select proname from pg_proc
    where pronamespace = 'public'::regnamespace and obj_description(oid, 'pg_proc') is null
    union
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition
        and obj_description(oid, 'pg_class') is null
    """
    assert owner.execute(silent).fetchall() == [("schema_migration",)]
