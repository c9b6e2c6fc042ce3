"""Postgres alone, with our tables: started as the stack starts it, on a port of its own."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from market.settings import load
from stack.migrations import migrate
from stack.passwords import Role, dsn, with_password
from stack.postgres import part
from stack.process import Child
from stack.state import State
from tests.ports import free_port
from tests.stacks import eventually

_MARK = "pricebraid-test-postgres"


class Postgres:
    """A database in a folder. `settings` hold its port and the writer's password."""

    def __init__(self, folder: Path) -> None:
        settings = load(state_dir=folder, market="simulated", ports={"postgres": free_port()})
        self._state = State.for_settings(settings)
        self._state.create()
        self._part = part(settings, self._state)
        self._child: Child | None = None
        self.start()
        migrate(settings, self._state)
        self.settings = with_password(settings, self._state)

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._part.prepare is not None
        self._part.prepare()
        self._child = Child(self._part, _MARK, self._state.logs / "postgres.log", lambda: None)
        eventually("Postgres answers", lambda: self._part.ready() is None)

    def crash(self) -> None:
        """Kill it."""
        assert self._child is not None
        self._child.kill()
        eventually("Postgres is gone", lambda: self._child is not None and self._child.code is not None)

    def connect(self, role: Role = "writer") -> psycopg.Connection:
        """Return a connection, the sink's by default, which commits at once."""
        return psycopg.connect(dsn(self.settings, self._state, role), autocommit=True)

    def empty(self) -> None:
        """Delete all that repair reads or writes."""
        with self.connect("owner") as connection:
            connection.execute("truncate candle, candle_revision, gap, repair_progress")

    def environment(self) -> dict[str, str]:
        """Return what leads a part to it."""
        return {
            "PRICEBRAID_PORTS__POSTGRES": str(self.settings.ports.postgres),
            "PRICEBRAID_POSTGRES__WRITER_PASSWORD": self.settings.postgres.writer_password,
        }

    def remove(self) -> None:
        """Stop it, and leave nothing of it behind."""
        if self._child is not None:
            self._child.stop(30, threading.Event())
        if self._state.postgres.is_symlink():
            # An unprivileged user could not reach it in the folder itself.
            shutil.rmtree(self._state.postgres.resolve().parent, ignore_errors=True)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a database in a folder."""
    made = Postgres(folder)
    try:
        yield made
    finally:
        made.remove()
