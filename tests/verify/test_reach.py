from market.intervals import INTERVALS
from market.settings import load
from verify.reach import DAY, first_whole, judged_from
from verify.reading import Cut

HOUR = INTERVALS["1h"]
NOW = 1_700_000_000_000_000


def test_whole_topics_lack_nothing() -> None:
    assert first_whole({}, NOW, lambda _: None) == 0


def test_cut_trades_are_whole_behind_the_newest_that_was_passed_before() -> None:
    cut = {("trades", 0): Cut(NOW - HOUR, 5), ("trades", 1): Cut(NOW - 2 * HOUR, 5), ("trades", 2): Cut(-1, 5)}
    assert first_whole(cut, NOW, lambda _: None) == NOW - HOUR + 1


def test_of_a_topic_that_lost_all_it_held_nothing_can_be_said() -> None:
    assert first_whole({("trades", 0): Cut()}, NOW, lambda _: None) == NOW + 1
    assert first_whole({("gap_marks", 0): Cut()}, NOW, lambda _: None) == NOW + 1


def test_cut_marks_concern_what_had_been_received_when_the_first_that_is_kept_was_written() -> None:
    received = {8_000_000: NOW - HOUR}
    cut = {("gap_marks", 3): Cut(None, 7_999)}
    assert first_whole(cut, NOW, received.get) == NOW - HOUR + 1
    assert first_whole(cut, NOW, lambda _: None) == 0


def test_trades_that_are_not_read_are_no_newer_than_what_was_received_by_then() -> None:
    received = {8_000_000: NOW - HOUR}
    cut = {("trades", 0): Cut(first_written=7_999), ("trades", 1): Cut(NOW - 2 * HOUR, 7_999)}
    assert first_whole(cut, NOW, received.get) == NOW - HOUR + 1
    assert first_whole(cut, NOW, lambda _: None) == NOW + 1


def test_what_backfill_may_have_written_is_not_judged() -> None:
    reach = judged_from(load(), NOW, 0)
    midnight = -(-(NOW - 72 * HOUR) // DAY) * DAY
    assert {reach[interval] for interval in INTERVALS if interval != "1s"} == {midnight}
    assert reach["1s"] == NOW - 26 * HOUR
    assert judged_from(load(), NOW, NOW - HOUR) == dict.fromkeys(INTERVALS, NOW - HOUR)


def test_what_is_not_kept_is_not_missed() -> None:
    reach = judged_from(load(postgres={"keep_5m_days": 0.5}), NOW, 0)
    assert reach["5m"] == NOW - DAY // 2
