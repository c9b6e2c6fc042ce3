"""Processes of parts: started in sessions of their own, known by pid and start time, stopped for good.

What runs is recorded in a file, so that the parts of a supervisor that was killed are found and stopped by the next.
"""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from stack.accounts import as_user
from stack.logfiles import open_for_append
from stack.part import Part

log = logging.getLogger(__name__)

MARK = "PRICEBRAID_PART"
"""Environment variable of every started process, `<state folder>/<part>`: it tells ours from others of that pid."""


class Recorded(msgspec.Struct, frozen=True):
    """A started process as the record holds it. `create_time` in seconds since the epoch, as the system tells it."""

    pid: int
    create_time: float
    mark: str
    stop_signal: int = int(signal.SIGTERM)
    stop_seconds: float = 20.0


def create_time(pid: int) -> float | None:
    """Return when the process began, seconds since the epoch; None where there is none (or only its exit status)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def alive(pid: int, began: float) -> bool:
    """Tell whether the very process that began then still runs; a later one of that pid does not count."""
    now = create_time(pid)
    return now is not None and abs(now - began) < 1.0


def write_atomically(path: Path, data: bytes) -> None:
    """Write so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.new")
    fresh.write_bytes(data)
    fresh.replace(path)


class Register:
    """The record of started processes, `parts.json`: written at each start and each end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._parts: dict[str, Recorded] = {}

    def add(self, name: str, entry: Recorded) -> None:
        """Note that the part runs as this process."""
        with self._lock:
            self._parts[name] = entry
            self._write()

    def remove(self, name: str) -> None:
        """Note that the part does not run any more."""
        with self._lock:
            self._parts.pop(name, None)
            self._write()

    def _write(self) -> None:
        write_atomically(self._path, msgspec.json.encode(self._parts))


def read_register(path: Path) -> dict[str, Recorded]:
    """Return what the record at `path` holds; nothing where there is none or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Recorded])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


class Child:
    """A running process of a part. `ended` is called once, from another thread, when it is gone."""

    def __init__(self, part: Part, mark: str, log_file: Path, ended: Callable[[], None]) -> None:
        self.part = part
        descriptor = open_for_append(log_file)
        try:
            self._popen = subprocess.Popen(
                part.command,
                env={**part.env, MARK: mark},
                cwd=part.cwd,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                **as_user(part.user if os.geteuid() == 0 else None),
            )
        finally:
            os.close(descriptor)
        self.pid = self._popen.pid
        self.record = Recorded(
            self.pid, create_time(self.pid) or time.time(), mark, int(part.stop_signal), part.stop_seconds
        )
        self._gone = threading.Event()
        self._ended = ended
        threading.Thread(target=self._reap, name=f"reap-{part.name}", daemon=True).start()

    @property
    def code(self) -> int | None:
        """The exit code once it is gone; negative for the signal that ended it."""
        return self._popen.returncode if self._gone.is_set() else None

    def _reap(self) -> None:
        self._popen.wait()
        # The children of a part that died can hold its ports and files.
        _signal_group(self.pid, signal.SIGKILL)
        self._gone.set()
        self._ended()

    def stop(self, seconds: float, hurry: threading.Event) -> bool:
        """Ask it to stop, wait up to `seconds` or until `hurry` is set, then kill; True if it went by itself."""
        if not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(self.part.stop_signal)
        deadline = time.monotonic() + seconds
        while not self._gone.wait(0.05):
            if time.monotonic() > deadline or hurry.is_set():
                self.kill()
                return False
        return True

    def kill(self) -> None:
        """End it and its children at once, and wait until it is gone."""
        _signal_group(self.pid, signal.SIGKILL)
        self._gone.wait(10)


def _signal_group(pgid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def describe_end(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _ours(entry: Recorded) -> list[psutil.Process]:
    """Return the processes that are left of a recorded one: itself, and members of its group that carry its mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == entry.pid:
                if abs(process.create_time() - entry.create_time) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            elif os.getpgid(process.pid) == entry.pid and process.environ().get(MARK) == entry.mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _wait_until_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until the processes have ended, also those whose exit nobody asks for; return those that have not."""
    deadline = time.monotonic() + seconds
    while True:
        left = [process for process in processes if create_time(process.pid) is not None and process.is_running()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def stop_leftovers(entries: dict[str, Recorded], order: Callable[[str], int]) -> list[str]:
    """Stop recorded processes that still run, in order; return their names.

    Each is asked first, then killed. A process of the same pid that is not the recorded one is left alone.
    """
    stopped = []
    for name in sorted(entries, key=order):
        entry = entries[name]
        left = _ours(entry)
        if not left:
            continue
        stopped.append(name)
        log.warning("stopping %s, left over from a supervisor that was killed", name, extra={"pid": entry.pid})
        main = [process for process in left if process.pid == entry.pid]
        for process in main:
            with contextlib.suppress(psutil.Error):
                process.send_signal(entry.stop_signal)
        remaining = _wait_until_gone(main, entry.stop_seconds)
        for process in {*remaining, *_ours(entry)}:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _wait_until_gone(left, 5)
    return stopped
