"""The judge: each trade once, whatever the order, the repetitions, the restarts and the partitions."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from market.records import Origin, Trade, Venue
from sequencer.core import Judge, Verdict

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
LATENESS = 100 * SECOND
MARGIN = 10 * SECOND


def trade(  # noqa: PLR0917
    venue: Venue, symbol: str, first: int, last: int, second: float, origin: Origin = "stream"
) -> Trade:
    time = START + int(second * SECOND)
    return Trade(venue, symbol, str(last), first, last, last, "1.5", "2", "3", "buy", time, time, origin)


def binance(first: int, last: int, second: float, origin: Origin = "stream") -> Trade:
    return trade("binance", "BTC-USDT", first, last, second, origin)


def kucoin(sequence: int, second: float, origin: Origin = "stream") -> Trade:
    return trade("kucoin", "BTC-USDT", sequence, sequence, second, origin)


@st.composite
def histories(draw: st.DrawFn, seconds: int) -> list[Trade]:
    """What the venues traded, by symbol: ids and times rise together; Binance's are whole, KuCoin's have holes."""
    found: list[Trade] = []
    lines: list[tuple[Venue, str]] = [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("kucoin", "BTC-USDT")]
    for venue, symbol in lines:
        count = draw(st.integers(0, 8))
        times = sorted(draw(st.lists(st.integers(0, seconds), min_size=count, max_size=count)))
        following = draw(st.integers(0, 5))
        for second in times:
            width = draw(st.integers(0, 3)) if venue == "binance" else 0
            found.append(trade(venue, symbol, following, following + width, second))
            following += width + (1 if venue == "binance" else draw(st.integers(1, 4)))
    return found


def delivered(seconds: int) -> st.SearchStrategy[list[Trade]]:
    """Any interleaving and repetition of what the venues traded, with what was lost left out."""
    return histories(seconds).flatmap(lambda history: st.lists(st.sampled_from(history)) if history else st.just([]))


class Identity(NamedTuple):
    venue: Venue
    symbol: str
    first: int


def identity(item: Trade) -> Identity:
    return Identity(item.venue, item.symbol, item.first_id)


def passed_by(judge: Judge, items: Iterable[Trade]) -> list[Identity]:
    return [identity(item) for item in items if judge.judge(item) is Verdict.PASSED]


class Oracle:
    """The rules with a plain set of ids and no memory limit."""

    def __init__(self) -> None:
        self.seen: set[tuple[Venue, str, int]] = set()
        self.newest: dict[tuple[Venue, str], int] = {}

    def judge(self, item: Trade) -> Verdict:
        ids = {(item.venue, item.symbol, number) for number in range(item.first_id, item.last_id + 1)}
        line = (item.venue, item.symbol)
        if ids <= self.seen:
            return Verdict.DOUBLE
        if ids & self.seen:
            return Verdict.PARTLY
        if item.origin == "stream" and item.event_time < self.newest.get(line, 0) - LATENESS:
            return Verdict.LATE
        self.seen |= ids
        self.newest[line] = max(self.newest.get(line, 0), item.event_time)
        return Verdict.PASSED


@given(delivered(seconds=100))
def test_any_mix_of_feeds_passes_each_trade_exactly_once(items: list[Trade]) -> None:
    passed = passed_by(Judge(LATENESS, MARGIN), items)
    assert Counter(passed) == Counter({identity(item) for item in items})


@given(delivered(seconds=100), st.randoms(use_true_random=False))
def test_within_the_lateness_what_is_passed_does_not_depend_on_the_order(items: list[Trade], random: Random) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)
    assert set(passed_by(Judge(LATENESS, MARGIN), items)) == set(passed_by(Judge(LATENESS, MARGIN), shuffled))


@given(delivered(seconds=400), st.data())
def test_verdicts_are_those_of_a_plain_set_of_ids(items: list[Trade], data: st.DataObject) -> None:
    """Aggregates are also cut in two and repairs mixed in, so that partial overlaps and old repairs occur."""
    judge, oracle = Judge(LATENESS, margin=1_000 * SECOND), Oracle()
    for item in items:
        origin: Origin = data.draw(st.sampled_from(["stream", "repair"]))
        cut = data.draw(st.integers(item.first_id, item.last_id))
        second = (item.event_time - START) / SECOND
        asked = trade(item.venue, item.symbol, cut, item.last_id, second, origin)
        assert judge.judge(asked) is oracle.judge(asked)


@given(delivered(seconds=2_000))
def test_forgetting_changes_no_verdict_on_what_may_pass(items: list[Trade]) -> None:
    judge, oracle = Judge(LATENESS, margin=0), Oracle()
    for item in items:
        assert (judge.judge(item) is Verdict.PASSED) == (oracle.judge(item) is Verdict.PASSED)


@given(delivered(seconds=2_000), st.data())
def test_nothing_passes_twice_however_old_and_whatever_its_origin(items: list[Trade], data: st.DataObject) -> None:
    judge = Judge(LATENESS, margin=0)
    origins: st.SearchStrategy[Origin] = st.sampled_from(["stream", "repair", "backfill"])
    passed: Counter[Identity] = Counter()
    for item in items:
        second = (item.event_time - START) / SECOND
        asked = trade(item.venue, item.symbol, item.first_id, item.last_id, second, data.draw(origins))
        passed[identity(item)] += judge.judge(asked) is Verdict.PASSED
    assert max(passed.values(), default=0) <= 1


@given(delivered(seconds=400), st.integers(1, 4))
def test_verdicts_do_not_depend_on_how_symbols_are_spread_over_partitions(items: list[Trade], partitions: int) -> None:
    one = Judge(LATENESS, MARGIN)
    many = [Judge(LATENESS, MARGIN) for _ in range(partitions)]
    for item in items:
        assert one.judge(item) is many[hash(item.symbol) % partitions].judge(item)


@given(delivered(seconds=2_000), st.data())
def test_a_state_rebuilt_from_all_that_passed_judges_as_the_unbroken_one(
    items: list[Trade], data: st.DataObject
) -> None:
    unbroken = Judge(LATENESS, MARGIN)
    restart = data.draw(st.integers(0, len(items)))
    passed = [item for item in items[:restart] if unbroken.judge(item) is Verdict.PASSED]
    rebuilt = Judge(LATENESS, MARGIN)
    for item in passed:
        rebuilt.remember(item)
    for item in items[restart:]:
        assert unbroken.judge(item) is rebuilt.judge(item)


@given(delivered(seconds=2_000), st.data())
def test_a_state_rebuilt_from_a_tail_passes_what_the_unbroken_one_passes(
    items: list[Trade], data: st.DataObject
) -> None:
    """The tail begins where all that lies before is older than the memory; only what is as old differs: none passes."""
    unbroken = Judge(LATENESS, MARGIN)
    restart = data.draw(st.integers(0, len(items)))
    passed = [item for item in items[:restart] if unbroken.judge(item) is Verdict.PASSED]
    newest_before = [-1]
    for item in passed:
        newest_before.append(max(newest_before[-1], item.event_time))
    horizon = newest_before[-1] - LATENESS - MARGIN
    begin = max((at for at, newest in enumerate(newest_before[:-1]) if newest < horizon), default=0)
    known_since = newest_before[begin] + 1
    rebuilt = Judge(LATENESS, MARGIN, known_since)
    for item in passed[begin:]:
        rebuilt.remember(item)
    for item in items[restart:]:
        verdict, expected = rebuilt.judge(item), unbroken.judge(item)
        if item.event_time >= known_since:
            assert (verdict is Verdict.PASSED) == (expected is Verdict.PASSED)
        else:
            assert verdict is not Verdict.PASSED


def test_a_double_is_a_double_even_when_it_is_old() -> None:
    judge = Judge(LATENESS, MARGIN)
    assert judge.judge(binance(1, 1, 0)) is Verdict.PASSED
    assert judge.judge(binance(2, 2, 1_000)) is Verdict.PASSED
    assert judge.judge(binance(1, 1, 0)) is Verdict.DOUBLE
    assert judge.judge(binance(0, 0, 0)) is Verdict.LATE


def test_lateness_binds_the_stream_and_neither_repair_nor_backfill() -> None:
    judge = Judge(LATENESS, MARGIN)
    judge.judge(binance(100, 100, 1_000))
    assert judge.judge(binance(50, 50, 899)) is Verdict.LATE
    assert judge.judge(binance(50, 50, 899, "repair")) is Verdict.PASSED
    assert judge.judge(binance(50, 50, 899, "repair")) is Verdict.DOUBLE
    assert judge.judge(binance(49, 49, 0, "backfill")) is Verdict.PASSED


def test_exactly_the_lateness_is_not_late() -> None:
    judge = Judge(LATENESS, MARGIN)
    judge.judge(kucoin(100, 100))
    assert judge.judge(kucoin(50, 0)) is Verdict.PASSED
    assert judge.judge(kucoin(49, -0.000001)) is Verdict.LATE


def test_lateness_is_judged_by_the_symbols_own_newest_event_time() -> None:
    judge = Judge(LATENESS, MARGIN)
    judge.judge(binance(1, 1, 1_000))
    assert judge.judge(trade("binance", "QUIET-USDT", 1, 1, 0)) is Verdict.PASSED
    assert judge.judge(kucoin(1, 0)) is Verdict.PASSED


def test_an_aggregate_that_holds_seen_and_unseen_ids_is_partly_seen() -> None:
    judge = Judge(LATENESS, MARGIN)
    judge.judge(binance(10, 12, 0))
    assert judge.judge(binance(12, 14, 1)) is Verdict.PARTLY
    assert judge.judge(binance(8, 20, 1)) is Verdict.PARTLY
    assert judge.judge(binance(11, 12, 0)) is Verdict.DOUBLE
    assert judge.judge(binance(13, 14, 1)) is Verdict.PASSED


def test_an_outage_longer_than_the_memory_is_repaired_in_any_order() -> None:
    """The first trade after the outage moves the newest time far ahead; what the repair brings is old by then."""
    for repairs in ([20, 30, 40], [40, 30, 20], [30, 20, 40]):
        judge = Judge(LATENESS, MARGIN)
        judge.judge(kucoin(10, 0))
        judge.judge(kucoin(50, 5_000))
        assert [judge.judge(kucoin(number, 100 * number, "repair")) for number in repairs] == [Verdict.PASSED] * 3
        assert [judge.judge(kucoin(number, 100 * number, "repair")) for number in repairs] == [Verdict.DOUBLE] * 3


def test_a_repair_of_what_is_forgotten_is_not_passed_again() -> None:
    judge = Judge(LATENESS, MARGIN)
    judge.judge(kucoin(10, 0))
    judge.judge(kucoin(20, 5_000))
    assert judge.judge(kucoin(10, 0, "repair")) is Verdict.LATE
    assert judge.judge(kucoin(9, 0, "repair")) is Verdict.LATE
    assert judge.judge(kucoin(11, 1, "repair")) is Verdict.PASSED


def test_the_newest_time_is_that_of_all_symbols_that_passed() -> None:
    judge = Judge(LATENESS, MARGIN)
    assert judge.newest == -1
    seconds = []
    for second in (5, 3, 9, 9):
        judge.judge(trade("kucoin", f"S{second}-USDT", second, second, second))
        seconds.append(judge.newest)
    assert all(left <= right for left, right in pairwise(seconds))
    assert seconds[-1] == START + 9 * SECOND
