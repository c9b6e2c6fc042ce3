"""What containers run, run here as processes: the market, the database's migrations, the jobs from hand to hand."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from market import service
from market.settings import ROOT, Settings, load
from stack import container, postgres_cluster
from stack.accounts import as_user
from stack.board import Board
from stack.errors import StackError
from stack.jobs import Jobs
from stack.jobstore import JobStore
from stack.passwords import ROLES, read_secrets
from stack.state import State
from stack.wiring import Wiring
from tests.ports import free_port
from tests.stack.test_jobs_keeping import CANDLES, TICKERS, Cluster
from tests.stacks import eventually

WORDS = {"OWNER": "o'w:n/er", "WRITER": "writer", "READER": "reader"}


def command(*role: str) -> list[str]:
    return [sys.executable, "-m", "stack.container", *role]


def environment(**settings: object) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {f"PRICEBRAID_{name}": str(value) for name, value in settings.items()}


def healthy(url: str, field: str = "") -> "subprocess.CompletedProcess[str]":
    asked = [sys.executable, "-S", "deploy/docker/healthy.py", url, *([field] if field else [])]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_server_is_healthy_where_it_says_so() -> None:
    told = {"ready": False}
    server = service.serve(0, lambda: told)
    url = f"http://127.0.0.1:{server.server_port}/health"
    try:
        assert healthy(url).returncode == 0
        assert "ready is False" in healthy(url, "ready").stderr
        told["ready"] = True
        assert healthy(url, "ready").returncode == 0
    finally:
        server.shutdown()
        server.server_close()
    assert healthy(url).returncode == 1


def test_a_container_becomes_its_part(tmp_path: Path) -> None:
    port = free_port()
    told = environment(MARKET="simulated", STATE_DIR=tmp_path, PORTS__MARKET=port, LISTEN="0.0.0.0")
    with subprocess.Popen(command("market"), cwd=ROOT, env=told, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}/-/status"
            eventually("the market answers", lambda: healthy(url).returncode == 0)
            assert b"replay" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Postgres as its image runs it, with an empty cluster; what leads to it as settings."""
    root = tmp_path_factory.mktemp("container")
    settings = load(state_dir=root, market="simulated", ports={"postgres": free_port()})
    state = State.for_settings(settings)
    state.create()
    postgres_cluster.prepare(settings, state)
    superuser = read_secrets(state)["postgres"]
    state.secrets.unlink()
    where = postgres_cluster.place(state)
    container.write_configuration(settings, root / "etc")
    own = where.data / "container.conf"
    own.write_bytes((root / "etc" / "postgres" / "postgresql.conf").read_bytes())
    own.chmod(0o644)
    # What the image adds: everybody needs a password, from wherever he comes.
    with (where.data / "pg_hba.conf").open("w") as file:
        file.write("host all all all scram-sha-256\n")
    options = [f"config_file={own}", f"unix_socket_directories={where.data}"]
    started = [where.program("postgres"), "-D", str(where.data), *(word for item in options for word in ("-c", item))]
    with subprocess.Popen(started, cwd="/", stderr=subprocess.DEVNULL, **as_user(where.user)) as process:
        try:
            yield {
                **environment(MARKET="simulated", STATE_DIR=root / "own", PORTS__POSTGRES=settings.ports.postgres),
                "PRICEBRAID_CONFIG": str(root / "etc" / "pricebraid.toml"),
                "PRICEBRAID_POSTGRES__SUPERUSER_PASSWORD": superuser,
                **{f"PRICEBRAID_POSTGRES__{role}_PASSWORD": word for role, word in WORDS.items()},
            }
        finally:
            process.send_signal(signal.SIGINT)
    if state.postgres.is_symlink():
        # An unprivileged user could not reach it here.
        shutil.rmtree(state.postgres.resolve().parent)


def answers(told: dict[str, str]) -> bool:
    done = subprocess.run(command("migrations"), cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "Connection refused" in done.stderr or "starting up" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.stack
def test_the_migrations_give_each_role_the_password_of_the_environment(server: dict[str, str]) -> None:
    eventually("the migrations are through", lambda: answers(server))
    assert answers(server), "they may be repeated"
    port = int(server["PRICEBRAID_PORTS__POSTGRES"])
    for role, name in ROLES.items():
        with psycopg.connect(
            host="127.0.0.1", port=port, dbname="pricebraid", user=name, password=WORDS[role.upper()]
        ) as connection:
            assert connection.execute("select count(*) from candle").fetchone() == (0,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=port, dbname="pricebraid", user=name, password="wrong")


@pytest.mark.stack
def test_psql_comes_with_the_rights_that_are_asked_for(server: dict[str, str]) -> None:
    eventually("the migrations are through", lambda: answers(server))

    def ask(*arguments: str) -> "subprocess.CompletedProcess[str]":
        asked = [sys.executable, "-m", "stack.tools", "psql", *arguments]
        return subprocess.run(asked, cwd=ROOT, env=server, capture_output=True, text=True, check=False)

    for role, name in ROLES.items():
        assert ask("--as", role, "-At", "-c", "select current_user").stdout == f"{name}\n"
    assert "read-only" in ask("-c", "delete from candle").stderr


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(market="simulated", state_dir=tmp_path)


@pytest.fixture
def cluster(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster that is made up, which the jobs are submitted to."""
    made = Cluster(State.for_settings(settings))

    def jobs(wiring: Wiring, board: Board) -> Jobs:
        store = JobStore(wiring.state)
        definitions = [CANDLES, TICKERS]
        return Jobs(
            lambda: definitions, (), store=store, rest=made, submitter=made.submit, board=board, look_seconds=0.02
        )

    monkeypatch.setattr(Wiring, "jobs", jobs)
    return made


def test_the_keeper_goes_on_with_the_jobs_that_were_submitted(settings: Settings, cluster: Cluster) -> None:
    state = State.for_settings(settings)
    state.create()
    container.Kept(settings, state).submit()
    assert [name for name, *_ in cluster.submissions] == ["candles", "tickers"]
    stopping = threading.Event()
    keeper = threading.Thread(target=container.Kept(settings, state).keep, args=(stopping,))
    keeper.start()
    try:
        eventually("all jobs are kept", (state.run / "healthy").exists)
    finally:
        stopping.set()
        keeper.join()
    assert len(cluster.submissions) == 2
    assert cluster.canceled == []
    stopped = JobStore(state).records
    assert all(record.runs[-1].savepoint for record in stopped.values())


def test_a_job_that_cannot_run_is_told_by_who_submits_it(settings: Settings, cluster: Cluster) -> None:
    state = State.for_settings(settings)
    state.create()
    cluster.refusals.append(StackError("the state is another query's", "start over"))
    with pytest.raises(StackError, match="start over"):
        container.Kept(settings, state).submit()


def test_only_one_process_has_the_jobs(settings: Settings, cluster: Cluster) -> None:
    state = State.for_settings(settings)
    taken = "from stack.container import *; print(claim(State.for_settings(load()), wait=False), flush=True); input()"
    told = environment(MARKET="simulated", STATE_DIR=settings.state_dir)
    with subprocess.Popen(
        [sys.executable, "-c", taken], cwd=ROOT, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "True\n"
        container.run("jobs", settings)
        assert cluster.submissions == []
        with pytest.raises(StackError, match="docker compose stop keeper"):
            container.run("jobs", settings, fresh=True)
        keeper.kill()
    container.run("jobs", settings)
    assert len(cluster.submissions) == 2
    assert container.claim(state, wait=False) is False
