"""What is known of one symbol at one venue: the ids that were passed, and how far its time has come. Pure."""

from collections.abc import Callable

from market.records import Trade, Venue
from sequencer.seen import Recent, Relation, Runs

_FORGET_EVERY = 60 * 1_000_000

Identity = tuple[Venue, str]
"""A venue and a canonical symbol."""


class Consecutive:
    """A symbol of a venue whose trade ids are consecutive: Binance.

    `unusual` is told of each trade that does not simply follow the one before, and while `watched` of all, together
    with the newest event time before it. `newest` and `born`, the event time of the symbol's first trade ever, are
    microseconds, -1 while there was none. What lies before `since` is not known.
    """

    __slots__ = ("_unusual", "born", "identity", "newest", "runs", "since", "watched")

    def __init__(self, identity: Identity, since: int, unusual: Callable[["Consecutive", Trade, int], None]) -> None:
        self.identity = identity
        self.since = since
        self.runs = Runs()
        self.newest = self.born = -1
        self.watched = False
        self._unusual = unusual

    def relation(self, trade: Trade) -> Relation:
        """Tell whether the trade's ids were seen."""
        return self.runs.relation(trade.first_id, trade.last_id)

    def add(self, trade: Trade) -> None:
        """Hold the trade as seen."""
        before = self.newest
        if trade.event_time > before:
            self.newest = trade.event_time
        if not self.runs.add(trade.first_id, trade.last_id) or self.watched:
            if self.born < 0:
                self.born = trade.event_time
            self._unusual(self, trade, before)


class Rising:
    """A symbol of a venue whose sequences rise with holes that mean nothing: KuCoin.

    Sequences are remembered for `memory` microseconds of market time. `newest`, `born` and `since` as above.
    """

    __slots__ = ("_memory", "_recent", "born", "earlier", "identity", "newest", "since")

    def __init__(self, identity: Identity, since: int, memory: int) -> None:
        self.identity = identity
        self.since = since
        self.newest = self.born = -1
        self.earlier: tuple[int, ...] = ()
        """Event times of trades that were passed before those that are remembered."""
        self._memory = memory
        self._recent = Recent()

    def relation(self, trade: Trade) -> Relation:
        """Tell whether the trade's ids were seen."""
        return self._recent.relation(trade.sequence)

    def add(self, trade: Trade) -> None:
        """Hold the trade as seen."""
        newest = self.newest
        if trade.event_time > newest:
            if newest < 0 and self.born < 0:
                self.born = trade.event_time
            self.newest = newest = trade.event_time
        # Not the trade's own time: a repair of a long outage is old when it comes, and must be held as long as any.
        self._recent.add(trade.sequence, newest)
        oldest = self._recent.oldest()
        # Cutting moves what is left, so it waits until a minute's worth can go at once.
        if oldest is not None and oldest < newest - self._memory - _FORGET_EVERY:
            self._recent.forget(newest - self._memory)

    def before(self, time: int) -> int:
        """Return the event time of a trade before `time` (of the last one, in an orderly feed), -1 where none was."""
        return max((known for known in (self._recent.before(time), *self.earlier) if known < time), default=-1)


Line = Consecutive | Rising
