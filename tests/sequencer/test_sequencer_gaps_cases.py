"""The ledger of gaps, a case at a time."""

import msgspec

from market.intervals import INTERVALS
from market.records import VENUES, Lost, Regained, Settled, Suspect
from sequencer.core import Verdict
from sequencer.state import State
from tests.sequencer.ledgers import (
    COARSE,
    HORIZON,
    HOUR,
    MINUTE,
    SECOND,
    SHORT,
    START,
    Sequenced,
    standing,
    trade,
)

DAY = 24 * HOUR


def test_the_first_trade_ever_opens_no_gap_and_older_ones_beside_it_none_either() -> None:
    sequenced = Sequenced()
    for number in (1_000, 998, 1_001, 997):
        assert sequenced.take(trade(number, number - 990)) is Verdict.PASSED
    sequenced.wait()
    assert sequenced.written == []


def test_ids_that_come_in_time_in_another_order_are_no_gap() -> None:
    sequenced = Sequenced()
    for number in (1, 3, 5, 4, 2, 6):
        sequenced.take(trade(number, number))
    sequenced.wait()
    assert sequenced.written == []


def test_a_gap_of_a_million_ids_is_one_gap_and_each_end_may_fill() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1))
    sequenced.take(trade(1_000_000_000, 2))
    sequenced.take(trade(2, 1.5, 10))
    sequenced.take(trade(500, 1.7, 509))
    sequenced.wait()
    assert list(sequenced.gaps()) == ["binance:A-USDT:11-499", "binance:A-USDT:510-999999999"]
    sequenced.take(trade(11, 1.5, 499, origin="repair"))
    assert sequenced.gaps()["binance:A-USDT:11-499"].how == "repair"
    sequenced.take(trade(510, 1.5, 999_999_998, origin="repair"))
    assert sequenced.gaps()["binance:A-USDT:510-999999999"].closed is None
    sequenced.take(trade(999_999_999, 1.9))
    assert sequenced.gaps()["binance:A-USDT:510-999999999"].how == "stream"
    assert sequenced.sums() == {}


def test_what_an_aggregate_holds_beside_seen_ids_stays_missing_until_its_single_trades_come() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1, 5))
    assert sequenced.take(trade(4, 2, 8)) is Verdict.PARTLY
    sequenced.take(trade(9, 3))
    sequenced.wait()
    assert (sequenced.only().first_id, sequenced.only().last_id) == (6, 8)
    assert sequenced.take(trade(4, 2, 8, origin="repair")) is Verdict.PARTLY
    assert [sequenced.take(trade(number, 2, origin="repair")) for number in range(4, 9)] == [
        *[Verdict.DOUBLE] * 2,
        *[Verdict.PASSED] * 3,
    ]
    assert sequenced.only().how == "repair"
    assert sequenced.sums() == {}


def test_a_lost_binance_feed_missed_nothing_where_the_next_id_follows() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1))
    sequenced.mark(Lost("binance", "A-USDT", "1", START + 3 * SECOND, "reset"))
    assert sequenced.only().first_id == 2
    sequenced.take(trade(2, 2))  # this one was on its way
    assert sequenced.only().closed is None
    sequenced.take(trade(3, 70))
    assert sequenced.only().how == "nothing_missed"
    assert sequenced.sums() == {}
    sequenced.mark(Regained("binance", "A-USDT", "1", START + 71 * SECOND, "reconnect"))
    assert sequenced.only().version == 2


def test_a_lost_binance_feed_takes_the_ids_of_the_hole_that_follows() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1))
    sequenced.mark(Lost("binance", "A-USDT", "1", START + 3 * SECOND, "reset"))
    sequenced.mark(Lost("binance", "A-USDT", "2", START + 4 * SECOND, "reset"))
    sequenced.mark(Regained("binance", "A-USDT", "1", START + 64 * SECOND, "reconnect"))
    sequenced.take(trade(10, 65))
    sequenced.wait()
    first = sequenced.gaps()[f"binance:A-USDT:1:{START + 3 * SECOND}"]
    assert (first.kind, first.first_id, first.last_id) == ("missed", 2, 9)
    assert (first.from_time, first.to_time) == (START + SECOND, START + 65 * SECOND)
    sequenced.take(trade(11, 66))
    assert sequenced.gaps()[f"binance:A-USDT:2:{START + 4 * SECOND}"].how == "nothing_missed"
    sequenced.take(trade(2, 40, 9, origin="repair"))
    assert sequenced.sums() == {}
    assert len(sequenced.gaps()) == 2


