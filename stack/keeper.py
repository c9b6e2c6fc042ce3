"""Keeps one part running: waits for what it needs, prepares, starts, watches, restarts with backoff, stops."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.board import Board, Condition, Report
from stack.errors import StackError
from stack.part import Part
from stack.process import Child, Register, describe_end

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds, and how often they may fail before the first success."""

    start: float = 180.0
    poll: float = 0.2
    watch: float = 2.0
    silent: float = 120.0
    first_backoff: float = 0.5
    longest_backoff: float = 30.0
    calm: float = 60.0
    first_tries: int = 3


def backoff(failures: int, patience: Patience) -> float:
    """Return the seconds to wait after the `failures`-th failure in a row (1 is the first): doubling, capped."""
    return min(patience.longest_backoff, patience.first_backoff * 2.0 ** min(failures - 1, 30))


class Keeper:
    """Keeps one part running in a thread of its own, from `start` until `stop`.

    `part` is asked for at each start, so that settings which become known late are taken up.
    """

    def __init__(
        self,
        part: Callable[[], Part],
        after: tuple[str, ...],
        *,
        board: Board,
        register: Register,
        logs: Path,
        mark: str,
        patience: Patience | None = None,
    ) -> None:
        self._part = part
        self._now = part()
        self.name = self._now.name
        self.log_file = logs / f"{self.name}.log"
        self._after = after
        self._board = board
        self._register = register
        self._mark = mark
        self._patience = patience or Patience()
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._wake = threading.Event()
        self._restarts = 0
        self._was_healthy = False
        self._last_reason: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"keep-{self.name}", daemon=True)
        self._post("waiting")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, hurry: threading.Event) -> None:
        """Stop the part in its own way and wait until it is gone; once `hurry` is set it is killed instead."""
        self._hurry = hurry
        self._stopping.set()
        self._wake.set()
        self._board.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._post("stopped")

    def _post(
        self, state: Condition, reason: str | None = None, *, pid: int | None = None, error: StackError | None = None
    ) -> None:
        self._board.post(
            self.name,
            Report(
                state,
                endpoint=self._now.endpoint,
                pid=pid,
                restarts=self._restarts,
                reason=reason,
                fatal=error is not None,
                remedy=error.remedy if error else "",
            ),
        )

    def _say(self, what: str) -> None:
        """Show how far the start is, and end it where it is not wanted any more."""
        if self._stopping.is_set():
            raise StackError("stopped")
        self._post("starting" if not self._restarts else "restarting", what)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            waiting: Condition = "restarting" if self._restarts else "waiting"
            if missing := self._board.missing(self._after):
                self._post(waiting, f"waits for {', '.join(missing)}")
                if not self._board.wait_for(self._after, self._stopping):
                    return
            try:
                healthy_for, error = self._once()
            except StackError as problem:
                healthy_for, error = 0.0, problem
            except Exception as problem:
                log.exception("%s could not be started", self.name)
                healthy_for, error = 0.0, StackError(f"{self.name} could not be started: {problem!r}.")
            if self._stopping.is_set():
                return
            failures = 1 if healthy_for >= self._patience.calm else failures + 1
            self._restarts += 1
            self._last_reason = error.message
            # Before the first success a fault is more likely in the set-up than in the weather.
            hopeless = not self._was_healthy and (bool(error.remedy) or failures >= self._patience.first_tries)
            pause = backoff(failures, self._patience)
            if hopeless and self._now.optional:
                log.warning("%s: %s; it is left alone", self.name, error)
                self._post("failed", error.message, error=error)
                return
            log.warning("%s: %s; starting it again in %.1f s", self.name, error.message, pause)
            self._post("failed" if hopeless else "restarting", error.message, error=error if hopeless else None)
            self._stopping.wait(pause)

    def _once(self) -> tuple[float, StackError]:
        """Run the part until it ends; return for how long it was healthy, and what ended it."""
        self._now = part = self._part()
        part.obtain(self._say)
        self._say("is prepared")
        part.prepare()
        if self._stopping.is_set():
            return 0.0, StackError("stopped")
        self._wake.clear()
        try:
            child = Child(part, self._mark, self.log_file, self._wake.set)
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {error}.") from error
        self._register.add(self.name, child.record)
        log.info("%s started", self.name, extra={"pid": child.pid})
        try:
            return self._attend(part, child)
        finally:
            if child.code is None:
                orderly = self._stopping.is_set() and not self._hurry.is_set()
                child.stop(part.stop_seconds if orderly else 5.0, self._hurry)
            self._register.remove(self.name)

    def _attend(self, part: Part, child: Child) -> tuple[float, StackError]:
        patience = self._patience
        began = time.monotonic()
        healthy_since: float | None = None
        answered = began
        while True:
            if child.code is not None:
                healthy_for = time.monotonic() - healthy_since if healthy_since else 0.0
                return healthy_for, StackError(describe_end(child.code))
            if self._stopping.is_set():
                return 0.0, StackError("stopped")
            why = part.ready()
            now = time.monotonic()
            if why is None:
                answered = now
                if healthy_since is None:
                    healthy_since = now
                    self._was_healthy = True
                    log.info("%s is ready", self.name, extra={"seconds": round(now - began, 1)})
                self._post("healthy", self._last_reason, pid=child.pid)
            elif healthy_since is None:
                self._post("restarting" if self._restarts else "starting", why, pid=child.pid)
                if now - began > patience.start:
                    return 0.0, StackError(
                        f"not ready after {patience.start:.0f} s: {why}", f"See `./pricebraid logs {self.name}`."
                    )
            else:
                self._post("failed", f"does not answer: {why}", pid=child.pid)
                # What it needs may be what is silent; then a restart of this one helps nobody.
                if self._board.missing(self._after):
                    answered = now
                elif now - answered > patience.silent:
                    return answered - healthy_since, StackError(f"did not answer for {patience.silent:.0f} s: {why}")
            if self._wake.wait(patience.watch if healthy_since else patience.poll):
                self._wake.clear()
