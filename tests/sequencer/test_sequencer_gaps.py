"""The ledger of gaps against a naive one, in every order of feeds, marks, repairs and crashes."""

from collections import Counter
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.records import (
    FeedMark,
    GapHow,
    Lost,
    Regained,
    Settled,
    Suspect,
    Trade,
    Venue,
)
from tests.sequencer.ledgers import (
    HOUR,
    SECOND,
    SHORT,
    START,
    Sequenced,
    standing,
    trade,
)


class Naive:
    """The rules for consecutive ids, with sets."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.newest = -1
        self.holes: list[tuple[set[int], int, int]] = []
        self.open: dict[str, tuple[set[int], str]] = {}
        self.closed: dict[str, str] = {}

    def take(self, item: Trade) -> None:
        ids = set(range(item.first_id, item.last_id + 1))
        if ids & self.seen:
            return
        if self.seen and item.first_id > max(self.seen) + 1:
            hole = set(range(max(self.seen) + 1, item.first_id))
            self.holes.append((hole, self.newest, item.event_time))
        self.seen |= ids
        self.newest = max(self.newest, item.event_time)
        for gap_id, (missing, _) in list(self.open.items()):
            if missing & ids and missing <= self.seen:
                del self.open[gap_id]
                self.closed[gap_id] = "stream" if item.origin == "stream" else "repair"

    def wait(self) -> None:
        for hole, _, _ in self.holes:
            run: list[int] = []
            for number in sorted(hole - self.seen):
                if run and number != run[-1] + 1:
                    self._miss(run)
                    run = []
                run.append(number)
            if run:
                self._miss(run)
        self.holes.clear()

    def _miss(self, run: list[int]) -> None:
        self.open[f"binance:A-USDT:{run[0]}-{run[-1]}"] = (set(run), "missed")


class Step(NamedTuple):
    """What happens next; `trade` and `mark` say what comes."""

    kind: Literal["trade", "mark", "wait", "crash", "write down"]
    trade: Trade | None = None
    mark: FeedMark | None = None


def binance_trades() -> st.SearchStrategy[Trade]:
    """Trades and aggregates of a short history (one id a second), by any feed or by repair, in any order."""
    return st.builds(
        lambda first, width, origin: trade(first, first, first + width, origin),
        st.integers(0, 30),
        st.integers(0, 3),
        st.sampled_from(["stream", "stream", "repair"]),
    )


def marks(venue: Venue) -> st.SearchStrategy[FeedMark]:
    times = st.integers(0, 240).map(lambda number: START + number * SECOND // 2)
    instances = st.sampled_from(["1", "2"])
    gap_ids = st.builds("{}:A-USDT:{}:{}".format, st.just(venue), instances, times) | st.just(f"{venue}:A-USDT:start")
    hows: st.SearchStrategy[GapHow] = st.sampled_from(
        ["repair", "venue_candle", "confirmed", "nothing_missed", "not_at_venue"]
    )
    lost = st.builds(lambda i, t: Lost(venue, "A-USDT", i, t, "reset"), instances, st.none() | times)
    regained = st.builds(
        lambda i, t, r: Regained(venue, "A-USDT", i, t, r), instances, times, st.sampled_from(["start", "reconnect"])
    )
    suspect = st.builds(
        lambda a, b, r: Suspect(venue, "A-USDT", min(a, b), max(a, b), r),
        times,
        times,
        st.sampled_from(["dropped", "candle_mismatch"]),
    )
    settled = st.builds(lambda g, h: Settled(venue, "A-USDT", g, h), gap_ids, hows)
    return lost | regained | suspect | settled


def kucoin_trades() -> st.SearchStrategy[Trade]:
    return st.integers(0, 120).map(lambda second: trade(second * 3, second, venue="kucoin"))


def steps(venue: Venue) -> st.SearchStrategy[list[Step]]:
    trades = binance_trades() if venue == "binance" else kucoin_trades()
    some: list[st.SearchStrategy[Step]] = [
        trades.map(lambda item: Step("trade", trade=item)),
        trades.map(lambda item: Step("trade", trade=item)),
        marks(venue).map(lambda mark: Step("mark", mark=mark)),
        st.just(Step("wait")),
    ]
    return st.lists(st.one_of(some), max_size=40)


def play(sequenced: Sequenced, step: Step) -> None:
    if step.trade is not None:
        sequenced.take(step.trade)
    elif step.mark is not None:
        sequenced.mark(step.mark)
    else:
        sequenced.wait()


@given(st.lists(binance_trades().map(lambda item: Step("trade", trade=item)) | st.just(Step("wait")), max_size=40))
def test_ids_that_are_missing_are_those_that_a_plain_set_lacks(items: list[Step]) -> None:
    sequenced, naive = Sequenced(), Naive()
    for step in [*items, Step("wait")]:
        play(sequenced, step)
        if step.trade is not None:
            naive.take(step.trade)
        else:
            naive.wait()
        gaps = sequenced.gaps()
        assert {gap.gap_id: gap.how for gap in gaps.values() if gap.closed} == naive.closed
        missing = {
            gap.gap_id: set(range(gap.first_id, gap.last_id + 1))
            for gap in gaps.values()
            if not gap.closed and gap.first_id is not None and gap.last_id is not None
        }
        assert missing == {gap_id: ids for gap_id, (ids, _) in naive.open.items()}
    assert sequenced.sums() == standing(sequenced.gaps())


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
@given(data=st.data())
@settings(max_examples=100)
def test_marks_sum_to_what_the_gaps_leave_incomplete_whatever_comes_in_whatever_order(
    venue: Venue, data: st.DataObject
) -> None:
    sequenced = Sequenced(data.draw(st.sampled_from([HOUR, SHORT])))
    for step in data.draw(steps(venue)):
        play(sequenced, step)
    gaps = sequenced.gaps()
    assert sequenced.sums() == standing(gaps)
    told = Counter(kind for kind, _ in sequenced.events())
    assert told["gap_opened"] == sum(gap.kind != "start" for gap in gaps.values())
    assert told["gap_repaired"] == sum(gap.kind != "start" and gap.closed is not None for gap in gaps.values())
    assert len(set(sequenced.events())) == len(sequenced.events())
    # Once repair has settled all, every minute is complete again.
    for gap in gaps.values():
        how: GapHow = "venue_candle" if gap.kind == "missed" else "confirmed"
        sequenced.mark(Settled(gap.venue, gap.symbol, gap.gap_id, how))
    assert all(seconds == 1 for seconds, _ in sequenced.sums())
    assert all(gap.closed is not None for gap in sequenced.gaps().values())


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
@given(data=st.data())
@settings(max_examples=100)
def test_whenever_it_crashes_it_writes_what_it_would_have_written(venue: Venue, data: st.DataObject) -> None:
    items = data.draw(steps(venue))
    lateness = data.draw(st.sampled_from([HOUR, SHORT]))
    unbroken, broken = Sequenced(lateness), Sequenced(lateness)
    for step in items:
        play(unbroken, step)
        play(broken, step)
        what = data.draw(st.sampled_from(["go on", "go on", "crash", "write down", "crash with a short tail"]))
        if what == "crash":
            broken.crash()
        elif what != "go on":
            broken.write_down()
            if what == "crash with a short tail" and venue == "binance":
                broken.crash(tail=len(broken.passed))
    assert broken.written == unbroken.written
    assert broken.passed == unbroken.passed


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
@given(data=st.data())
def test_a_mark_that_is_delivered_twice_in_a_row_is_one(venue: Venue, data: st.DataObject) -> None:
    once, twice = Sequenced(), Sequenced()
    for step in data.draw(steps(venue)):
        play(once, step)
        play(twice, step)
        if step.mark is not None:
            twice.mark(step.mark, again=True)
    assert twice.written == once.written


class Feed(NamedTuple):
    """What one process delivered, told and lost: trades and marks in their order each."""

    trades: list[Trade]
    marks: list[FeedMark]
    missed: list[Trade]


@st.composite
def feeds(draw: st.DrawFn) -> Feed:
    """One process that loses its connection, is killed and starts again, over a market of irregular pace."""
    feed = Feed([], [], [])
    up = started = False
    delivered: int | None = None
    for number, pause in enumerate(draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))):
        second = (feed.trades + feed.missed and max(t.event_time for t in feed.trades + feed.missed) - START) or 0
        item = trade(number * 2, second / SECOND + pause / 4, venue="kucoin")
        change = draw(st.sampled_from(["nothing", "nothing", "nothing", "reset", "kill"]))
        if not up and change == "nothing":
            feed.marks.append(Regained("kucoin", "A-USDT", "1", item.event_time, "reconnect" if started else "start"))
            up = started = True
        elif up and change != "nothing":
            if change == "reset":
                feed.marks.append(Lost("kucoin", "A-USDT", "1", delivered, "reset"))
            up, started = False, started and change == "reset"
        elif not up and change == "reset" and draw(st.booleans()):
            # A connection that ended before it brought anything.
            feed.marks.append(Lost("kucoin", "A-USDT", "1", None, "reset"))
        if up:
            feed.trades.append(item)
            delivered = item.event_time
        elif delivered is not None:
            feed.missed.append(item)
    if not up:
        last = max([item.event_time for item in feed.missed], default=START)
        feed.marks.append(Regained("kucoin", "A-USDT", "1", last + SECOND, "reconnect" if started else "start"))
    return feed


@given(feeds(), st.data())
@settings(max_examples=100)
def test_what_a_kucoin_feed_missed_lies_in_a_gap_however_late_marks_or_trades_come(
    feed: Feed, data: st.DataObject
) -> None:
    sequenced = Sequenced()
    trades, marks_ = list(feed.trades), list(feed.marks)
    while trades or marks_:
        if trades and (not marks_ or data.draw(st.booleans())):
            sequenced.take(trades.pop(0))
        else:
            sequenced.mark(marks_.pop(0))
    gaps = list(sequenced.gaps().values())
    assert all(gap.to_time is not None for gap in gaps)
    for item in feed.missed:
        assert any(gap.from_time <= item.event_time <= (gap.to_time or 0) for gap in gaps), item
