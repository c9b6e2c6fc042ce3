"""Lets candles be verified again and again while the stack runs: a process at a time, which notes what it finds."""

import logging
import threading
from collections.abc import Callable

from market.sections import VerifySettings
from stack.errors import StackError
from stack.part import Part
from stack.process import Child, Register, describe_end
from stack.state import State

log = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
"""So long after the start: then some minutes have settled."""

_UNEQUAL = 1


class Verifying:
    """Does it in a thread of its own, from `start` until `stop`. `run` gives the process of the next run."""

    def __init__(
        self,
        settings: VerifySettings,
        run: Callable[[], Part],
        register: Register,
        state: State,
        *,
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._every = settings.every_minutes * 60
        self._first = min(first_seconds, self._every)
        self._run = run
        self._register = register
        self._state = state
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._verify, name="verify", daemon=True)

    def start(self) -> None:
        """Begin, unless it is to be never; returns at once."""
        if self._every:
            self._thread.start()

    def stop(self) -> None:
        """End a run that is under way, and begin none any more."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _verify(self) -> None:
        pause = self._first
        while not self._stopping.wait(pause):
            pause = self._every
            try:
                self._once()
            except (StackError, OSError) as error:
                log.warning("candles cannot be verified: %s", error)

    def _once(self) -> None:
        part = self._run()
        self._wake.clear()
        child = Child(part, f"{self._state.root}/{part.name}", self._state.logs / f"{part.name}.log", self._wake.set)
        self._register.add(part.name, child.record)
        try:
            while child.code is None and not self._stopping.is_set():
                self._wake.wait()
        finally:
            if child.code is None:
                child.stop(part.stop_seconds, threading.Event())
            self._register.remove(part.name)
        if self._stopping.is_set():
            return
        if child.code == _UNEQUAL:
            log.error("candles are not what the trades make: see `./pricebraid logs %s`", part.name)
        elif child.code:
            log.warning("candles could not be verified: %s; see its log", describe_end(child.code))
