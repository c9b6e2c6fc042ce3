"""One venue against the other: what the view says of the facts of a minute, rule by rule, and after corrections."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.postgres.candles import END, MINUTE, SECOND, START, SYMBOL, rows, set_now, upsert, write, write_gap

pytestmark = pytest.mark.stack

Side = tuple[float, float] | None
"""What a venue says of a minute: close and volume; None where it has no candle."""

HOUR = timedelta(hours=1)
STATES = "select state, quality from reconciliation where symbol = %s order by start_time"


def tell(
    connection: psycopg.Connection,
    binance: Side = None,
    kucoin: Side = None,
    start: datetime = START,
    version: int = 1,
    **given: Any,
) -> None:
    """Write the facts of a minute as the job does; its trades were all at the close, and no gap touches it."""
    row: dict[str, Any] = {"symbol": SYMBOL, "start_time": start}
    for venue, side in (("binance", binance), ("kucoin", kucoin)):
        close, volume = (None, None) if side is None else map(Decimal, map(str, side))
        row |= {
            f"{venue}_close": close,
            f"{venue}_volume": volume,
            f"{venue}_quote_volume": None if close is None or volume is None else close * volume,
            f"{venue}_trade_count": None if side is None else 1,
            f"{venue}_last_trade_time": None if side is None else start + 30 * SECOND,
            f"{venue}_origin": None if side is None else "trades",
            f"{venue}_complete": None if side is None else True,
        }
    upsert(connection, "minute_fact", "symbol start_time", row | given | {"version": version})


def apart(connection: psycopg.Connection, *basis_points: float, first: datetime = START) -> None:
    """Write minutes in which Binance is so many basis points of the mid above KuCoin, at a mid of 10,000."""
    for number, points in enumerate(basis_points):
        tell(connection, (10_000 + points / 2, 1), (10_000 - points / 2, 1), first + number * MINUTE)


def judged(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Return state and quality of all minutes, in order."""
    return rows(connection, STATES, SYMBOL)


def list_symbol(connection: psycopg.Connection, venue: str, status: str, at: datetime, symbol: str = SYMBOL) -> None:
    """Have a venue's list be read that has the symbol alone, or nothing of it where that is delisted."""
    item = {"code": symbol, "name": symbol, "symbol": symbol, "base": "TEST", "quote": "USDT", "status": status}
    listed = json.dumps([] if status == "delisted" else [item])
    upsert(connection, "instrument_list", "venue", {"venue": venue, "instruments": listed, "seen_time": at})


@pytest.fixture
def writer(writer: psycopg.Connection) -> psycopg.Connection:
    """The role of jobs and repair on a market whose now is a day later, so that all minutes of a test have closed."""
    set_now(writer, START + timedelta(days=1))
    return writer


def test_both_venues_stand_side_by_side_with_one_price_weighted_by_volume(writer: psycopg.Connection) -> None:
    tell(writer, (101, 3), (99, 1), binance_last_trade_time=END - 2 * SECOND, kucoin_last_trade_time=END - 5 * SECOND)
    query = """
        select binance_close, kucoin_close, binance_vwap, kucoin_vwap, divergence_bps, apart_bps, consolidated_price,
            volume_spread, last_trade_difference
        from reconciliation
    """
    assert rows(writer, query) == [(101, 99, 101, 99, 200, 200, Decimal("100.5"), Decimal("0.5"), 3 * SECOND)]
    tell(writer, (99, 3), (101, 1), version=2)
    assert rows(writer, "select divergence_bps, apart_bps from reconciliation") == [(-200, 200)]


def test_a_minute_is_shown_when_it_has_closed(writer: psycopg.Connection) -> None:
    now = START + timedelta(days=1)
    tell(writer, (1, 1), (1, 1), now - 65 * SECOND)
    tell(writer, (1, 1), (1, 1), now - 64 * SECOND)
    assert rows(writer, "select start_time from reconciliation") == [(now - 65 * SECOND,)]


@pytest.mark.parametrize(
    ("story", "points", "states"),
    [
        ("near", [0, 10, -24.9], "agreed agreed agreed"),
        ("beyond the threshold, either way", [50.1, -50.1], "diverged diverged"),
        ("at the threshold is not beyond it", [50], "agreed"),
        ("diverged until less than half of it", [60, 40, -30, 25, 24, 40], "diverged " * 4 + "agreed agreed"),
        ("between the two from the first", [30, 45], "agreed agreed"),
        ("between the two for longer than six hours", [60, *[30] * 361], "diverged " * 361 + "agreed"),
    ],
)
def test_a_state_lasts_until_the_venues_are_clearly_elsewhere(
    writer: psycopg.Connection, story: str, points: Sequence[float], states: str
) -> None:
    apart(writer, *points)
    assert [state for state, _ in judged(writer)] == states.split(), story


