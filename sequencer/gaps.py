"""The ledger of gaps of one partition: what was missed, or may have been, and what became of it. Pure.

What is proved by ids (Binance): ids that a passed trade has skipped are a hole; where they don't come by themselves in
the grace they are missed, and the gap is closed by the trade that brings the last of them. What may have been missed is
told by the marks of the feeds: a connection was lost and regained, a process has started, trades had to be dropped. At
Binance the next trade then shows that nothing was missed, or its hole gives the gap its ids; at KuCoin, whose sequences
prove nothing, repair has to settle it. A gap never opens again. A late trade opens a gap as well, for it is to come
again from the venue.

Every change leaves records in `out`: the gap with its next version, the marks of the candles, events. `now` has to be
set before each call; it is the local clock's, all other times are event times; all are microseconds since the epoch.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from market.records import FeedEvent, FeedMark, Gap, GapHow, GapMark, Lost, Regained, Settled, Suspect, Trade
from sequencer.book import Book
from sequencer.lines import Consecutive, Identity, Line, Rising
from sequencer.marked import MINUTE, SECOND, marks
from sequencer.state import Hole

SLACK = SECOND
"""Trades so little older than the first that a connection brings may have come by it, too: symbols are not in step."""

_PROVED: frozenset[GapHow] = frozenset({"stream", "repair", "nothing_missed"})
"""How only ids can close what ids have proved."""

OPENED, REPAIRED = "gap_opened", "gap_repaired"
"""The kinds of the events."""

Output = Gap | GapMark | FeedEvent


class Ledger:
    """The gaps of the symbols of one partition; `lines` is what is known of their trades.

    `grace` is how long a hole may fill by itself, by the local clock; of a long gap the minutes within `horizon` before
    its end are marked. Both in microseconds.
    """

    def __init__(self, lines: dict[Identity, Line], grace: int, horizon: int) -> None:
        self.now = 0
        self.out: list[Output] = []
        self._lines = lines
        self._grace = grace
        self._horizon = horizon
        self._books: dict[Identity, Book] = {}
        self._named: set[str] = set()
        self._dues: deque[tuple[int, Book]] = deque()

    @property
    def due(self) -> int | None:
        """When `expire` has something to look at, by the local clock; None where nothing waits."""
        return self._dues[0][0] if self._dues else None

    def open_gaps(self) -> Iterable[Gap]:
        """Return the gaps that are open."""
        return [gap for book in self._books.values() for gap in book.open.values()]

    def passed(self, line: Consecutive, trade: Trade, newest_before: int) -> None:
        """Take in a trade that was passed and added to the line, whose newest event time was `newest_before`."""
        book = self._book(line.identity)
        first, last = trade.first_id, trade.last_id
        skipped = line.runs.hole_below(first, last)
        if skipped is not None:
            to_time = max(newest_before, trade.event_time)
            book.holes.append(Hole(*skipped, newest_before, to_time, self._wait(book)))
        elif book.holes:
            book.fill(first, last)
        for gap in list(book.doubts.values()):
            # No trade is missing between the last one before the gap and this one, but for what other gaps tell.
            since = gap.first_id or 0
            if trade.event_time > gap.from_time and last >= since and not book.awaits(since, first):
                self._close(gap, "nothing_missed")
        for gap in book.missing(first, last):
            if line.runs.holds(gap.first_id or 0, gap.last_id or 0):
                self._close(gap, "stream" if trade.origin == "stream" else "repair")

    def late(self, trade: Trade, *, provable: bool) -> None:
        """Take in a trade that came too late to be passed; `provable` where it is certain that it was not before."""
        book = self._book((trade.venue, trade.symbol))
        time, first, last = trade.event_time, trade.first_id, trade.last_id
        if trade.venue == "binance":
            gap_id = book.named("late", f"{first}-{last}")
            if provable and gap_id not in self._named and not book.holds(first, last):
                self._open(Gap(gap_id, *book.identity, "missed", "late", first, last, time, time, self.now))
            return
        gap_id = book.named("late", time - time % MINUTE)
        gap = book.open.get(gap_id)
        if gap is not None and gap.to_time is not None:
            if not gap.from_time <= time <= gap.to_time:
                self._change(gap, from_time=min(gap.from_time, time), to_time=max(gap.to_time, time))
        elif gap_id not in self._named:
            self._open(Gap(gap_id, *book.identity, "suspected", "late", None, None, time, time, self.now))

    def expire(self) -> None:
        """Miss the ids of all holes whose grace is over."""
        while self._dues and self._dues[0][0] <= self.now:
            _, book = self._dues.popleft()
            over = [hole for hole in book.holes if hole.due <= self.now]
            book.holes = [hole for hole in book.holes if hole.due > self.now]
            for hole in over:
                self._miss(book, hole)

    def mark(self, mark: FeedMark, number: int) -> None:
        """Take in a mark; `number` is unlike for any two of the partition, and the same when it comes again."""
        book = self._book((mark.venue, mark.symbol))
        if isinstance(mark, Lost):
            self._lost(book, mark)
        elif isinstance(mark, Regained):
            self._regained(book, mark)
        elif isinstance(mark, Suspect):
            self._suspected(book, mark, number)
        else:
            self._settled(book, mark)

    def recall(self, identity: Identity, holes: Iterable[Hole]) -> None:
        """Take in the holes that were written down of a symbol."""
        book = self._book(identity)
        book.holes = [msgspec.structs.replace(hole, due=self._wait(book)) for hole in holes]

    def holes(self, identity: Identity) -> list[Hole]:
        """Return a symbol's holes, which have to be written down."""
        book = self._books.get(identity)
        return [] if book is None else book.holes

    def restore(self, gaps: Iterable[Gap]) -> None:
        """Take in all gaps that were ever written, each as it is, once the tail was remembered."""
        missed: dict[Identity, list[tuple[int, int]]] = {}
        for gap in gaps:
            self._named.add(gap.gap_id)
            book = self._book((gap.venue, gap.symbol))
            book.keep(gap)
            if gap.first_id is not None and gap.last_id is not None:
                missed.setdefault(book.identity, []).append((gap.first_id, gap.last_id))
            self._watch(book)
        for identity, ranges in missed.items():
            book = self._book(identity)
            # A hole that became a gap can have shrunk since, never grown.
            book.holes = [hole for hole in book.holes if not any(a <= hole.first <= b for a, b in ranges)]
        self.out.clear()

    def _lost(self, book: Book, mark: Lost) -> None:
        # A connection that brought nothing has lost nothing: what it did not bring, the next that does will tell of.
        if mark.time is not None and self._up(book) >= 0 and book.down(mark.instance) is None:
            # Not the newest event time: where the mark is late, the next connection's trades have passed already.
            self._suspect(book, book.named(mark.instance, mark.time), "disconnected", mark.time, None)

    def _regained(self, book: Book, mark: Regained) -> None:
        lost = book.down(mark.instance)
        if lost is not None:
            self._change(lost, to_time=max(lost.from_time, mark.time))
        if mark.reason != "start":
            return
        line = self._lines.get(book.identity)
        born = mark.time if line is None or line.born < 0 else line.born
        gap_id = book.named("start")
        start = book.open.get(gap_id)
        if gap_id not in self._named and born > mark.time - MINUTE:
            first = min(mark.time, born)
            first -= first % MINUTE
            self._open(Gap(gap_id, *book.identity, "start", "start", None, None, first, mark.time, self.now))
        elif lost is not None or book.ended(mark.instance, mark.time):
            return
        elif start is not None and start.to_time is not None and mark.time // MINUTE == start.to_time // MINUTE:
            # Another process has started, within the minute that is fetched as a whole anyway.
            if mark.time > start.to_time:
                self._change(start, to_time=mark.time)
        elif (since := self._up_before(book, mark.time)) >= 0:
            self._suspect(book, book.named(mark.instance, since), "start", since, mark.time)

    def _suspected(self, book: Book, mark: Suspect, number: int) -> None:
        since, until = mark.from_time, max(mark.from_time, mark.to_time)
        for gap in book.open.values():
            if (gap.reason, gap.from_time, gap.to_time) == (mark.reason, since, until):
                return
        self._suspect(book, book.named(mark.reason, f"{since}-{until}", number), mark.reason, since, until)

    def _settled(self, book: Book, mark: Settled) -> None:
        gap = book.open.get(mark.gap_id)
        if gap is not None and not (gap.kind == "missed" and mark.how in _PROVED):
            self._close(gap, mark.how)

    def _suspect(self, book: Book, gap_id: str, reason: str, since: int, until: int | None) -> None:
        if gap_id in self._named:
            return
        line = self._lines.get(book.identity)
        # Where whole ids and the venue's candle don't agree, the next id says nothing.
        ids = isinstance(line, Consecutive) and line.runs.top >= 0 and reason != "candle_mismatch"
        first = line.runs.top + 1 if ids and isinstance(line, Consecutive) else None
        self._open(Gap(gap_id, *book.identity, "suspected", reason, first, None, since, until, self.now))

    def _miss(self, book: Book, hole: Hole) -> None:
        """Open a gap for ids that have not come, or give them to the gap that was suspected where they are."""
        for gap in sorted(book.doubts.values(), key=lambda gap: gap.from_time):
            if (gap.first_id or 0) <= hole.first and gap.from_time < hole.to_time:
                since, until = min(gap.from_time, hole.from_time), max(hole.to_time, gap.to_time or 0)
                ids = {"first_id": hole.first, "last_id": hole.last}
                self._change(gap, kind="missed", **ids, from_time=since, to_time=until)
                return
        gap_id = book.named(f"{hole.first}-{hole.last}")
        if gap_id not in self._named:
            ids_and_times = hole.first, hole.last, hole.from_time, hole.to_time
            self._open(Gap(gap_id, *book.identity, "missed", "ids", *ids_and_times, self.now))

    def _up(self, book: Book) -> int:
        """Return up to when all of the symbol has come or lies in a gap, -1 where nothing is known of it."""
        line = self._lines.get(book.identity)
        return max(book.up, -1 if line is None else line.newest)

    def _up_before(self, book: Book, time: int) -> int:
        """Return the same as it was before a connection brought its first trade, of `time`; -1 where that is not told.

        The mark that tells of it may come after trades that the connection has already brought.
        """
        line = self._lines.get(book.identity)
        if isinstance(line, Rising):
            known = (line.before(time - SLACK), book.up)
            return max((up for up in known if up < time - SLACK), default=-1)
        # Where ids have come since, they show what is missing.
        up = self._up(book)
        return up if up < time else -1

    def _book(self, identity: Identity) -> Book:
        book = self._books.get(identity)
        if book is None:
            book = self._books[identity] = Book(identity)
        return book

    def _wait(self, book: Book) -> int:
        due = self.now + self._grace
        self._dues.append((due, book))
        return due

    def _watch(self, book: Book) -> None:
        """Ask to be told of each trade while the next one can show that nothing was missed."""
        line = self._lines.get(book.identity)
        if isinstance(line, Consecutive):
            line.watched = bool(book.doubts)

    def _open(self, gap: Gap) -> None:
        self._named.add(gap.gap_id)
        self._write(None, gap)
        self._tell(OPENED, gap)

    def _change(self, gap: Gap, **changes: object) -> None:
        self._write(gap, msgspec.structs.replace(gap, version=gap.version + 1, **changes))

    def _close(self, gap: Gap, how: GapHow) -> None:
        closed = msgspec.structs.replace(gap, version=gap.version + 1, closed=self.now, how=how)
        self._write(gap, closed)
        self._tell(REPAIRED, closed)

    def _write(self, old: Gap | None, new: Gap) -> None:
        book = self._book((new.venue, new.symbol))
        book.keep(new)
        self._watch(book)
        self.out.append(new)
        known = self._up(book)
        self.out.extend(marks(old, new, known if known >= 0 else new.from_time, self._horizon))

    def _tell(self, kind: str, gap: Gap) -> None:
        # The rest of the minute before a feed's first trade is no gap to anybody.
        if gap.kind != "start":
            detail = msgspec.json.encode({name: getattr(gap, name) for name in _DETAIL}).decode()
            event_id = f"{kind}:{gap.gap_id}"
            self.out.append(FeedEvent(event_id, gap.venue, kind, self.now, symbol=gap.symbol, detail=detail))


_DETAIL = ("gap_id", "kind", "reason", "how", "first_id", "last_id", "from_time", "to_time", "opened", "closed")
