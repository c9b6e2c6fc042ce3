"""docs/sql.md: every statement of it can be asked by a reader, and it names all that a reader sees and nothing else."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from market.records import VENUES, Venue
from stack.passwords import ROLES, superuser_dsn
from stack.shown import show_market
from tests.postgres.candles import MINUTE, SECOND, rows, set_now, upsert, write, write_gap
from tests.postgres.conftest import Database
from tests.postgres.documented import functions, relations, statements

pytestmark = pytest.mark.stack

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SYMBOL = "BTC-USDT"
STATEMENTS = statements()

# A partition is part of its parent. What is not granted is nobody's to ask.
SEEN = """
    select relation.oid, relname, attname,
        replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz')
    from pg_class as relation
    inner join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
    where relnamespace = 'public'::regnamespace
        and relkind in ('r', 'p', 'v', 'm')
        and not relispartition
        and has_table_privilege('pricebraid_reader', relation.oid, 'select')
"""
CALLED = """
    select proname, replace(pg_get_function_arguments(oid), 'timestamp with time zone', 'timestamptz'),
        obj_description(oid, 'pg_proc') is not null
    from pg_proc
    where pronamespace = 'public'::regnamespace
        and prorettype <> 'trigger'::regtype
        and has_function_privilege('pricebraid_reader', oid, 'execute')
"""


def noon_before(now: datetime) -> datetime:
    """Return the noon of yesterday."""
    return now.replace(hour=12, minute=0, second=0, microsecond=0) - DAY


def write_candles(connection: psycopg.Connection, venue: Venue, now: datetime) -> None:
    """Write the minutes of the last hours and of yesterday's noon, hours and days, and one correction of yesterday."""
    newest, noon = now.replace(second=0, microsecond=0), noon_before(now)
    of = {"venue": venue, "symbol": SYMBOL}
    for number in range(150):
        write(connection, start_time=newest - number * MINUTE, close=100 + number % 3, **of)
    for number in (0, 1, 2, 4):
        write(connection, start_time=noon + number * MINUTE, close=100 + number, **of)
    write(connection, start_time=noon, close=99, version=2, known_time=noon + 5 * MINUTE, **of)
    # The oldest day tells since when there are buckets.
    for start in (noon - 12 * HOUR, noon + 12 * HOUR):
        write(connection, "1d", start_time=start, close=100, **of)
    for start in (noon, newest.replace(minute=0)):
        write(connection, "1h", start_time=start, close=100, **of)
        row = {**of, "start_time": start, "minutes_traded": 60, "minutes_repaired": 1}
        upsert(connection, "hour_fact", "venue symbol start_time", row)
    write(connection, start_time=newest - 200 * MINUTE, close=100, complete=False, **of)


def write_facts(connection: psycopg.Connection, now: datetime) -> None:
    """Write what both venues said of some minutes; KuCoin was silent in the last."""
    newest = now.replace(second=0, microsecond=0)
    for start, close in ((noon_before(now), 101), (newest - 10 * MINUTE, 100), (newest - 9 * MINUTE, None)):
        row = {"symbol": SYMBOL, "start_time": start, "version": 1}
        for venue, price in zip(VENUES, (100, close), strict=True):
            row |= {f"{venue}_close": price, f"{venue}_volume": price and 1, f"{venue}_quote_volume": price}
        upsert(connection, "minute_fact", "symbol start_time", row)


