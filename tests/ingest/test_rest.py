import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ingest.venues import Fact
from ingest.venues.binance import rest as binance_rest
from ingest.venues.binance.rest import BinanceRest
from ingest.venues.clock import ClockSample, offset
from ingest.venues.http import VenueError, VenueRefusal, retry_after
from ingest.venues.kucoin import rest as kucoin_rest
from ingest.venues.kucoin.rest import KucoinRest
from tests.data import MESSAGES, RECORDINGS, needs_shared
from tests.ingest.scripted import Market
from tests.ingest.shapes import rest_body

SHAPES = "Endpoints/Spot/ExchangeData"
BULLET = (
    b'{"code":"200000","data":{"token":"a/b+c=","instanceServers":[{"endpoint":"wss://ws-api-spot.kucoin.com",'
    b'"encrypt":true,"protocol":"websocket","pingInterval":18000,"pingTimeout":10000}]}}'
)


async def asked(market: Market, answer: web.Response, ask: Callable[[BinanceRest, KucoinRest], Awaitable[Any]]) -> Any:
    """Return what a question gives if the market answers it so."""
    address = f"http://127.0.0.1:{market.port}"
    for path in ("/api/v3/time", "/api/v2/symbols", "/api/v1/bullet-public"):
        market.answers[path] = lambda: answer
    binance, kucoin = BinanceRest(address), KucoinRest(address)
    try:
        return await ask(binance, kucoin)
    finally:
        await binance.close()
        await kucoin.close()


def recorded_body(name: str) -> bytes:
    with gzip.open(RECORDINGS / name, "rt", encoding="utf-8") as lines:
        return next(lines).split(" -> ", 1)[1].split(": ", 1)[1].encode()


@needs_shared
def test_the_symbols_of_a_real_exchange_info_are_read() -> None:
    found = {
        item.code: item
        for item in binance_rest.parse_instruments(recorded_body("cryptofeed-BINANCE.exchangeInfo.http.gz"))
    }
    assert len(found) == 1695
    assert found["BTCUSDT"].symbol == "BTC-USDT"
    assert found["BTCUSDT"].trading
    assert not found["BCCBTC"].trading
    assert Counter(item.status for item in found.values()) == {"trading": 1262, "halted": 433}
    assert all(item.name == item.code for item in found.values())


@needs_shared
def test_the_symbols_of_a_real_list_of_kucoin_are_read() -> None:
    found = {
        item.code: item for item in kucoin_rest.parse_instruments(recorded_body("cryptofeed-KUCOIN.symbols.http.gz"))
    }
    assert len(found) == 634
    assert found["BCHSV-USDT"].symbol == "BSV-USDT"
    # Whatever was renamed is known by what it is called now, and asked for by what it was called first.
    renamed = {item.code: (item.name, item.symbol) for item in found.values() if item.name != item.code}
    assert len(renamed) == 15
    assert renamed["R-USDT"] == ("REV-USDT", "REV-USDT")
    assert renamed["WAX-BTC"] == ("WAXP-BTC", "WAXP-BTC")
    assert renamed["LYXE-ETH"] == ("LYXe-ETH", "LYXE-ETH")
    assert all(symbol == name.upper() for name, symbol in renamed.values())
    assert found["VAI-USDT"].symbol == "VAIOT-USDT"
    assert [item.code for item in found.values() if not item.trading] == ["ZEL-BTC"]


@needs_shared
def test_the_documented_lists_of_symbols_are_read() -> None:
    (eth,) = binance_rest.parse_instruments(rest_body(MESSAGES / "JKorf-Binance.Net" / SHAPES / "GetExchangeInfo.txt"))
    assert (eth.code, eth.symbol, eth.trading) == ("ETHBTC", "ETH-BTC", True)
    found = kucoin_rest.parse_instruments(rest_body(MESSAGES / "JKorf-Kucoin.Net" / SHAPES / "GetSymbols.txt"))
    assert [item.symbol for item in found] == ["XLM-USDT", "VET-USDT"]


def test_kucoin_says_where_to_connect_and_how_often_to_ping() -> None:
    endpoint = kucoin_rest.parse_endpoint(BULLET, "me")
    # The slash matters: a handshake without a path is refused.
    assert endpoint.url == "wss://ws-api-spot.kucoin.com/?token=a%2Fb%2Bc%3D&connectId=me"
    assert (endpoint.ping_interval, endpoint.ping_timeout) == (18.0, 10.0)
    assert endpoint.facts == (Fact("token_renewed", {"server": "wss://ws-api-spot.kucoin.com"}),)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**6), st.floats(0, 1))
def test_the_clocks_offset_is_off_by_half_the_round_trip_at_most(offset_true: int, trip: int, part: float) -> None:
    asked_at = 10**15
    told = asked_at + int(trip * part) + offset_true
    samples = [ClockSample(asked_at, asked_at + trip, told), ClockSample(asked_at, asked_at + 2 * trip + 1, told - 999)]
    assert abs(offset(samples) - offset_true) <= trip / 2 + 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("7", 7),
        ("-3", 0),
        ("soon", 0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20),
        ("nan", 0),
        ("inf", 0),
        ("²", 0),
        ("9" * 400, 3 * 86400),
    ],
)
def test_how_long_to_wait_is_a_number_or_a_date(value: str | None, seconds: float) -> None:
    assert retry_after(value, 100.0) == seconds


@pytest.mark.parametrize("status", [418, 429, 500])
async def test_a_limit_of_binance_says_how_long_to_wait(market: Market, status: int) -> None:
    answer = web.Response(status=status, headers={"Retry-After": "9"}, text='{"code":-1003,"msg":"Too many"}')
    with pytest.raises(VenueError, match="Too many") as raised:
        await asked(market, answer, lambda binance, kucoin: binance.clock_offset())
    assert raised.value.wait == 9


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({}, 0), ({"gw-ratelimit-remaining": "0", "gw-ratelimit-reset": "1500"}, 1.5), ({"Retry-After": "4"}, 4)],
)
async def test_a_failure_of_kucoin_may_come_as_http_200(market: Market, headers: dict[str, str], wait: float) -> None:
    answer = web.Response(text='{"code":"429000","msg":"too many requests"}', headers=headers)
    with pytest.raises(VenueError, match="429000") as raised:
        await asked(market, answer, lambda binance, kucoin: kucoin.instruments())
    assert raised.value.wait == wait


@pytest.mark.parametrize("text", ["", "<html>", "{}", '{"code":"200000"}', '{"code":"200000","data":{"token":"t"}}'])
async def test_an_answer_of_another_shape_is_worth_another_try(market: Market, text: str) -> None:
    def ask(binance: BinanceRest, kucoin: KucoinRest) -> Awaitable[Any]:
        return kucoin.endpoint("x")

    with pytest.raises(VenueError):
        await asked(market, web.Response(text=text), ask)
    with pytest.raises(VenueError):
        await asked(market, web.Response(text=text), lambda binance, kucoin: binance.clock_offset())


async def test_http_451_is_never_worth_another_try(market: Market) -> None:
    with pytest.raises(VenueRefusal, match="legal reasons"):
        await asked(market, web.Response(status=451), lambda binance, kucoin: binance.clock_offset())


async def test_a_venue_that_cannot_be_reached_is_worth_another_try(market: Market) -> None:
    await market.stop()
    with pytest.raises(VenueError, match="127"):
        await asked(market, web.Response(), lambda binance, kucoin: binance.instruments())
