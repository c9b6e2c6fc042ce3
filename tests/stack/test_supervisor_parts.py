import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stack.board import Board, Report
from stack.conductor import Conductor, stop_rank
from stack.errors import StackError
from stack.keeper import Patience, backoff
from stack.part import Part, Say
from stack.process import Register, read_register
from tests.stack.fake_parts import QUICK, notes, python_part, until

Make = Callable[..., Conductor]


@pytest.fixture
def conduct(tmp_path: Path) -> Iterator[Make]:
    made: list[Conductor] = []

    def make(*parts: Part, patience: Patience = QUICK) -> Conductor:
        conductor = Conductor(Board(), Register(tmp_path / "parts.json"), tmp_path / "logs", "test", patience)
        for part in parts:
            conductor.add_part(lambda part=part: part)  # type: ignore[misc]
        made.append(conductor)
        return conductor

    yield make
    for conductor in made:
        stop(conductor, tmp_path)


def stop(conductor: Conductor, tmp_path: Path) -> None:
    conductor.stop(tmp_path / "savepoints", threading.Event(), lambda: True)


def report(conductor: Conductor, name: str) -> Report:
    return conductor.board.read()[name]


def test_a_part_starts_only_when_what_it_needs_is_ready(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("second", tmp_path, after=("first",)), python_part("first", tmp_path))
    conductor.start()
    until("both are healthy", conductor.healthy)
    assert notes(tmp_path) == ["first started", "second started"]


def test_what_a_part_waits_for_is_said(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("second", tmp_path, after=("first",)))
    conductor.start()
    until("it waits", lambda: report(conductor, "second").reason == "waits for first")
    assert notes(tmp_path) == []


def test_a_part_starts_after_a_step_and_a_step_after_a_part(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("store", tmp_path))

    def make_topics() -> None:
        with (tmp_path / "notes").open("a") as file:
            file.write("topics made\n")

    conductor.add_step("topics", ("store",), make_topics)
    conductor.add_part(lambda: python_part("reader", tmp_path), "topics")
    conductor.start()
    until("all are healthy", conductor.healthy)
    assert notes(tmp_path) == ["store started", "topics made", "reader started"]
    assert conductor.step_names == {"topics"}


def test_a_killed_part_is_started_again_and_that_is_shown(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("ingest", tmp_path))
    conductor.start()
    until("it is healthy", conductor.healthy)
    first = report(conductor, "ingest").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until("another process is healthy", lambda: conductor.healthy() and report(conductor, "ingest").pid != first)
    again = report(conductor, "ingest")
    assert again.restarts == 1
    assert again.reason == "killed by SIGKILL"


