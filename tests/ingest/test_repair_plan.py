"""The pure parts of repair: what to fetch, in which order, how fast, and what counts as the same."""

import random
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.repair.backfill import parse_time
from ingest.repair.budget import Budget
from ingest.repair.checks import sample
from ingest.repair.compare import Ours, same
from ingest.repair.plan import (
    DAY,
    HOUR,
    MINUTE,
    Ids,
    Span,
    badness,
    before,
    cutoff,
    history,
    lacking,
    runs,
    touched,
    within,
)
from ingest.repair.queue import Queue
from ingest.venues.candles import MinuteCandle
from market.records import Gap, Trade
from tests.ingest.repairing import gap
from tests.ingest.shapes import binance

times = st.integers(1_500_000_000_000_000, 1_900_000_000_000_000)


def trade(first: int, last: int, number: int = 1) -> Trade:
    return Trade("binance", "BTC-USDT", str(number), first, last, last, "1", "1", "1", "buy", first, 0)


@st.composite
def aggregates(draw: st.DrawFn) -> list[Trade]:
    """Trades as aggregates in the order of their ids, without a hole but for those that are left out."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=30))
    first = draw(st.integers(1, 100))
    made = []
    for number, size in enumerate(sizes, draw(st.integers(1, 1000))):
        made.append(trade(first, first + size - 1, number))
        first += size
    return made


# --- What to fetch


@given(times, st.integers(0, 3 * DAY))
def test_the_minutes_of_a_gap_hold_it_and_no_minute_more(start: int, length: int) -> None:
    span = touched(start, start + length)
    assert span.start <= start < span.start + MINUTE
    assert span.end - MINUTE <= start + length < span.end
    assert span.start % MINUTE == span.end % MINUTE == 0


@given(times, st.integers(0, 5000), st.integers(1, 1500))
def test_pages_make_up_the_whole_span(start: int, minutes: int, size: int) -> None:
    span = Span(start, start + minutes * MINUTE)
    pages = span.pages(size)
    assert [minute for page in pages for minute in page.minutes()] == list(span.minutes())
    assert all(0 < len(page.minutes()) <= size for page in pages)


@given(st.sets(st.integers(0, 200)))
def test_runs_of_minutes_hold_each_once(numbers: set[int]) -> None:
    minutes = [number * MINUTE for number in sorted(numbers)]
    spans = runs(minutes)
    assert [minute for span in spans for minute in span.minutes()] == minutes
    assert all(one.end < two.start for one, two in pairwise(spans))


@given(aggregates(), st.data())
def test_what_is_within_and_what_is_lacking_make_up_what_is_wanted(made: list[Trade], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, made[-1].last_id))
    wanted = Ids(first, data.draw(st.integers(first, made[-1].last_id + 5)))
    kept = data.draw(st.lists(st.sampled_from(made), unique=True))
    inside = within(kept, wanted)
    had = {number for item in inside for number in range(item.first_id, item.last_id + 1)}
    missing = [number for ids in lacking(inside, wanted) for number in range(ids.first, ids.last + 1)]
    assert had <= set(range(wanted.first, wanted.last + 1))
    assert sorted([*had, *missing]) == list(range(wanted.first, wanted.last + 1))


@given(aggregates(), st.data())
def test_going_back_by_as_many_aggregates_as_trades_goes_far_enough(made: list[Trade], data: st.DataObject) -> None:
    seen = data.draw(st.integers(0, len(made) - 1))
    target = data.draw(st.integers(made[0].first_id, made[seen].first_id))
    start = before(made[seen:], target)
    found = [item for item in made if int(item.source_id) >= start]
    assert found[0].first_id <= target


@given(times, st.floats(0.1, 720))
def test_history_reaches_back_to_the_start_of_a_day(first: int, hours: float) -> None:
    span = history(first, hours)
    assert span.end <= first < span.end + MINUTE
    assert span.start % DAY == 0
    assert hours * HOUR - 1 <= first - span.start < hours * HOUR + DAY


def test_without_hours_there_is_no_history() -> None:
    assert not history(5 * DAY, 0).pages(10)


@given(times, st.floats(1, 240))
def test_the_jobs_correct_whole_days_within_their_horizon(now: int, hours: float) -> None:
    first = cutoff(now, hours)
    assert first % DAY == 0
    assert now - hours * HOUR <= first + 1
    assert first < now - hours * HOUR + DAY + 1


# --- In which order


def missed(count: int, start: int = 10, version: int = 1, closed: int | None = None) -> Gap:
    return gap("BTC-USDT", 1000, 2000, ids=(start, start + count - 1), version=version, closed=closed)


def test_a_gap_of_more_trades_is_worse_and_a_start_comes_last() -> None:
    long = gap("BTC-USDT", 0, HOUR, venue="kucoin", kind="suspected")
    short = gap("BTC-USDT", 0, MINUTE, venue="kucoin", kind="suspected")
    begun = gap("BTC-USDT", 0, DAY, venue="kucoin", kind="start")
    assert badness(missed(100)) > badness(missed(99))
    assert sorted([long, begun, short], key=badness) == [begun, short, long]


def test_the_worst_gap_is_taken_first_and_no_gap_twice_at_once() -> None:
    queue = Queue()
    sizes = [3, 900, 5, 70]
    for size in sizes:
        queue.take_in(missed(size, start=size * 1000), 0.0)
    taken = [found for _ in sizes if (found := queue.take(0.0)) is not None]
    assert [badness(item) for item, _ in taken] == sorted(sizes, reverse=True)
    assert queue.take(1e9) is None


def test_a_gap_waits_until_its_end_is_known_and_for_a_moment_after_that() -> None:
    queue = Queue()
    down = gap("BTC-USDT", 0, None, venue="kucoin", kind="suspected")
    queue.take_in(down, 0.0)
    assert len(queue) == 1
    assert queue.take(1e9) is None
    queue.take_in(gap("BTC-USDT", 0, 5, venue="kucoin", kind="suspected", version=2), 10.0)
    assert queue.take(12.9) is None
    assert queue.take(13.0) is not None


def test_a_gap_that_stays_open_is_tried_ever_more_rarely() -> None:
    queue = Queue()
    queue.take_in(missed(5), 0.0)
    now, waits = 0.0, []
    for tries in range(10):
        before_try = now
        while (taken := queue.take(now)) is None:
            now += 1.0
        waits.append(now - before_try)
        assert taken[1] == tries
        queue.tried(taken[0], now)
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert waits[-1] == 900.0


def test_what_the_venue_does_not_have_is_tried_rarely_at_once() -> None:
    queue = Queue()
    queue.take_in(missed(5), 0.0)
    taken = queue.take(0.0)
    assert taken is not None
    queue.tried(taken[0], 0.0, rarely=True)
    assert queue.take(899.0) is None
    assert queue.take(900.0) is not None


def test_what_is_learned_of_a_gap_during_its_repair_makes_it_due_again() -> None:
    queue = Queue()
    queue.take_in(missed(5), 0.0)
    taken = queue.take(0.0)
    assert taken is not None
    queue.take_in(missed(5, version=2), 1.0)
    assert queue.take(1.0) is None
    queue.tried(taken[0], 2.0)
    again = queue.take(2.0)
    assert again is not None
    assert (again[0].version, again[1]) == (2, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["open", "closed", "take", "tried", "later"]))))
def test_a_closed_gap_is_never_taken_and_every_open_one_comes_again(steps: list[tuple[int, str]]) -> None:
    queue, now, open_gaps, busy = Queue(), 0.0, {}, {}
    for number, action in steps:
        item = missed(number + 1, start=number * 100 + 1)
        if action == "open":
            queue.take_in(item, now)
            open_gaps[item.gap_id] = item
        elif action == "closed":
            closes = queue.take_in(missed(number + 1, start=number * 100 + 1, closed=5, version=2), now)
            assert closes == (open_gaps.pop(item.gap_id, None) is not None)
        elif action == "take":
            taken = queue.take(now)
            if taken is not None:
                assert taken[0].gap_id in open_gaps
                busy[taken[0].gap_id] = taken[0]
        elif busy:
            _, held = busy.popitem()
            queue.tried(held, now) if action == "tried" else queue.postpone(held, now, 1.0)
        assert len(queue) == len(open_gaps)
    for held in busy.values():
        queue.tried(held, now)
    found = set()
    while (taken := queue.take(now + 1e6)) is not None:
        found.add(taken[0].gap_id)
    assert found == set(open_gaps)


def test_an_open_gap_touches_its_minutes() -> None:
    queue = Queue()
    queue.take_in(gap("BTC-USDT", 90 * MINUTE + 5, 92 * MINUTE, venue="kucoin", kind="suspected"), 0.0)
    queue.take_in(gap("ETH-USDT", 95 * MINUTE, None, venue="kucoin", kind="suspected"), 0.0)
    assert [number for number in range(88, 97) if queue.touches("BTC-USDT", number * MINUTE)] == [90, 91, 92]
    assert [number for number in range(88, 99) if queue.touches("ETH-USDT", number * MINUTE)] == [95, 96, 97, 98]


# --- How fast


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30), st.booleans()), max_size=60),
    st.integers(60, 300),
    st.floats(0.2, 1.0),
)
def test_no_period_takes_more_than_the_budget(steps: list[tuple[float, int, bool]], limit: int, share: float) -> None:
    budget, now = Budget(limit, 30.0, share), 100.0
    spent: list[tuple[float, int]] = []
    for pause, cost, background in steps:
        now += pause
        now += budget.wait(cost, now, background=background)
        assert budget.wait(cost, now + 1e-6, background=background) == 0
        budget.spend(cost, now)
        spent.append((now, cost))
    for time, _ in spent:
        within_period = [cost for at, cost in spent if time <= at < time + 30.0 - 1e-3]
        assert sum(within_period) <= max(limit * share, *within_period)


def test_background_leaves_room_for_gaps() -> None:
    budget = Budget(100, 60.0, 1.0)
    for _ in range(5):
        assert budget.wait(10, 0.0, background=True) == 0
        budget.spend(10, 0.0)
    assert budget.wait(10, 0.0, background=True) == 60.0
    assert budget.wait(10, 0.0) == 0


def test_a_venue_that_wants_to_be_left_alone_is() -> None:
    budget = Budget(100, 60.0, 1.0)
    budget.hold(120.0, 10.0)
    budget.hold(5.0, 20.0)
    assert budget.wait(1, 30.0) == 100.0
    assert budget.wait(1, 130.0) == 0


def test_what_others_used_up_is_waited_for() -> None:
    budget = Budget(6000, 60.0, 0.5)
    budget.told(700, 30.0, 0.0)
    assert budget.wait(1, 0.0) == 0
    budget.told(599, 30.0, 0.0)
    assert budget.wait(1, 0.0) == 30.0


# --- What is the same

THEIRS = MinuteCandle(0, "5", "7.5", "4", "6", "10.25", "55.123")
OURS = Ours(
    Decimal(5), Decimal("7.50"), Decimal(4), Decimal(6), Decimal("10.250"), Decimal("55.1230"), Decimal(3), 9, True
)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "base_volume"])
def test_prices_and_volume_are_compared_to_the_last_digit(name: str) -> None:
    changed = msgspec.structs.replace(OURS, **{name: getattr(OURS, name) + Decimal("1e-18")})
    assert same(THEIRS, OURS)
    assert not same(THEIRS, changed)


def test_a_quote_volume_may_be_cut_off_by_the_venue() -> None:
    assert same(THEIRS, msgspec.structs.replace(OURS, quote_volume=Decimal("55.1234567")))
    assert not same(THEIRS, msgspec.structs.replace(OURS, quote_volume=Decimal("55.124")))


def test_counts_and_the_takers_volume_are_compared_where_both_tell_them() -> None:
    told = msgspec.structs.replace(THEIRS, taker_buy_base_volume="3", trade_count=9)
    assert same(told, OURS)
    assert not same(msgspec.structs.replace(told, trade_count=8), OURS)
    assert not same(msgspec.structs.replace(told, taker_buy_base_volume="2"), OURS)


def test_an_idle_minute_is_the_same_as_none() -> None:
    idle = MinuteCandle(0, "5", "5", "5", "5", "0", "0")
    assert idle.idle
    assert same(idle, None)
    assert same(None, None)
    assert not same(idle, OURS)
    assert not same(THEIRS, None)


@given(st.integers(1, 40), st.integers(0, 300), st.integers(0, 2**32))
def test_a_sample_is_of_different_minutes_of_the_hour(symbols: int, count: int, seed: int) -> None:
    followed = binance(*(f"S{number}-USDT" for number in range(symbols)))
    hour = Span(5 * HOUR, 6 * HOUR)
    drawn = sample(followed, hour, count, random.Random(seed))
    chosen = [(item.symbol, minute) for item, minutes in drawn for minute in minutes]
    assert len(chosen) == len(set(chosen)) == min(count, symbols * 60)
    assert all(minutes == sorted(minutes) for _, minutes in drawn)
    assert all(hour.start <= minute < hour.end and minute % MINUTE == 0 for _, minute in chosen)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-31", 1_769_817_600),
        ("2026-01-31T12:30", 1_769_862_600),
        ("2026-01-31T12:30Z", 1_769_862_600),
        ("2026-01-31T13:30+01:00", 1_769_862_600),
    ],
)
def test_a_time_is_utc_unless_it_names_a_zone(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds * 1_000_000
