"""The venues' codes of symbols, and which symbols are followed: as ingest selects them, whether they trade or not."""

from collections.abc import Sequence

from ingest.selection import Wanted, choose, resolve
from market.records import VENUES, Venue
from market.symbols import Instrument


class Catalogue:
    """The venues' lists as they come in."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._lists: dict[Venue, Sequence[Instrument]] = {}
        self._refused: set[Venue] = set()

    def report(self, venue: Venue, instruments: Sequence[Instrument]) -> None:
        """Take in a venue's list."""
        self._lists[venue] = instruments

    def refused(self, venue: Venue) -> None:
        """Take in that a venue will never give its list."""
        self._refused.add(venue)

    def known(self, venue: Venue) -> bool:
        """Return whether the venue's list has come, or never will."""
        return venue in self._lists or venue in self._refused

    def instrument(self, venue: Venue, symbol: str) -> Instrument | None:
        """Return what the venue lists the symbol as; None where it does not, or its list has not come yet."""
        found = choose([symbol], self._lists.get(venue, ())).followed
        return found[0] if found else None

    def followed(self, venue: Venue) -> list[Instrument]:
        """Return what is followed at the venue; nothing as long as a list is missing that is needed to tell."""
        missing = set(VENUES) - self._lists.keys() - self._refused
        if venue not in self._lists or (self._wanted == "all" and missing):
            return []
        return choose(resolve(self._wanted, self._lists), self._lists[venue]).followed
