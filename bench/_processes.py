"""Processes for a measurement: free ports, a broker or a stack of their own, their health and their CPU time."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from market.sections import Ports
from market.settings import ROOT, Settings, load
from market.topics import topics
from stack import java, kafka, kafka_topics
from stack.environment import base_environment, child_environment, effective
from stack.jars import ensure
from stack.state import State

_UP_SECONDS = 900.0


class BenchError(Exception):
    """The measurement could not be made; the text says why."""


def free_ports() -> dict[str, int]:
    """Return a free port for each that the settings have."""
    with ExitStack() as held:
        found = {}
        for name in Ports.model_fields:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found[name] = probe.getsockname()[1]
        return found


def wait_for(what: str, check: Callable[[], bool], seconds: float, pause: float = 0.05) -> None:
    """Return once `check` is true.

    Raises:
        BenchError: it was not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise BenchError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def settings_for(folder: Path, **overrides: Any) -> Settings:
    """Return settings with ports and a state folder of their own, whose parts look for both venues on this machine.

    The jars are those of the state folder that is set. Grafana and Prometheus are left out: they would take their part
    of the machine from what is measured.
    """
    jars = load().state_dir / "jars"
    ensure(jars)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jars").symlink_to(jars.resolve())
    without = {"grafana": {"enabled": False}, "prometheus": {"enabled": False}}
    given = {"market": "simulated", "state_dir": folder, "ports": free_ports()}
    return effective(load(**{**without, **given, **overrides}))


class Process:
    """A Python part as a process, `python -m MODULE`, with its log in a file."""

    def __init__(self, module: str, settings: Settings, log: Path, *arguments: str) -> None:
        self._log = log
        self._module = module
        environment = base_environment() | child_environment(settings) | {"PYTHONPATH": str(ROOT)}
        with log.open("ab") as writer:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, stdout=writer, stderr=writer
            )
        self._facts = psutil.Process(self._process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads so far, in user space and kernel."""
        times = self._facts.cpu_times()
        return float(times.user + times.system)

    def memory_mib(self) -> float:
        """Return its resident memory."""
        return float(self._facts.memory_info().rss / (1 << 20))

    def check(self) -> None:
        """See that it still runs.

        Raises:
            BenchError: it has ended.
        """
        code = self._process.poll()
        if code is not None:
            tail = self._log.read_text(errors="replace")[-2_000:]
            raise BenchError(f"{self._module} ended with code {code}:\n{tail}")

    def stop(self) -> None:
        """Stop it in order, or else kill it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def running(module: str, settings: Settings, log: Path, *arguments: str) -> Iterator[Process]:
    """Run a part within the block."""
    process = Process(module, settings, log, *arguments)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def broker(settings: Settings) -> Iterator[None]:
    """Run a broker of its own with all topics, empty at first, within the block.

    Raises:
        BenchError: it does not start.
        StackError: Java or its jars are missing.
    """
    state = State.for_settings(settings)
    state.create()
    part = kafka.part(settings, state, java.find())
    part.prepare()
    with (state.logs / "kafka.log").open("ab") as log:
        process = subprocess.Popen(part.command, cwd=part.cwd, env=part.env, stdout=log, stderr=log)
    try:
        wait_for("the broker answers", lambda: part.ready() is None, 60)
        kafka_topics.create_topics(settings.kafka.bootstrap, topics(settings.kafka))
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def get_json(port: int, path: str) -> dict[str, Any]:
    """Return what is answered on that port of this machine, nothing where nobody answers (yet)."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except (URLError, ConnectionError, TimeoutError):
        return {}
    return found


def get(port: int, path: str) -> None:
    """Ask on that port of this machine, and wait for the answer."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as answer:
        answer.read()


@contextmanager
def own_folder() -> Iterator[Path]:
    """Have a folder for state within the block, which is gone after it."""
    with tempfile.TemporaryDirectory(prefix="pricebraid-bench-") as name:
        # Postgres may run as another user, who has to get through.
        Path(name).chmod(0o755)
        yield Path(name) / "state"


@contextmanager
def own_stack(**overrides: Any) -> Iterator[Settings]:
    """Run a whole stack with the simulated market, state and ports of its own, within the block.

    `overrides` are settings; all symbols that the market lists are followed.

    Raises:
        BenchError: it did not start.
    """
    with own_folder() as folder:
        settings = settings_for(folder, symbols="all", **overrides)
        environment = base_environment() | child_environment(settings) | {"PYTHONPATH": str(ROOT)}

        def command(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "stack", *arguments],
                cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_UP_SECONDS, check=False,
            )  # fmt: skip

        try:
            up = command("up", "--market", "simulated", "--detach")
            if up.returncode:
                raise BenchError(f"the stack did not start:\n{up.stdout[-2_000:]}\n{up.stderr[-2_000:]}")
            yield settings
        finally:
            command("down")
