"""A database of its own: Postgres alone, with all migrations, empty. Every test undoes what it did in it."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from market.settings import Settings, load
from stack import postgres
from stack.accounts import as_user
from stack.migrations import migrate
from stack.passwords import Role, dsn
from stack.state import State
from tests.ports import free_port
from tests.stacks import eventually


@dataclass(frozen=True)
class Database:
    """The running server, by what leads to it."""

    settings: Settings
    state: State

    def connect(self, role: Role) -> psycopg.Connection:
        """Return a connection of that role, in a transaction."""
        return psycopg.connect(dsn(self.settings, self.state, role))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    settings = load(state_dir=tmp_path_factory.mktemp("database"), ports={"postgres": free_port()})
    state = State(settings.state_dir, "tests")
    state.create()
    part = postgres.part(settings, state)
    part.prepare()
    with subprocess.Popen(
        part.command, env=part.env, cwd=part.cwd, stderr=subprocess.DEVNULL, **as_user(part.user)
    ) as server:
        try:
            eventually("Postgres is ready", lambda: part.ready() is None)
            migrate(settings, state)
            yield Database(settings, state)
        finally:
            server.send_signal(signal.SIGINT)
    if state.postgres.is_symlink():
        # An unprivileged user could not reach it here.
        shutil.rmtree(state.postgres.resolve().parent)


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection]:
    """The role of jobs and repair, in a transaction that is undone."""
    with database.connect("writer") as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    """The owner, in a transaction that is undone."""
    with database.connect("owner") as connection:
        yield connection
        connection.rollback()
