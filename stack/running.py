"""Which market runs: one supervisor for a state folder, held by a lock, described in a file beside it."""

import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec

from market.settings import Settings, load
from stack.errors import StackError
from stack.process import alive, create_time, read_register, write_atomically
from stack.state import State


class Running(msgspec.Struct, frozen=True):
    """A supervisor: its process, the market, and the settings it was started with. Times in seconds, UTC."""

    pid: int
    create_time: float
    market: str
    settings: dict[str, Any]
    started_at: float

    def load_settings(self) -> Settings:
        """Return the settings that the stack runs with, whatever the environment says now."""
        return load(**self.settings)


def register_path(root: Path) -> Path:
    """Return where the processes of the parts are recorded."""
    return root / "parts.json"


def status_path(state: State) -> Path:
    """Return where the supervisor writes the status, each second."""
    return state.run / "status.json"


def last(root: Path) -> Running | None:
    """Return the supervisor that runs or ran last under the state folder, None where none ever did."""
    try:
        return msgspec.json.decode((root / "running.json").read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def find(root: Path) -> Running | None:
    """Return the supervisor that runs under the state folder, None where none does."""
    described = last(root)
    return described if described is not None and alive(described.pid, described.create_time) else None


def leftovers(root: Path) -> list[str]:
    """Return the parts whose processes still run, by their record."""
    return [name for name, entry in read_register(register_path(root)).items() if alive(entry.pid, entry.create_time)]


def refuse_second(root: Path) -> None:
    """Raise a StackError where a supervisor runs under the state folder."""
    running = find(root)
    if running is not None:
        raise StackError(
            f"Pricebraid runs already, market {running.market} (process {running.pid}).",
            "See it with `./pricebraid status`, stop it with `./pricebraid down`.",
        )


def claim(root: Path, settings: Settings, now: float) -> int:
    """Take the state folder for this process until it ends, and describe it; return the lock's descriptor.

    Raises:
        StackError: another supervisor has it, or the folder cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(
            f"The state folder {root} cannot be used: {error}.", "Set `state_dir` to a folder you may write to."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        refuse_second(root)
        raise StackError(
            f"Another process starts or stops Pricebraid in {root}.", "Wait until it is done, and try again."
        ) from None
    described = Running(
        os.getpid(), create_time(os.getpid()) or now, settings.market, settings.model_dump(mode="json"), now
    )
    write_atomically(root / "running.json", msgspec.json.encode(described))
    return descriptor