def test_children_of_a_killed_part_do_not_outlive_it(conduct: Make, tmp_path: Path) -> None:
    script = """
import os, pathlib, subprocess, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "child").write_text(str(child.pid))
(folder / f"{name}.pid").write_text(str(os.getpid()))
time.sleep(600)
"""
    conductor = conduct(python_part("taskmanager-1", tmp_path, script))
    conductor.start()
    until("it is healthy", conductor.healthy)
    child = psutil.Process(int((tmp_path / "child").read_text()))
    os.kill(report(conductor, "taskmanager-1").pid or 0, signal.SIGKILL)
    until("the child is gone", lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_dead_part_waits_for_what_it_needs_before_it_starts_again(conduct: Make, tmp_path: Path) -> None:
    up = threading.Event()
    up.set()
    conductor = conduct(
        python_part("kafka", tmp_path, ready=lambda: None if up.is_set() else "down"),
        python_part("sequencer", tmp_path, after=("kafka",)),
    )
    conductor.start()
    until("both are healthy", conductor.healthy)
    up.clear()
    until("kafka is seen to be silent", lambda: report(conductor, "kafka").state == "failed")
    os.kill(report(conductor, "sequencer").pid or 0, signal.SIGKILL)
    until("it waits", lambda: report(conductor, "sequencer").reason == "waits for kafka")
    up.set()
    until("both are healthy again", conductor.healthy)


def test_a_part_that_stays_silent_is_started_again(conduct: Make, tmp_path: Path) -> None:
    silent = threading.Event()
    conductor = conduct(python_part("ingest", tmp_path, ready=lambda: "no answer" if silent.is_set() else None))
    conductor.start()
    until("it is healthy", conductor.healthy)
    silent.set()
    until("it was started again", lambda: report(conductor, "ingest").restarts >= 1)
    silent.clear()
    until("it is healthy again", conductor.healthy)
    assert "did not answer" in (report(conductor, "ingest").reason or "")


def test_a_part_that_never_comes_up_is_a_fault_with_its_last_lines(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("ingest", tmp_path, "import sys; print('no such thing'); sys.exit(3)"))
    conductor.start()
    until("it is given up", conductor.fault)
    fault = conductor.fault()
    assert fault is not None
    assert (fault.name, fault.message) == ("ingest", "exited with code 3")
    assert fault.lines == ["no such thing"] * 3


def test_a_part_that_is_not_ready_in_time_is_a_fault_at_once(conduct: Make, tmp_path: Path) -> None:
    patience = Patience(start=0.3, poll=0.02, first_backoff=0.05)
    conductor = conduct(python_part("kafka", tmp_path, ready=lambda: "still loading"), patience=patience)
    conductor.start()
    until("it is given up", conductor.fault)
    fault = conductor.fault()
    assert fault is not None
    assert "still loading" in fault.message
    assert "logs kafka" in fault.remedy


def test_a_preparation_that_fails_tells_its_remedy(conduct: Make, tmp_path: Path) -> None:
    def refuse() -> None:
        raise StackError("the storage is damaged", "delete it")

    conductor = conduct(python_part("kafka", tmp_path, prepare=refuse))
    conductor.start()
    until("it is given up", conductor.fault)
    fault = conductor.fault()
    assert fault is not None
    assert (fault.message, fault.remedy) == ("the storage is damaged", "delete it")
    assert notes(tmp_path) == []


def test_a_step_that_fails_for_good_is_a_fault(conduct: Make, tmp_path: Path) -> None:
    def refuse() -> None:
        raise StackError("the topic has other partitions", "set them back")

    conductor = conduct()
    conductor.add_step("topics", (), refuse)
    conductor.start()
    until("it is given up", conductor.fault)
    fault = conductor.fault()
    assert fault is not None
    assert fault.remedy == "set them back"


def test_all_stop_in_order_sources_first(conduct: Make, tmp_path: Path) -> None:
    names = ["postgres", "kafka", "jobmanager", "taskmanager-1", "taskmanager-2", "market", "sequencer", "ingest"]
    names += ["ingest-2", "repair"]
    conductor = conduct(*(python_part(name, tmp_path) for name in names))
    conductor.start()
    until("all are healthy", conductor.healthy)
    (tmp_path / "notes").unlink()
    stop(conductor, tmp_path)
    stopped = [line.removesuffix(" stopped") for line in notes(tmp_path)]
    assert sorted(stopped) == sorted(names)
    assert stopped == sorted(stopped, key=stop_rank)
    assert {entry.state for entry in conductor.board.read().values()} == {"stopped"}
    assert read_register(tmp_path / "parts.json") == {}


def test_the_sequencer_stops_when_it_has_read_everything(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("sequencer", tmp_path))
    conductor.start()
    until("it is healthy", conductor.healthy)
    asked = []

    def drained() -> bool:
        asked.append("sequencer stopped" in notes(tmp_path))
        return len(asked) == 3

    conductor.stop(tmp_path, threading.Event(), drained)
    assert asked == [False, False, False]


def test_a_part_that_ignores_the_signal_is_killed(conduct: Make, tmp_path: Path) -> None:
    script = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        + """
import os, pathlib, sys, time
pathlib.Path(sys.argv[2], f"{sys.argv[1]}.pid").write_text(str(os.getpid()))
time.sleep(600)
"""
    )
    conductor = conduct(python_part("market", tmp_path, script, stop_seconds=0.2))
    conductor.start()
    until("it is healthy", conductor.healthy)
    pid = report(conductor, "market").pid or 0
    stop(conductor, tmp_path)
    assert not psutil.pid_exists(pid)


