"""What has been seen of one symbol at one venue: runs of consecutive ids, or single sequences with their times.

Both answer the same question, `relation`, and never forget in a way that could let a trade through twice: what they
no longer hold lies at or below `floor` and is `FORGOTTEN`, not `NEW`.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import Enum

MAX_RUNS = 10_000
"""Runs that are held of one symbol; each costs about 100 bytes, and each but the last stands before a gap."""


class Relation(Enum):
    """How a trade's ids lie to those that were seen."""

    NEW = "new"
    """None of them was seen."""
    KNOWN = "known"
    """All of them were seen."""
    PARTLY = "partly"
    """Some were and some were not."""
    FORGOTTEN = "forgotten"
    """They reach down to ids that are no longer held, so nobody can say."""


# In Python 3.11 a member of an Enum takes ten times as long to look up as a global name.
_NEW, _KNOWN, _FORGOTTEN = Relation.NEW, Relation.KNOWN, Relation.FORGOTTEN


class Runs:
    """The ids seen as sorted, disjoint, closed intervals with a hole between any two.

    For venues whose trade ids are consecutive a symbol (Binance): a hole is a gap, and in a whole feed there is one
    run. Beyond `limit` runs the lower half collapses into `floor`.
    """

    __slots__ = ("_ends", "_limit", "_starts", "floor")

    def __init__(self, limit: int = MAX_RUNS, runs: Iterable[tuple[int, int]] = (), floor: int = -1) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in runs:
            self._starts.append(first)
            self._ends.append(last)
        self._limit = limit
        self.floor = floor

    def __iter__(self) -> "zip[tuple[int, int]]":
        return zip(self._starts, self._ends, strict=True)

    @property
    def top(self) -> int:
        """The highest id seen, -1 where none was."""
        return self._ends[-1] if self._ends else -1

    def holds(self, first: int, last: int) -> bool:
        """Tell whether all of `first`..`last` are held as seen; O(log n)."""
        at = bisect_right(self._starts, first) - 1
        return at >= 0 and last <= self._ends[at]

    def hole_below(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the ids that `first`..`last` has just skipped, or None where it was not added above a hole."""
        starts, ends = self._starts, self._ends
        if len(starts) < 2 or starts[-1] != first or ends[-1] != last:
            return None
        return ends[-2] + 1, first - 1

    def relation(self, first: int, last: int) -> Relation:
        """Tell how the ids `first`..`last` lie to the runs; O(log n)."""
        starts, ends = self._starts, self._ends
        if not ends or first > ends[-1]:
            return _NEW if first > self.floor else _FORGOTTEN
        at = bisect_right(starts, first) - 1
        if at >= 0 and last <= ends[at]:
            return _KNOWN
        if (at >= 0 and first <= ends[at]) or (at + 1 < len(starts) and starts[at + 1] <= last):
            return Relation.PARTLY
        return _NEW if first > self.floor else _FORGOTTEN

    def add(self, first: int, last: int) -> bool:
        """Hold `first`..`last` as seen, merged with what it touches or overlaps. True where it followed the highest."""
        starts, ends = self._starts, self._ends
        if ends and first == ends[-1] + 1:
            ends[-1] = last
            return True
        low = bisect_left(ends, first - 1)
        high = bisect_right(starts, last + 1)
        if low < high:
            first, last = min(first, starts[low]), max(last, ends[high - 1])
        starts[low:high] = [first]
        ends[low:high] = [last]
        if len(ends) > self._limit:
            cut = len(ends) // 2
            self.floor = max(self.floor, ends[cut - 1])
            del starts[:cut], ends[:cut]
        return False


class Recent:
    """The sequences seen, sorted, each with the time of seeing it; 16 bytes a trade.

    For venues whose sequences rise but are not consecutive (KuCoin), so that nothing merges and old ones have to be
    forgotten: a prefix, up to the first that was seen too lately.
    """

    __slots__ = ("_forgotten", "_sequences", "_times", "floor")

    def __init__(self) -> None:
        self._sequences = array("q")
        self._times = array("q")
        self._forgotten = -1
        self.floor = -1

    def __len__(self) -> int:
        return len(self._sequences)

    def relation(self, sequence: int) -> Relation:
        """Tell whether `sequence` was seen; O(log n)."""
        sequences = self._sequences
        if sequences and sequence <= sequences[-1]:
            at = bisect_left(sequences, sequence)
            if sequences[at] == sequence:
                return _KNOWN
        return _NEW if sequence > self.floor else _FORGOTTEN

    def add(self, sequence: int, time: int) -> None:
        """Hold `sequence` as seen at `time`; O(1) where it is the highest, as it is in a feed that is in order."""
        sequences = self._sequences
        if not sequences or sequence > sequences[-1]:
            sequences.append(sequence)
            self._times.append(time)
            return
        at = bisect_left(sequences, sequence)
        if sequences[at] != sequence:
            sequences.insert(at, sequence)
            self._times.insert(at, time)

    def oldest(self) -> int | None:
        """Return when the lowest sequence that is held was seen, or None where none is held."""
        return self._times[0] if self._times else None

    def before(self, time: int) -> int:
        """Return a time of seeing before `time`, the last one where all came in order; -1 where there is none."""
        at = bisect_left(self._times, time) - 1
        if at >= 0:
            return self._times[at]
        return self._forgotten if self._forgotten < time else -1

    def forget(self, before: int) -> None:
        """Let go of the lowest sequences up to the first that was seen at `before` or later."""
        cut = 0
        for time in self._times:
            if time >= before:
                break
            cut += 1
        if cut:
            self.floor = max(self.floor, self._sequences[cut - 1])
            self._forgotten = max(self._forgotten, *self._times[:cut])
            del self._sequences[:cut], self._times[:cut]
