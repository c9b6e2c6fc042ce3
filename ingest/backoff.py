"""How long to wait before the next try: nothing the first time, then more and more up to a limit, for ever. Pure."""

from collections.abc import Callable

_SHORTEST_SECONDS = 1.0


def delay(failures: int, longest: float, draw: float) -> float:
    """Return the seconds to wait before trying again.

    `failures` is how many tries in a row have already failed before this one; none means to try at once. `draw` is
    uniform in [0, 1) and spreads the wait over the upper half of its range, so that many clients don't return in step.
    """
    if failures <= 0:
        return 0.0
    # 2 ** 64 seconds is past any limit; beyond it the power would only grow without use.
    limit = min(longest, _SHORTEST_SECONDS * 2.0 ** min(failures - 1, 64))
    return limit * (0.5 + draw / 2)


class Backoff:
    """The waits of one thing that is tried again and again. `random` gives numbers uniform in [0, 1)."""

    def __init__(self, longest: float, random: Callable[[], float]) -> None:
        self._longest = longest
        self._random = random
        self._failures = 0

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now, not fewer than `at_least` (what a `Retry-After` asked for)."""
        wait = delay(self._failures, self._longest, self._random())
        self._failures += 1
        return max(wait, at_least)

    def reset(self) -> None:
        """Start over: what was tried has proved itself."""
        self._failures = 0


class Guard:
    """Keeps what does succeed from being done too often: every `gap` seconds, and a few times (`burst`) at once.

    Times are seconds of a monotonic clock.
    """

    def __init__(self, gap: float, burst: int) -> None:
        self._gap = gap
        self._burst = burst
        self._free_at = float("-inf")

    def passed(self, now: float) -> None:
        """Take note that it was done."""
        self._free_at = max(self._free_at, now - self._gap * (self._burst - 1)) + self._gap

    def wait(self, now: float) -> float:
        """Return the seconds to wait before it may be done again."""
        return max(0.0, self._free_at - now)
