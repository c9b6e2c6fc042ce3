"""The command line as a process, where nothing needs to run for it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from market.sections import Ports
from market.settings import ROOT, load
from stack import cli, running
from stack.state import State
from tests.ports import free_port

PORTS = {name: free_port() for name in Ports.model_fields}


class Command:
    """Runs the command with a state folder and ports of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PRICEBRAID_")}
        env |= {f"PRICEBRAID_PORTS__{name.upper()}": str(port) for name, port in PORTS.items()}
        env |= {"PRICEBRAID_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            env=env,
            cwd=self.state,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def ran_once(state: Path) -> State:
    settings = load(market="simulated", state_dir=state)
    os.close(running.claim(state, settings, time.time()))
    described = (state / "running.json").read_text().replace(f'"pid":{os.getpid()}', '"pid":1')
    (state / "running.json").write_text(described)
    kept = State.for_settings(settings)
    kept.create()
    return kept


def test_help_lists_the_commands(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in (
        "up",
        "down",
        "status",
        "logs",
        "test",
        "bench",
        "doctor",
        "record",
        "psql",
        "sql",
        "verify",
        "backfill",
    ):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("arguments", [["fly"], ["logs"], ["up", "--sideways"], ["psql", "--as", "king"]])
def test_a_wrong_use_exits_with_2(command: Command, arguments: list[str]) -> None:
    assert command(*arguments).returncode == 2


def test_the_status_of_nothing_exits_with_1(command: Command) -> None:
    people, programs = command("status"), command("status", "--json")
    assert (people.returncode, programs.returncode) == (1, 1)
    assert "./pricebraid up" in people.stdout
    told = json.loads(programs.stdout)
    assert told["market"] is None
    assert told["parts"] == {}
    assert set(told) >= {"venues", "freshness_seconds", "disk_days_left"}


def test_down_where_nothing_runs_is_done_at_once(command: Command) -> None:
    done = command("down")
    assert (done.returncode, done.stdout) == (0, "nothing runs\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["psql", "-c", "select 1"],
        ["sql", "-c", "select 1"],
        ["verify", "--recent"],
        ["backfill", "BTC-USDT", "--from", "2026-01-31"],
        ["record", "folder"],
    ],
)
def test_what_needs_a_running_stack_says_how_to_start_it(command: Command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 1
    assert "./pricebraid up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_told_by_name_and_without_a_traceback(command: Command) -> None:
    done = command("up", PRICEBRAID_SPEED="fast")
    assert done.returncode == 1
    assert "speed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_path_that_is_no_recording_is_told(command: Command) -> None:
    done = command("up", "--market", "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "recording" in done.stderr


def test_a_taken_port_is_told_and_nothing_stays_behind(command: Command) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", PORTS["kafka"]))
        other.listen()
        done = command("up", "--market", "simulated", "--detach")
    assert done.returncode == 1
    assert f"port {PORTS['kafka']} (setting ports.kafka) is taken" in " ".join(done.stderr.split())
    assert "PRICEBRAID_PORTS__KAFKA" in done.stderr
    assert "Traceback" not in done.stderr
    assert command("status").returncode == 1
    assert running.leftovers(command.state) == []


def test_a_second_up_says_what_runs_and_how_to_stop_it(command: Command) -> None:
    lock = running.claim(command.state, load(market="simulated", state_dir=command.state), time.time())
    try:
        done = command("up", "--market", "simulated")
    finally:
        os.close(lock)
    assert done.returncode == 1
    assert "market simulated" in done.stderr
    assert "./pricebraid down" in done.stderr


def test_logs_of_the_last_run_can_be_read(command: Command) -> None:
    kept = ran_once(command.state)
    (kept.logs / "ingest.log").write_text("".join(f"line {n}\n" for n in range(100)))
    assert command("logs", "ingest", "-n", "2").stdout == "line 98\nline 99\n"
    assert len(command("logs", "ingest").stdout.splitlines()) == 50


def test_a_log_that_is_not_there_is_told_with_those_that_are(command: Command) -> None:
    assert command("logs", "ingest").returncode == 1
    kept = ran_once(command.state)
    (kept.logs / "kafka.log").touch()
    for part in ("ingest", "../logs/kafka"):
        done = command("logs", part)
        assert done.returncode == 2
        assert "kafka" in done.stderr


def test_an_unknown_benchmark_is_refused(command: Command) -> None:
    assert command("bench").returncode == 0
    assert command("bench", "nonsense").returncode == 2


def test_the_tests_are_pytest_in_the_projects_folder(command: Command) -> None:
    done = command("test", "tests/stack/test_cli_commands.py", "--collect-only", "-q")
    assert done.returncode == 0
    assert "test_help_lists_the_commands" in done.stdout


def test_without_arguments_each_test_runs_once_and_none_beside_a_whole_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[str]] = []

    def collect(arguments: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        runs.append(arguments[3:])
        return subprocess.CompletedProcess(arguments, len(runs) - 1)

    monkeypatch.setattr("stack.cli.subprocess.run", collect)
    assert CliRunner().invoke(cli.app, ["test"]).exit_code == 1, "though it was the second run that failed"
    beside, whole = runs
    assert [word.removeprefix("--ignore=") for word in beside if word.startswith("--ignore=")] == whole
    assert all((ROOT / path).exists() for path in whole)
    assert "-n" in beside
    assert "-n" not in whole
