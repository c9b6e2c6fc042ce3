from hypothesis import given
from hypothesis import strategies as st

from ingest.pace import Pace, Staleness, Turn


def steady(every: float, times: int) -> Pace:
    pace = Pace()
    for number in range(times):
        pace.heard(number * every)
    return pace


def test_nothing_is_known_of_a_stream_that_has_hardly_begun() -> None:
    assert Pace().limit(8) is None
    assert steady(1.0, 10).limit(8) is None
    assert steady(1.0, 11).limit(8) is not None


@given(st.floats(0.2, 1000), st.integers(15, 200))
def test_a_steady_stream_is_stale_after_twenty_of_its_intervals(every: float, times: int) -> None:
    limit = steady(every, times).limit(8)
    assert limit is not None
    assert abs(limit - max(8, 20 * every)) < 1e-3 * limit


def test_a_busy_stream_is_stale_as_soon_as_it_may_be() -> None:
    assert steady(0.001, 10_000).limit(8) == 8


def test_a_burst_is_not_taken_for_a_pace() -> None:
    pace = Pace()
    for minute in range(60):
        for number in range(300):
            pace.heard(minute * 60 + number * 0.0005)
    limit = pace.limit(8)
    assert limit is not None
    assert limit > 60 * 19


def test_an_outage_is_not_taken_for_a_pace_but_a_stream_may_slow_down() -> None:
    pace = steady(1.0, 100)
    pace.heard(99 + 3600)
    limit = pace.limit(8)
    assert limit is not None
    assert limit < 45
    now = 99.0 + 3600
    for _ in range(200):
        now += 60
        pace.heard(now)
    assert abs(pace.interval - 60) < 1


def test_acting_in_vain_makes_patient_until_trades_come() -> None:
    pace = steady(0.2, 50)
    limits = []
    for _ in range(5):
        limits.append(pace.limit(8))
        pace.missed()
    assert limits == [8, 16, 32, 64, 64]
    for number in range(50):
        pace.heard(1000.0 + number * 0.2)
    assert pace.limit(8) == 8


@given(st.lists(st.floats(0, 100), max_size=200))
def test_the_limit_is_never_below_the_least_and_never_beyond_the_longest_interval(steps: list[float]) -> None:
    pace, now = Pace(), 0.0
    for step in steps:
        now += step
        pace.heard(now)
    limit = pace.limit(8)
    assert limit is None or 8 <= limit <= max(8, 20 * (max(steps) + 0.2)) + 1e-6


def test_a_symbol_is_told_once_when_it_falls_silent_and_once_when_it_returns() -> None:
    staleness = Staleness(8)
    for number in range(20):
        staleness.heard("A-USDT", number * 0.25)
        staleness.heard("B-USDT", number * 2.0)
    assert staleness.turns(12.7) == []
    assert staleness.turns(12.8) == [Turn("stale", "A-USDT", 12.8 - 4.75, 0.25)]
    assert staleness.turns(20.0) == []
    assert set(staleness.stale) == {"A-USDT"}
    staleness.heard("A-USDT", 30.0)
    (turn,) = staleness.turns(30.5)
    assert (turn.kind, turn.symbol, turn.seconds) == ("fresh", "A-USDT", 30.0 - 4.75)
    assert staleness.turns(31.0) == []
    assert not staleness.stale


def test_time_in_which_nobody_listened_does_not_count() -> None:
    staleness = Staleness(8)
    for number in range(20):
        staleness.heard("A-USDT", number * 0.25)
    staleness.excuse(["A-USDT", "C-USDT"], 100.0)
    assert staleness.turns(112.0) == []
    assert [turn.kind for turn in staleness.turns(113.0)] == ["stale"]


def test_a_symbol_that_does_not_trade_is_not_stale_and_is_looked_at_again_once_it_trades() -> None:
    staleness = Staleness(8)
    for number in range(20):
        staleness.heard("A-USDT", number * 0.25)
        staleness.heard("B-USDT", number * 0.25)
    assert {turn.symbol for turn in staleness.turns(13.0)} == {"A-USDT", "B-USDT"}
    staleness.close(["A-USDT"])
    assert set(staleness.stale) == {"B-USDT"}
    staleness.heard("A-USDT", 20.0)
    assert staleness.turns(100.0) == []
    staleness.close([])
    assert staleness.turns(200.0) == []
    for number in range(3):
        staleness.heard("A-USDT", 200.0 + number)
    assert [(turn.kind, turn.symbol) for turn in staleness.turns(300.0)] == [("stale", "A-USDT")]


def test_a_stream_that_rests_is_measured_from_its_next_trade() -> None:
    pace = steady(1.0, 20)
    pace.rest()
    pace.heard(1000.0)
    pace.heard(1001.0)
    assert abs(pace.interval - 1.0) < 1e-9
