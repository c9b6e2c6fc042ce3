"""What the role may do that only reads: see what the contract names, write nothing, and hold nobody up."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from stack.migrations import migrate
from stack.passwords import ROLES, superuser_dsn
from tests.postgres.candles import START, rows
from tests.postgres.conftest import Database
from verify.database import Database as Verified

pytestmark = pytest.mark.stack


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """The role that only reads, in a transaction that is undone."""
    with database.connect("reader") as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    "relation",
    [
        "candle",
        "candle_revision",
        "candle_filled",
        "reconciliation",
        "reconciliation_live",
        "reconciliation_threshold",
        "completeness",
        "ticker",
        "gap",
        "feed_event",
        "late_trade",
        "instrument",
        "market_shown",
        "verification",
        "verified",
    ],
)
def test_the_reader_can_read_what_the_contract_names(reader: psycopg.Connection, relation: str) -> None:
    reader.execute(sql.SQL("select * from {}").format(sql.Identifier(relation)))


@pytest.mark.parametrize(
    "relation",
    ["repair_progress", "instrument_list", "minute_fact", "hour_fact", "threshold_period", "schema_migration"],
)
def test_the_reader_cannot_read_what_is_internal(reader: psycopg.Connection, relation: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(sql.SQL("select * from {}").format(sql.Identifier(relation)))


def test_a_partition_made_later_is_read_through_its_table_only(owner: psycopg.Connection) -> None:
    owner.execute("select maintain_partitions(%s, '{}')", [START])
    assert rows(owner, "select has_table_privilege(%s, 'candle_1m_20010201', 'select')", ROLES["reader"]) == [(False,)]
    assert rows(owner, "select has_table_privilege(%s, 'candle_1m', 'select')", ROLES["reader"]) == [(True,)]


WRITES = [
    "insert into candle_1m (venue) values ('binance')",
    "insert into ticker (venue) values ('binance')",
    "update candle set close = 1",
    "update reconciliation_threshold set diverged_bps = 1",
    "delete from gap",
    "truncate feed_event",
    "copy ticker from stdin",
    "merge into ticker using instrument on false when not matched then insert (venue) values ('binance')",
    "select * from ticker for update",
    "lock table candle in exclusive mode",
    "create table mine (number integer)",
    "create temporary table mine (number integer)",
    "create view mine as select 1",
    "create function mine() returns integer language sql return 1",
    "create schema mine",
    "create index on candle_1m (close)",
    "alter table ticker add column mine integer",
    "comment on table candle is 'mine'",
    "drop view candle_filled",
    "create role mine",
    "alter role pricebraid_writer password 'mine'",
    "set role pricebraid",
    "select maintain_partitions(now(), '{}')",
    "select forget_reconciliation(1)",
    "select store_venue_candles('[]')",
    "select recompute_candles('binance', 'BTC-USDT', now(), now())",
    "select recompute_reconciliation('BTC-USDT', now(), now())",
]


@pytest.mark.parametrize("statement", WRITES)
def test_the_reader_has_no_right_to_write_in_whatever_way(reader: psycopg.Connection, statement: str) -> None:
    # What protects from slips is taken away first: rights have to do without it.
    reader.execute("set transaction read write")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement.encode())


def test_what_a_reader_begins_is_read_only(reader: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("delete from ticker")


def limits(database: Database) -> list[str]:
    """Return what a new session of the reader is bound by."""
    names = ("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
    with database.connect("reader") as connection:
        return [str(rows(connection, f"show {name}")[0][0]) for name in names]


def test_a_reader_is_cut_after_the_time_that_is_set(database: Database) -> None:
    short = database.settings.postgres.model_copy(update={"reader_timeout_seconds": 0.2})
    assert migrate(database.settings.model_copy(update={"postgres": short}), database.state) == []
    try:
        with database.connect("reader") as reader:
            with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
                reader.execute("select pg_sleep(60)")
            reader.rollback()
            # Who means it may say so.
            reader.execute("set statement_timeout = '10s'")
            reader.execute("select pg_sleep(0.3)")
    finally:
        migrate(database.settings, database.state)
    assert limits(database) == ["on", "30s", "1min"]


def test_what_a_reader_changed_of_its_own_role_is_undone_by_the_next_start(database: Database) -> None:
    with database.connect("reader") as reader:
        reader.execute("set transaction read write")
        for name, value in (("default_transaction_read_only", "off"), ("statement_timeout", "0")):
            reader.execute(f"alter role pricebraid_reader set {name} = {value}".encode())
        reader.execute("alter role pricebraid_reader set search_path = 'nowhere'")
    assert limits(database)[0] == "off"
    migrate(database.settings, database.state)
    assert limits(database) == ["on", "30s", "1min"]
    with psycopg.connect(superuser_dsn(database.settings, database.state)) as superuser:
        found = rows(superuser, "select rolconfig from pg_roles where rolname = %s", ROLES["reader"])
    assert "search_path" not in str(found)


def test_verifying_may_take_longer(database: Database) -> None:
    verified = Verified(database.settings)
    try:
        assert verified._connection.execute("show statement_timeout").fetchone() == ("0",)
    finally:
        verified.close()