def test_in_a_hurry_parts_are_killed_without_waiting(conduct: Make, tmp_path: Path) -> None:
    script = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        + """
import os, pathlib, sys, time
pathlib.Path(sys.argv[2], f"{sys.argv[1]}.pid").write_text(str(os.getpid()))
time.sleep(600)
"""
    )
    conductor = conduct(python_part("market", tmp_path, script, stop_seconds=600))
    conductor.start()
    until("it is healthy", conductor.healthy)
    hurry = threading.Event()
    hurry.set()
    conductor.stop(tmp_path, hurry, lambda: False)
    assert report(conductor, "market").state == "stopped"


def test_a_stop_before_anything_is_ready_ends_what_waits(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("ingest", tmp_path, after=("never",)))
    conductor.start()
    stop(conductor, tmp_path)
    assert report(conductor, "ingest").state == "stopped"
    assert notes(tmp_path) == []


def test_output_goes_to_the_parts_own_log(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("ingest", tmp_path))
    conductor.start()
    until("it is healthy", conductor.healthy)
    until("it has spoken", lambda: (tmp_path / "logs" / "ingest.log").read_text() == "hello from ingest\n")


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)])
def test_backoff_doubles_up_to_its_cap(failures: int, seconds: float) -> None:
    assert backoff(failures, Patience()) == seconds


def test_an_optional_part_that_cannot_be_had_stops_nothing_and_says_why(conduct: Make, tmp_path: Path) -> None:
    tries: list[str] = []

    def obtain(_: Say) -> None:
        tries.append("tried")
        raise StackError("it cannot be fetched", "Install it.")

    conductor = conduct(python_part("ingest", tmp_path), python_part("grafana", tmp_path, obtain=obtain, optional=True))
    conductor.start()
    until("all else is healthy", conductor.healthy)
    found = report(conductor, "grafana")
    assert (found.state, found.reason, found.remedy) == ("failed", "it cannot be fetched", "Install it.")
    assert conductor.fault() is None
    stop(conductor, tmp_path)
    # What was refused would be refused again, after as many megabytes.
    assert tries == ["tried"]


def test_an_optional_part_that_never_comes_up_is_left_alone(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("grafana", tmp_path, "import sys; sys.exit(3)", optional=True))
    conductor.start()
    until("it is given up", lambda: report(conductor, "grafana").fatal)
    assert conductor.healthy()
    assert report(conductor, "grafana").restarts == QUICK.first_tries


def test_an_optional_part_that_was_killed_is_started_again(conduct: Make, tmp_path: Path) -> None:
    conductor = conduct(python_part("grafana", tmp_path, optional=True))
    conductor.start()
    until("it is healthy", lambda: report(conductor, "grafana").state == "healthy")
    first = report(conductor, "grafana").pid
    os.kill(first or 0, signal.SIGKILL)
    until("another process is healthy", lambda: conductor.healthy() and report(conductor, "grafana").pid != first)


def test_all_waits_for_an_optional_part_that_may_still_come_up(conduct: Make, tmp_path: Path) -> None:
    fetched = threading.Event()

    def obtain(say: Say) -> None:
        while not fetched.wait(0.02):
            say("is fetched: 1 of 2 MB")

    conductor = conduct(python_part("grafana", tmp_path, obtain=obtain, optional=True))
    conductor.start()
    until("it is shown how far it is", lambda: report(conductor, "grafana").reason == "is fetched: 1 of 2 MB")
    assert not conductor.healthy()
    fetched.set()
    until("it is healthy", conductor.healthy)


def test_fetching_ends_when_all_is_stopped(conduct: Make, tmp_path: Path) -> None:
    begun = threading.Event()

    def obtain(say: Say) -> None:
        while True:
            say("is fetched: 1 of 2 MB")
            begun.set()

    conductor = conduct(python_part("grafana", tmp_path, obtain=obtain, optional=True))
    conductor.start()
    until("it is being fetched", begun.is_set)
    stop(conductor, tmp_path)
    assert report(conductor, "grafana").state == "stopped"
    assert not (tmp_path / "notes").exists()
