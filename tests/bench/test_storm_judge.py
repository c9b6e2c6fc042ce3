"""The judge of a storm finds what is planted, and accepts what a fault or a gap explains."""

from decimal import Decimal
from typing import Any

import pytest

from bench._storm import judge
from bench._storm.facts import MINUTE, SECOND, Done, GapRow, Key, Row
from bench._storm.truth import Truth
from market.sections import SimulationSettings
from replay.simulation import Candle

START = 29_670_000 * MINUTE
END = START + 3 * MINUTE
BTC = Key("kucoin", "BTC-USDT", START + MINUTE)

COLUMNS = (
    "open", "high", "low", "close", "base_volume", "quote_volume", "taker_buy_base_volume",
    "trade_count", "first_id", "last_id",
)  # fmt: skip


@pytest.fixture(scope="module")
def truth() -> dict[Key, Candle]:
    found = Truth(SimulationSettings(symbols=3, trades_per_second=20)).candles(START, END)
    assert len(found) == 3 * 3 * 2
    return found


def row_of(candle: Candle, **changes: Any) -> Row:
    values = {name: getattr(candle, name) for name in COLUMNS}
    return Row(**values, origin="trades", complete=True)._replace(**changes)


@pytest.fixture
def rows(truth: dict[Key, Candle]) -> dict[Key, Row]:
    return {key: row_of(candle) for key, candle in truth.items()}


def gap(**changes: Any) -> GapRow:
    found = GapRow(
        "kucoin:BTC-USDT:1:5", "kucoin", "BTC-USDT", "suspected", "disconnected",
        BTC.start + 10 * SECOND, BTC.start + 12 * SECOND, START + 90 * SECOND, "repair",
    )  # fmt: skip
    return found._replace(**changes)


def done(since: int, until: int | None, *symbols: str, kind: str = "reset", venue: str = "kucoin") -> Done:
    return Done(kind, venue, list(symbols) or ["BTC-USDT"], since, until)


def test_equal_candles_are_not_worth_a_word(truth: dict[Key, Candle], rows: dict[Key, Row]) -> None:
    assert judge.candles(truth, rows, []) == []
    assert judge.unequal(truth, rows) == []


@pytest.mark.parametrize("column", COLUMNS)
def test_a_single_wrong_column_is_found_and_named(truth: dict[Key, Candle], rows: dict[Key, Row], column: str) -> None:
    rows[BTC] = rows[BTC]._replace(**{column: getattr(rows[BTC], column) + 1})
    (found,) = judge.candles(truth, rows, [])
    assert (found.rule, found.venue, found.symbol) == ("wrong candle", "kucoin", "BTC-USDT")
    assert f": {column} " in found.text
    assert judge.unequal(truth, rows) == [BTC]


def test_a_missing_candle_is_found(truth: dict[Key, Candle], rows: dict[Key, Row]) -> None:
    del rows[BTC]
    (found,) = judge.candles(truth, rows, [])
    assert (found.symbol, found.text) == ("BTC-USDT", f"{judge.clock(BTC.start)} is missing")


def test_a_candle_of_a_minute_in_which_nothing_traded_is_found(truth: dict[Key, Candle], rows: dict[Key, Row]) -> None:
    quiet = {key: candle for key, candle in truth.items() if key != BTC}
    (found,) = judge.candles(quiet, rows, [])
    assert "nothing traded" in found.text


def test_a_venues_own_candle_need_not_have_what_the_venue_does_not_tell(
    truth: dict[Key, Candle], rows: dict[Key, Row]
) -> None:
    untold: dict[str, Any] = dict.fromkeys(("taker_buy_base_volume", "trade_count", "first_id", "last_id"))
    rows[BTC] = rows[BTC]._replace(origin="venue_candle", **untold)
    assert judge.candles(truth, rows, []) == []
    rows[BTC] = rows[BTC]._replace(origin="trades")
    (found,) = judge.candles(truth, rows, [])
    assert "trade_count None" in found.text


def test_a_wrong_candle_is_excused_by_a_gap_that_touches_it_and_by_no_other(
    truth: dict[Key, Candle], rows: dict[Key, Row]
) -> None:
    rows[BTC] = rows[BTC]._replace(high=rows[BTC].high + Decimal(1))
    assert judge.candles(truth, rows, [gap()]) == []
    assert judge.candles(truth, rows, [gap(from_time=START, to_time=BTC.start)]) == []
    others = [
        gap(venue="binance"),
        gap(symbol="ETH-USDT"),
        gap(from_time=START, to_time=BTC.start - 1),
        gap(from_time=BTC.start + MINUTE),
    ]
    for other in others:
        assert [found.rule for found in judge.candles(truth, rows, [other])] == ["wrong candle"]
    assert judge.unequal(truth, rows) == [BTC]


def test_the_mark_of_a_candle_must_tell_of_an_open_gap(truth: dict[Key, Candle], rows: dict[Key, Row]) -> None:
    still_open = gap(closed=None, how=None)
    assert [found.rule for found in judge.candles(truth, rows, [still_open])] == ["wrong mark"]
    rows[BTC] = rows[BTC]._replace(complete=False)
    assert judge.candles(truth, rows, [still_open]) == []
    assert [found.rule for found in judge.candles(truth, rows, [gap()])] == ["wrong mark"]


def test_a_gap_without_an_end_goes_on_while_it_is_open_and_is_a_moment_once_closed() -> None:
    later = (BTC.start + 5 * MINUTE, BTC.start + 6 * MINUTE)
    assert gap(to_time=None, closed=None).touches(*later)
    assert not gap(to_time=None).touches(*later)
    assert gap(to_time=None).touches(BTC.start, BTC.start + MINUTE)


def test_a_gap_is_explained_by_a_fault_of_its_symbol_within_five_seconds() -> None:
    first, last = gap().from_time, gap().to_time
    assert last is not None
    assert judge.gaps_explained([gap()], [done(first + SECOND, first + SECOND)]) == []
    assert judge.gaps_explained([gap()], [done(first - 9 * SECOND, first - 5 * SECOND)]) == []
    assert judge.gaps_explained([gap()], [done(last + 5 * SECOND, None)]) == []
    assert judge.gaps_explained([gap()], [done(first - MINUTE, None)]) == []
    assert judge.gaps_explained([gap(to_time=None, closed=None)], [done(last + MINUTE, last + MINUTE)]) == []


@pytest.mark.parametrize(
    "fault",
    [
        done(gap().from_time - 9 * SECOND, gap().from_time - 5 * SECOND - 1),
        done(gap().from_time + 7 * SECOND + 1, None),
        done(gap().from_time, None, "ETH-USDT"),
        done(gap().from_time, None, venue="binance"),
        Done("rest_429000", "kucoin", [], gap().from_time, gap().from_time + MINUTE),
        Done("reset", "kucoin", ["BTC-USDT"], None, None),
    ],
    ids=["before it", "after it", "another symbol", "the other venue", "no trades touched", "never happened"],
)
def test_a_gap_that_no_fault_explains_is_found(fault: Done) -> None:
    (found,) = judge.gaps_explained([gap()], [fault])
    assert found.rule == "unexplained gap"
    assert found.text.startswith("kucoin:BTC-USDT:1:5 (suspected, disconnected)")


def test_binance_must_end_without_an_open_gap_while_kucoin_may_say_that_one_is_open() -> None:
    open_ones = [gap(closed=None), gap(venue="binance", closed=None), gap(venue="binance")]
    (found,) = judge.open_gaps(open_ones)
    assert (found.rule, found.venue) == ("open gap", "binance")
