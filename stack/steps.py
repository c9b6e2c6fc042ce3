"""Steps: what is done once between the starts of parts, such as making topics and migrating the database."""

import logging
import threading
from collections.abc import Callable

from stack.board import Board, Report
from stack.errors import StackError

log = logging.getLogger(__name__)


class Step:
    """Runs `action` once in a thread of its own, when what it needs is healthy; is itself healthy when done.

    It is tried again a few times, as the part that it speaks to may be about to restart.
    """

    def __init__(
        self,
        name: str,
        after: tuple[str, ...],
        action: Callable[[], None],
        board: Board,
        *,
        tries: int = 3,
        pause: float = 1.0,
    ) -> None:
        self.name = name
        self._after = after
        self._action = action
        self._board = board
        self._tries = tries
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"step-{name}", daemon=True)
        board.post(name, Report("waiting"))

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Do not begin any more. An action that runs is left to end by itself."""
        self._stopping.set()
        self._board.wake()

    def _run(self) -> None:
        for left in reversed(range(self._tries)):
            if not self._board.wait_for(self._after, self._stopping):
                return
            self._board.post(self.name, Report("starting"))
            try:
                self._action()
            except Exception as problem:
                error = problem if isinstance(problem, StackError) else StackError(f"{problem!r}")
                if not isinstance(problem, StackError):
                    log.exception("step %s failed", self.name)
                hopeless = left == 0
                log.warning("step %s: %s", self.name, error.message)
                self._board.post(
                    self.name,
                    Report(
                        "failed" if hopeless else "restarting",
                        reason=error.message,
                        fatal=hopeless,
                        remedy=error.remedy,
                    ),
                )
                if hopeless or self._stopping.wait(self._pause):
                    return
            else:
                self._board.post(self.name, Report("healthy"))
                return
