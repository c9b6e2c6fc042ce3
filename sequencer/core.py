"""Judges trades: which are new, which are doubles, which come too late. No input, no output, no clock.

The rules, in their order:

1. A trade whose ids were all seen is a `double`, however old it is and wherever it comes from.
2. An aggregate that holds both seen and unseen ids is `partly` seen: passing it would count trades twice, dropping it
   would lose some, so it is set aside, and the unseen ids stay a gap that a repair by id can fill.
3. A streamed trade older than the symbol's own newest by more than the lateness is `late`. Repairs and backfills are
   never late by their age: they are there to reach back.
4. A trade that reaches below what is still remembered is `late` too: nobody can say whether it is a double.
5. Everything else has `passed`, and is remembered.

Each venue's symbol is judged by its own past alone, so the answer does not depend on how symbols are spread over
partitions or partitions over processes. Times are microseconds since the epoch, UTC.
"""

from enum import Enum

from market.records import Trade, Venue
from sequencer.seen import Recent, Relation, Runs

MARGIN = 600 * 1_000_000
"""How far beyond the lateness trades are remembered, in microseconds."""

_FORGET_EVERY = 60 * 1_000_000

# In Python 3.11 a member of an Enum takes ten times as long to look up as a global name.
_KNOWN, _PARTLY, _FORGOTTEN = Relation.KNOWN, Relation.PARTLY, Relation.FORGOTTEN


class Verdict(Enum):
    """What is done with a trade."""

    PASSED = "passed"
    DOUBLE = "double"
    LATE = "late"
    PARTLY = "partly"


_PASSED = Verdict.PASSED
_DOUBLE = Verdict.DOUBLE


class _Consecutive:
    """A symbol of a venue whose trade ids are consecutive: Binance."""

    __slots__ = ("_runs", "newest")

    def __init__(self, memory: int) -> None:  # noqa: ARG002  (runs merge, so none has to be forgotten by its age)
        self._runs = Runs()
        self.newest = -1

    def relation(self, trade: Trade) -> Relation:
        return self._runs.relation(trade.first_id, trade.last_id)

    def add(self, trade: Trade) -> None:
        self.newest = max(self.newest, trade.event_time)
        self._runs.add(trade.first_id, trade.last_id)


class _Rising:
    """A symbol of a venue whose sequences rise with holes that mean nothing: KuCoin."""

    __slots__ = ("_memory", "_recent", "newest")

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._recent = Recent()
        self.newest = -1

    def relation(self, trade: Trade) -> Relation:
        return self._recent.relation(trade.sequence)

    def add(self, trade: Trade) -> None:
        self.newest = newest = max(self.newest, trade.event_time)
        # Not the trade's own time: a repair of a long outage is old when it comes, and must be held as long as any.
        self._recent.add(trade.sequence, newest)
        oldest = self._recent.oldest()
        # Cutting moves what is left, so it waits until a minute's worth can go at once.
        if oldest is not None and oldest < newest - self._memory - _FORGET_EVERY:
            self._recent.forget(newest - self._memory)


_LINES: dict[Venue, type[_Consecutive] | type[_Rising]] = {"binance": _Consecutive, "kucoin": _Rising}


class Judge:
    """Judges the trades of one partition, which holds all trades of the symbols it holds.

    `lateness` and `margin` are in microseconds. `known_since` tells from which event time on all that was passed is
    known: a state rebuilt from a tail lacks nothing newer than what was passed before that tail, and lets nothing older
    through.
    """

    def __init__(self, lateness: int, margin: int = MARGIN, known_since: int = 0) -> None:
        self._lateness = lateness
        self._memory = lateness + margin
        self._known_since = known_since
        self._lines: dict[tuple[Venue, str], _Consecutive | _Rising] = {}
        self.newest = known_since - 1
        """The newest event time of all that was passed, -1 where nothing was."""

    def judge(self, trade: Trade) -> Verdict:
        """Return what is to be done with the trade, and remember it where that is `PASSED`."""
        line = self._line(trade)
        relation = line.relation(trade)
        if relation is _KNOWN:
            return _DOUBLE
        if relation is _PARTLY:
            return Verdict.PARTLY
        event_time = trade.event_time
        if event_time < line.newest - self._lateness and trade.origin == "stream":
            return Verdict.LATE
        if relation is _FORGOTTEN or event_time < self._known_since:
            return Verdict.LATE
        line.add(trade)
        self.newest = max(self.newest, event_time)
        return _PASSED

    def remember(self, trade: Trade) -> None:
        """Take in a trade that was passed before: so a state is rebuilt from the tail of what was passed."""
        self._line(trade).add(trade)
        self.newest = max(self.newest, trade.event_time)

    def _line(self, trade: Trade) -> _Consecutive | _Rising:
        identity = (trade.venue, trade.symbol)
        line = self._lines.get(identity)
        if line is None:
            line = self._lines[identity] = _LINES[trade.venue](self._memory)
        return line
