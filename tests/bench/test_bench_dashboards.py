"""The benchmark of dashboards asks everything that people can make Grafana ask, and says what was slowest."""

from collections.abc import Iterator

import psycopg
import pytest

from bench import dashboards
from bench._dashboards import DASHBOARDS, QUERIES, Query, default_hours
from bench._host import Host, Load
from bench.dashboards import Answers, Case, Report, Size
from tests.ingest.postgres import postgres

SIZE = Size(days=1, hours=1, symbols=7)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A reader's connection to a small database that is filled as the benchmark fills its own."""
    with postgres(tmp_path_factory.mktemp("filled")) as made:
        with made.connect("owner") as owner:
            dashboards.fill(owner, SIZE)
        with made.connect("reader") as connection:
            yield connection


@pytest.fixture(scope="module")
def cases(reader: psycopg.Connection) -> list[Case]:
    """Every case of every dashboard."""
    return [case for name in DASHBOARDS for case in dashboards.cases(reader, name)]


def count(reader: psycopg.Connection, query: str) -> int:
    row = reader.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.stack
def test_the_database_holds_as_much_as_was_asked_for(reader: psycopg.Connection) -> None:
    # Some minutes of some symbols have no trade.
    most = 2 * SIZE.symbols * (SIZE.days * 1440 + 1)
    assert 0.8 * most < count(reader, "select count(*) from candle_1m") <= most
    seconds = 2 * SIZE.symbols * (SIZE.hours * 3600 + 1) * 6 / 7
    assert count(reader, "select count(*) from candle_1s") == pytest.approx(seconds, rel=0.01)
    for interval in ("5m", "15m", "1h", "4h", "1d"):
        assert count(reader, f"select count(*) from candle_{interval}") > 0
    for table in ("candle_revision", "reconciliation", "completeness", "gap", "feed_event"):
        assert count(reader, f"select count(*) from {table}") > 0


@pytest.mark.stack
def test_candles_lie_in_partitions_of_their_time_as_those_of_a_stack_do(reader: psycopg.Connection) -> None:
    stray = "select count(*) from candle where tableoid::regclass::text like '%_default'"
    assert count(reader, stray) == 0


@pytest.mark.stack
def test_a_symbol_s_rows_lie_between_those_of_the_others_as_they_do_in_a_stack(reader: psycopg.Connection) -> None:
    for interval in ("1s", "1m", "5m"):
        first = f"select symbol from candle_{interval} order by tableoid, ctid limit {20 * SIZE.symbols}"
        assert count(reader, f"select count(distinct symbol) from ({first}) as found") == SIZE.symbols


@pytest.mark.stack
def test_every_query_is_asked_for_the_range_that_its_dashboard_opens_with(cases: list[Case]) -> None:
    assert {case.query for case in cases if case.hours == default_hours(case.query.dashboard)} == set(QUERIES)


@pytest.mark.stack
def test_a_query_that_shows_the_range_is_asked_for_each(cases: list[Case]) -> None:
    asked: dict[Query, set[float]] = {}
    for case in cases:
        asked.setdefault(case.query, set()).add(case.hours)
    for query, hours in asked.items():
        if "$__timeF" in query.sql:
            assert hours == {default_hours(query.dashboard), *dashboards.HOURS}


@pytest.mark.stack
def test_every_venue_and_length_of_a_candle_is_chosen_once(cases: list[Case]) -> None:
    chosen = {(case.query.dashboard, name, value) for case in cases for name, value in case.changed.items()}
    assert ("history", "venue", "kucoin") in chosen
    assert {value for dashboard, name, value in chosen if (dashboard, name) == ("history", "interval")} == {
        "1s", "1m", "5m", "15m", "1h", "4h", "1d",
    }  # fmt: skip
    assert ("live-price", "symbol", "T005-USDT") in chosen


@pytest.mark.stack
def test_nothing_is_asked_twice(cases: list[Case]) -> None:
    asked = [(case.query, case.sql) for case in cases]
    assert len(set(asked)) == len(asked)


@pytest.mark.stack
def test_the_slowest_comes_first(reader: psycopg.Connection) -> None:
    found, ways = dashboards.ask_all(reader, times=2)
    assert ways > len(found) == len(QUERIES)
    assert [one.p95 for one in found] == sorted((one.p95 for one in found), reverse=True)
    assert all(0 < one.p50 <= one.p95 <= one.most for one in found)


def report(p95: float) -> Report:
    case = Case(QUERIES[0], 6, {"venue": "kucoin"}, "select 1")
    load = Load.now()
    return Report(Host.here(), load, load, SIZE, 1, 1, [Answers(case, 1, 0.01, p95, 1.0)], "Result")


def test_a_tenth_of_a_second_is_too_long() -> None:
    assert report(0.0999).kept
    assert not report(0.1).kept