def test_the_price_of_diverged_venues_is_of_both_and_says_so(writer: psycopg.Connection) -> None:
    apart(writer, 100)
    assert judged(writer) == [("diverged", "diverged")]
    assert rows(writer, "select consolidated_price > 9999 from reconciliation") == [(True,)]


@pytest.mark.parametrize(("binance", "kucoin", "price"), [((100, 1), None, 100), (None, (90, 1), 90)])
def test_a_venue_that_is_silent_is_stale_and_left_out(
    writer: psycopg.Connection, binance: Side, kucoin: Side, price: int
) -> None:
    tell(writer, binance, kucoin)
    assert judged(writer) == [("stale", "single_venue")]
    assert rows(writer, "select consolidated_price, divergence_bps from reconciliation") == [(price, None)]
    silent = "kucoin" if kucoin is None else "binance"
    assert rows(writer, f"select {silent}_status from reconciliation") == [("quiet",)]


def test_a_venue_whose_feed_is_down_is_left_out_too(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), None)
    write_gap(writer, venue="kucoin", to_time=None)
    assert judged(writer) == [("one_sided", "single_venue")]
    assert rows(writer, "select only_venue, kucoin_status from reconciliation") == [("binance", "feed_down")]
    write_gap(writer, venue="kucoin", to_time=END, closed=END, how="nothing_missed", version=2)
    assert judged(writer) == [("stale", "single_venue")]


def test_what_a_gap_touches_is_not_compared_until_it_is_whole(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (200, 1), binance_complete=False)
    query = "select state, quality, consolidated_price, divergence_bps, binance_status from reconciliation"
    assert rows(writer, query) == [("one_sided", "single_venue", 200, None, "incomplete")]
    tell(writer, (200, 3), (200, 1), version=2)
    assert rows(writer, query) == [("agreed", "both", 200, 0, "traded")]


def test_a_side_repaired_by_the_venue_s_own_candle_counts_like_one_of_trades(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (90, 1), kucoin_complete=False)
    tell(writer, (100, 1), (100, 2), version=2, kucoin_origin="venue_candle", kucoin_trade_count=None)
    query = "select state, quality, kucoin_origin, kucoin_trade_count from reconciliation"
    assert rows(writer, query) == [("agreed", "both", "venue_candle", None)]


def test_two_incomplete_venues_give_no_price(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (100, 1), binance_complete=False, kucoin_complete=False)
    assert judged(writer) == [("down", "none")]
    assert rows(writer, "select consolidated_price from reconciliation") == [(None,)]


def test_a_frozen_venue_neither_diverges_nor_ends_a_divergence(writer: psycopg.Connection) -> None:
    apart(writer, 60)
    tell(writer, None, (500, 1), START + MINUTE)
    apart(writer, 30, first=START + 2 * MINUTE)
    apart(writer, 10, first=START + 3 * MINUTE)
    assert [state for state, _ in judged(writer)] == ["diverged", "stale", "diverged", "agreed"]


def test_a_minute_in_which_nobody_traded_is_a_row_once_somebody_trades_again(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (100, 1))
    tell(writer, (100, 1), (100, 1), START + 4 * MINUTE)
    assert judged(writer) == [("agreed", "both"), *[("idle", "none")] * 3, ("agreed", "both")]
    # It came late.
    tell(writer, (100, 1), None, START + 2 * MINUTE)
    assert judged(writer)[2] == ("stale", "single_venue")


def test_history_that_comes_after_what_is_live_has_its_idle_minutes_too(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (100, 1), START + 9 * MINUTE)
    for minute in (0, 4):
        tell(writer, (100, 1), (100, 1), START + minute * MINUTE)
    assert len(judged(writer)) == 10


def test_days_without_a_trade_are_not_filled(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), (100, 1), START - timedelta(hours=25))
    tell(writer, (100, 1), (100, 1))
    assert len(judged(writer)) == 2


def test_a_correction_that_comes_later_changes_the_minutes_that_lean_on_it(writer: psycopg.Connection) -> None:
    apart(writer, 60, 40, 40)
    assert [state for state, _ in judged(writer)] == ["diverged"] * 3
    tell(writer, (10_000, 5), (10_000, 1), START, version=2)
    assert [state for state, _ in judged(writer)] == ["agreed"] * 3
    # What is written once more by a sink that starts again is refused.
    tell(writer, (10_030, 1), (9_970, 1), START, version=1)
    assert [state for state, _ in judged(writer)] == ["agreed"] * 3


def test_the_sink_cannot_delete(writer: psycopg.Connection) -> None:
    apart(writer, 0)
    writer.execute("delete from minute_fact")
    assert len(judged(writer)) == 1


