"""Where a venue is asked over REST: within the budget, and with patience where the venue is only busy."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingest.repair.budget import Budget
from ingest.repair.stats import Stats
from ingest.venues.http import Allowance, VenueError
from market.records import Venue

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 6
_BUSY_SECONDS = 0.5
_LIMITED_SECONDS = 2.0


class Desk:
    """Asks one venue. Background questions leave room in the budget for gaps."""

    def __init__(self, venue: Venue, budget: Budget, stats: Stats) -> None:
        self.venue = venue
        self._budget = budget
        self._stats = stats

    async def ask(self, cost: int, question: Callable[[], Awaitable[T]], *, background: bool = False) -> T:
        """Return the answer to a question that costs so much of the venue's limit.

        Raises:
            VenueError: there was none, a few tries after the venue said that it was busy or asked too much.
            VenueRefusal: there will never be one.
        """
        for tried in range(_TRIES - 1):
            try:
                return await self._once(cost, question, background)
            except VenueError as error:
                if error.trouble == "limit" or error.wait:
                    self._leave_alone(error.wait or _LIMITED_SECONDS * 2**tried, error)
                elif error.trouble == "busy":
                    await asyncio.sleep(_BUSY_SECONDS * 2**tried)
                else:
                    raise
        return await self._once(cost, question, background)

    async def _once(self, cost: int, question: Callable[[], Awaitable[T]], background: bool) -> T:
        while wait := self._budget.wait(cost, time.monotonic(), background=background):  # noqa: ASYNC110
            await asyncio.sleep(wait)
        self._budget.spend(cost, time.monotonic())
        self._stats.weight[self.venue] += cost
        try:
            answer = await question()
        except VenueError as error:
            self._stats.requests[self.venue, error.trouble] += 1
            raise
        self._stats.requests[self.venue, "ok"] += 1
        return answer

    def _leave_alone(self, seconds: float, error: VenueError) -> None:
        now = time.monotonic()
        if not self._budget.held(now):
            log.warning("%s wants to be left alone for %g s: %s", self.venue, seconds, error)
        self._budget.hold(seconds, now)

    def told(self, allowance: Allowance) -> None:
        """Take in what the venue tells of its limit."""
        self._budget.told(allowance.left, allowance.seconds, time.monotonic())
