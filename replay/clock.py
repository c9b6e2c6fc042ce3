"""The simulated market's clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def wall() -> int:
    """Return the wall clock, microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class MarketClock:
    """Shows `start` when the wall clock shows `begun`, and runs `speed` times as fast; microseconds since the epoch."""

    start: int
    begun: int
    speed: float
    wall: Callable[[], int] = wall

    def __call__(self) -> int:
        """Return the market's time."""
        return self.start + int((self.wall() - self.begun) * self.speed)
