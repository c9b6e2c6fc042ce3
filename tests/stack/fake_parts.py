"""Parts that are small Python scripts, for tests of who keeps them."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stack.keeper import Patience
from stack.part import Part, Say, at_hand

QUICK = Patience(
    start=10.0, poll=0.02, watch=0.05, silent=0.5, first_backoff=0.05, longest_backoff=0.2, calm=60.0, first_tries=3
)

# Notes its start and its orderly stop in one file that all parts share, and makes a file when it is ready.
SCRIPT = """
import os, pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def note(what):
    with open(folder / "notes", "a") as file:
        file.write(f"{name} {what}\\n")
def stop(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("started")
(folder / f"{name}.pid").write_text(str(os.getpid()))
print(f"hello from {name}", flush=True)
while True:
    time.sleep(0.05)
"""


def python_part(
    name: str,
    folder: Path,
    script: str = SCRIPT,
    *,
    after: tuple[str, ...] = (),
    prepare: Callable[[], None] = lambda: None,
    ready: Callable[[], str | None] | None = None,
    stop_seconds: float = 5.0,
    obtain: Callable[[Say], None] = at_hand,
    optional: bool = False,
) -> Part:
    """Return a part that runs the script; it is ready once the script has written its pid."""
    return Part(
        name=name,
        command=[sys.executable, "-c", script, name, str(folder)],
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
        endpoint=f"test://{name}",
        ready=ready or (lambda: None if (folder / f"{name}.pid").exists() else "no pid yet"),
        prepare=prepare,
        stop_signal=signal.SIGTERM,
        stop_seconds=stop_seconds,
        after=after,
        obtain=obtain,
        optional=optional,
    )


def notes(folder: Path) -> list[str]:
    """Return what the parts noted, in order."""
    path = folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def until(what: str, check: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until the check holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
