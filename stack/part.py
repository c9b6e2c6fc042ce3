"""One part of the stack: a process that is started, watched and stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

Say = Callable[[str], None]
"""Called with how far something is; what it raises ends that."""


def nothing() -> None:
    """The preparation of a part that needs none."""


def at_hand(_say: Say) -> None:
    """The obtaining of a part whose program is there."""


@dataclass(frozen=True)
class Part:
    """A process of the stack: how it is prepared, started, asked whether it is ready, and stopped.

    `command` becomes the part: whatever it execs, the first process stays the part's own, so a
    signal to it reaches the part itself.
    """

    name: str
    """`postgres`, `kafka`, `jobmanager`, `taskmanager-1`, `market`, `sequencer`, `ingest`, `ingest-2`, `repair`,
    `prometheus`, `grafana`."""
    command: list[str]
    env: dict[str, str]
    """The complete environment of the process; nothing is inherited."""
    cwd: Path
    endpoint: str
    """Where people and programs reach it, as shown by `status`."""
    ready: Callable[[], str | None]
    """None where the part answers in its own protocol, else one line why not yet. Never raises; takes under 2 s."""
    obtain: Callable[[Say], None] = at_hand
    """Runs before `prepare`, and may take minutes: fetches the program where it is missing; raises StackError."""
    prepare: Callable[[], None] = nothing
    """Runs before every start and may be repeated at will; raises StackError."""
    user: str | None = None
    """The unprivileged user to run as, where we are root."""
    stop_signal: int = SIGTERM
    stop_seconds: float = 20.0
    """How long an orderly stop may take, in seconds, before the process is killed."""
    after: tuple[str, ...] = ()
    """The parts that must be ready before this one starts."""
    optional: bool = False
    """Whether all else is of use without it. Then what keeps it from starting stops nothing, and is not tried again."""