def test_ids_alone_close_what_ids_have_proved_unless_the_venue_has_none() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1))
    sequenced.take(trade(3, 3))
    sequenced.wait()
    gap_id = sequenced.only().gap_id
    for how in ("nothing_missed", "repair", "stream"):
        sequenced.mark(Settled("binance", "A-USDT", gap_id, how))
        assert sequenced.only().closed is None
    sequenced.mark(Settled("binance", "A-USDT", gap_id, "not_at_venue"))
    assert sequenced.only().how == "not_at_venue"
    assert {seconds for seconds, _ in sequenced.sums()} == {1}
    sequenced.take(trade(2, 2, origin="repair"))
    sequenced.crash()
    sequenced.wait()
    assert sequenced.only().version == 2


def test_a_minute_that_differs_from_the_venues_is_not_closed_by_ids() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 1))
    sequenced.mark(Suspect("binance", "A-USDT", START, START + MINUTE - 1, "candle_mismatch"))
    sequenced.take(trade(2, 200))
    assert sequenced.only().closed is None
    assert sequenced.only().first_id is None
    sequenced.mark(Suspect("binance", "A-USDT", START, START + MINUTE - 1, "candle_mismatch"))
    assert sequenced.only().version == 1
    sequenced.mark(Settled("binance", "A-USDT", sequenced.only().gap_id, "venue_candle"))
    sequenced.mark(Suspect("binance", "A-USDT", START, START + MINUTE - 1, "candle_mismatch"))
    assert len(sequenced.gaps()) == 2, "a second check may find the same minute wrong again"


