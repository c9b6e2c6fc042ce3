"""The venue's own minutes in the database: where they stand and where they give way, and what is made of them."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from market.records import VenueCandle
from tests.postgres.candles import END, MINUTE, SECOND, SPANS, START, SYMBOL, VENUE, rows, write, write_gap
from tests.postgres.conftest import Database

pytestmark = pytest.mark.stack

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)
MINUTES = "select start_time, close::int, origin, complete from candle_1m where symbol = 'TEST-USDT' order by 1"


def micros(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def venue_candle(start: datetime = START, close: int = 50, supersedes: bool = False, **given: Any) -> VenueCandle:
    """A candle as repair fetches it: filling history, or correcting an hour later."""
    known = start + 60 * MINUTE if supersedes else start + MINUTE - MICROSECOND
    fields: dict[str, Any] = {
        "open": "49.5",
        "high": "51",
        "low": "49",
        "close": str(close),
        "base_volume": "2.50",
        "quote_volume": "125",
        "taker_buy_base_volume": None,
        "trade_count": None,
        "first_id": None,
        "last_id": None,
        "known_time": micros(known),
        "fetched_time": micros(known),
    }
    return VenueCandle(VENUE, SYMBOL, micros(start), supersedes=supersedes, **(fields | given))


def store(connection: psycopg.Connection, *candles: VenueCandle) -> int:
    ((stored,),) = rows(connection, "select store_venue_candles(%s)", msgspec.json.encode(candles).decode())
    return int(stored)


def recompute(connection: psycopg.Connection, start: datetime = START, end: datetime = END) -> int:
    ((written,),) = rows(
        connection, "select recompute_candles(%s, %s, from_time => %s, to_time => %s)", VENUE, SYMBOL, start, end
    )
    return int(written)


def test_a_venue_candle_fills_a_minute_without_trades(writer: psycopg.Connection) -> None:
    assert store(writer, venue_candle(taker_buy_base_volume="1.20", trade_count=9)) == 1
    assert rows(
        writer,
        "select open, high, low, close, base_volume::text, quote_volume, taker_buy_base_volume::text, trade_count,"
        " origin, complete, known_time from candle_1m where symbol = 'TEST-USDT'",
    ) == [(49.5, 51, 49, 50, "2.5", 125, "1.2", 9, "venue_candle", True, END - MICROSECOND)]


@pytest.mark.parametrize("supersedes", [False, True])
def test_trades_win_where_they_are_complete(writer: psycopg.Connection, supersedes: bool) -> None:
    write(writer, complete=True)
    assert store(writer, venue_candle(supersedes=supersedes)) == 0
    assert rows(writer, MINUTES) == [(START, 7, "trades", True)]


def test_incomplete_trades_give_way_to_a_candle_that_closed_their_gap_and_to_no_other(
    writer: psycopg.Connection,
) -> None:
    write(writer, complete=False)
    assert store(writer, venue_candle()) == 0
    assert rows(writer, MINUTES) == [(START, 7, "trades", False)]
    assert store(writer, venue_candle(supersedes=True)) == 1
    assert rows(writer, MINUTES) == [(START, 50, "venue_candle", True)]


def test_replacing_trades_is_a_correction(writer: psycopg.Connection) -> None:
    write(writer, complete=False)
    store(writer, venue_candle(supersedes=True))
    assert rows(writer, "select revision, known_from from candle where symbol = 'TEST-USDT'") == [
        (1, START + 60 * MINUTE)
    ]


def test_a_venue_candle_fetched_again_takes_the_place_of_the_one_before(writer: psycopg.Connection) -> None:
    assert [store(writer, venue_candle(close=close)) for close in (50, 51)] == [1, 1]
    assert rows(writer, MINUTES) == [(START, 51, "venue_candle", True)]


def test_of_several_of_one_minute_a_superseding_one_counts_and_then_the_latest(writer: psycopg.Connection) -> None:
    candles = [
        venue_candle(close=1, fetched_time=9),
        venue_candle(close=2, supersedes=True, fetched_time=3),
        venue_candle(close=3, supersedes=True, fetched_time=2),
    ]
    assert store(writer, *candles) == 1
    assert rows(writer, MINUTES) == [(START, 2, "venue_candle", True)]


def test_a_candle_that_fills_is_not_complete_while_a_gap_is_open_there(writer: psycopg.Connection) -> None:
    write_gap(writer)
    store(writer, venue_candle(), venue_candle(START + MINUTE))
    assert rows(writer, MINUTES) == [
        (START, 50, "venue_candle", False),
        (START + MINUTE, 50, "venue_candle", True),
    ]


@pytest.mark.parametrize("complete", [None, False])
def test_what_a_job_writes_later_of_such_a_minute_wins(writer: psycopg.Connection, complete: bool | None) -> None:
    if complete is not None:
        write(writer, complete=complete, version=5)
    store(writer, venue_candle(supersedes=True))
    write(writer, close=8, version=6, known_time=START + 61 * MINUTE)
    assert rows(writer, MINUTES) == [(START, 8, "trades", True)]


def test_what_a_job_only_repeats_does_not(writer: psycopg.Connection) -> None:
    write(writer, complete=False, version=5)
    store(writer, venue_candle(supersedes=True))
    write(writer, complete=False, version=5)
    assert rows(writer, MINUTES) == [(START, 50, "venue_candle", True)]


def test_a_job_that_starts_from_nothing_replaces_what_filled_its_minutes(writer: psycopg.Connection) -> None:
    store(writer, venue_candle())
    write(writer, generation=1, version=1, known_time=START)
    assert rows(writer, MINUTES) == [(START, 7, "trades", True)]


def test_coarser_candles_are_made_of_all_minutes_of_their_buckets(writer: psycopg.Connection) -> None:
    opens = START.replace(minute=0)
    for minute, close in [(0, 10), (4, 30), (5, 20), (59, 40)]:
        write(writer, start_time=opens + minute * MINUTE, close=close, first_id=minute, last_id=minute + 1)
    assert recompute(writer, START, START + 60 * MINUTE) == 7
    found = rows(
        writer,
        'select "interval", start_time, open::int, high::int, low::int, close::int, base_volume::int,'
        " quote_volume::int, taker_buy_base_volume::int, trade_count, first_id, last_id, origin, complete"
        " from candle where symbol = 'TEST-USDT' and \"interval\" not in ('1s', '1m') order by \"interval\", 2",
    )
    hour = (10, 40, 10, 40, 4, 100, 4, 4, 0, 60, "trades", True)
    assert found == [
        ("15m", opens, 10, 30, 10, 20, 3, 60, 3, 3, 0, 6, "trades", True),
        ("15m", opens + 45 * MINUTE, 40, 40, 40, 40, 1, 40, 1, 1, 59, 60, "trades", True),
        ("1d", opens.replace(hour=0), *hour),
        ("1h", opens, *hour),
        ("4h", opens, *hour),
        ("5m", opens + 5 * MINUTE, 20, 20, 20, 20, 1, 20, 1, 1, 5, 6, "trades", True),
        ("5m", opens + 55 * MINUTE, 40, 40, 40, 40, 1, 40, 1, 1, 59, 60, "trades", True),
    ]


def test_what_is_unknown_of_one_minute_is_unknown_of_the_hour(writer: psycopg.Connection) -> None:
    write(writer)
    store(writer, venue_candle(START + MINUTE))
    recompute(writer)
    assert rows(
        writer,
        "select distinct trade_count, taker_buy_base_volume, base_volume, origin from candle"
        " where symbol = 'TEST-USDT' and \"interval\" not in ('1s', '1m')",
    ) == [(None, None, 3.5, "venue_candle")]


def complete(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "select distinct complete from candle_1h where symbol = 'TEST-USDT'")


def test_a_coarser_candle_is_complete_where_its_minutes_are_and_no_open_gap_touches_it(
    writer: psycopg.Connection,
) -> None:
    write(writer, complete=False)
    recompute(writer)
    assert complete(writer) == [(False,)]
    write(writer, complete=True, version=2)
    recompute(writer)
    assert complete(writer) == [(True,)]
    idle = START + 20 * MINUTE
    write_gap(writer, from_time=idle, to_time=idle + SECOND)
    recompute(writer)
    assert complete(writer) == [(False,)]
    write_gap(writer, from_time=idle, to_time=idle + SECOND, closed=END, version=2)
    recompute(writer)
    assert complete(writer) == [(True,)]


def test_recomputing_stands_against_what_the_job_repeats_and_gives_way_to_what_it_writes_next(
    writer: psycopg.Connection,
) -> None:
    closes = "select close::int, generation, version from candle_1h where symbol = 'TEST-USDT'"
    opens = START.replace(minute=0)
    write(writer, "1h", start_time=opens, close=1, version=100)
    write(writer, close=2)
    recompute(writer)
    assert rows(writer, closes) == [(2, 1, 100)]
    write(writer, "1h", start_time=opens, close=1, version=100)
    assert rows(writer, closes) == [(2, 1, 100)]
    write(writer, "1h", start_time=opens, close=3, version=101)
    assert rows(writer, closes) == [(3, 1, 101)]


def test_recomputing_again_changes_nothing(writer: psycopg.Connection) -> None:
    store(writer, venue_candle())
    state = "select \"interval\", close, revision, version from candle where symbol = 'TEST-USDT' order by 1"
    recompute(writer)
    first = rows(writer, state)
    recompute(writer)
    assert rows(writer, state) == first
    assert len(first) == len(SPANS) - 1


def test_where_there_are_no_minutes_nothing_is_made(writer: psycopg.Connection) -> None:
    write(writer, "1h", start_time=START.replace(minute=0))
    assert recompute(writer) == 0
    assert rows(writer, "select close::int from candle where symbol = 'TEST-USDT'") == [(7,)]


def test_other_symbols_and_venues_are_left_alone(writer: psycopg.Connection) -> None:
    write(writer)
    write(writer, venue="kucoin", close=9)
    write(writer, symbol="OTHER-USDT", close=9)
    recompute(writer)
    assert rows(writer, "select distinct venue, symbol, high::int from candle_1d") == [(VENUE, SYMBOL, 7)]


def test_history_gets_partitions_of_its_own(writer: psycopg.Connection) -> None:
    candles = [venue_candle(START + timedelta(days=days)) for days in (0, 40)]
    store(writer, *candles)
    recompute(writer, START, START + timedelta(days=41))
    found = rows(writer, "select distinct tableoid::regclass::text from candle where symbol = 'TEST-USDT' order by 1")
    assert [name for (name,) in found] == [
        "candle_15m_20010101",
        "candle_1d_20000101",
        "candle_1h_20010101",
        "candle_1m_20010201",
        "candle_1m_20010301",
        "candle_4h_20010101",
        "candle_5m_20010201",
        "candle_5m_20010301",
    ]


def test_the_reader_may_not_store_or_recompute(database: Database) -> None:
    with database.connect("reader") as reader:
        reader.execute("set transaction read write")
        for act in (store, recompute):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), reader.transaction():
                act(reader)


def test_progress_of_repair_is_the_writers_to_keep(writer: psycopg.Connection) -> None:
    sql = """
    insert into repair_progress values ('kucoin', 'TEST-USDT', 'check', %s)
    on conflict (venue, symbol, task) do update set up_to = excluded.up_to
    """
    writer.execute(sql, [START])
    writer.execute(sql, [END])
    assert rows(writer, "select up_to from repair_progress") == [(END,)]
    writer.execute("delete from repair_progress")
