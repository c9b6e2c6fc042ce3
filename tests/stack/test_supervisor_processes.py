import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stack.process import (
    MARK,
    Recorded,
    Register,
    alive,
    create_time,
    describe_end,
    read_register,
    stop_leftovers,
)
from tests.stack.fake_parts import until

SLEEPER = "import time; time.sleep(600)"


def leftover(mark: str, script: str = SLEEPER) -> tuple[subprocess.Popen[bytes], Recorded]:
    """Return a process as a killed supervisor leaves it, and how it was recorded."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, env={**os.environ, MARK: mark}, stdout=subprocess.PIPE
    )
    began = create_time(process.pid)
    assert began is not None
    return process, Recorded(process.pid, began, mark, int(signal.SIGTERM), 5.0)


def end(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_the_record_says_what_runs(tmp_path: Path) -> None:
    register = Register(tmp_path / "parts.json")
    register.add("kafka", Recorded(1, 2.0, "root/kafka"))
    register.add("ingest", Recorded(3, 4.0, "root/ingest"))
    register.remove("kafka")
    assert read_register(tmp_path / "parts.json") == {"ingest": Recorded(3, 4.0, "root/ingest")}


@pytest.mark.parametrize("content", [None, "", "{", '{"kafka": 1}'])
def test_a_missing_or_damaged_record_holds_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "parts.json").write_text(content)
    assert read_register(tmp_path / "parts.json") == {}


def test_a_process_is_alive_only_as_the_one_that_began_then() -> None:
    began = create_time(os.getpid())
    assert began is not None
    assert alive(os.getpid(), began)
    assert not alive(os.getpid(), began - 100)


def test_leftovers_are_stopped_in_order() -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print(time.time(), flush=True), sys.exit()))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    names = ["postgres", "ingest", "kafka"]
    made = {name: leftover(f"root/{name}", script) for name in names}
    try:
        for process, _ in made.values():
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        order = ["ingest", "kafka", "postgres"]
        assert stop_leftovers({name: entry for name, (_, entry) in made.items()}, order.index) == order
        times = [float((made[name][0].stdout or sys.stdin.buffer).readline()) for name in order]
        assert times == sorted(times)
    finally:
        end(*(process for process, _ in made.values()))


def test_another_process_of_the_recorded_pid_is_left_alone() -> None:
    process, entry = leftover("root/kafka")
    try:
        other = Recorded(entry.pid, entry.create_time - 1000, "root/kafka")
        assert stop_leftovers({"kafka": other}, lambda _: 0) == []
        assert process.poll() is None
    finally:
        end(process)


def test_children_of_a_leftover_that_died_are_found_by_their_mark() -> None:
    script = f"import os, subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid, flush=True)"
    process, entry = leftover("root/taskmanager-1", script)
    try:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.wait()
        until("the child sleeps", lambda: child.environ().get(MARK) == "root/taskmanager-1")
        assert stop_leftovers({"taskmanager-1": entry}, lambda _: 0) == ["taskmanager-1"]
        until("the child is gone", lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    finally:
        end(process)


def test_a_stubborn_leftover_is_killed() -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    process, entry = leftover("root/market", script)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        impatient = Recorded(entry.pid, entry.create_time, entry.mark, entry.stop_signal, 0.2)
        began = time.monotonic()
        assert stop_leftovers({"market": impatient}, lambda _: 0) == ["market"]
        assert create_time(entry.pid) is None
        assert time.monotonic() - began < 5
    finally:
        end(process)


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exited with code 0"), (-9, "killed by SIGKILL"), (-200, "killed by signal 200")]
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert describe_end(code) == words