def test_a_late_binance_trade_is_missed_by_its_ids_until_repair_brings_it() -> None:
    sequenced = Sequenced(SHORT)
    sequenced.take(trade(10, 0))
    sequenced.take(trade(11, 100))
    for _ in range(2):
        assert sequenced.take(trade(8, -5, 9)) is Verdict.LATE
    gap = sequenced.only()
    assert (gap.gap_id, gap.kind, gap.reason) == ("binance:A-USDT:late:8-9", "missed", "late")
    late = START - 5 * SECOND
    assert sequenced.sums() == {(length // SECOND, late - late % length): 1 for length in INTERVALS.values()}
    sequenced.take(trade(8, -5, 9, origin="repair"))
    assert sequenced.only().how == "repair"
    assert sequenced.take(trade(8, -5, 9)) is Verdict.DOUBLE
    assert sequenced.sums() == {}


def test_a_late_trade_of_ids_that_are_known_to_be_missing_opens_no_second_gap() -> None:
    sequenced = Sequenced(SHORT)
    sequenced.take(trade(1, 1))
    sequenced.take(trade(5, 2))
    sequenced.take(trade(6, 100))
    assert sequenced.take(trade(3, 1.5)) is Verdict.LATE
    sequenced.wait()
    assert sequenced.take(trade(3, 1.5)) is Verdict.LATE
    assert sequenced.only().gap_id == "binance:A-USDT:2-4"


def test_late_kucoin_trades_are_one_gap_a_minute_which_grows() -> None:
    sequenced = Sequenced(SHORT)
    sequenced.take(trade(100, 200, venue="kucoin"))
    for second in (30, 10, 20, 40, 10):
        assert sequenced.take(trade(second, second, venue="kucoin")) is Verdict.LATE
    gap = sequenced.only()
    assert (gap.gap_id, gap.kind) == (f"kucoin:A-USDT:late:{START}", "suspected")
    assert (gap.from_time, gap.to_time) == (START + 10 * SECOND, START + 40 * SECOND)
    assert sequenced.sums() == standing(sequenced.gaps())
    sequenced.mark(Settled("kucoin", "A-USDT", gap.gap_id, "venue_candle"))
    sequenced.take(trade(50, 50, venue="kucoin"))
    assert sequenced.only().closed is not None


def test_a_gap_of_days_marks_its_last_three_and_half_an_hour_of_seconds_at_each_end() -> None:
    sequenced = Sequenced()
    sequenced.take(trade(1, 0, venue="kucoin"))
    whole = 10 * DAY
    sequenced.mark(Lost("kucoin", "A-USDT", "1", START, "reset"))
    assert sequenced.sums() == {(length // SECOND, START - START % length): 1 for length in INTERVALS.values()}
    sequenced.mark(Regained("kucoin", "A-USDT", "1", START + whole, "reconnect"))
    sums = sequenced.sums()
    assert set(sums.values()) == {1}
    minutes = sorted(start for seconds, start in sums if seconds == 60)
    assert minutes == list(range(START + whole - HORIZON + MINUTE, START + whole + 1, MINUTE))
    days = sorted(start for seconds, start in sums if seconds == 86_400)
    assert days == list(range(minutes[0] // DAY * DAY, START + whole + 1, DAY))
    assert sum(seconds == 1 for seconds, _ in sums) == 3_600
    sequenced.mark(Settled("kucoin", "A-USDT", sequenced.only().gap_id, "confirmed"))
    assert sequenced.sums() == {}


def test_a_symbol_that_is_followed_for_the_first_time_starts_with_the_rest_of_its_minute() -> None:
    started = {(length // SECOND, START - START % length): 1 for length in COARSE}
    for venue in VENUES:
        mark = Regained(venue, "A-USDT", "1", START + 30 * SECOND, "start")
        first = trade(7, 29.9, venue=venue)
        early, late = Sequenced(), Sequenced()
        early.mark(mark)
        early.take(first)
        late.take(first)
        late.mark(mark)
        for sequenced in (early, late):
            gap = sequenced.only()
            assert (gap.kind, gap.from_time, gap.to_time) == ("start", START, START + 30 * SECOND)
            assert sequenced.sums() == started
            assert sequenced.events() == []
        late.mark(Regained(venue, "A-USDT", "2", START + 40 * SECOND, "start"))
        assert late.only().to_time == START + 40 * SECOND
        assert late.sums() == started


def test_of_a_symbol_that_never_came_nothing_was_lost() -> None:
    sequenced = Sequenced()
    sequenced.mark(Lost("kucoin", "A-USDT", "1", START, "reset"))
    sequenced.mark(Settled("kucoin", "A-USDT", "kucoin:A-USDT:start", "confirmed"))
    assert sequenced.written == []


def test_that_a_process_is_back_is_one_fact_also_where_it_is_told_twice_while_another_has_just_begun() -> None:
    sequenced = Sequenced()
    sequenced.mark(Regained("kucoin", "A-USDT", "1", START, "start"))
    sequenced.mark(Lost("kucoin", "A-USDT", "2", START - MINUTE, "reset"))
    back = Regained("kucoin", "A-USDT", "2", START + SECOND, "start")
    sequenced.mark(back)
    before = list(sequenced.written)
    sequenced.mark(back, again=True)
    assert sequenced.written == before


def test_a_restart_after_days_is_known_to_have_missed_them_though_nothing_of_them_is_remembered() -> None:
    """The old trade is in no tail any more, and the first new one comes before the mark that tells of it."""
    sequenced = Sequenced()
    sequenced.take(trade(1, 0, venue="kucoin"))
    sequenced.write_down()
    sequenced.crash(tail=1)
    sequenced.take(trade(9, 200_000, venue="kucoin"))
    sequenced.write_down()
    sequenced.crash(tail=2)
    sequenced.mark(Regained("kucoin", "A-USDT", "1", START + 200_000 * SECOND, "start"))
    gap = sequenced.only()
    assert (gap.reason, gap.from_time, gap.to_time) == ("start", START, START + 200_000 * SECOND)


def test_what_is_written_down_can_be_read() -> None:
    sequenced = Sequenced()
    for number in (1, 2, 5):
        sequenced.take(trade(number, number))
    (state,) = sequenced.judge.states()
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
    assert (state.runs, [(hole.first, hole.last) for hole in state.holes]) == ([(1, 2), (5, 5)], [(3, 4)])
