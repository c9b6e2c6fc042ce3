"""The terminal's side of a running stack: starts the supervisor, shows how it comes up, follows it, stops it."""

import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from market.settings import ROOT, Settings, config_file
from stack import running
from stack.errors import StackError
from stack.logfiles import last_lines, open_for_append
from stack.process import alive, create_time
from stack.releases import FETCHING
from stack.state import State
from stack.status import NOTHING, progress

RATE_SECONDS = 5.0
"""Over how many seconds the rate of the live line is taken."""


class Interrupted(Exception):
    """Ctrl-C, or a signal to stop."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into Interrupted."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Supervisor:
    """A supervisor's process as the terminal sees it."""

    def __init__(self, pid: int, create_time: float, state: State) -> None:
        self.pid = pid
        self._create_time = create_time
        self.state = state

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return alive(self.pid, self._create_time)

    def signal(self) -> None:
        """Ask it to stop; a second time, to hurry."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)

    def status(self) -> dict[str, Any]:
        """Return the status it last wrote."""
        try:
            read: dict[str, Any] = msgspec.json.decode(running.status_path(self.state).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return NOTHING
        return read


def spawn(settings: Settings, *, fresh: bool) -> tuple[Supervisor, int]:
    """Start a supervisor in a session of its own; return it and the pipe on which it reports.

    Raises:
        StackError: its log cannot be opened.
    """
    state = State.for_settings(settings)
    env = {
        **os.environ,
        "PRICEBRAID_MARKET": settings.market,
        "PRICEBRAID_SPEED": settings.speed,
        "PRICEBRAID_STATE_DIR": str(state.root),
        "PYTHONPATH": str(ROOT),
    }
    if config_file().is_file():
        env["PRICEBRAID_CONFIG"] = str(config_file().resolve())
    try:
        output = open_for_append(state.logs / "supervisor.log")
        # An old status must not be taken for the new supervisor's.
        running.status_path(state).unlink(missing_ok=True)
    except OSError as error:
        raise StackError(
            f"The state folder {state.folder} cannot be used: {error}.", "Set `state_dir` to a folder you may write to."
        ) from error
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "stack.supervisor",
                "--report-fd",
                str(writing),
                *(["--fresh-state"] if fresh else []),
            ],
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            start_new_session=True,
        )
    finally:
        os.close(writing)
        os.close(output)
    began = create_time(process.pid) or time.time()
    return Supervisor(process.pid, began, state), reading


def come_up(supervisor: Supervisor, reading: int, console: Console) -> None:
    """Show how everything comes up, until all is healthy.

    Raises:
        StackError: it does not come up; the text says which part, and holds the last lines of its log.
        Interrupted: a signal came.
    """
    shown = _Progress(console)
    received = b""
    with shown:
        while True:
            ready, _, _ = select.select([reading], [], [], 0.25)
            if ready:
                piece = os.read(reading, 1 << 16)
                received += piece
                if not piece:
                    break
            shown.show(supervisor.status())
    if not received:
        lines = "\n".join(last_lines(supervisor.state.logs / "supervisor.log", 15))
        raise StackError(f"The supervisor ended without a word:\n{lines}", "See `./pricebraid logs supervisor`.")
    report: dict[str, Any] = msgspec.json.decode(received)
    if report.get("healthy"):
        return
    part = report.get("part") or ""
    message = f"{part}: {report['message']}" if part else report["message"]
    # Where it is known what to do, the log has nothing to add.
    if report.get("lines") and not report.get("remedy"):
        message += f"\nThe last lines of {supervisor.state.logs / f'{part}.log'}:\n  " + "\n  ".join(report["lines"])
    raise StackError(message, report.get("remedy") or (f"See `./pricebraid logs {part}`." if part else ""))


class _Progress:
    """Shows what is not ready yet: a moving display on a terminal, else a line for each part that is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        self._told: set[str] = set()
        self._fetched: set[str] = set()
        self._doing = ""
        self._began = time.monotonic()

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: dict[str, Any]) -> None:
        """Show the status as it is now."""
        seconds = time.monotonic() - self._began
        if self._live is not None:
            self._live.update(progress(status, seconds), refresh=True)
            return
        doing = status.get("doing") or ""
        # Of jars there are many: a line for the first is enough where lines cannot be overwritten.
        if doing and doing.split(" ")[0] != self._doing.split(" ")[0]:
            self._console.print(f"{seconds:5.1f} s  {doing}", highlight=False)
            self._doing = doing
        for name, part in status["parts"].items():
            if part["state"] == "healthy" and name not in self._told:
                self._told.add(name)
                self._console.print(f"{seconds:5.1f} s  {name} is ready", highlight=False)
            elif (part.get("reason") or "").startswith(FETCHING) and name not in self._fetched:
                self._fetched.add(name)
                self._console.print(f"{seconds:5.1f} s  {name} {FETCHING}, once", highlight=False)


def live_line(status: dict[str, Any], rate: float | None) -> Text:
    """Return the line that moves: market, trades per second, freshness, venues, parts that are not healthy."""
    fresh = status["freshness_seconds"]
    line = Text(f"{status['market']} · ")
    line.append("… trades/s" if rate is None else f"{rate:,.0f} trades/s", "bold")
    line.append(" · candles " + ("not known yet" if fresh is None else f"{fresh:.2f} s behind"))
    for name, venue in status["venues"].items():
        line.append(" · ")
        line.append(
            f"{name} {'connected' if venue['connected'] else 'NOT CONNECTED'}", "green" if venue["connected"] else "red"
        )
    for name, part in status["parts"].items():
        if part["state"] != "healthy":
            line.append(f" · {name} {part['state']}", "bold yellow")
    line.append(" · ctrl-C stops", "dim")
    return line


class Rate:
    """Trades per second over the last seconds, from the venues' counts since ingest started."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def of(self, now: float, status: dict[str, Any]) -> float | None:
        """Return the rate with the status at a time; None while there is nothing to compare with."""
        trades = sum(venue["trades"] for venue in status["venues"].values())
        if self._samples and trades < self._samples[-1][1]:
            # Ingest was restarted and counts anew.
            self._samples.clear()
        self._samples.append((now, trades))
        while now - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()
        (began, first), (end, newest) = self._samples[0], self._samples[-1]
        return (newest - first) / (end - began) if end - began >= 3.0 else None


def follow(supervisor: Supervisor, console: Console) -> None:
    """Show the live line until the supervisor ends.

    Raises:
        Interrupted: a signal came.
    """
    if not console.is_terminal:
        while supervisor.alive():
            time.sleep(0.5)
        return
    rate = Rate()
    with Live(console=console, auto_refresh=False) as live:
        while supervisor.alive():
            status = supervisor.status()
            live.update(live_line(status, rate.of(time.monotonic(), status)), refresh=True)
            time.sleep(1.0)


def stop(supervisor: Supervisor, console: Console) -> None:
    """Ask the supervisor to stop and show how it does, until it has ended; ctrl-C meanwhile makes it hurry."""
    supervisor.signal()
    told = ""
    hurried = False
    with interruptible():
        while supervisor.alive():
            try:
                doing = supervisor.status().get("doing") or ""
                if doing and doing != told:
                    console.print(f"stopping {doing}", highlight=False)
                    told = doing
                time.sleep(0.1)
            except Interrupted:
                if not hurried:
                    console.print("killing what is left; jobs will resume from their newest checkpoints")
                    supervisor.signal()
                hurried = True
    console.print("stopped")