def test_thresholds_are_changed_at_run_time_from_a_time_on_and_for_a_symbol(owner: psycopg.Connection) -> None:
    set_now(owner, START + timedelta(days=1))
    apart(owner, 9, 9, 9)
    assert [state for state, _ in judged(owner)] == ["agreed"] * 3
    change = "insert into reconciliation_threshold (symbol, valid_from, diverged_bps) values (%s, %s, %s)"
    owner.execute(change, ("*", START + MINUTE, 8))
    assert [state for state, _ in judged(owner)] == ["agreed", "diverged", "diverged"]
    # An own row says nothing of the factor, so that of all symbols counts.
    owner.execute(change, (SYMBOL, START + 2 * MINUTE, 100))
    assert [state for state, _ in judged(owner)] == ["agreed", "diverged", "agreed"]
    assert rows(owner, "select threshold_bps from reconciliation order by start_time") == [(50,), (8,), (100,)]


def test_prices_apart_by_a_factor_are_two_coins_of_one_name_and_left_out(writer: psycopg.Connection) -> None:
    tell(writer, (200, 1), (100, 1))
    tell(writer, (199, 1), (100, 1), START + MINUTE)
    assert judged(writer) == [("suspected_clash", "none"), ("diverged", "diverged")]
    assert rows(writer, "select consolidated_price is null from reconciliation order by start_time") == [
        (True,),
        (False,),
    ]


def test_a_symbol_that_one_venue_does_not_list_is_one_sided(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), None)
    list_symbol(writer, "kucoin", "trading", START, "OTHER-USDT")
    assert judged(writer) == [("one_sided", "single_venue")]
    assert rows(writer, "select kucoin_status from reconciliation") == [("not_listed",)]


def test_a_halted_symbol_is_stale_and_a_delisted_one_is_over(writer: psycopg.Connection) -> None:
    tell(writer, (100, 1), None)
    status = "select state, kucoin_status from reconciliation"
    list_symbol(writer, "kucoin", "halted", START)
    assert rows(writer, status) == [("stale", "halted")]
    list_symbol(writer, "kucoin", "delisted", START + SECOND)
    assert rows(writer, status) == [("one_sided", "not_listed")]
    list_symbol(writer, "kucoin", "trading", START + 2 * SECOND)
    list_symbol(writer, "kucoin", "delisted", END)
    # In the minute itself it was still listed.
    assert rows(writer, status) == [("stale", "quiet")]


def ticker(connection: psycopg.Connection, venue: str, last: float, at: datetime, **given: Any) -> None:
    row = {"venue": venue, "symbol": SYMBOL, "last_price": last, "event_time": at, "receive_time": at}
    upsert(connection, "ticker", "venue symbol", row | given)


NOW = START + timedelta(days=1)
"""The market's now of these tests."""

LIVE = "select state, last_divergence_bps, mid_divergence_bps, binance_age, kucoin_age from reconciliation_live"


def test_the_tickers_are_set_against_each_other_as_they_come(writer: psycopg.Connection) -> None:
    ticker(writer, "binance", 101, NOW - 3 * SECOND, bid_price=100, ask_price=102)
    # A venue that tells no time has this machine's, which may be ahead.
    ticker(writer, "kucoin", 99, NOW + 9 * SECOND, bid_price=100, ask_price=102)
    assert rows(writer, LIVE) == [("agreed", 200, 0, 3 * SECOND, 0 * SECOND)]
    ticker(writer, "binance", 101, NOW - SECOND, bid_price=None, ask_price=None)
    assert rows(writer, LIVE) == [("diverged", 200, None, SECOND, 0 * SECOND)]


def test_two_coins_of_one_name_are_flagged_and_left_out_live(writer: psycopg.Connection) -> None:
    ticker(writer, "binance", 30, NOW)
    ticker(writer, "kucoin", 1, NOW)
    assert rows(writer, LIVE)[0][:3] == ("suspected_clash", None, None)


def test_a_price_that_has_frozen_is_compared_with_nothing(writer: psycopg.Connection) -> None:
    ticker(writer, "binance", 30, NOW)
    ticker(writer, "kucoin", 1, NOW - timedelta(hours=9))
    assert rows(writer, LIVE)[0][:3] == ("stale", None, None)


def test_what_has_no_price_agrees_with_nothing(writer: psycopg.Connection) -> None:
    ticker(writer, "binance", 30, NOW)
    ticker(writer, "kucoin", 30, NOW, last_price=None)
    assert rows(writer, LIVE)[0][:3] == ("unknown", None, None)


