"""The terminal's side of a supervisor that is made up."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from market.settings import load
from stack import running, status
from stack.attach import Interrupted, Supervisor, come_up, follow, interruptible, stop
from stack.board import Report
from stack.errors import StackError
from stack.facts import Facts
from stack.process import create_time
from stack.state import State
from tests.stack.fake_parts import until

# Stops at the first SIGTERM if told so, else at the second.
SCRIPT = """
import signal, sys, time
left = [int(sys.argv[1])]
def stop(*_):
    left[0] -= 1
    if left[0] <= 0:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


class Made:
    """A supervisor's process, its state folder and what the terminal shows of it."""

    def __init__(self, state: State, stops_at: int = 1) -> None:
        self.state = state
        self.process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(stops_at)], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        began = create_time(self.process.pid)
        assert began is not None
        self.supervisor = Supervisor(self.process.pid, began, state)
        self.console = Console(file=io.StringIO(), width=200)
        self.reading, self.writing = os.pipe()

    def says(self, **what: Any) -> None:
        os.write(self.writing, json.dumps(what).encode() + b"\n")
        os.close(self.writing)

    def writes_status(self, doing: str = "", **reports: Report) -> None:
        told = status.compose("simulated", "starting", doing, reports=reports, steps=set(), facts=Facts())
        running.status_path(self.state).write_text(json.dumps(told))

    def shown(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self.reading)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    state = State.for_settings(load(market="simulated", state_dir=tmp_path))
    state.create()
    made = Made(state)
    yield made
    made.end()


def test_coming_up_tells_each_part_that_is_ready_and_returns_when_all_are(made: Made) -> None:
    made.writes_status("jar 3 of 50: one.jar", kafka=Report("healthy"), ingest=Report("starting"))

    def speak() -> None:
        until("it is shown", lambda: "kafka" in made.shown())
        made.says(healthy=True)

    shown = threading.Thread(target=speak)
    shown.start()
    come_up(made.supervisor, made.reading, made.console)
    shown.join()
    assert "jar 3 of 50" in made.shown()
    assert "kafka is ready" in made.shown()
    assert "ingest is ready" not in made.shown()


def test_a_part_that_cannot_come_up_is_told_with_its_last_lines(made: Made) -> None:
    made.says(message="exited with code 3", remedy="", part="kafka", lines=["first", "last"])
    with pytest.raises(StackError) as error:
        come_up(made.supervisor, made.reading, made.console)
    assert error.value.message.startswith("kafka: exited with code 3\nThe last lines of ")
    assert error.value.message.endswith("\n  first\n  last")
    assert error.value.remedy == "See `./pricebraid logs kafka`."


def test_a_fault_of_the_whole_keeps_its_own_remedy(made: Made) -> None:
    made.says(message="a port is taken", remedy="choose another", part="", lines=[])
    with pytest.raises(StackError) as error:
        come_up(made.supervisor, made.reading, made.console)
    assert (error.value.message, error.value.remedy) == ("a port is taken", "choose another")


def test_a_supervisor_that_dies_without_a_word_is_told_with_its_log(made: Made) -> None:
    (made.state.logs / "supervisor.log").write_text("Traceback: boom\n")
    os.close(made.writing)
    with pytest.raises(StackError, match="boom"):
        come_up(made.supervisor, made.reading, made.console)


def test_following_ends_when_the_supervisor_does(made: Made) -> None:
    made.process.terminate()
    made.process.wait()
    follow(made.supervisor, made.console)


def test_stopping_waits_until_it_is_gone_and_tells_what_it_does(made: Made) -> None:
    made.writes_status("kafka")
    reaper = threading.Thread(target=made.process.wait)
    reaper.start()
    stop(made.supervisor, made.console)
    reaper.join()
    assert made.process.returncode == 0
    assert made.shown().splitlines()[-1] == "stopped"


def test_a_second_interrupt_makes_it_hurry(tmp_path: Path) -> None:
    state = State.for_settings(load(market="simulated", state_dir=tmp_path))
    state.create()
    made = Made(state, stops_at=2)
    made.writes_status("jobs, with savepoints")

    def interrupt() -> None:
        until("it stops", lambda: "jobs, with savepoints" in made.shown())
        os.kill(os.getpid(), signal.SIGINT)
        made.process.wait()

    impatient = threading.Thread(target=interrupt)
    try:
        impatient.start()
        stop(made.supervisor, made.console)
        impatient.join()
        assert made.process.returncode == 0
        assert "killing what is left" in made.shown()
    finally:
        os.close(made.writing)
        made.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_to_stop_interrupts_once_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def interrupted() -> None:
        with interruptible():
            os.kill(os.getpid(), number)
            until("it is delivered", lambda: False, 5)

    with pytest.raises(Interrupted):
        interrupted()
    assert signal.getsignal(number) is before
