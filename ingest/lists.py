"""The venues' lists of symbols as they come in, and with them which symbols are followed where."""

import asyncio
import logging
from collections.abc import Sequence

from ingest.process import Stop
from ingest.selection import Choice, Wanted, choose, nowhere, resolve
from market.records import Venue
from market.symbols import Instrument, listed_on_both

log = logging.getLogger(__name__)


class NothingToFollow(Stop):
    """No venue lists any of the wanted symbols, or no venue can be had at all."""


class Lists:
    """The venues' lists of symbols, as they come in. A venue that refuses for good has none."""

    def __init__(self, wanted: Wanted, venues: Sequence[Venue]) -> None:
        self._wanted = wanted
        self._missing = set(venues)
        self._lists: dict[Venue, list[Instrument]] = {}
        self._complete = asyncio.Event()

    def report(self, venue: Venue, instruments: list[Instrument] | None) -> None:
        """Take in a venue's list, or that it will never give one.

        Raises:
            NothingToFollow: all venues have reported, and nothing is left to follow.
        """
        self._missing.discard(venue)
        if instruments is not None:
            self._lists[venue] = instruments
        if self._missing:
            return
        self._complete.set()
        symbols = resolve(self._wanted, self._lists)
        unknown = nowhere(symbols, self._lists)
        if unknown:
            log.error("no venue lists %s; check the setting `symbols`", ", ".join(unknown))
        if len(unknown) == len(symbols):
            raise NothingToFollow("no venue lists any symbol of the setting `symbols`, or no venue can be had")

    def renew(self, venue: Venue, instruments: list[Instrument]) -> None:
        """Take in a venue's list once more. What is followed stays as it was chosen."""
        self._lists[venue] = instruments

    async def complete(self) -> None:
        """Wait until every venue has reported."""
        await self._complete.wait()

    def on_both(self) -> list[str]:
        """Return the symbols that trade against USDT on every venue, as far as the lists are known by now."""
        return listed_on_both(item for found in self._lists.values() for item in found)

    async def choice(self, venue: Venue) -> Choice:
        """Return what is followed at the venue. For `all` this waits until every venue has reported."""
        if self._wanted == "all":
            await self._complete.wait()
        return choose(resolve(self._wanted, self._lists), self._lists[venue])