def test_live_shows_who_is_halted_and_leaves_out_what_is_over(writer: psycopg.Connection) -> None:
    ticker(writer, "binance", 1, NOW)
    ticker(writer, "kucoin", 1, NOW)
    list_symbol(writer, "binance", "trading", START)
    list_symbol(writer, "kucoin", "halted", START)
    assert rows(writer, LIVE)[0][0] == "halted"
    list_symbol(writer, "kucoin", "delisted", START + SECOND)
    assert rows(writer, LIVE) == []
    # Its code goes by another symbol now.
    list_symbol(writer, "kucoin", "trading", START + 2 * SECOND, "RENAMED-USDT")
    assert rows(writer, LIVE) == []


COMPLETENESS = """
    select minutes_expected, minutes_traded, minutes_idle, minutes_missing, minutes_repaired
    from completeness
    where venue = 'kucoin'
    order by start_time
"""


def count(connection: psycopg.Connection, start: datetime, traded: int, repaired: int = 0) -> None:
    row = {"venue": "kucoin", "symbol": SYMBOL, "start_time": start, "minutes_traded": traded}
    upsert(connection, "hour_fact", "venue symbol start_time", row | {"minutes_repaired": repaired})


def test_every_hour_tells_how_complete_it_was_also_one_without_anything(writer: psycopg.Connection) -> None:
    hour = START.replace(minute=0) + timedelta(hours=21)
    set_now(writer, hour + 3 * HOUR + 10 * MINUTE)
    count(writer, hour, 60)
    count(writer, hour + 2 * HOUR, 50, 7)
    count(writer, hour + 3 * HOUR, 11)
    assert rows(writer, COMPLETENESS) == [(60, 60, 0, 0, 0), (60, 0, 60, 0, 0), (60, 50, 10, 0, 7), (11, 11, 0, 0, 0)]
    write_gap(writer, venue="kucoin", from_time=hour + 90 * MINUTE, to_time=hour + 125 * MINUTE)
    # Of the six minutes of the third hour that it touches, two have a candle.
    for minute in (120, 125):
        write(writer, venue="kucoin", start_time=hour + minute * MINUTE)
    assert rows(writer, COMPLETENESS)[1:3] == [(60, 0, 30, 30, 0), (60, 50, 6, 4, 7)]


def test_a_gap_without_an_end_reaches_until_now(writer: psycopg.Connection) -> None:
    hour = NOW.replace(minute=0)
    set_now(writer, hour + 30 * MINUTE)
    count(writer, hour, 10)
    write_gap(writer, venue="kucoin", from_time=hour + 10 * MINUTE, to_time=None)
    assert rows(writer, COMPLETENESS) == [(31, 10, 1, 20, 0)]


def test_counts_never_shrink(writer: psycopg.Connection) -> None:
    count(writer, START.replace(minute=0), 60, 3)
    count(writer, START.replace(minute=0), 5)
    assert rows(writer, "select minutes_traded, minutes_repaired from hour_fact") == [(60, 3)]


def test_history_that_is_written_past_the_job_is_reconciled_anew(writer: psycopg.Connection) -> None:
    write(writer, close=100)
    write(writer, venue="kucoin", close=100, start_time=START)
    write(writer, venue="kucoin", close=90, start_time=START + 2 * MINUTE, origin="venue_candle")
    assert rows(writer, "select recompute_reconciliation(%s, %s, %s)", SYMBOL, START, END + 9 * MINUTE) == [(2,)]
    assert judged(writer) == [("agreed", "both"), ("idle", "none"), ("stale", "single_venue")]
    counted = "select venue, minutes_traded, minutes_repaired from hour_fact order by venue"
    assert rows(writer, counted) == [("binance", 1, 0), ("kucoin", 2, 1)]
    # What was written past the job stays while the job writes the other side.
    tell(writer, None, (80, 1), START + 2 * MINUTE, version=7)
    tell(writer, (80, 1), None, START + 2 * MINUTE, version=8)
    assert judged(writer)[2] == ("agreed", "both")
    # A repaired row that the job had written stands, too.
    tell(writer, (100, 1), (50, 1), version=9)
    rows(writer, "select recompute_reconciliation(%s, %s, %s)", SYMBOL, START, END)
    assert judged(writer)[0] == ("agreed", "both")


def test_facts_are_kept_as_long_as_minutes(owner: psycopg.Connection) -> None:
    set_now(owner, START + timedelta(days=1))
    apart(owner, 0, first=START - timedelta(days=30))
    apart(owner, 0)
    count(owner, START.replace(minute=0) - timedelta(days=30), 1)
    owner.execute("select forget_reconciliation(2)")
    assert rows(owner, "select count(*) from minute_fact") == [(1,)]
    assert rows(owner, "select count(*) from hour_fact") == [(0,)]
