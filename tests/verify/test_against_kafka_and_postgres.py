"""The command against a real broker and a real database: what is right is clean, and each planted fault is caught."""

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import psutil
import pytest

from bench._processes import wait_for
from market.decimals import plain, product
from market.intervals import INTERVALS
from market.records import GapMark, Side, Trade, Venue, VenueCandle
from tests.verify.naive import MINUTE, Candle, Key, Passed, candles
from tests.verify.rig import Rig, rig, when
from verify.reach import DAY
from verify.scope import MARGIN_MS, OVERLAP

pytestmark = pytest.mark.stack

START = 1_700_000_000_000_000 // DAY * DAY
NOW = START + DAY + 10_000_000
VENUES: tuple[Venue, ...] = ("binance", "kucoin")
SIDES: tuple[Side, ...] = ("buy", "sell")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("verify")) as running:
        yield running


@pytest.fixture
def right(parts: Rig) -> Rig:
    """A day of both venues with gaps and venue candles, the candles of which are right."""
    parts.empty()
    parts.pass_trades(TRADES)
    parts.pass_trades([trade("binance", "ETH-USDT", START + 1, 100_000)], commit=False)
    parts.write([*MARKS, *TOLD])
    parts.store(right_candles())
    parts.catch_up()
    return parts


def trade(venue: Venue, symbol: str, time: int, number: int, behind: int = 0) -> Passed:
    price, size = plain(Decimal(30_000 + number % 97) / 7 // 1), plain(Decimal(number % 13 + 1) / 1000)
    quote = plain(product(Decimal(price), Decimal(size)))
    last = number * 3 + (number % 3 if venue == "binance" else 0)
    return Passed(
        Trade(venue, symbol, str(number), number * 3, last, last, price, size, quote, SIDES[number % 2], time, time),
        behind,
    )


def told(symbol: str, minute: int, *, supersedes: bool) -> VenueCandle:
    return VenueCandle(
        "kucoin", symbol, START + minute * MINUTE, "5", "7", "4", "6", "1.5", "8.25", None, None, None, None,
        supersedes=supersedes, known_time=START + (minute + 3) * MINUTE, fetched_time=START + DAY,
    )  # fmt: skip


TRADES = [
    trade(venue, symbol, START + number * 57_123_457, number, 2_500_000 if number % 41 == 0 else 0)
    for venue in VENUES
    for symbol in ("BTC-USDT", "ETH-USDT")
    for number in range(NOW // 57_123_457 - START // 57_123_457)
]
TRADES.append(trade("binance", "BTC-USDT", NOW, 9_000))
TOUCHED = TRADES[10].trade.event_time
TOLD = [told("BTC-USDT", 3, supersedes=True), told("BTC-USDT", 5, supersedes=False)]
MARKS = [
    GapMark("kucoin", "BTC-USDT", 60, START + 3 * MINUTE, 1, START + 4 * MINUTE),
    GapMark("kucoin", "BTC-USDT", 60, START + 3 * MINUTE, -1, START + 6 * MINUTE),
    GapMark("kucoin", "ETH-USDT", 60, TOUCHED // MINUTE * MINUTE, 1, START + 12 * MINUTE),
    GapMark("kucoin", "ETH-USDT", 1, TOUCHED // 1_000_000 * 1_000_000, 1, START + 12 * MINUTE),
]


@cache
def right_candles() -> Mapping[Key, Candle]:
    """Return the candles of all that is written above."""
    return candles(TRADES, MARKS, TOLD)


def keys(answer: dict[str, Any]) -> set[tuple[str, str, str, str, str]]:
    return {
        (item["venue"], item["symbol"], item["interval"], item["start_time"], item["column"])
        for item in answer["differences"]
    }


def iso(time: int) -> str:
    return when(time).isoformat().replace("+00:00", "Z")


def touched(time: int) -> set[tuple[str, str]]:
    """Return the candles, by interval and start, that a time lies in and that are closed."""
    return {
        (interval, iso(time // length * length))
        for interval, length in INTERVALS.items()
        if time // length * length + length <= NOW - 5_000_000
    }


def intervals(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(item["interval"], item["start_time"]) for item in answer["differences"]}


def made_of(parts: Rig, trades: list[Passed]) -> None:
    """Put candles into the database that are made of other trades than the topic holds."""
    parts.change("truncate candle, candle_revision")
    parts.store(candles(trades, MARKS, TOLD))


def test_a_right_database_is_clean(right: Rig) -> None:
    code, answer = right.verify()
    assert answer["differences"] == []
    assert (code, answer["clean"]) == (0, True)
    compared = {interval: figures["compared"] for interval, figures in answer["candles"].items()}
    assert compared["1d"] == 4
    assert compared["1m"] > 4_000
    # The gap that is still open touches a second, its minute, and all that is made of that.
    assert {figures["incomplete"] for figures in answer["candles"].values()} == {1}
    assert answer["market_now"] == iso(NOW)


def test_people_get_a_table_and_a_summary(right: Rig) -> None:
    done = right.run()
    assert done.returncode == 0, done.stderr
    assert "clean: all" in done.stdout
    right.change("update candle_1h set close = close + 1 where symbol = 'BTC-USDT' and start_time = %s", [when(START)])
    done = right.run("--limit", "1")
    assert done.returncode == 1
    assert "Differences" in done.stdout
    assert "2 differ" in done.stdout


def test_a_trade_that_candles_lack_is_caught(right: Rig) -> None:
    victim = TRADES[200]
    made_of(right, [passed for passed in TRADES if passed is not victim])
    code, answer = right.verify("--limit", "1000")
    assert code == 1
    assert intervals(answer) == touched(victim.trade.event_time)


def test_a_trade_that_candles_count_twice_is_caught(right: Rig) -> None:
    victim = TRADES[200]
    made_of(right, [*TRADES, victim])
    code, answer = right.verify("--limit", "1000")
    assert code == 1
    assert intervals(answer) == touched(victim.trade.event_time)
    assert {"base_volume", "quote_volume", "trade_count"} <= {item["column"] for item in answer["differences"]}


def test_a_trade_that_stands_twice_in_the_topic_is_caught_though_candles_count_it_so(right: Rig) -> None:
    victim = TRADES[200]
    right.pass_trades([victim])
    right.catch_up()
    made_of(right, [*TRADES, victim])
    code, answer = right.verify("--limit", "1000")
    assert (code, answer["doubled_trades"]) == (1, 1)
    assert intervals(answer) == touched(victim.trade.event_time)


def test_a_trade_that_candles_count_at_another_time_is_caught(right: Rig) -> None:
    victim = TRADES[200]
    late = victim.trade.event_time + 2 * MINUTE
    shifted = Passed(msgspec.structs.replace(victim.trade, event_time=late))
    made_of(right, [shifted if passed is victim else passed for passed in TRADES])
    code, answer = right.verify("--limit", "1000")
    assert code == 1
    # A candle that both times lie in may well be the same.
    apart = touched(victim.trade.event_time) ^ touched(late)
    assert apart <= intervals(answer)
    assert {interval for interval, _ in apart} >= {"1s", "1m"}


EDITS = {
    "open": "open + 0.000000000000000001",
    "high": "high + 1",
    "low": "low - 1",
    "close": "close + 0.0000000000000000001",
    "base_volume": "base_volume * 2",
    "quote_volume": "quote_volume + 0.01",
    "taker_buy_base_volume": "null",
    "trade_count": "trade_count + 1",
    "first_id": "first_id - 1",
    "last_id": "null",
    "origin": "'venue_candle'",
    "complete": "false",
    "last_trade_time": "last_trade_time + interval '1 ms'",
    "known_time": "known_time + interval '1 ms'",
}


def test_an_edit_of_each_column_is_caught(right: Rig) -> None:
    assert set(EDITS) == set(Candle.__struct_fields__)
    planted = set()
    for at, (column, value) in enumerate(EDITS.items()):
        interval = list(INTERVALS)[at % len(INTERVALS)]
        start = START + (600 * MINUTE // INTERVALS[interval] * INTERVALS[interval])
        symbol = "BTC-USDT" if at < len(INTERVALS) else "ETH-USDT"
        (first,) = [
            key[3] for key in sorted(right_candles()) if key[:3] == ("binance", symbol, interval) and key[3] >= start
        ][:1]
        planted.add(("binance", symbol, interval, iso(first), column))
        assert right.change(
            f'update candle set {column} = {value} where venue = %s and symbol = %s and "interval" = %s'
            " and start_time = %s",
            ["binance", symbol, interval, when(first)],
        )
    code, answer = right.verify()
    assert code == 1
    assert keys(answer) == planted


def test_a_row_deleted_and_a_row_too_many_are_caught(right: Rig) -> None:
    assert right.change("delete from candle_1d where venue = 'kucoin' and symbol = 'ETH-USDT'")
    assert right.change(
        "update candle_1m set symbol = 'LTC-USDT' where venue = 'kucoin' and symbol = 'BTC-USDT' and start_time = %s",
        [when(START + 5 * MINUTE)],
    )
    code, answer = right.verify()
    assert code == 1
    facts = {(item["symbol"], item["interval"], item["column"], item["found"]) for item in answer["differences"]}
    assert facts == {
        ("ETH-USDT", "1d", "row", "none"),
        ("BTC-USDT", "1m", "row", "none"),
        ("LTC-USDT", "1m", "row", "a row"),
    }


def test_what_is_older_than_can_be_judged_is_counted_and_not_judged(right: Rig) -> None:
    assert right.change("update candle set high = high + 1 where start_time < %s", [when(START + 600 * MINUTE)])
    code, answer = right.verify("--from-time", str(START + 600 * MINUTE))
    assert (code, answer["differences"]) == (0, [])
    assert answer["candles"]["1d"]["compared"] == 0
    assert answer["candles"]["1d"]["out_of_reach"] == 4
    assert answer["candles"]["1h"]["out_of_reach"] == 40


def test_what_the_topic_no_longer_holds_whole_is_not_judged(parts: Rig) -> None:
    parts.empty()
    ordered = sorted(TRADES, key=lambda passed: passed.trade.event_time)
    old = [passed for passed in ordered if passed.trade.event_time < START + 600 * MINUTE]
    parts.pass_trades(old)
    parts.cut()
    newest = old[-1].trade.event_time
    parts.pass_trades(ordered[len(old) :], newest_before=newest)
    parts.store(candles(TRADES))
    parts.catch_up()
    parts.change("update candle set high = high + 1 where start_time <= %s", [when(newest)])
    code, answer = parts.verify()
    assert (code, answer["differences"]) == (0, [])
    assert answer["candles"]["1m"]["judged_from"] == iso(newest + 1)
    assert answer["candles"]["1m"]["compared"] > 2_000
    assert parts.change("update candle_1h set high = high + 1 where start_time = %s", [when(START + 600 * MINUTE)])
    assert parts.verify()[0] == 1


def test_jobs_that_do_not_catch_up_mean_that_nothing_can_be_said(right: Rig) -> None:
    right.pass_trades([trade("binance", "BTC-USDT", NOW + 1, 9_001)])
    code, answer = right.verify("--timeout", "1")
    assert code == 2
    assert "candles has not caught up" in answer["error"]


def test_an_empty_topic_is_nothing_to_check(parts: Rig) -> None:
    parts.empty()
    code, answer = parts.verify()
    assert code == 2
    assert "no trades" in answer["error"]
    run = parts.noted()
    assert (run["scope"], run["candles"], run["error"]) == ("whole", 0, None)


def test_every_run_is_noted_in_the_database(right: Rig) -> None:
    assert right.verify()[0] == 0
    run = right.noted()
    assert run["candles"] > 4_000
    assert (run["scope"], run["differences"], run["differing"], run["error"]) == ("whole", 0, None, None)
    right.change("update candle_1h set close = close + 1 where symbol = 'BTC-USDT' and start_time = %s", [when(START)])
    _, answer = right.verify()
    run = right.noted()
    assert (run["differences"], run["examples"]) == (2, answer["differences"])
    assert (run["differing"].lower, run["differing"].upper) == (when(START), when(START + INTERVALS["1h"]))


def test_a_run_that_cannot_check_is_noted_with_its_reason(right: Rig) -> None:
    right.pass_trades([trade("binance", "BTC-USDT", NOW + 1, 9_001)])
    assert right.verify("--recent", "--timeout", "1")[0] == 2
    run = right.noted()
    assert (run["scope"], run["candles"]) == ("recent", None)
    assert "candles has not caught up" in run["error"]


def test_venues_that_do_not_answer_leave_what_was_compared(right: Rig) -> None:
    code, answer = right.verify("--venue-sample", "1")
    assert (code, answer["clean"]) == (2, True)
    run = right.noted()
    assert run["candles"] > 4_000
    assert "does not tell" in run["error"]


def received(passed: Passed, time: int) -> Passed:
    return msgspec.structs.replace(passed, trade=msgspec.structs.replace(passed.trade, receive_time=time))


def test_what_is_recent_is_what_was_written_since_the_last_run_and_has_settled(parts: Rig) -> None:
    parts.empty()
    ordered = sorted(TRADES, key=lambda passed: passed.trade.event_time)
    middle = START + 600 * MINUTE
    old = [passed for passed in ordered if passed.trade.event_time < middle]
    # Of one symbol nothing comes any more: the topic has partitions that bring nothing new.
    new = [passed for passed in ordered[len(old) :] if passed.trade.symbol == "BTC-USDT"]
    parts.pass_trades(old)
    parts.write([*MARKS, *TOLD])
    parts.catch_up()
    assert parts.verify("--recent")[0] == 1, "there are no candles yet"
    assert parts.noted()["from_time"] < when(START + MINUTE), "the first run reads all"
    between = time.time_ns() // 1000
    # The next run counts from a minute after that.
    began = when(between + MARGIN_MS * 1000) + OVERLAP
    assert parts.change("update verification set started_at = %s", [began]) == 1
    first, *others = new
    parts.pass_trades(
        [received(first, between), *(received(passed, between + 2 * MINUTE) for passed in others)],
        newest_before=old[-1].trade.event_time,
    )
    parts.store(candles([*old, *new], MARKS, TOLD))
    parts.catch_up()
    code, answer = parts.verify("--recent")
    assert (code, answer["differences"]) == (0, [])
    run = parts.noted()
    assert (run["scope"], run["error"]) == ("recent", None)
    assert run["from_time"] == when(first.trade.event_time + 1)
    assert run["to_time"] == when(NOW - 2 * MINUTE)
    assert answer["candles"]["1m"]["compared"] > 700
    assert answer["records"] == len(new)
    wrong = "update candle set high = high + 1 where start_time {} and symbol = 'BTC-USDT'"
    assert parts.change("update verification set started_at = %s", [began])
    parts.change(wrong.format("< %s"), [when(first.trade.event_time)])
    parts.change(wrong.format(">= %s"), [when(NOW - 2 * MINUTE)])
    assert parts.verify("--recent")[0] == 0, "neither what is old nor what has not settled is looked at"
    assert parts.change("update verification set started_at = %s", [began])
    assert parts.change(wrong.format("= %s"), [when(START + 660 * MINUTE)])
    assert parts.verify("--recent")[0] == 1


def test_a_run_that_is_ended_leaves_nothing_behind_and_has_the_least_priority(right: Rig) -> None:
    right.pass_trades([trade("binance", "BTC-USDT", NOW + 1, 9_001)])
    with right.begin("--recent", "--timeout", "600") as running:
        wait_for("it keeps what it read", lambda: bool(right.scratch()), 60)
        assert psutil.Process(running.pid).nice() == 19
        running.terminate()
        assert running.wait(60) == 2
    assert right.scratch() == []
