"""Postgres, Kafka and Flink alone, of their own: what the jobs need, without anything that feeds them."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg

from bench._processes import get_json, wait_for
from flink_jobs.plan import Job, configuration
from flink_jobs.submit import environment, submit
from market.settings import Settings
from market.topics import topics
from stack import flink, java, kafka, kafka_topics, postgres
from stack.flinkrest import FlinkRest
from stack.migrations import migrate
from stack.part import Part
from stack.passwords import dsn, with_password
from stack.process import Child
from stack.state import State

_SECONDS = 90.0
_SQL = Path(__file__).parent / "sql"


class Cluster:
    """A running cluster. `settings` hold the ports, and the password that the jobs write to Postgres with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options = {
            "execution.target": "remote",
            "rest.address": "127.0.0.1",
            "rest.port": str(settings.ports.flink),
        }

    def submit(self, job: Job) -> str:
        """Submit a job with the options that it has in production; return its id."""
        return submit(job, self.settings, {**configuration(job, self.settings), **self.options}, 1, 0)

    def cancel(self, job_id: str) -> None:
        """End a job, and wait until its slots are free."""
        FlinkRest(f"http://127.0.0.1:{self.settings.ports.flink}").cancel(job_id)
        wait_for("the job ends", lambda: self.ask(f"/jobs/{job_id}")["state"] == "CANCELED", _SECONDS)

    def tables(self, job: Job) -> Any:
        """Return a table environment with a job's options, for statements that are not the job's own."""
        return environment({**configuration(job, self.settings), **self.options})

    def ask(self, path: str) -> dict[str, Any]:
        """Return what Flink's REST interface answers."""
        return get_json(self.settings.ports.flink, path)

    def running_since(self, job_id: str) -> float:
        """Wait until all of a job runs; return the time when it first did, seconds since the epoch."""
        wait_for("the job runs", lambda: all(self._times(job_id, "RUNNING")), _SECONDS)
        return max(self._times(job_id, "RUNNING")) / 1000

    def finished(self, job_id: str, seconds: float) -> float:
        """Wait until a job that ends has done so; return when it did, seconds since the epoch."""
        wait_for("the job ends", lambda: self.ask(f"/jobs/{job_id}")["state"] == "FINISHED", seconds)
        return max(self._times(job_id, "FINISHED")) / 1000

    def _times(self, job_id: str, state: str) -> list[float]:
        # Flink's answer: each vertex's time of each state it was in, milliseconds since the epoch, 0 where never.
        vertices = self.ask(f"/jobs/{job_id}").get("vertices", [])
        if state == "RUNNING":
            return [
                vertex["start-time"] if vertex["status"] in ("RUNNING", "FINISHED") else 0 for vertex in vertices
            ] or [0]
        return [vertex["end-time"] for vertex in vertices]

    def state_bytes(self, job_id: str) -> int:
        """Wait for a checkpoint that began after now; return the size of the state in it."""
        now = time.time() * 1000

        def newest() -> dict[str, Any]:
            found: dict[str, Any] = self.ask(f"/jobs/{job_id}/checkpoints")["latest"]["completed"] or {}
            return found

        wait_for("a checkpoint", lambda: newest().get("trigger_timestamp", 0) > now, _SECONDS)
        return int(newest()["state_size"])


@contextmanager
def cluster(settings: Settings) -> Iterator[Cluster]:
    """Run Postgres, Kafka and Flink within the block, with all topics and tables, empty at first.

    Raises:
        BenchError: one does not start.
        StackError: something that they are made of is missing.
    """
    state = State.for_settings(settings)
    found = java.find()
    parts = [
        kafka.part(settings, state, found),
        flink.jobmanager_part(settings, state, found),
        *(flink.taskmanager_part(number + 1, settings, state, found) for number in range(settings.flink.taskmanagers)),
    ]
    with ExitStack() as running:
        running.enter_context(database(settings))
        for part in parts:
            running.enter_context(_running(part, state))
        for part in parts:
            wait_for(f"{part.name} answers", lambda part=part: part.ready() is None, _SECONDS)  # type: ignore[misc]
        kafka_topics.create_topics(settings.kafka.bootstrap, topics(settings.kafka))
        complete = with_password(settings, state)
        # PyFlink starts a JVM of its own, by what the environment says.
        os.environ.update(flink.flink_environment(complete, state, found))
        os.environ["JAVA_TOOL_OPTIONS"] = "-Duser.timezone=UTC"
        yield Cluster(complete)


@contextmanager
def database(settings: Settings) -> Iterator[None]:
    """Run Postgres alone within the block, with all tables, empty at first.

    Raises:
        BenchError: it does not start.
        StackError: something that it is made of is missing.
    """
    state = State.for_settings(settings)
    state.create()
    part = postgres.part(settings, state)
    with _running(part, state):
        wait_for(f"{part.name} answers", lambda: part.ready() is None, _SECONDS)
        migrate(settings, state)
        yield


def connect(settings: Settings, role: Literal["owner", "reader"]) -> psycopg.Connection:
    """Connect to that database. Nothing is prepared, as Grafana does: each time that it is asked, a plan is made."""
    address = dsn(settings, State.for_settings(settings), role)
    return psycopg.connect(address, autocommit=True, prepare_threshold=None)


def run_scripts(owner: psycopg.Connection, names: tuple[str, ...], values: Mapping[str, int]) -> None:
    """Fill the database by those files of `bench/sql`, with those values. The connection must commit by itself."""
    cursor = psycopg.ClientCursor(owner)
    for name in names:
        with owner.transaction():
            cursor.execute((_SQL / name).read_bytes(), values)
    owner.execute("vacuum analyze")


def plan(connection: psycopg.Connection, query: bytes) -> str:
    """Ask a query and return how Postgres came to the answer, with the times that it took."""
    return "\n".join(line for (line,) in connection.execute(b"explain (analyze, buffers) " + query))


@contextmanager
def _running(part: Part, state: State) -> Iterator[None]:
    part.prepare()
    child = Child(part, f"{state.root}/{part.name}", state.logs / f"{part.name}.log", lambda: None)
    try:
        yield
    finally:
        child.stop(part.stop_seconds, threading.Event())
