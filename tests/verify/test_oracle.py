"""The oracle against a maker of candles that is too simple to be wrong."""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal, localcontext
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.decimals import plain, product
from market.intervals import INTERVALS
from market.records import GapMark, Side, Trade, Venue, VenueCandle, encode
from market.topics import GAP_MARKS, TRADES, VENUE_CANDLES
from tests.verify.naive import MINUTE, Candle, Key, Passed, candles
from verify.oracle import SETTLING, Differing, Oracle
from verify.reach import DAY
from verify.reading import CannotCheck

START = 1_700_000_000_000_000 // DAY * DAY
SPAN = 3 * INTERVALS["1h"]
VENUES: tuple[Venue, ...] = ("binance", "kucoin")
SIDES: tuple[Side, ...] = ("buy", "sell")
SYMBOLS = ("BTC-USDT", "SHIB-USDT")

# Each example makes a database.
few = settings(max_examples=30)

numbers = st.decimals("0.000000000000000001", "99999999", allow_nan=False, allow_infinity=False, places=9).filter(
    lambda number: number > 0
)
# Few minutes, so that records meet in them, all over the intervals.
times = st.builds(
    lambda minute, inside: START + minute * MINUTE + inside,
    st.sampled_from((0, 1, 4, 5, 14, 15, 59, 60, 61, 120)),
    st.one_of(st.integers(0, MINUTE - 1), st.sampled_from((0, 999_999, 1_000_000, MINUTE - 1))),
)
minutes = times.map(lambda time: time // MINUTE * MINUTE)


@st.composite
def clean_streams(draw: st.DrawFn) -> list[Passed]:
    """Trades of both venues as `trades` holds them: each id once."""
    found = []
    following = dict.fromkeys(((venue, symbol) for venue in VENUES for symbol in SYMBOLS), 1)
    for _ in range(draw(st.integers(0, 40))):
        venue, symbol = draw(st.sampled_from(VENUES)), draw(st.sampled_from(SYMBOLS))
        first = following[venue, symbol]
        last = first + (draw(st.integers(0, 5)) if venue == "binance" else 0)
        following[venue, symbol] = last + draw(st.integers(1, 3))
        price, size, time = draw(numbers), draw(numbers), draw(times)
        quote = product(Decimal(round(price, 9)), Decimal(round(size, 9)))
        side = draw(st.sampled_from(SIDES))
        trade = Trade(
            venue, symbol, str(last), first, last, last, plain(price), plain(size), plain(quote), side, time, time
        )
        found.append(Passed(trade, draw(st.sampled_from((0, 0, 1_500_000, 7_200_000_000)))))
    return draw(st.permutations(found))


marks = st.builds(
    lambda venue, symbol, seconds, time, change, later: GapMark(
        venue, symbol, seconds, time // (seconds * 1_000_000) * seconds * 1_000_000, change, time + later
    ),
    st.sampled_from(VENUES),
    st.sampled_from(SYMBOLS),
    st.sampled_from([length // 1_000_000 for length in INTERVALS.values()]),
    times,
    st.sampled_from((1, -1)),
    st.integers(0, 10_000_000_000),
)


@st.composite
def venue_candle_lists(draw: st.DrawFn) -> list[VenueCandle]:
    """Candles of the venues, no two fetched at one time."""
    found = []
    for fetched in draw(st.lists(st.integers(START + DAY, START + 2 * DAY), unique=True, max_size=8)):
        told = draw(st.booleans())
        found.append(
            VenueCandle(
                draw(st.sampled_from(VENUES)),
                draw(st.sampled_from(SYMBOLS)),
                draw(minutes),
                open=plain(draw(numbers)),
                high=plain(draw(numbers)),
                low=plain(draw(numbers)),
                close=plain(draw(numbers)),
                base_volume=plain(draw(numbers)),
                quote_volume=plain(draw(numbers)),
                taker_buy_base_volume=plain(draw(numbers)) if told else None,
                trade_count=draw(st.integers(1, 1000)) if told else None,
                first_id=1 if told else None,
                last_id=9 if told else None,
                supersedes=draw(st.booleans()),
                known_time=draw(times),
                fetched_time=fetched,
            )
        )
    return found


@contextmanager
def oracle(
    trades: Sequence[Passed], marks: Sequence[GapMark] = (), told: Sequence[VenueCandle] = ()
) -> Iterator[tuple[Oracle, Path]]:
    """Yield an oracle that has read these records, and its folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = Oracle(folder)
        try:
            for topic, lines in (
                (TRADES, [passed.line() for passed in trades]),
                (GAP_MARKS, [encode(mark) for mark in marks]),
                (VENUE_CANDLES, [encode(candle) for candle in told]),
            ):
                path = folder / "lines"
                path.write_bytes(b"\n".join(lines))
                made.load(topic, path)
            yield made, folder
        finally:
            made.close()


def found(folder: Path, rows: dict[Key, Candle]) -> Path:
    """Write the rows as Postgres gives them."""
    path = folder / "found.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows((*key, *candle.texts().values()) for key, candle in rows.items())
    return path


def differing(
    made: Oracle, folder: Path, rows: dict[Key, Candle], now: int, until: int | None = None
) -> set[tuple[Key, str]]:
    """Return keys and columns in which the rows, of those that ended by `until`, are not what the oracle expects."""
    until = now if until is None else until
    made.newest()
    made.recompute(dict.fromkeys(INTERVALS, 0), now, until)
    made.forget_found()
    made.load_found(found(folder, rows), now, until)
    made.compare(again=False)
    return {
        ((item.venue, item.symbol, item.interval, item.start_time), item.column) for item in made.differences(1_000_000)
    }


@few
@given(clean_streams(), st.lists(marks, max_size=10), venue_candle_lists())
def test_candles_are_those_that_a_simple_maker_makes(
    trades: list[Passed], marks: list[GapMark], told: list[VenueCandle]
) -> None:
    with oracle(trades, marks, told) as (made, folder):
        assert made.drop_doubles() == 0
        rows = candles(trades, marks, told)
        assert differing(made, folder, rows, START + 2 * DAY) == set()
        counts = made.counts()
        assert sum(item.compared for item in counts.values()) == len(rows)
        assert sum(item.incomplete for item in counts.values()) == sum(not row.complete for row in rows.values())


def changed(value: bool | str | int | Decimal) -> bool | str | int | Decimal:
    """Return the least change of a value."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return "venue_candle"
    return value + (1 if isinstance(value, int) else Decimal("1E-18"))


@few
@given(clean_streams().filter(bool), st.data())
def test_every_changed_value_is_found_and_nothing_else(trades: list[Passed], data: st.DataObject) -> None:
    with oracle(trades) as (made, folder):
        rows = candles(trades)
        key = data.draw(st.sampled_from(sorted(rows)))
        column = data.draw(st.sampled_from(Candle.__struct_fields__))
        value = getattr(rows[key], column)
        with localcontext(Context(prec=100)):
            wrong = changed(value)
        rows[key] = msgspec.structs.replace(rows[key], **{column: wrong})
        assert differing(made, folder, rows, START + 2 * DAY) == {(key, column)}


@few
@given(clean_streams().filter(bool), st.data())
def test_rows_missing_and_too_many_are_found(trades: list[Passed], data: st.DataObject) -> None:
    with oracle(trades) as (made, folder):
        rows = candles(trades)
        gone = data.draw(st.sampled_from(sorted(rows)))
        candle = rows.pop(gone)
        more = ("binance", "NOBODY-USDT", "1h", START)
        rows[more] = candle
        assert differing(made, folder, rows, START + 2 * DAY) == {(gone, "row"), (more, "row")}


@few
@given(clean_streams().filter(bool), st.data())
def test_trades_that_stand_twice_are_told_and_counted_once(trades: list[Passed], data: st.DataObject) -> None:
    twice = data.draw(st.lists(st.sampled_from(trades), min_size=1, max_size=3))
    with oracle([*trades, *twice]) as (made, folder):
        assert made.drop_doubles() == len(twice)
        assert differing(made, folder, candles(trades), START + 2 * DAY) == set()


def passed(symbol: str, time: int, number: int = 1, price: str = "2", size: str = "3") -> Passed:
    quote = plain(product(Decimal(price), Decimal(size)))
    return Passed(Trade("binance", symbol, "1", number, number, number, price, size, quote, "buy", time, time))


def test_a_candle_is_judged_once_its_symbol_or_the_market_is_past_its_end() -> None:
    end = START + MINUTE
    trades = [passed("A-USDT", START), passed("A-USDT", end, 2), passed("B-USDT", START)]
    with oracle(trades) as (made, folder):
        rows = candles(trades)
        missing = {key[:3] for key, _ in differing(made, folder, {}, end)}
        assert missing == {("binance", "A-USDT", "1s"), ("binance", "A-USDT", "1m"), ("binance", "B-USDT", "1s")}
        assert differing(made, folder, rows, end) == set()
        assert ("binance", "B-USDT", "1m") in {key[:3] for key, _ in differing(made, folder, {}, end + SETTLING)}


def test_a_candle_that_differs_only_at_one_look_is_no_difference() -> None:
    trades = [passed("A-USDT", START), passed("A-USDT", START + 1_000_000, 2)]
    rows = {key: candle for key, candle in candles(trades).items() if key[2] == "1s" and key[3] == START}
    with oracle(trades) as (made, folder):
        assert differing(made, folder, {}, START + 1_000_000)
        made.load_found(found(folder, rows), START + 1_000_000, START + 1_000_000)
        assert made.compare(again=True) == Differing(0, None, None)
        assert made.differences(10) == []


def test_it_is_told_what_was_written_since_the_last_look() -> None:
    trades = [passed("A-USDT", START), passed("A-USDT", START + 1_000_000, 2), passed("A-USDT", START + 2_000_000, 3)]
    first, second = (
        {key: candle for key, candle in candles(trades).items() if key[2:] == ("1s", START + number * 1_000_000)}
        for number in range(2)
    )
    now = START + 2_000_000

    def wrong(high: str) -> dict[Key, Candle]:
        return {key: msgspec.structs.replace(candle, high=Decimal(high)) for key, candle in first.items()}

    with oracle(trades) as (made, folder):
        assert len({key for key, _ in differing(made, folder, wrong("77"), now)}) == 2
        for rows, moved in (
            (wrong("78"), 1),
            (wrong("78"), 0),
            (wrong("78") | second, 0),
            (wrong("79"), 1),
            ({}, 1),
            ({}, 0),
        ):
            made.forget_found()
            made.load_found(found(folder, rows), now, now)
            assert made.compare(again=True).moved == moved


def test_a_candle_that_has_not_settled_is_not_judged() -> None:
    trades = [passed("A-USDT", START + second * 1_000_000, second) for second in range(0, 180, 30)]
    with oracle(trades) as (made, folder):
        settled = START + 2 * MINUTE
        missing = {key for key, _ in differing(made, folder, {}, START + DAY, settled)}
        assert {key[3] for key in missing if key[2] == "1m"} == {START, START + MINUTE}
        assert all(key[3] + INTERVALS[key[2]] <= settled for key in missing)
        rows = {key: candle for key, candle in candles(trades).items() if key in missing}
        assert differing(made, folder, candles(trades), START + DAY, settled) == set()
        assert differing(made, folder, rows, START + DAY, settled) == set()


def test_the_stretch_that_differs_is_told() -> None:
    hours = [START + hour * INTERVALS["1h"] for hour in range(4)]
    trades = [passed("A-USDT", hour, number) for number, hour in enumerate(hours)]
    rows = {key: candle for key, candle in candles(trades).items() if key[2] != "1m" or key[3] not in hours[1:3]}
    with oracle(trades) as (made, folder):
        assert differing(made, folder, rows, START + 2 * DAY)
        assert made.compare(again=False) == Differing(2, hours[1], hours[2] + MINUTE)


def test_a_sample_is_of_settled_minutes_of_each_venue_that_no_gap_touches() -> None:
    trades = [
        Passed(msgspec.structs.replace(passed("A-USDT", START + minute * MINUTE, minute).trade, venue=venue))
        for venue in VENUES
        for minute in range(5)
    ]
    gap = GapMark("kucoin", "A-USDT", 60, START + MINUTE, 1, START + 2 * MINUTE)
    with oracle(trades, [gap]) as (made, folder):
        assert differing(made, folder, candles(trades, [gap]), START + DAY) == set()
        until = START + 3 * MINUTE
        drawn = {(item.venue, item.start_time) for item in made.sample(9, until)}
        whole = {(venue, START + minute * MINUTE) for venue in VENUES for minute in range(4)}
        assert drawn == whole - {("kucoin", START + MINUTE)}
        assert [item.venue for item in made.sample(2, until)] == ["binance", "binance", "kucoin", "kucoin"]


def test_a_sum_that_does_not_fit_is_an_error_and_not_another_number() -> None:
    much = "9" * 20
    trades = [passed("A-USDT", START, number, "1", much) for number in (1, 2)]
    with oracle(trades) as (made, folder), pytest.raises(CannotCheck, match="DuckDB"):
        differing(made, folder, {}, START + DAY)


def test_records_that_make_no_sense_are_an_error() -> None:
    with oracle([]) as (made, folder):
        path = folder / "lines"
        path.write_bytes(b'{"venue": "binance"}')
        with pytest.raises(CannotCheck, match="load_trades"):
            made.load(TRADES, path)
