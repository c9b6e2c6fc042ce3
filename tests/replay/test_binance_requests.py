from decimal import Decimal
from typing import Any

import pytest

from replay.limits import Rules
from replay.source import DayFigures
from tests.replay_helpers import Clock, rest, still

FIGURES = DayFigures(
    1_699_913_600_123_456, 1_700_000_000_123_456, Decimal(110), Decimal("0.5"), Decimal(100), Decimal(120),
    Decimal(90), Decimal(4), Decimal(420), 3, 11, 13, Decimal(109), Decimal(1), Decimal(111), Decimal(2),
)  # fmt: skip


async def get(path: str, headers: dict[str, str] | None = None) -> Any:
    async with still() as (server, market), rest(server) as client:
        market.figures = FIGURES
        return await client.get(path, headers=headers)


async def test_ping_and_time_answer_with_the_weight_used() -> None:
    answer = await get("/api/v3/ping")
    assert (answer.json(), answer.headers["X-MBX-USED-WEIGHT-1M"]) == ({}, "1")
    assert (await get("/api/v3/time")).json() == {"serverTime": 1_700_000_000_123}
    micros = await get("/api/v3/time", {"X-MBX-TIME-UNIT": "MICROSECOND"})
    assert micros.json() == {"serverTime": 1_700_000_000_123_456}


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("", ["BTCUSDT", "BCHSVUSDT"]),
        ("?symbol=BCHSVUSDT", ["BCHSVUSDT"]),
        ('?symbols=["BCHSVUSDT","BTCUSDT"]', ["BCHSVUSDT", "BTCUSDT"]),
        ("?permissions=SPOT", ["BTCUSDT", "BCHSVUSDT"]),
        ("?permissions=LEVERAGED", []),
        ("?symbolStatus=BREAK", []),
    ],
)
async def test_exchange_info_lists_what_is_asked_for(query: str, symbols: list[str]) -> None:
    answer = await get("/api/v3/exchangeInfo" + query)
    assert [each["symbol"] for each in answer.json()["symbols"]] == symbols
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "20"


async def test_exchange_info_tells_assets_and_steps() -> None:
    (shown,) = (await get("/api/v3/exchangeInfo?symbol=BCHSVUSDT")).json()["symbols"]
    assert (shown["baseAsset"], shown["quoteAsset"], shown["status"]) == ("BSV", "USDT", "TRADING")
    steps = {each["filterType"]: each for each in shown["filters"]}
    assert steps["PRICE_FILTER"]["tickSize"] == "0.00100000"
    assert steps["LOT_SIZE"]["stepSize"] == "0.00010000"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("exchangeInfo?symbol=NOCOIN", -1121),
        ('exchangeInfo?symbols=["BTCUSDT","NOCOIN"]', -1121),
        ("exchangeInfo?symbol=BTC-USDT", -1100),
        ("exchangeInfo?symbol=btcusdt", -1100),
        ("exchangeInfo?symbols=[BTC", -1100),
        ("exchangeInfo?symbol=", -1105),
        ("exchangeInfo?other=1", -1104),
        ('exchangeInfo?symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ("exchangeInfo?symbolStatus=SLEEPING", -1122),
        ("ticker/24hr?symbol=NOCOIN", -1121),
        ("ticker/24hr?type=HUGE", -1139),
        ("ticker/24hr?symbol=BTCUSDT&symbolStatus=HALT", -1220),
        ('ticker/24hr?symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ('ticker/bookTicker?symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ("ticker/bookTicker?symbol=NOCOIN", -1121),
    ],
)
async def test_a_wrong_request_is_refused_with_the_venues_code(path: str, code: int) -> None:
    answer = await get("/api/v3/" + path)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_books_are_of_all_pairs_or_of_those_that_are_named() -> None:
    answer = await get("/api/v3/ticker/bookTicker")
    assert [each["symbol"] for each in answer.json()] == ["BTCUSDT", "BCHSVUSDT"]
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "4"
    answer = await get("/api/v3/ticker/bookTicker?symbol=BTCUSDT")
    assert answer.json() == {
        "symbol": "BTCUSDT",
        "bidPrice": "109.00000000",
        "bidQty": "1.00000000",
        "askPrice": "111.00000000",
        "askQty": "2.00000000",
    }
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "2"


async def test_day_tickers_have_the_figures_in_eight_decimals() -> None:
    shown = (await get("/api/v3/ticker/24hr?symbol=BTCUSDT")).json()
    assert shown["lastPrice"] == "110.00000000"
    assert (shown["priceChange"], shown["priceChangePercent"]) == ("10.00000000", "10.000")
    assert shown["weightedAvgPrice"] == "105.00000000"
    assert (shown["firstId"], shown["lastId"], shown["count"]) == (11, 13, 3)
    assert (shown["openTime"], shown["closeTime"]) == (1_699_913_600_123, 1_700_000_000_123)
    assert (shown["bidPrice"], shown["askQty"]) == ("109.00000000", "2.00000000")


@pytest.mark.parametrize(
    ("query", "weight", "count"),
    [("?symbol=BTCUSDT", 2, 1), ('?symbols=["BTCUSDT"]', 2, 1), ("", 80, 2), ("?type=MINI", 80, 2)],
)
async def test_day_tickers_weigh_by_the_number_of_symbols(query: str, weight: int, count: int) -> None:
    answer = await get("/api/v3/ticker/24hr" + query)
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
    shown = answer.json()
    assert isinstance(shown, dict) == query.startswith("?symbol=")
    assert len(shown if isinstance(shown, list) else [shown]) == count
    if "MINI" in query:
        assert "priceChange" not in shown[0]


async def test_too_much_weight_is_refused_until_the_minute_is_over() -> None:
    clock = Clock()
    async with still(Rules(clock=clock)) as (server, _), rest(server) as client:
        clock.seconds += 15
        for _ in range(75):
            assert (await client.get("/api/v3/ticker/24hr")).status_code == 200
        refused = await client.get("/api/v3/ping")
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, -1003, "45")
        clock.seconds += 45
        assert (await client.get("/api/v3/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "1"
