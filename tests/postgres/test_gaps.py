"""Gaps in the database: an older state never replaces a newer one, and what is open is never forgotten."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.postgres.candles import END, MINUTE, SECOND, START, rows, set_now, write_gap
from tests.postgres.conftest import Database

pytestmark = pytest.mark.stack

GAP = "select version, how from gap where symbol = 'TEST-USDT'"


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3, 3, 2)])
def test_the_newest_state_of_a_gap_stands_in_whatever_order_they_come(
    writer: psycopg.Connection, order: tuple[int, ...]
) -> None:
    for version in order:
        write_gap(writer, version=version, how=f"as of {version}")
    assert rows(writer, GAP) == [(3, "as of 3")]


def test_the_same_version_again_changes_nothing(writer: psycopg.Connection) -> None:
    write_gap(writer, how="stream")
    write_gap(writer, how="repair")
    assert rows(writer, GAP) == [(1, "stream")]


def test_the_sink_cannot_delete_a_gap(writer: psycopg.Connection) -> None:
    write_gap(writer)
    writer.execute("delete from gap")
    assert rows(writer, GAP) == [(1, None)]


def test_the_beginning_of_a_feed_is_no_gap_to_anybody(writer: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        write_gap(writer, kind="start")


def test_a_gap_reaches_until_now_while_the_feed_is_down_and_ends_when_it_is_closed(writer: psycopg.Connection) -> None:
    touches = "select span && tstzrange(%s, %s) from gap where symbol = 'TEST-USDT'"
    later = [END + 600 * MINUTE, END + 601 * MINUTE]
    write_gap(writer, to_time=None)
    assert rows(writer, touches, *later) == [(True,)]
    assert rows(writer, touches, START - MINUTE, START) == [(False,)]
    write_gap(writer, to_time=None, closed=END, version=2)
    assert rows(writer, touches, *later) == [(False,)]
    assert rows(writer, touches, START, END) == [(True,)]


def test_a_gap_touches_the_candle_in_which_it_ends(writer: psycopg.Connection) -> None:
    write_gap(writer, to_time=END)
    assert rows(writer, "select span && tstzrange(%s, %s) from gap", END, END + SECOND) == [(True,)]


def test_closed_gaps_are_kept_as_long_as_the_minutes_that_they_touch_and_open_ones_for_ever(
    owner: psycopg.Connection,
) -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    set_now(owner, now)
    ages = {"old": 500, "recent": 300}
    for name, days in ages.items():
        from_time = now - timedelta(days=days)
        times = {"from_time": from_time, "to_time": from_time + MINUTE}
        write_gap(owner, gap_id=f"{name} open", **times)
        write_gap(owner, gap_id=f"{name} closed", closed=now, **times)
    owner.execute("select maintain_partitions(%s, %s)", [now, '{"1m": 400}'])
    assert rows(owner, "select gap_id from gap order by gap_id") == [
        ("old open",),
        ("recent closed",),
        ("recent open",),
    ]


def test_the_reader_sees_gaps_and_cannot_change_them(database: Database) -> None:
    with database.connect("reader") as reader:
        assert rows(reader, "select count(*) from gap")
        reader.rollback()
        reader.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            write_gap(reader)
