"""The venues' lists in the database: the newest list of each venue says what it lists, and since when."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import psycopg
import pytest

from tests.postgres.candles import rows
from tests.postgres.conftest import Database

pytestmark = pytest.mark.stack

START = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATES = "select code, status, since, seen_time from instrument where venue = 'kucoin' order by code"


def pair(code: str, status: str, base: str = "") -> dict[str, str]:
    base = base or code.partition("-")[0]
    name = f"{base}-USDT"
    return {"code": code, "name": name, "symbol": name, "base": base, "quote": "USDT", "status": status}


def write(connection: psycopg.Connection, hour: int, *pairs: dict[str, str], venue: str = "kucoin") -> None:
    """Write a list as the sink does."""
    connection.execute(
        """
        insert into instrument_list (venue, instruments, seen_time) values (%s, %s, %s)
        on conflict (venue) do update set instruments = excluded.instruments, seen_time = excluded.seen_time
        """,
        [venue, json.dumps(pairs), START + hour * HOUR],
    )


def states(connection: psycopg.Connection) -> dict[str, tuple[str, float, float]]:
    """Return of each of KuCoin's codes its status, since when, and when it was seen, in hours from the start."""
    return {
        code: (status, (since - START) / HOUR, (seen - START) / HOUR)
        for code, status, since, seen in rows(connection, STATES)
    }


def test_a_status_stands_since_it_was_first_seen_however_often_lists_are_read(writer: psycopg.Connection) -> None:
    write(writer, 0, pair("A-USDT", "trading"), pair("B-USDT", "halted"))
    write(writer, 1, pair("A-USDT", "trading"), pair("B-USDT", "trading"))
    write(writer, 2, pair("A-USDT", "halted"), pair("B-USDT", "trading"))
    assert states(writer) == {"A-USDT": ("halted", 2, 2), "B-USDT": ("trading", 1, 2)}


def test_what_a_list_lacks_is_delisted_since_then_and_may_come_back(writer: psycopg.Connection) -> None:
    write(writer, 0, pair("A-USDT", "trading"), pair("B-USDT", "trading"))
    # Nobody looked for a while: what has vanished meanwhile is not in the list all the same.
    write(writer, 9, pair("B-USDT", "trading"))
    write(writer, 10, pair("B-USDT", "trading"))
    assert states(writer) == {"A-USDT": ("delisted", 9, 0), "B-USDT": ("trading", 0, 10)}
    write(writer, 11, pair("A-USDT", "halted"), pair("B-USDT", "trading"))
    assert states(writer)["A-USDT"] == ("halted", 11, 11)


def test_a_list_of_one_venue_says_nothing_of_the_other(writer: psycopg.Connection) -> None:
    write(writer, 0, pair("A-USDT", "trading"))
    write(writer, 1, pair("AUSDT", "trading"), venue="binance")
    write(writer, 2, pair("BUSDT", "trading"), venue="binance")
    assert states(writer) == {"A-USDT": ("trading", 0, 0)}


def test_a_renamed_pair_stays_one_row(writer: psycopg.Connection) -> None:
    write(writer, 0, pair("GALAX-USDT", "trading"))
    write(writer, 1, pair("GALAX-USDT", "trading", base="GALA"))
    found = rows(writer, "select code, name, symbol, base, quote, since from instrument where venue = 'kucoin'")
    assert found == [("GALAX-USDT", "GALA-USDT", "GALA-USDT", "GALA", "USDT", START)]


@pytest.mark.parametrize("order", [*permutations((0, 1, 2)), (0, 1, 2, 0, 1, 2), (2, 2)])
def test_the_newest_list_stands_in_whatever_order_and_however_often_they_come(
    writer: psycopg.Connection, order: tuple[int, ...]
) -> None:
    lists: list[list[dict[str, str]]] = [
        [pair("A-USDT", "trading"), pair("B-USDT", "trading")],
        [pair("A-USDT", "halted"), pair("B-USDT", "trading")],
        [pair("A-USDT", "halted")],
    ]
    for number in order:
        write(writer, number, *lists[number])
    found = {code: state[0] for code, state in states(writer).items()}
    assert found.pop("B-USDT", "delisted") == "delisted"
    assert found == {"A-USDT": "halted"}


def test_the_sink_can_write_lists_and_nothing_that_is_made_of_them(writer: psycopg.Connection) -> None:
    write(writer, 0, pair("A-USDT", "trading"), pair("A-USDT", "trading"))
    assert rows(writer, "select count(*) from instrument") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.execute("update instrument set status = 'delisted'")


def test_two_readers_of_one_list_wait_for_each_other(database: Database) -> None:
    with database.connect("writer") as first, database.connect("writer") as second:
        try:
            write(first, 0, pair("A-USDT", "trading"))
            second.execute("set local lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                write(second, 1, pair("B-USDT", "trading"))
        finally:
            first.rollback()
            second.rollback()


def test_the_reader_sees_what_is_listed_and_cannot_change_it(database: Database) -> None:
    with database.connect("reader") as reader:
        found: list[Any] = rows(reader, "select venue, code, name, symbol, base, quote, status, since from instrument")
        assert found == []
        reader.rollback()
        reader.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            write(reader, 0)
