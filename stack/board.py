"""What every part, step and job is doing: written by who keeps it, read by who waits for it and by `status`."""

import threading
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Condition = Literal["waiting", "starting", "healthy", "restarting", "failed", "stopped"]


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """The condition of one part, step or job.

    `reason` says why it is not healthy, or why it was last restarted. `fatal` marks what waiting cannot mend.
    """

    state: Condition
    endpoint: str | None = None
    pid: int | None = None
    restarts: int = 0
    reason: str | None = None
    fatal: bool = False
    remedy: str = ""
    facts: dict[str, Any] = {}


class Board:
    """The reports of all, by name; safe for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._reports: dict[str, Report] = {}

    def post(self, name: str, report: Report) -> None:
        """Replace the report of one."""
        with self._changed:
            self._reports[name] = report
            self._changed.notify_all()

    def read(self) -> dict[str, Report]:
        """Return all reports as they are now."""
        with self._changed:
            return dict(self._reports)

    def state_of(self, name: str) -> Condition | None:
        """Return the condition of one, None where it never reported."""
        with self._changed:
            report = self._reports.get(name)
            return report.state if report else None

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that are not healthy."""
        with self._changed:
            return [name for name in names if name not in self._reports or self._reports[name].state != "healthy"]

    def wait_for(self, names: Iterable[str], stopping: threading.Event) -> bool:
        """Wait until all names are healthy; False once `stopping` is set (`wake` makes it be seen)."""
        wanted = list(names)
        with self._changed:
            while not stopping.is_set():
                if not self.missing(wanted):
                    return True
                self._changed.wait(1.0)
        return False

    def wake(self) -> None:
        """Make those who wait look again."""
        with self._changed:
            self._changed.notify_all()
