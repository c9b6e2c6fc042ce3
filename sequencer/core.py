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
partitions or partitions over processes. What the trades tell of gaps goes to the ledger (`gaps`). Times are
microseconds since the epoch, UTC.
"""

from collections.abc import Iterator
from enum import Enum

from market.records import Trade
from sequencer.gaps import Ledger
from sequencer.lines import Consecutive, Identity, Line, Rising
from sequencer.marked import HORIZON
from sequencer.seen import Relation, Runs
from sequencer.state import State

MARGIN = 600 * 1_000_000
"""How far beyond the lateness trades are remembered, in microseconds."""

GRACE = 1_000_000
"""How long ids may be out of order before they are missing, in microseconds, where nothing else is said."""

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


class Judge:
    """Judges the trades of one partition, which holds all trades of the symbols it holds.

    `lateness`, `margin`, `grace` and `horizon` are in microseconds, the last two for the ledger. `known_since` tells
    from which event time on all that was passed is known: a state rebuilt from a tail lacks nothing newer than what was
    passed before that tail, and lets nothing older through, but for symbols of which more was written down.
    """

    def __init__(
        self, lateness: int, margin: int = MARGIN, known_since: int = 0, grace: int = GRACE, horizon: int = HORIZON
    ) -> None:
        self._lateness = lateness
        self._memory = lateness + margin
        self._known_since = known_since
        self._lines: dict[Identity, Line] = {}
        self.ledger = Ledger(self._lines, grace, horizon)
        self.newest = known_since - 1
        """The newest event time of all that was passed, -1 where nothing was."""

    def judge(self, trade: Trade) -> Verdict:
        """Return what is to be done with the trade, and remember it where that is `PASSED`."""
        line = self._lines.get((trade.venue, trade.symbol)) or self._line((trade.venue, trade.symbol))
        relation = line.relation(trade)
        if relation is _KNOWN:
            return _DOUBLE
        if relation is _PARTLY:
            return Verdict.PARTLY
        event_time = trade.event_time
        if event_time < line.newest - self._lateness and trade.origin == "stream":
            self.ledger.late(trade, provable=relation is not _FORGOTTEN and event_time >= line.since)
            return Verdict.LATE
        if relation is _FORGOTTEN or event_time < line.since:
            return Verdict.LATE
        line.add(trade)
        self.newest = max(self.newest, event_time)
        return _PASSED

    def behind(self, trade: Trade) -> int:
        """Return how far a trade that was passed lies behind its symbol's newest, in microseconds."""
        return self._lines[trade.venue, trade.symbol].newest - trade.event_time

    def recall(self, state: State, *, whole: bool) -> None:
        """Take in what was written down of a symbol, before the tail: `whole` where none is missing between the two."""
        line = self._line((state.venue, state.symbol))
        line.born = state.born
        if isinstance(line, Consecutive):
            line.runs = Runs(runs=state.runs, floor=state.floor)
            line.newest = state.newest
            line.since = state.since if whole else max(state.since, self._known_since)
        else:
            # Not its `newest` yet: that is what the tail's trades are remembered by.
            line.earlier = (state.earlier, state.newest)
        self.newest = max(self.newest, state.newest)
        self.ledger.recall(line.identity, state.holes)

    def remember(self, trade: Trade) -> None:
        """Take in a trade that was passed before: so a state is rebuilt from the tail of what was passed."""
        line = self._line((trade.venue, trade.symbol))
        if line.relation(trade) is not _KNOWN:
            line.add(trade)
        self.newest = max(self.newest, trade.event_time)

    def recalled(self) -> None:
        """Say that the tail has ended."""
        for line in self._lines.values():
            line.newest = max((line.newest, *line.earlier)) if isinstance(line, Rising) else line.newest

    def states(self) -> Iterator[State]:
        """Yield what has to be written down of each symbol, since a tail may not reach back to it."""
        for line in self._lines.values():
            if line.newest < 0:
                continue
            venue, symbol = line.identity
            if isinstance(line, Consecutive):
                runs = list(line.runs)
                holes = self.ledger.holes(line.identity)
                yield State(venue, symbol, line.newest, line.born, -1, line.since, runs, line.runs.floor, holes)
            else:
                earlier = line.before(self.newest - self._memory)
                yield State(venue, symbol, line.newest, line.born, earlier)

    def _line(self, identity: Identity) -> Line:
        line = self._lines.get(identity)
        if line is None:
            if identity[0] == "binance":
                line = Consecutive(identity, self._known_since, self.ledger.passed)
            else:
                line = Rising(identity, self._known_since, self._memory)
            self._lines[identity] = line
        return line
