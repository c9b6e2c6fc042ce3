"""How much of a venue's REST limit is used. Pure: times are seconds of a monotonic clock."""

from collections import deque

_BACKGROUND = 0.5
"""Share of the budget that checks and history may use, so that gaps never wait for them."""
# Others ask the venue from this address, too: what is left at the end of a period is theirs.
_LEFT_ALONE = 0.1


class Budget:
    """At most `share` of the venue's `limit` in any `seconds`, and nothing while the venue wants to be left alone."""

    def __init__(self, limit: int, seconds: float, share: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._allowed = limit * share
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._held_until = float("-inf")

    def wait(self, cost: int, now: float, *, background: bool = False) -> float:
        """Return the seconds until `cost` may be spent; zero where it may be now.

        A cost beyond what is ever allowed may be spent alone.
        """
        self._forget(now)
        held = max(0.0, self._held_until - now)
        excess = self._used + cost - self._allowed * (_BACKGROUND if background else 1.0)
        for time, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            held = max(held, time + self._seconds - now)
        return held

    def spend(self, cost: int, now: float) -> None:
        """Count a request."""
        self._spent.append((now, cost))
        self._used += cost

    def hold(self, seconds: float, now: float) -> None:
        """Leave the venue alone for so many seconds."""
        self._held_until = max(self._held_until, now + seconds)

    def held(self, now: float) -> bool:
        """Return whether the venue is being left alone."""
        return now < self._held_until

    def told(self, left: int, seconds: float, now: float) -> None:
        """Take in what the venue says is left of its limit for so many seconds, whoever used the rest."""
        if left < self._limit * _LEFT_ALONE:
            self.hold(seconds, now)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self._seconds <= now:
            self._used -= self._spent.popleft()[1]
