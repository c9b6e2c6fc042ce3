"""What the ledger holds of one symbol: its open gaps, and the holes that may still fill by themselves. Pure."""

from bisect import bisect_left, bisect_right, insort
from operator import attrgetter, itemgetter

import msgspec

from market.records import Gap
from sequencer.lines import Identity
from sequencer.state import Hole

_first = attrgetter("first")


class Book:
    """The open gaps of one symbol, its holes in the order of their ids, and up to where any of its gaps has reached.

    `doubts` are those open gaps that the ids to come will explain.
    """

    __slots__ = ("_ranges", "doubts", "holes", "identity", "open", "up")

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.open: dict[str, Gap] = {}
        self.doubts: dict[str, Gap] = {}
        self._ranges: list[tuple[int, int, str]] = []
        self.holes: list[Hole] = []
        self.up = -1

    def named(self, *parts: object) -> str:
        """Return the id of one of the symbol's gaps."""
        return ":".join(map(str, (*self.identity, *parts)))

    def down(self, instance: str) -> Gap | None:
        """Return the gap that is open since this ingest process lost the symbol."""
        prefix = self.named(instance, "")
        for gap in self.open.values():
            if gap.to_time is None and gap.gap_id.startswith(prefix):
                return gap
        return None

    def ended(self, instance: str, time: int) -> bool:
        """Tell whether a gap that is still open has ended as the ingest process regained the symbol at this time."""
        prefix = self.named(instance, "")
        return any(
            gap.to_time == max(gap.from_time, time) and gap.gap_id.startswith(prefix) for gap in self.open.values()
        )

    def keep(self, gap: Gap) -> None:
        """Hold a gap as it has become, or let go of it where it was closed."""
        gap_id = gap.gap_id
        self.up = max(self.up, gap.to_time or -1)
        old = self.open.pop(gap_id, None)
        self.doubts.pop(gap_id, None)
        if old is not None and old.first_id is not None and old.last_id is not None:
            del self._ranges[bisect_left(self._ranges, (old.first_id, old.last_id, gap_id))]
        if gap.closed is None:
            self.open[gap_id] = gap
            if gap.first_id is not None and gap.last_id is not None:
                insort(self._ranges, (gap.first_id, gap.last_id, gap_id))
            elif gap.first_id is not None:
                self.doubts[gap_id] = gap

    def missing(self, first: int, last: int) -> list[Gap]:
        """Return the open gaps that hold some of these ids. No id lies in two."""
        ranges, found = self._ranges, []
        at = max(0, bisect_right(ranges, first, key=itemgetter(0)) - 1)
        while at < len(ranges) and ranges[at][0] <= last:
            if ranges[at][1] >= first:
                found.append(self.open[ranges[at][2]])
            at += 1
        return found

    def holds(self, first: int, last: int) -> bool:
        """Tell whether some of these ids are known to be missing, or about to be."""
        return bool(self.missing(first, last)) or self.awaits(first, last + 1)

    def awaits(self, first: int, end: int) -> bool:
        """Tell whether some of the ids from `first` to before `end` may still fill a hole."""
        return any(hole.first < end and hole.last >= first for hole in self.holes)

    def fill(self, first: int, last: int) -> None:
        """Leave of the hole that holds these ids, if there is one, what is left of it."""
        at = bisect_right(self.holes, first, key=_first) - 1
        if at >= 0 and first <= (hole := self.holes[at]).last:
            below = [msgspec.structs.replace(hole, last=first - 1)] if hole.first < first else []
            above = [msgspec.structs.replace(hole, first=last + 1)] if last < hole.last else []
            self.holes[at : at + 1] = below + above
