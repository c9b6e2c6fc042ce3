"""Whole stacks for tests, started by the command itself. Two at once would be too much for a small machine."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import psycopg

from market.settings import ROOT, Settings
from stack.passwords import Role, dsn
from stack.running import find, last, leftovers
from stack.state import State
from stack.status import NOTHING, read

T = TypeVar("T")

PORTS = {
    "POSTGRES": 24101,
    "KAFKA": 24102,
    "KAFKA_CONTROLLER": 24103,
    "FLINK": 24104,
    "FLINK_RPC": 24105,
    "FLINK_BLOB": 24106,
    "MARKET": 24107,
    "INGEST": 24108,
    "SEQUENCER": 24109,
    "REPAIR": 24110,
    "INGEST_2": 24111,
    "SEQUENCER_2": 24112,
    "GRAFANA": 24113,
    "PROMETHEUS": 24114,
    "FLINK_METRICS": 24115,
}


def eventually(what: str, check: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Return what `check` gives once it is truthy.

    Raises:
        AssertionError: it was not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {result!r})")
        time.sleep(0.1)


@dataclass
class Stack:
    """One stack: where its state lies and what it is told. All but questions goes through the command."""

    name: str
    state: Path
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `./pricebraid ARGUMENTS` (without its own making of an environment) and return what it said."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRICEBRAID_")}
        environment |= {f"PRICEBRAID_PORTS__{name}": str(port) for name, port in PORTS.items()}
        # They would take their part of the machine, and no test of a whole stack looks at them.
        environment |= {"PRICEBRAID_GRAFANA__ENABLED": "false", "PRICEBRAID_PROMETHEUS__ENABLED": "false"}
        environment |= {"PRICEBRAID_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT), **self.environment}
        done = subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def up(self, *more: str) -> None:
        """Start it and wait until it is healthy."""
        self.command("up", "--detach", *self.arguments, *more)

    def down(self) -> None:
        """Stop it in order."""
        self.command("down", check=False)

    def discard(self) -> None:
        """End it as who presses ctrl-C twice does: nothing is saved, since nobody will go on with it."""

        def ended() -> bool:
            found = find(self.state)
            if found is not None:
                with suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGTERM)
            return found is None

        eventually(f"{self.name} has ended", ended)
        if leftovers(self.state):
            # The supervisor had died before.
            self.down()

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        answer: dict[str, Any] = json.loads(self.command("status", "--json", check=False).stdout)
        return answer

    def seen(self) -> dict[str, Any]:
        """Return the status without a process for the question, so that waiting for it takes no part's time."""
        return read(self.state) or NOTHING

    def part(self, name: str) -> dict[str, Any]:
        """Return what the status says of one part."""
        part: dict[str, Any] = self.seen()["parts"][name]
        return part

    def unhealthy(self) -> dict[str, str]:
        """Return the state of each part that is not healthy."""
        parts = self.seen()["parts"]
        return {name: part["state"] for name, part in parts.items() if part["state"] != "healthy"}

    def query(self, sql: str, role: Role = "reader") -> list[list[str]]:
        """Return the rows of a query, each value as text.

        The database is asked from here: a process for each question would take a second of the parts' time.
        """
        question = f"copy ({sql}) to stdout with (format csv)"
        with self.connect(role) as connection, connection.cursor() as cursor, cursor.copy(question) as copy:
            text = b"".join(map(bytes, copy)).decode()
        return list(csv.reader(io.StringIO(text)))

    def connect(self, role: Role) -> psycopg.Connection:
        """Return a connection to its database, in a transaction."""
        settings = self.settings()
        return psycopg.connect(dsn(settings, State.for_settings(settings), role))

    def settings(self) -> Settings:
        """Return what it runs with."""
        described = last(self.state)
        assert described is not None
        return described.load_settings()

    def market(self) -> dict[str, Any]:
        """Return what the market on localhost says of itself."""
        with urlopen(f"http://127.0.0.1:{PORTS['MARKET']}/-/status", timeout=5) as answer:
            facts: dict[str, Any] = json.load(answer)
        return facts

    def wait_until_played(self, seconds: float = 300) -> None:
        """Wait until the recording has ended and every part has taken all of it."""
        eventually("the recording has ended", lambda: self.market()["finished"], seconds)
        eventually("all trades are counted", self._drained, seconds)

    def _drained(self) -> bool:
        status = self.seen()
        return status["freshness_seconds"] is not None and status["freshness_seconds"] <= 0 and self._sequenced()

    def _sequenced(self) -> bool:
        with urlopen(f"http://127.0.0.1:{PORTS['SEQUENCER']}/health", timeout=5) as answer:
            facts = json.load(answer)
        return bool(facts["ready"]) and facts["behind"] == 0


class Stacks:
    """Keeps at most one stack running, and starts the one that a test asks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[Path] = set()
        self.current: Stack | None = None

    def need(self, name: str, *arguments: str, **environment: str) -> Stack:
        """Return the stack of that name, running; another that runs is stopped first."""
        if self.current is not None and self.current.name == name:
            return self.current
        self.stop()
        stack = Stack(name, self._folder / name, arguments, environment)
        self._used.add(stack.state)
        try:
            stack.up()
        except BaseException:
            stack.discard()
            raise
        self.current = stack
        return stack

    def simulated(self) -> Stack:
        """Return a small simulated one, with a Prometheus where there is one on the PATH."""
        with_prometheus = str(shutil.which("prometheus") is not None).lower()
        return self.need(
            "simulated",
            *("--market", "simulated"),
            PRICEBRAID_PROMETHEUS__ENABLED=with_prometheus,
            # No chart has to be fresh meanwhile.
            PRICEBRAID_REPAIR__HISTORY_PER_SECOND="2000",
        )

    def any(self) -> Stack:
        """Return the stack that runs, or a small simulated one."""
        return self.current or self.simulated()

    def stop(self) -> None:
        """Stop what runs."""
        if self.current is not None:
            stack, self.current = self.current, None
            stack.discard()

    def remove(self) -> None:
        """Delete the databases that lie elsewhere, since an unprivileged user could not reach them here."""
        for state in self._used:
            for link in state.glob("*/postgres"):
                if link.is_symlink():
                    shutil.rmtree(link.resolve().parent, ignore_errors=True)