def write_feed(connection: psycopg.Connection, venue: Venue, now: datetime) -> None:
    """Write a ticker, events, a late trade, gaps that are open and closed, and what is listed and was until lately."""
    time, noon = now - 10 * MINUTE, noon_before(now)
    of = {"venue": venue, "symbol": SYMBOL}
    ticker = {"last_price": 100, "bid_price": 99, "ask_price": 101, "open_24h": 98, "quote_volume_24h": 1000}
    upsert(connection, "ticker", "venue symbol", of | ticker | {"event_time": now, "receive_time": now})
    detail = json.dumps({"reason": "closed by the venue"})
    event = {"event_id": venue, "venue": venue, "kind": "disconnected", "detail": detail, "event_time": time}
    upsert(connection, "feed_event", "event_id", event)
    trade = {"source_id": "1", "first_id": 1, "last_id": 1, "sequence": 1, "price": 100, "size": 1, "quote": 100}
    trade |= {"side": "buy", "event_time": time - HOUR, "receive_time": time}
    upsert(connection, "late_trade", "venue symbol source_id", of | trade)
    write_gap(connection, gap_id=f"{venue}:open", from_time=time, to_time=time + SECOND, opened=time, **of)
    closed = {"opened": noon, "closed": noon + MINUTE, "how": "repair"}
    write_gap(connection, gap_id=venue, from_time=noon, to_time=noon + SECOND, **closed, **of)
    for read, bases in ((now - DAY, ["BTC", "OLD"]), (now - HOUR, ["BTC", venue.upper()])):
        listed = [
            {"code": base, "name": base, "symbol": f"{base}-USDT", "base": base, "quote": "USDT", "status": "trading"}
            for base in bases
        ]
        row = {"venue": venue, "instruments": json.dumps(listed), "seen_time": read}
        upsert(connection, "instrument_list", "venue", row)


def write_verification(connection: psycopg.Connection, now: datetime) -> None:
    """Write a run of verify that found something."""
    found = {"venue": "binance", "symbol": SYMBOL, "interval": "1m", "start_time": now.isoformat(), "column": "close"}
    connection.execute(
        "insert into verification (scope, started_at, finished_at, candles, differences, doubled_trades, examples)"
        " values ('recent', %s, %s, 10, 1, 0, %s)",
        [now - HOUR, now, json.dumps([found | {"expected": "1", "found": "2"}])],
    )


@pytest.fixture(scope="module")
def asked(database: Database) -> Iterator[psycopg.Connection]:
    """A transaction in which the writer has written some rows of everything, and now the reader reads."""
    address = superuser_dsn(database.settings, database.state, database.settings.postgres.database)
    show_market(database.settings.model_copy(update={"market": "simulated"}), database.state)
    with psycopg.connect(address) as connection:
        connection.execute(f"set local role {ROLES['writer']}")
        # What a statement takes for now is when this transaction began.
        ((now,),) = rows(connection, "select now()")
        set_now(connection, now)
        for venue in VENUES:
            write_candles(connection, venue, now)
            write_feed(connection, venue, now)
        write_facts(connection, now)
        write_verification(connection, now)
        connection.execute(f"set local role {ROLES['reader']}")
        connection.execute("set transaction read only")
        yield connection
        connection.rollback()


@pytest.mark.parametrize("question", STATEMENTS)
def test_a_statement_can_be_asked_and_has_an_answer(asked: psycopg.Connection, question: str) -> None:
    with asked.transaction():
        assert asked.execute(STATEMENTS[question].encode()).rowcount > 0


def test_every_table_view_and_column_that_a_reader_sees_is_documented_with_its_type(owner: psycopg.Connection) -> None:
    seen: dict[str, dict[str, str]] = {}
    for _, relation, column, type_ in rows(owner, SEEN):
        seen.setdefault(relation, {})[column] = type_
    assert relations() == seen


def test_every_function_that_a_reader_may_call_is_documented_with_its_arguments(owner: psycopg.Connection) -> None:
    callable_ = {name: arguments for name, arguments, _ in rows(owner, CALLED)}
    documented = functions()
    assert documented.keys() == callable_.keys()
    assert {name: callable_[name] for name, arguments in documented.items() if arguments is not None} == {
        name: arguments for name, arguments in documented.items() if arguments is not None
    }


def test_everything_that_a_reader_sees_has_a_comment_in_the_database(owner: psycopg.Connection) -> None:
    silent = f"""
        select distinct relname, null as attname from ({SEEN}) as seen where obj_description(oid, 'pg_class') is null
        union all
        select relname, seen.attname
        from ({SEEN}) as seen
        inner join pg_attribute as told on attrelid = oid and told.attname = seen.attname
        where col_description(oid, attnum) is null
    """
    assert rows(owner, silent) == []
    assert [name for name, _, told in rows(owner, CALLED) if not told] == []
