"""The gaps that wait for repair at one venue: the worst first, and what stays open again and again, ever more rarely.

Pure: times are seconds of a monotonic clock.
"""

import msgspec

from ingest.repair.plan import MINUTE, badness, grace
from market.records import Gap

_AGAIN_SECONDS = 15.0
_LONGEST_SECONDS = 900.0


class _Entry(msgspec.Struct):
    gap: Gap
    ready_at: float
    tries: int = 0
    busy: bool = False


class Queue:
    """The open gaps of one venue."""

    def __init__(self) -> None:
        self._open: dict[str, _Entry] = {}

    def __len__(self) -> int:
        """Return how many are open, those included of which too little is known yet."""
        return len(self._open)

    def touches(self, symbol: str, minute: int) -> bool:
        """Return whether an open gap touches the symbol's minute that begins at the market's time `minute`."""
        return any(
            entry.gap.symbol == symbol
            and entry.gap.from_time < minute + MINUTE
            and (entry.gap.to_time is None or entry.gap.to_time >= minute)
            for entry in self._open.values()
        )

    def take_in(self, gap: Gap, now: float) -> bool:
        """Take in what the ledger says of a gap; return whether this closes one that was open."""
        entry = self._open.get(gap.gap_id)
        if gap.closed is not None:
            return self._open.pop(gap.gap_id, None) is not None
        if entry is not None and gap.version <= entry.gap.version:
            return False
        wait = grace(gap)
        ready_at = float("inf") if wait is None else now + wait
        # What is being repaired under an older version stays busy, and is looked at anew afterwards.
        self._open[gap.gap_id] = _Entry(gap, ready_at, busy=entry is not None and entry.busy)
        return False

    def take(self, now: float) -> tuple[Gap, int] | None:
        """Return the worst gap that is due and how often it was tried before; it is busy until it is given back."""
        due = [entry for entry in self._open.values() if not entry.busy and entry.ready_at <= now]
        if not due:
            return None
        entry = max(due, key=lambda item: (badness(item.gap), -item.gap.opened))
        entry.busy = True
        return entry.gap, entry.tries

    def postpone(self, gap: Gap, now: float, seconds: float) -> None:
        """Give back a gap whose time has not come: it is due again after so many seconds."""
        entry = self._given_back(gap)
        if entry is not None:
            entry.ready_at = now + seconds

    def tried(self, gap: Gap, now: float, *, rarely: bool = False) -> None:
        """Give back a gap after a try, done or failed: where it is still open after a while, it is due again.

        The while doubles from try to try; it is the longest at once where trying `rarely` is enough.
        """
        entry = self._given_back(gap)
        if entry is not None:
            wait = _LONGEST_SECONDS if rarely else min(_LONGEST_SECONDS, _AGAIN_SECONDS * 2.0 ** min(entry.tries, 16))
            entry.tries += 1
            entry.ready_at = now + wait

    def _given_back(self, gap: Gap) -> _Entry | None:
        """Return the gap's entry, no longer busy; None where there is nothing to put off, as after a newer version."""
        entry = self._open.get(gap.gap_id)
        if entry is None:
            return None
        entry.busy = False
        return entry if entry.gap.version == gap.version else None
