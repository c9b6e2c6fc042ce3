"""A judge with its ledger, as the edge would run it, for tests of both; no Kafka."""

from collections import Counter
from collections.abc import Iterator

from market.intervals import INTERVALS
from market.records import FeedEvent, FeedMark, Gap, GapMark, Origin, Trade, Venue
from sequencer.core import Judge, Verdict
from sequencer.state import Snapshots

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_699_999_980 * SECOND
"""A whole minute."""
SHORT = 10 * SECOND
"""A lateness by which some of what comes is late."""
GRACE = SECOND
HORIZON = 72 * HOUR
COARSE = [length for length in INTERVALS.values() if length > SECOND]


def trade(first: int, second: float, last: int = -1, origin: Origin = "stream", venue: Venue = "binance") -> Trade:
    time, last = START + int(second * SECOND), max(first, last)
    return Trade(venue, "A-USDT", str(last), first, last, last, "1", "1", "1", "buy", time, time, origin)


class Sequenced:
    """A judge with its ledger, what it has written, and what a rebuild would read."""

    def __init__(self, lateness: int = HOUR) -> None:
        self.now = START
        self._lateness = lateness
        self.judge = self._judge()
        self.passed: list[Trade] = []
        self.written: list[Gap | GapMark | FeedEvent] = []
        self.snapshots = Snapshots()
        self.marks = 0

    def _judge(self) -> Judge:
        judge = Judge(self._lateness, grace=GRACE, horizon=HORIZON)
        judge.ledger.now = self.now
        return judge

    def take(self, item: Trade) -> Verdict:
        verdict = self.judge.judge(item)
        if verdict is Verdict.PASSED:
            self.passed.append(item)
        self._write()
        return verdict

    def mark(self, mark: FeedMark, *, again: bool = False) -> None:
        self.marks += not again
        self.judge.ledger.mark(mark, self.marks)
        self._write()

    def wait(self) -> None:
        """Let the grace pass."""
        self.now += 2 * GRACE
        self.judge.ledger.now = self.now
        self.judge.ledger.expire()
        self._write()

    def write_down(self) -> None:
        list(self.snapshots.changed(self.judge.states(), self.judge.newest, self.now))

    def only(self) -> Gap:
        """Return the one gap there is."""
        (gap,) = self.gaps().values()
        return gap

    def crash(self, tail: int = 0) -> None:
        """Rebuild all from what was written: of the trades that were passed only from number `tail` on."""
        self.judge = self._judge()
        for state in self.snapshots.states():
            self.judge.recall(state, whole=True)
        for item in self.passed[tail:]:
            self.judge.remember(item)
        self.judge.recalled()
        self.judge.ledger.restore(self.gaps().values())
        assert not self.judge.ledger.out

    def _write(self) -> None:
        self.written += self.judge.ledger.out
        self.judge.ledger.out.clear()

    def gaps(self) -> dict[str, Gap]:
        found: dict[str, Gap] = {}
        for record in self.written:
            if isinstance(record, Gap):
                before = found.get(record.gap_id)
                assert record.version == (1 if before is None else before.version + 1)
                assert before is None or before.closed is None, "a gap was opened again"
                found[record.gap_id] = record
        return found

    def sums(self) -> dict[tuple[int, int], int]:
        """Return what the marks of each candle, by interval and start, sum to, where that is not zero."""
        sums: Counter[tuple[int, int]] = Counter()
        for record in self.written:
            if isinstance(record, GapMark):
                sums[record.seconds, record.start_time] += record.change
        return {candle: count for candle, count in sums.items() if count}

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.event_id) for event in self.written if isinstance(event, FeedEvent)]


def touched(gap: Gap) -> Iterator[tuple[int, int]]:
    """Yield interval and start of each candle that a gap leaves incomplete, the plain way; none has days here."""
    until = gap.from_time if gap.to_time is None else gap.to_time
    mended = gap.how in {"stream", "repair", "nothing_missed", "confirmed"}
    for length in COARSE:
        for start in range((START - HOUR) // length * length, until + 1, length):
            if gap.closed is None and start + length > gap.from_time:
                yield length // SECOND, start
    for start in range(START - HOUR, until + 1, SECOND):
        if gap.kind != "start" and not mended and start + SECOND > gap.from_time:
            near = start < gap.from_time - gap.from_time % SECOND + 1_800 * SECOND or start > until - 1_800 * SECOND
            if near:
                yield 1, start


def standing(gaps: dict[str, Gap]) -> dict[tuple[int, int], int]:
    return dict(Counter(candle for gap in gaps.values() for candle in touched(gap)))
