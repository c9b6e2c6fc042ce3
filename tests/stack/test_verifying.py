"""Verification that runs again and again: each run is a process, and none is left behind."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market.sections import VerifySettings
from market.settings import load
from stack.errors import StackError
from stack.part import Part
from stack.process import Register, read_register
from stack.python_parts import verify_part
from stack.state import State
from stack.verifying import Verifying
from tests.stack.fake_parts import notes, python_part, until

NOTE = "import sys, pathlib; f = (pathlib.Path(sys.argv[2]) / 'notes').open('a'); f.write('ran\\n'); f.close()\n"

Make = Callable[..., Verifying]


@pytest.fixture
def verifying(tmp_path: Path) -> Iterator[Make]:
    """Make what verifies every so many seconds by a script; it is stopped at the end."""
    made: list[Verifying] = []
    state = State(tmp_path, "simulated")
    state.create()

    def make(run: str | Callable[[], Part], every: float = 0.05, first: float = 0.05) -> Verifying:
        part = (lambda: python_part("verify", tmp_path, run)) if isinstance(run, str) else run
        settings = VerifySettings(every_minutes=every / 60)
        register = Register(tmp_path / "parts.json")
        made.append(Verifying(settings, part, register, state, first_seconds=first))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_it_runs_again_and_again(verifying: Make, tmp_path: Path) -> None:
    verifying(NOTE).start()
    until("it ran three times", lambda: len(notes(tmp_path)) >= 3)


def test_the_first_run_comes_sooner_than_the_second(verifying: Make, tmp_path: Path) -> None:
    verifying(NOTE, every=3600, first=0.05).start()
    until("it ran", lambda: notes(tmp_path))
    assert notes(tmp_path) == ["ran"]


def test_it_never_runs_where_nobody_wants_it(verifying: Make, tmp_path: Path) -> None:
    never = verifying(NOTE, every=0)
    never.start()
    never.stop()
    assert notes(tmp_path) == []


def test_a_run_that_is_under_way_ends_with_the_stack(verifying: Make, tmp_path: Path) -> None:
    made = verifying(lambda: python_part("verify", tmp_path))
    made.start()
    until("it runs", lambda: notes(tmp_path) and read_register(tmp_path / "parts.json"))
    assert list(read_register(tmp_path / "parts.json")) == ["verify"]
    made.stop()
    assert notes(tmp_path) == ["verify started", "verify stopped"]
    assert read_register(tmp_path / "parts.json") == {}


@pytest.mark.parametrize(
    ("end", "level", "said"),
    [
        ("sys.exit(1)", logging.ERROR, "candles are not what the trades make"),
        ("sys.exit(2)", logging.WARNING, "exited with code 2"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", logging.WARNING, "killed by SIGKILL"),
    ],
)
def test_a_run_that_does_not_end_well_is_said_and_the_next_one_comes(
    verifying: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, end: str, level: int, said: str
) -> None:
    verifying(NOTE + end).start()
    until("it ran twice", lambda: len(notes(tmp_path)) >= 2)
    assert any(record.levelno == level and said in record.getMessage() for record in caplog.records)


def test_a_run_that_cannot_be_started_is_said(verifying: Make, caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> Part:
        raise StackError("the passwords are gone")

    verifying(refuse).start()
    until("it is said", lambda: "the passwords are gone" in caplog.text)


def test_a_run_looks_at_what_is_recent_and_from_the_jobs_generation_on() -> None:
    part = verify_part(load(market="simulated", verify={"venue_sample": 7}), 123)
    assert part.command[1:4] == ["-m", "verify", "--recent"]
    assert part.command[part.command.index("--from-time") + 1] == "123"
    assert part.command[part.command.index("--venue-sample") + 1] == "7"
