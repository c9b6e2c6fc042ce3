"""Candles without holes, against a model that walks through the buckets one by one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.postgres.candles import END, MINUTE, SECOND, SPANS, START, SYMBOL, VENUE, rows, set_now, write, write_gap

pytestmark = pytest.mark.stack

COLUMNS = "start_time, open::int, high::int, low::int, close::int, base_volume::int, trade_count, complete, reason"
MIDNIGHT = START.replace(hour=0, minute=0)


def candle_range(
    connection: psycopg.Connection, start: datetime, end: datetime, interval: str = "1m"
) -> list[tuple[Any, ...]]:
    query = f"select {COLUMNS} from candle_range(%s, %s, %s, %s, %s)"
    return rows(connection, query, VENUE, SYMBOL, interval, start, end)


def candle_filled(connection: psycopg.Connection, interval: str = "1m") -> list[tuple[Any, ...]]:
    query = f'select {COLUMNS} from candle_filled where symbol = %s and "interval" = %s order by start_time'
    return rows(connection, query, SYMBOL, interval)


def real(start: datetime, close: int) -> tuple[Any, ...]:
    return (start, close, close, close, close, 1, 1, True, None)


def idle(start: datetime, close: int, reason: str = "quiet", complete: bool = True) -> tuple[Any, ...]:
    return (start, close, close, close, close, 0, 0, complete, reason)


def test_an_idle_minute_is_flat_at_the_close_before_it(owner: psycopg.Connection) -> None:
    write(owner, close=3)
    write(owner, start_time=START + 2 * MINUTE, close=5)
    set_now(owner, START + 3 * MINUTE)
    assert candle_range(owner, START, START + 10 * MINUTE) == [
        real(START, 3),
        idle(START + MINUTE, 3),
        real(START + 2 * MINUTE, 5),
        idle(START + 3 * MINUTE, 5),
    ]


def test_the_close_from_before_the_range_is_looked_up(owner: psycopg.Connection) -> None:
    write(owner, start_time=START - timedelta(days=90), close=3)
    set_now(owner, END)
    assert candle_range(owner, START, END) == [idle(START, 3)]


def test_before_a_symbols_first_candle_there_is_nothing(owner: psycopg.Connection) -> None:
    write(owner)
    set_now(owner, START)
    assert candle_range(owner, START - 5 * MINUTE, END) == [real(START, 7)]


def test_where_now_is_not_known_there_are_only_candles(owner: psycopg.Connection) -> None:
    write(owner)
    assert candle_range(owner, START, START + 5 * MINUTE) == [real(START, 7)]
    assert candle_filled(owner) == [real(START, 7)]


def test_while_the_feed_is_down_idle_minutes_say_so_up_to_now(owner: psycopg.Connection) -> None:
    write(owner)
    write_gap(owner, from_time=START + 2 * MINUTE, to_time=None)
    set_now(owner, START + 3 * MINUTE)
    assert candle_range(owner, START, START + 10 * MINUTE) == [
        real(START, 7),
        idle(START + MINUTE, 7),
        idle(START + 2 * MINUTE, 7, "feed_down", complete=False),
        idle(START + 3 * MINUTE, 7, "feed_down", complete=False),
    ]


def test_a_closed_gap_still_tells_why_nothing_came(owner: psycopg.Connection) -> None:
    write(owner)
    write_gap(owner, from_time=END, to_time=END + SECOND, closed=END)
    set_now(owner, END)
    assert candle_range(owner, END, END + MINUTE) == [idle(END, 7, "feed_down")]


def test_a_gap_of_another_symbol_or_venue_is_none_here(owner: psycopg.Connection) -> None:
    write(owner)
    write_gap(owner, gap_id="symbol", symbol="OTHER-USDT", to_time=None)
    write_gap(owner, gap_id="venue", venue="kucoin", to_time=None)
    set_now(owner, END)
    assert candle_range(owner, END, END + MINUTE) == [idle(END, 7)]


@pytest.mark.parametrize("interval", SPANS)
def test_every_interval_is_filled_on_its_own_buckets(owner: psycopg.Connection, interval: str) -> None:
    span = SPANS[interval]
    starts = [MIDNIGHT + number * span for number in range(4)]
    write(owner, "1d", start_time=MIDNIGHT)
    write(owner, interval, start_time=starts[0])
    set_now(owner, starts[3])
    expected = [real(starts[0], 7), *(idle(start, 7) for start in starts[1:])]
    assert candle_range(owner, MIDNIGHT - SECOND, starts[3] + span, interval) == expected
    assert candle_filled(owner, interval) == expected
    # A range that begins within a bucket begins with the next one, whatever zone the session is in.
    owner.execute("set local timezone to 'Asia/Kathmandu'")
    found = candle_range(owner, starts[1] + timedelta(microseconds=1), starts[3] + span, interval)
    assert found == expected[2:]


def test_what_was_traded_has_a_volume_weighted_price(owner: psycopg.Connection) -> None:
    write(owner, base_volume="3", quote_volume="10")
    set_now(owner, END)
    found = rows(owner, "select vwap from candle_range(%s, %s, '1m', %s, %s)", VENUE, SYMBOL, START, END + MINUTE)
    assert [value and round(value, 6) for (value,) in found] == [Decimal("3.333333"), None]
    assert rows(owner, "select round(c.vwap, 6) from candle_1m as c where c.symbol = %s", SYMBOL) == [
        (Decimal("3.333333"),)
    ]


def test_a_range_reads_its_own_interval_by_index(owner: psycopg.Connection) -> None:
    owner.execute("set local enable_seqscan = off")
    asked = "explain select * from candle_range(%s, %s, '1h', %s, %s)"
    plan = "\n".join(line for (line,) in rows(owner, asked, VENUE, SYMBOL, START, END))
    assert "Index Cond" in plan
    assert not [name for name in ("1m", "5m", "15m", "4h", "1d") if f"candle_{name}_" in plan]


@dataclass(frozen=True)
class Hole:
    """A gap: where it begins, how long it is (None: it has no end yet), in seconds, and whether it is open."""

    begin: int
    length: int | None
    open: bool

    def touches(self, start: int, end: int) -> bool:
        """Tell whether it touches the seconds from `start` to before `end`."""
        if self.length is None and self.open:
            return self.begin < end
        return self.begin < end and self.begin + (self.length or 0) >= start


def model(closes: dict[int, int], holes: list[Hole], now: int, begin: int, end: int) -> list[tuple[Any, ...]]:
    """The 1-minute candles from `begin` to before `end`, in seconds after START; `closes` are by minute."""
    expected = []
    last = None
    for minute in range(min(closes), 60):
        start = minute * 60
        last = closes.get(minute, last)
        assert last is not None
        if not begin <= start < end:
            continue
        if minute in closes:
            expected.append(real(START + start * SECOND, last))
        elif start <= now:
            touching = [hole for hole in holes if hole.touches(start, start + 60)]
            reason = "feed_down" if touching else "quiet"
            expected.append(idle(START + start * SECOND, last, reason, not any(hole.open for hole in touching)))
    return expected


seconds = st.integers(-120, 3600)
ranges = st.tuples(seconds, seconds)
histories = st.dictionaries(st.integers(0, 50), st.integers(1, 9), min_size=1, max_size=12)
gaps = st.lists(st.builds(Hole, st.integers(0, 3500), st.none() | st.integers(0, 900), st.booleans()), max_size=4)


@given(closes=histories, holes=gaps, ahead=st.integers(0, 600), asked=ranges)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_is_filled_as_by_hand(
    owner: psycopg.Connection, closes: dict[int, int], holes: list[Hole], ahead: int, asked: tuple[int, int]
) -> None:
    begin, end = asked
    now = max(closes) * 60 + ahead
    with owner.transaction(force_rollback=True):
        set_now(owner, START + now * SECOND)
        write(owner, "1d", start_time=MIDNIGHT)
        for minute, close in closes.items():
            write(owner, start_time=START + minute * MINUTE, close=close)
        for number, hole in enumerate(holes):
            write_gap(
                owner,
                gap_id=str(number),
                from_time=START + hole.begin * SECOND,
                to_time=None if hole.length is None else START + (hole.begin + hole.length) * SECOND,
                closed=None if hole.open else END,
            )
        found = candle_range(owner, START + begin * SECOND, START + end * SECOND)
        assert found == model(closes, holes, now, begin, end)
        assert candle_filled(owner) == model(closes, holes, now, 0, 3600)
