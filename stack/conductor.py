"""Starts parts, steps and jobs as parallel as their needs allow, and stops them in order."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from stack.board import Board, Report
from stack.keeper import Keeper, Patience
from stack.logfiles import last_lines
from stack.part import Part
from stack.process import Register
from stack.steps import Step

log = logging.getLogger(__name__)

STOP_ORDER = ("repair", "ingest", "market", "sequencer", "jobs", "taskmanager", "jobmanager", "kafka", "postgres")
"""Sources first, so that all that was received flows through; stores last."""

DRAIN_SECONDS = 15.0
SAVEPOINT_SECONDS = 60.0


def stop_rank(name: str) -> int:
    """Return the place of a part in the order of stopping; what is not named there goes first."""
    return next((n for n, kind in enumerate(STOP_ORDER) if name == kind or name.startswith(f"{kind}-")), -1)


class JobKeeper(Protocol):
    """What keeps the jobs."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self, savepoints: Path, seconds: float, hurry: threading.Event) -> None:
        """Stop all jobs with savepoints."""


class Fault(NamedTuple):
    """Why the stack cannot come up: which part, what is wrong, what to do, and the last lines of its log."""

    name: str
    message: str
    remedy: str
    lines: list[str]


class Conductor:
    """Everything that is kept running for one market."""

    def __init__(
        self, board: Board, register: Register, logs: Path, mark: str, patience: Patience | None = None
    ) -> None:
        self.board = board
        self.doing = ""
        self._register = register
        self._logs = logs
        self._mark = mark
        self._patience = patience or Patience()
        self._keepers: list[Keeper] = []
        self._steps: list[Step] = []
        self._jobs: JobKeeper | None = None
        self._optional: set[str] = set()

    @property
    def step_names(self) -> set[str]:
        """The names on the board that are steps, not parts."""
        return {step.name for step in self._steps} | ({"jobs"} if self._jobs else set())

    def add_part(self, part: Callable[[], Part], *after: str) -> None:
        """Keep a part, which needs `after` besides what it says itself. `part` is asked for at each start."""
        first = part()
        if first.optional:
            self._optional.add(first.name)
        needs = (*first.after, *(name for name in after if name not in first.after))
        self._keepers.append(
            Keeper(
                part,
                needs,
                board=self.board,
                register=self._register,
                logs=self._logs,
                mark=f"{self._mark}/{first.name}",
                patience=self._patience,
            )
        )

    def add_step(self, name: str, after: tuple[str, ...], action: Callable[[], None]) -> None:
        """Run `action` once, when what it needs is healthy."""
        self._steps.append(Step(name, after, action, self.board))

    def add_jobs(self, jobs: JobKeeper) -> None:
        """Keep the jobs."""
        self._jobs = jobs

    def start(self) -> None:
        """Begin with everything; returns at once."""
        for keeper in self._keepers:
            keeper.start()
        for step in self._steps:
            step.start()
        if self._jobs is not None:
            self._jobs.start()

    def healthy(self) -> bool:
        """Tell whether everything is healthy, but for optional parts that were given up."""
        return all(
            report.state == "healthy" or (report.fatal and name in self._optional)
            for name, report in self.board.read().items()
        )

    def fault(self) -> Fault | None:
        """Return what keeps the stack from coming up and will not pass by itself."""
        for name, report in self.board.read().items():
            if report.fatal and name not in self._optional:
                return Fault(name, report.reason or "failed", report.remedy, last_lines(self._logs / f"{name}.log", 15))
        return None

    def waiting_for(self) -> list[str]:
        """Return what is not healthy yet."""
        return [name for name, report in self.board.read().items() if report.state != "healthy"]

    def stop(self, savepoints: Path, hurry: threading.Event, drained: Callable[[], bool]) -> None:
        """Stop everything in order; once `hurry` is set, by killing.

        `drained` tells whether the sequencer has read all that ingest sent; that is waited for, within bounds.
        """
        for step in self._steps:
            step.stop()
        began = {keeper.name for keeper in self._keepers if self.board.state_of(keeper.name) == "healthy"}
        for kind in (None, *STOP_ORDER):
            rank = -1 if kind is None else STOP_ORDER.index(kind)
            if kind == "sequencer" and "sequencer" in began:
                self._drain(hurry, drained)
            if kind == "jobs" and self._jobs is not None:
                self.doing = "jobs, with savepoints"
                self._jobs.stop(savepoints, SAVEPOINT_SECONDS, hurry)
            self._stop_together([keeper for keeper in self._keepers if stop_rank(keeper.name) == rank], hurry)
        self.doing = ""
        for step in self._steps:
            self.board.post(step.name, Report("stopped"))

    def _stop_together(self, keepers: list[Keeper], hurry: threading.Event) -> None:
        if not keepers:
            return
        self.doing = ", ".join(keeper.name for keeper in keepers)
        log.info("stopping %s", self.doing)
        threads = [threading.Thread(target=keeper.stop, args=(hurry,)) for keeper in keepers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _drain(self, hurry: threading.Event, drained: Callable[[], bool]) -> None:
        self.doing = "waiting until the sequencer has read everything"
        deadline = time.monotonic() + DRAIN_SECONDS
        while not drained():
            if hurry.is_set() or time.monotonic() > deadline:
                log.warning("the sequencer is still behind; what it has not read stays in its topic")
                return
            time.sleep(0.1)
