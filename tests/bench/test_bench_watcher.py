"""When a sampled trade counts as seen, when as never seen, and what the report makes of it."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from bench._host import Load
from bench._processes import BenchError
from bench._reader import Measured
from bench._sampler import Sampled
from bench._watcher import Outcome, Watcher, key_of
from bench.freshness import evaluate
from market.intervals import INTERVALS

SECOND = 1_000_000
TIME = 1_767_225_659 * SECOND + 700_000
IDLE = Load(0.0, 0.0, 0.0)


def sample(last_id: int, event_time: int = TIME, symbol: str = "BTC-USDT") -> Sampled:
    return Sampled("binance", symbol, last_id, event_time, event_time + 2_000)


def test_a_trade_belongs_to_the_second_and_the_minute_of_its_own_time() -> None:
    assert key_of(sample(1), "1s").start_time == datetime(2026, 1, 1, 0, 0, 59, tzinfo=UTC)
    assert key_of(sample(1), "1m").start_time == datetime(2026, 1, 1, 0, 0, tzinfo=UTC)


def test_a_trade_is_seen_once_its_candle_counts_its_id_or_a_later_one() -> None:
    watcher = Watcher("1s", patience=30 * SECOND)
    watcher.add([sample(10), sample(12), sample(11, symbol="ETH-USDT")])
    start = key_of(sample(10), "1s").start_time
    watcher.take([("binance", "BTC-USDT", start, 9)], TIME + SECOND)
    assert (watcher.pending, watcher.outcomes) == (3, [])
    watcher.take([("binance", "BTC-USDT", start, 11)], TIME + 2 * SECOND)
    assert watcher.pending == 2
    assert watcher.outcomes == [Outcome(sample(10), "1s", TIME + 2 * SECOND)]
    assert watcher.outcomes[0].seconds(30 * SECOND) == 2.0


def test_a_trade_that_is_never_seen_counts_as_the_whole_patience() -> None:
    watcher = Watcher("1m", patience=30 * SECOND)
    watcher.add([sample(10)])
    watcher.take([], TIME + 30 * SECOND - 1)
    assert watcher.pending == 1
    watcher.take([], TIME + 30 * SECOND)
    assert watcher.pending == 0
    assert [outcome.seconds(30 * SECOND) for outcome in watcher.outcomes] == [30.0]


def measured(seconds: list[float], rate: int) -> Measured:
    outcomes = [
        Outcome(sample(number), interval, TIME + int(second * SECOND))
        for interval in INTERVALS
        for number, second in enumerate(seconds)
    ]
    return Measured(10.0, Counter(binance=6 * rate, kucoin=4 * rate), outcomes, [0.001], [0.02], [50.0])


def test_targets_that_are_kept_are_not_missed() -> None:
    report = evaluate(measured([0.2] * 99 + [0.5], 2_000), 2_000, IDLE, IDLE)
    assert report.missed == []
    assert (report.fresh["1s"].p50, report.fresh["1s"].p99, report.fresh["1s"].most) == (0.2, 0.2, 0.5)
    assert report.by_venue == {"binance": 1_200.0, "kucoin": 800.0}


def test_each_interval_is_held_to_its_targets() -> None:
    report = evaluate(measured([0.2] * 90 + [0.7] * 10, 2_000), 2_000, IDLE, IDLE)
    assert report.missed == ["1s p99 0.700 s > 0.6 s", "1m p99 0.700 s > 0.6 s"]


def test_coarser_intervals_may_take_longer_but_none_of_their_trades_more_than_two_seconds() -> None:
    report = evaluate(measured([0.2] * 999 + [2.1], 2_000), 2_000, IDLE, IDLE)
    assert report.missed == [f"{interval} most 2.100 s > 2.0 s" for interval in ("5m", "15m", "1h", "4h", "1d")]


def test_a_market_that_was_too_slow_proves_nothing() -> None:
    report = evaluate(measured([0.1] * 10, 1_000), 2_000, IDLE, IDLE)
    assert report.missed == ["1,000 trades a second came, 2,000 were asked for"]


def test_without_samples_there_is_no_report() -> None:
    with pytest.raises(BenchError, match="silent"):
        evaluate(Measured(10.0, Counter(), [], [], [], []), 2_000, IDLE, IDLE)
