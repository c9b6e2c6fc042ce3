"""The market on localhost as the bench sees it: its clock, and the faults that it is told to make."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from bench._processes import BenchError
from bench._storm.facts import Clock, Done
from replay.faults import Fault
from stack.asking import NoAnswer, ask

_ASK_SECONDS = 10.0


class Market:
    """A market that runs on a port of this machine. Where it does not answer, whatever is asked raises `BenchError`."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/-"

    def clock(self) -> Clock:
        """Return how its clock runs, by the quickest of some answers."""
        tries = []
        for _ in range(5):
            asked = time.time_ns() // 1000
            status = self._ask("status")
            answered = time.time_ns() // 1000
            clock = Clock(int(status["clock"]), (asked + answered) // 2, float(status["speed"]))
            tries.append((answered - asked, clock))
        return min(tries, key=lambda tried: tried[0])[1]

    def now(self) -> int:
        """Return what its clock shows."""
        return int(self._ask("status")["clock"])

    def waiting(self) -> int:
        """Return how many faults are still to come, or go on."""
        counts = self._ask("status")["faults"]
        return int(counts["planned"]) + int(counts["running"])

    def tell(self, planned: Iterable[Fault]) -> None:
        """Let these faults come."""
        for fault in planned:
            self._ask("faults", msgspec.to_builtins(fault))

    def faults(self) -> list[Done]:
        """Return what really took place, the oldest first."""
        return msgspec.convert(self._ask("faults"), list[Done])

    def _ask(self, page: str, body: dict[str, Any] | None = None) -> Any:
        try:
            return ask(f"{self._base}/{page}", _ASK_SECONDS, body=body)
        except NoAnswer as error:
            raise BenchError(f"the market on localhost: {error}") from error
