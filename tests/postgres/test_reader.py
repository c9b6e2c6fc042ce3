"""What the role may do that only reads: write nothing, and hold nobody up."""

from collections.abc import Iterator

import psycopg
import pytest

from stack.migrations import migrate
from stack.passwords import ROLES, superuser_dsn
from tests.postgres.candles import rows
from tests.postgres.conftest import Database
from verify.database import Database as Verified

pytestmark = pytest.mark.stack


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """The role that only reads, in a transaction that is undone."""
    with database.connect("reader") as connection:
        yield connection
        connection.rollback()


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
