"""The past over REST, held against the trades themselves, one by one."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.records import Venue
from replay.events import fixed
from replay.history import COUNT, History
from replay.intervals import Interval, candles
from replay.limits import BinanceRules, KucoinRules, Rules
from replay.pairs import Level
from replay.player import SimulatedMarket
from replay.server import running
from replay.simulation import FIRST_MINUTE, Market, Series
from tests.replay_helpers import rest

MARKET = Market(5, 40, 60.0)
HISTORY = History(MARKET)
QUIET = Market(5, 40, 0.8)
"""So few trades that whole minutes pass without any."""
MINUTES = st.integers(FIRST_MINUTE + 2, FIRST_MINUTE + 8 * 365 * 1440)
PAIRS = st.sampled_from(sorted(MARKET.series))
NOW = 1_790_000_007_654_321
"""In the middle of a minute, microseconds."""

BTC = MARKET.series["binance", "BTCUSDT"]
RARE = QUIET.series["kucoin", QUIET.listings("kucoin")[-1].code]


def levels(series: Series, first: int, end: int) -> list[Level]:
    """Return the levels of the minutes `first` to `end` - 1, made a minute at a time and taken one by one."""
    found = []
    for minute in range(first, end):
        made = series.minute(minute)
        ids = series.fill_ids(made.first_fill, len(made.size)).tolist()
        for index in range(len(made.price)):
            own = slice(int(made.start[index]), int(made.start[index + 1]))
            found.append(
                Level(
                    int(made.time_ms[index]), int(made.price[index]), bool(made.buy[index]), ids[own],
                    made.size[own].tolist(), made.first_level + index, int(made.order[index]),
                )
            )  # fmt: skip
    return found


def plain_candle(of: list[Level]) -> list[int]:
    prices = [level.price for level in of]
    base = [sum(level.sizes) for level in of]
    quote = [level.price * size for level, size in zip(of, base, strict=True)]
    taken = [level.buy for level in of]
    return [
        prices[0], max(prices), min(prices), prices[-1], sum(base), sum(quote),
        sum(size for size, buy in zip(base, taken, strict=True) if buy),
        sum(each for each, buy in zip(quote, taken, strict=True) if buy), sum(len(level.ids) for level in of),
    ]  # fmt: skip


@given(PAIRS, MINUTES, st.integers(1, 130), st.integers(-1, 130 * 60_000))
@settings(max_examples=40)
def test_candles_of_many_minutes_at_once_are_those_of_the_trades_one_by_one(
    pair: tuple[Venue, str], first: int, count: int, age: int
) -> None:
    series = MARKET.series[pair]
    as_of = (first + count) * 60_000 - age
    start, rows = HISTORY.candles(series.listing, first, first + count, as_of)
    by_minute: dict[int, list[Level]] = {}
    for level in levels(series, first, first + count):
        if level.time_ms <= as_of:
            by_minute.setdefault(level.time_ms // 60_000, []).append(level)
    assert start + len(rows) == max(start, min(first + count, as_of // 60_000 + 1))
    close = None
    for minute, row in enumerate(rows.tolist(), start):
        if minute in by_minute:
            assert row == plain_candle(by_minute[minute])
        else:
            assert row[:4] == [row[3]] * 4
            assert row[3] == close or close is None
            assert row[4:] == [0] * 5
        close = row[3]


def test_an_idle_minute_is_flat_at_the_close_of_the_last_one_that_traded() -> None:
    history = History(QUIET)
    first = FIRST_MINUTE + 3_000_000
    _, rows = history.candles(RARE.listing, first, first + 1440, (first + 1440) * 60_000)
    idle = [index for index in range(1, 1440) if not rows[index, COUNT]]
    assert len(rows) == 1440
    assert len(idle) > 10
    for index in idle:
        _, alone = history.candles(RARE.listing, first + index, first + index + 1, (first + 1440) * 60_000)
        assert alone.tolist() == [[rows[index - 1, 3]] * 4 + [0] * 5]


@given(PAIRS, MINUTES, st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=60)
def test_trades_by_number_are_those_of_their_minutes(
    pair: tuple[Venue, str], minute: int, skip: int, count: int
) -> None:
    series, made = MARKET.series[pair], levels(MARKET.series[pair], minute, minute + 2)
    if not made:
        return
    skip = min(skip, len(made) - 1)
    wanted = made[skip : skip + count]
    listing, first = series.listing, made[0].number + skip
    assert list(HISTORY.levels(listing, first, first + len(wanted))) == wanted
    fills = [(level.number, each) for level in made for each in level.ids]
    first_fill = series.counts(minute)[1]
    found = HISTORY.levels_of_fills(listing, first_fill + skip, first_fill + min(skip + count, len(fills)))
    assert [(level.number, each) for level in found for each in level.ids] == fills[skip : skip + count]


@given(PAIRS, MINUTES, st.integers(0, 59_999))
@settings(max_examples=60)
def test_a_time_divides_the_trades_before_it_from_those_after(
    pair: tuple[Venue, str], minute: int, offset: int
) -> None:
    series, time_ms = MARKET.series[pair], minute * 60_000 + offset
    level, fill, _, _ = series.counts(minute)
    earlier = [each for each in levels(series, minute, minute + 1) if each.time_ms < time_ms]
    assert HISTORY.level_at(series.listing, time_ms) == level + len(earlier)
    assert HISTORY.fill_at(series.listing, time_ms) == fill + sum(len(each.ids) for each in earlier)


def test_nothing_was_before_the_markets_first_minute() -> None:
    early = FIRST_MINUTE * 60_000 - 1
    assert HISTORY.level_at(BTC.listing, early) == HISTORY.fill_at(BTC.listing, early) == 0
    start, rows = HISTORY.candles(BTC.listing, FIRST_MINUTE - 5, FIRST_MINUTE + 1, early + 120_000)
    assert (start, len(rows)) == (FIRST_MINUTE, 1)


@pytest.mark.parametrize(("length", "minutes"), [(1000, 1), (180_000, 9), (3_600_000, 120)])
def test_candles_of_other_intervals_are_those_of_their_trades(length: int, minutes: int) -> None:
    first = (FIRST_MINUTE + 2_000_001) // 60 * 60
    interval = Interval(length)
    numbers = range(interval.number(first * 60_000), interval.number((first + minutes) * 60_000))
    for history, series in ((HISTORY, BTC), (History(QUIET), RARE)):
        made = levels(series, first, first + minutes)
        for candle in candles(history, series.listing, interval, numbers, 2**50):
            own = [level for level in made if candle.start_ms <= level.time_ms < candle.end_ms]
            shown = [candle.open, candle.high, candle.low, candle.close, candle.base, candle.quote]
            if own:
                assert [*shown, candle.taker_base, candle.taker_quote, candle.count] == plain_candle(own)
            else:
                assert shown[4:] == [0, 0]


@given(st.integers(1_600_000_000_000, 1_900_000_000_000), st.sampled_from([None, 60_000, 7 * 86_400_000, 86_400_000]),
       st.integers(-12, 14))  # fmt: skip
def test_every_time_is_in_the_candle_that_it_is_numbered_with(time_ms: int, length: int | None, hours: int) -> None:
    interval = Interval(length, hours * 3_600_000)
    number = interval.number(time_ms)
    assert interval.start(number) <= time_ms < interval.start(number + 1)


def test_weeks_begin_on_mondays_and_months_on_their_first() -> None:
    # 2023-11-15 was a Wednesday.
    day = 1_700_006_400_000
    assert Interval(7 * 86_400_000).start(Interval(7 * 86_400_000).number(day)) == 1_699_833_600_000
    assert Interval(None).start(Interval(None).number(day)) == 1_698_796_800_000
    assert Interval(None, 8 * 3_600_000).start(Interval(None, 8 * 3_600_000).number(day)) == 1_698_768_000_000


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    market = SimulatedMarket(MARKET, lambda: NOW)
    rules = Rules(binance=BinanceRules(weight=10**6), kucoin=KucoinRules(weight=10**6))
    async with running(market, rules=rules) as server, rest(server) as opened:
        yield opened


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    response = await client.get(path, params=query)
    assert response.status_code == 200
    return response.json()


async def test_binance_klines_have_the_documented_shape(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000
    rows = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=3)
    assert [row[0] for row in rows] == [(minute + each) * 60_000 for each in (-2, -1, 0)]
    made = levels(BTC, minute - 1, minute)
    candle = plain_candle(made)
    prices = [fixed(units, 2, 8) for units in candle[:4]]
    base, quote, taken, taken_quote = (
        fixed(units, each, 8) for units, each in zip(candle[4:8], (5, 7, 5, 7), strict=True)
    )
    assert rows[1] == [
        (minute - 1) * 60_000, *prices, base, minute * 60_000 - 1, quote, candle[8], taken, taken_quote, "0",
    ]  # fmt: skip
    forming = [level for level in levels(BTC, minute, minute + 1) if level.time_ms * 1000 <= NOW]
    assert rows[2][8] == plain_candle(forming)[8]
    assert Decimal(rows[2][5]) == Decimal(plain_candle(forming)[4]).scaleb(-5)


async def test_binance_klines_keep_start_end_and_limit(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000

    async def opens(**query: Any) -> list[int]:
        rows = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", **query)
        return [row[0] // 60_000 - minute for row in rows]

    start, end = (minute - 20) * 60_000, (minute - 10) * 60_000
    assert await opens(startTime=start, endTime=end) == list(range(-20, -9))
    assert await opens(startTime=start, endTime=end, limit=4) == [-20, -19, -18, -17]
    assert await opens(endTime=end, limit=4) == [-13, -12, -11, -10]
    assert await opens(startTime=start + 1, limit=2) == [-19, -18]
    assert await opens(startTime=start * 1000, endTime=end * 1000 + 999) == list(range(-20, -9))
    assert await opens(startTime=end, endTime=start) == []
    assert await opens(startTime=NOW) == []
    assert len(await opens()) == 500
    assert len(await opens(limit=5000)) == 1000
    assert await opens(startTime=0, limit=1) == [FIRST_MINUTE - minute]


async def test_binance_klines_of_coarser_intervals_and_zones(client: httpx2.AsyncClient) -> None:
    days = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1d", limit=2)
    minutes = await get(
        client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=days[1][0], endTime=days[1][0] + 59_999_000
    )
    hours = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1h", startTime=days[1][0], limit=1000)
    assert days[1][6] - days[1][0] == 86_399_999
    assert days[1][1] == hours[0][1] == minutes[0][1]
    assert sum(row[8] for row in hours) == days[1][8]
    assert sum(Decimal(row[7]) for row in hours) == Decimal(days[1][7])
    zoned = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1d", limit=1, timeZone="8")
    assert zoned[0][0] % 86_400_000 == 16 * 3_600_000
    seconds = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1s", limit=60)
    assert [row[6] - row[0] for row in seconds] == [999] * 60
    micros = await client.get(
        "/api/v3/klines",
        params={"symbol": "BTCUSDT", "interval": "1m", "limit": 1},
        headers={"X-MBX-TIME-UNIT": "MICROSECOND"},
    )
    assert micros.json()[0][6] - micros.json()[0][0] == 59_999_999


async def test_binance_aggregate_trades_by_id_by_time_and_the_latest(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000
    past = levels(BTC, minute - 40, minute) + [
        level for level in levels(BTC, minute, minute + 1) if level.time_ms * 1000 <= NOW
    ]

    async def ids(**query: Any) -> list[int]:
        return [each["a"] for each in await get(client, "/api/v3/aggTrades", symbol="BTCUSDT", **query)]

    numbers = [level.number + 1 for level in past]
    assert await ids() == numbers[-500:]
    assert await ids(limit=7) == numbers[-7:]
    assert await ids(fromId=numbers[-900], limit=1000) == numbers[-900:]
    assert await ids(fromId=numbers[-900], limit=2) == numbers[-900:][:2]
    assert await ids(fromId=numbers[-1] + 1) == []
    assert await ids(fromId=0, limit=2) == [1, 2]
    first, last = past[100], past[160]
    assert await ids(startTime=first.time_ms, endTime=last.time_ms, limit=1000) == [
        level.number + 1 for level in past if first.time_ms <= level.time_ms <= last.time_ms
    ]
    assert (await ids(endTime=last.time_ms, limit=3))[-1] >= last.number + 1
    shown = (await get(client, "/api/v3/aggTrades", symbol="BTCUSDT", fromId=first.number + 1, limit=1))[0]
    assert shown == {
        "a": first.number + 1, "p": fixed(first.price, 2, 8), "q": fixed(sum(first.sizes), 5, 8),
        "f": first.ids[0], "l": first.ids[-1], "T": first.time_ms, "m": not first.buy, "M": True,
    }  # fmt: skip


async def test_binance_historical_trades_by_id_and_the_latest(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000
    past = [
        (level, *fill)
        for level in levels(BTC, minute - 40, minute + 1)
        if level.time_ms * 1000 <= NOW
        for fill in zip(level.ids, level.sizes, strict=True)
    ]
    latest = await get(client, "/api/v3/historicalTrades", symbol="BTCUSDT", limit=50)
    assert [each["id"] for each in latest] == [each for _, each, _ in past[-50:]]
    level, number, size = past[-77]
    shown = await get(client, "/api/v3/historicalTrades", symbol="BTCUSDT", fromId=number, limit=1)
    assert shown == [
        {
            "id": number, "price": fixed(level.price, 2, 8), "qty": fixed(size, 5, 8),
            "quoteQty": fixed(level.price * size, 7, 8), "time": level.time_ms, "isBuyerMaker": not level.buy,
            "isBestMatch": True,
        }
    ]  # fmt: skip
    assert await get(client, "/api/v3/trades", symbol="BTCUSDT", limit=50) == latest


async def test_kucoin_candles_are_newest_first_close_before_high(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000
    rows = (await get(client, "/api/v1/market/candles", symbol="BTC-USDT", type="1min"))["data"]
    assert [int(row[0]) for row in rows] == [(minute - each) * 60 for each in range(1500)]
    series = MARKET.series["kucoin", "BTC-USDT"]
    candle = plain_candle(levels(series, minute - 1, minute))
    steps = [Decimal(units).scaleb(-1) for units in candle[:4]]
    assert [Decimal(text) for text in rows[1][1:]] == [
        steps[0], steps[3], steps[1], steps[2], Decimal(candle[4]).scaleb(-8), Decimal(candle[5]).scaleb(-9),
    ]  # fmt: skip
    assert all(isinstance(text, str) for text in rows[1])
    some = (
        await get(
            client, "/api/v1/market/candles", symbol="BTC-USDT", type="1min",
            startAt=(minute - 9) * 60, endAt=(minute - 6) * 60,
        )
    )["data"]  # fmt: skip
    assert [int(row[0]) // 60 - minute for row in some] == [-7, -8, -9]
    assert (await get(client, "/api/v1/market/candles", symbol="BTC-USDT", type="1min", startAt=2**40))["data"] == []


async def test_kucoin_tells_only_the_last_hundred_trades(client: httpx2.AsyncClient) -> None:
    minute = NOW // 60_000_000
    series = MARKET.series["kucoin", "ETH-USDT"]
    past = [
        (each, level)
        for level in levels(series, minute - 60, minute + 1)
        if level.time_ms * 1000 <= NOW
        for each in level.ids
    ][-100:]
    response = await client.get("/api/v1/market/histories", params={"symbol": "ETH-USDT"})
    data = json.loads(response.text)["data"]
    assert [(each["sequence"], each["time"], each["side"]) for each in data] == [
        (str(number), level.time_ms * 1_000_000, "buy" if level.buy else "sell") for number, level in past
    ]
    assert set(data[0]) == {"sequence", "price", "size", "side", "time"}


async def test_a_lagging_database_knows_only_what_is_older() -> None:
    rules = Rules(binance=BinanceRules(lag_ms=9_000), kucoin=KucoinRules(lag_ms=9_000))
    market = SimulatedMarket(MARKET, lambda: NOW)
    minute = NOW // 60_000_000
    async with running(market, rules=rules) as server, rest(server) as client:
        trades = await get(client, "/api/v3/aggTrades", symbol="BTCUSDT", limit=1)
        assert trades[0]["T"] <= NOW // 1000 - 9_000
        histories = await get(client, "/api/v1/market/histories", symbol="BTC-USDT")
        assert histories["data"][-1]["time"] <= (NOW - 9_000_000) * 1000
        # Seven seconds into a minute it does not know of the minute yet.
        klines = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=1)
        assert klines[0][0] == (minute - (NOW % 60_000_000 < 9_000_000)) * 60_000


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("klines", {"interval": "1m"}, -1102),
        ("klines", {"symbol": "BTCUSDT"}, -1102),
        ("klines", {"symbol": "BTC-USDT", "interval": "1m"}, -1100),
        ("klines", {"symbol": "NONEUSDT", "interval": "1m"}, -1121),
        ("klines", {"symbol": "BTCUSDT", "interval": "1min"}, -1120),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1130),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "x"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "15"}, -1130),
        ("klines", {"symbol": "BTCUSDT", "interval": ""}, -1105),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "from": "1"}, -1104),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": "-1"}, -1100),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
        ("historicalTrades", {"symbol": "BTCUSDT", "fromId": "abc"}, -1100),
        ("trades", {"symbol": "BTCUSDT", "fromId": "1"}, -1104),
    ],
)
async def test_binance_refuses_in_its_own_words(
    client: httpx2.AsyncClient, path: str, query: dict[str, str], code: int
) -> None:
    response = await client.get(f"/api/v3/{path}", params=query)
    assert response.status_code == 400
    assert response.json()["code"] == code
    assert isinstance(response.json()["msg"], str)


async def test_binance_times_out_where_too_much_is_asked_for(client: httpx2.AsyncClient) -> None:
    response = await client.get("/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1d", "limit": 1000})
    assert (response.status_code, response.json()["code"]) == (504, -1007)


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("candles", {"type": "1min"}, "400100"),
        ("candles", {"symbol": "BTC-USDT"}, "400100"),
        ("candles", {"symbol": "BTC-USDT", "type": "1m"}, "400100"),
        ("candles", {"symbol": "BTC-USDT", "type": "1min", "startAt": "soon"}, "400100"),
        ("candles", {"symbol": "NONE-USDT", "type": "1min"}, "900001"),
        ("histories", {"symbol": "NONE-USDT"}, "900001"),
    ],
)
async def test_kucoin_refuses_in_its_own_words(
    client: httpx2.AsyncClient, path: str, query: dict[str, str], code: str
) -> None:
    response = await client.get(f"/api/v1/market/{path}", params=query)
    # A failure may well come with the status of a success.
    assert response.json()["code"] == code
    assert isinstance(response.json()["msg"], str)


async def test_the_past_has_its_price_in_weight() -> None:
    async with running(SimulatedMarket(MARKET, lambda: NOW)) as server, rest(server) as client:
        used = []
        for path in ("klines?interval=1m&", "aggTrades?", "historicalTrades?", "trades?"):
            response = await client.get(f"/api/v3/{path}symbol=BTCUSDT&limit=1")
            used.append(int(response.headers["X-MBX-USED-WEIGHT-1M"]))
        assert used == [2, 6, 31, 56]
        remaining = []
        for path in ("candles", "histories"):
            response = await client.get(f"/api/v1/market/{path}", params={"symbol": "BTC-USDT", "type": "1min"})
            remaining.append(int(response.headers["gw-ratelimit-remaining"]))
        assert remaining == [1997, 1994]
