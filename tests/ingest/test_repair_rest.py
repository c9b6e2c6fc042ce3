"""Asking the venues for what repair needs: against the market on localhost, and where they are busy or refuse."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from ingest.repair.plan import Span
from ingest.repair.sources import BinanceSource, KucoinSource
from ingest.repair.stats import Stats
from ingest.venues.binance import rest as binance_rest
from ingest.venues.http import VenueError
from ingest.venues.kucoin import rest as kucoin_rest
from market.settings import Settings, load
from market.symbols import instrument
from replay.limits import BinanceRules, KucoinRules, Rules
from replay.server import Server, running
from tests.data import MESSAGES, needs_shared
from tests.ingest.repairing import MINUTE, START, Moved, simulated
from tests.ingest.scripted import Market
from tests.ingest.shapes import rest_body

SHAPES = "Endpoints/Spot/ExchangeData"
HISTORIES = "/api/v1/market/histories"
AGGREGATES = "/api/v3/aggTrades"
BTC = instrument("binance", "BTCUSDT", "BTC", "USDT", trading=True)
KUCOIN_BTC = instrument("kucoin", "BTC-USDT", "BTC", "USDT", trading=True)


def pointed_at(address: str, budget: float = 1.0) -> Settings:
    where = {"rest_url": address}
    return load(binance=where, kucoin=where, repair={"budget": budget})


class Asking:
    """Both venues as repair asks them, and what it counts."""

    def __init__(self, address: str, budget: float = 1.0) -> None:
        settings = pointed_at(address, budget)
        self.stats = Stats(dict)
        self.binance = BinanceSource(settings, self.stats)
        self.kucoin = KucoinSource(settings, self.stats)

    async def close(self) -> None:
        await self.binance.close()
        await self.kucoin.close()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Server]:
    async with running(simulated(Moved())) as server:
        yield server


@pytest_asyncio.fixture
async def asking(served: Server) -> AsyncIterator[Asking]:
    made = Asking(served.rest_url)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def scripted() -> AsyncIterator[tuple[Market, Asking]]:
    market = Market()
    await market.start()
    made = Asking(f"http://127.0.0.1:{market.port}")
    yield market, made
    await made.close()
    await market.stop()


# --- Shapes


@needs_shared
def test_the_documented_answers_of_binance_are_read() -> None:
    folder = MESSAGES / "JKorf-Binance.Net" / SHAPES
    assert binance_rest.parse_candles(rest_body(folder / "GetKlines.txt"))
    aggregates = binance_rest.parse_aggregates(rest_body(folder / "GetAggregatedTradeHistory.txt"), "BTC-USDT", 1)
    assert all(item.first_id <= item.last_id and item.origin == "repair" for item in aggregates)
    assert binance_rest.parse_trades(rest_body(folder / "GetTradeHistory.txt"), "BTC-USDT", 1)


@needs_shared
def test_the_documented_answers_of_kucoin_are_read() -> None:
    folder = MESSAGES / "JKorf-Kucoin.Net" / SHAPES
    first, second = kucoin_rest.parse_candles(rest_body(folder / "GetKlines.txt"))
    # Open, close, high, low is the venue's order, and the newest comes first.
    assert first.start_time < second.start_time
    assert (second.open, second.close, second.high, second.low) == ("0.058", "0.049", "0.058", "0.049")
    assert (second.base_volume, second.quote_volume) == ("0.018", "0.000945")
    trades = kucoin_rest.parse_trades(rest_body(folder / "GetTradeHistory.txt"), "BTC-USDT", 1)
    assert [item.event_time for item in trades] == [1545904567062140, 1545904581619888]
    assert [item.source_id for item in trades] == ["1545896668571", "1545896668578"]


# --- The market on localhost


async def test_candles_of_many_pages_are_those_that_were_asked_for(asking: Asking) -> None:
    span = Span(START - 2500 * MINUTE, START)
    (btc,) = [item for item in await asking.binance.instruments() if item.symbol == "BTC-USDT"]
    (other,) = [item for item in await asking.kucoin.instruments() if item.symbol == "BTC-USDT"]
    assert list(await asking.binance.candles(btc, span)) == list(span.minutes())
    found = await asking.kucoin.candles(other, span, background=True)
    assert set(found) <= set(span.minutes())
    assert len(found) > 2000
    # Two lists, three pages at Binance and two at KuCoin.
    assert asking.stats.weight == {"binance": 20 + 3 * 2, "kucoin": 4 + 2 * 3}


async def test_trades_of_binance_can_be_had_from_any_id_on(asking: Asking) -> None:
    page = await asking.binance.aggregates_since(BTC, START)
    assert len(page) == 1000
    again = await asking.binance.aggregates_from(BTC, int(page[500].source_id))
    assert again[0].first_id == page[500].first_id
    single = await asking.binance.trades_from(BTC, page[500].first_id)
    assert [item.first_id for item in single[:3]] == [page[500].first_id + number for number in range(3)]


async def test_the_venues_time_is_never_ahead_and_asked_for_once_a_second(served: Server, asking: Asking) -> None:
    times = [await asking.kucoin.now() for _ in range(20)]
    assert set(times) == {Moved().micros}
    assert asking.stats.requests["kucoin", "ok"] <= 2


# --- Limits


async def test_a_limit_is_kept_for_as_long_as_the_venue_says() -> None:
    rules = Rules(binance=BinanceRules(weight=12, weight_seconds=2.0), kucoin=KucoinRules(weight=9, weight_seconds=2.0))
    async with running(simulated(Moved()), rules=rules) as server:
        asking = Asking(server.rest_url)
        began = time.monotonic()
        for _ in range(5):
            assert await asking.binance.aggregates_since(BTC, START)
            assert await asking.kucoin.trades(KUCOIN_BTC)
        took = time.monotonic() - began
        await asking.close()
    # Three requests fit into a period of either.
    assert took > 1.0
    assert asking.stats.requests["binance", "ok"] == asking.stats.requests["kucoin", "ok"] == 5
    assert asking.stats.requests["binance", "limit"] <= 3
    assert asking.stats.requests["kucoin", "limit"] <= 3


async def test_a_ban_is_waited_out(scripted: tuple[Market, Asking]) -> None:
    market, asking = scripted
    market.answers[AGGREGATES] = lambda: web.Response(status=418, headers={"Retry-After": "1"}, text="{}")
    answers = iter([web.Response(status=418, headers={"Retry-After": "1"}, text="{}"), web.json_response([])])
    market.answers[AGGREGATES] = lambda: next(answers)
    began = time.monotonic()
    assert await asking.binance.aggregates_since(BTC, START) == []
    assert time.monotonic() - began >= 1.0


async def test_too_many_requests_without_a_time_tell_that_kucoin_is_busy_and_it_is_asked_again_soon(
    scripted: tuple[Market, Asking],
) -> None:
    market, asking = scripted
    busy = '{"code":"429000","msg":"too many requests"}'
    answers = iter(
        [
            web.Response(status=429, text=busy),
            web.Response(text=busy),
            web.json_response({"code": "200000", "data": []}),
        ]
    )
    market.answers[HISTORIES] = lambda: next(answers)
    began = time.monotonic()
    assert await asking.kucoin.trades(KUCOIN_BTC) == []
    assert time.monotonic() - began < 5
    assert asking.stats.requests["kucoin", "busy"] == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"code": "400100", "msg": "a recording has no history"},
        {"code": "404000", "msg": "Url Not Found"},
        {"code": "900001", "msg": "symbol not exists"},
    ],
)
async def test_what_kucoin_does_not_have_is_told_at_once(
    scripted: tuple[Market, Asking], answer: dict[str, str]
) -> None:
    market, asking = scripted
    market.answers[HISTORIES] = lambda: web.json_response(answer)
    with pytest.raises(VenueError, match=answer["code"]) as raised:
        await asking.kucoin.trades(KUCOIN_BTC)
    assert raised.value.trouble == "lacking"
    assert asking.stats.requests["kucoin", "lacking"] == 1


@pytest.mark.parametrize(("status", "code"), [(400, -1000), (400, -1121), (404, 0)])
async def test_what_binance_does_not_have_is_told_at_once(
    scripted: tuple[Market, Asking], status: int, code: int
) -> None:
    market, asking = scripted
    market.answers[AGGREGATES] = lambda: web.json_response({"code": code, "msg": "no"}, status=status)
    with pytest.raises(VenueError) as raised:
        await asking.binance.aggregates_since(BTC, START)
    assert raised.value.trouble == "lacking"


@pytest.mark.parametrize("text", ['[["x"]]', "{}", '[{"a":1,"p":"0","q":"1","f":1,"l":1,"T":1723161254087,"m":true}]'])
async def test_an_answer_that_cannot_be_read_is_an_error(scripted: tuple[Market, Asking], text: str) -> None:
    market, asking = scripted
    market.answers[AGGREGATES] = lambda: web.Response(text=text)
    with pytest.raises(VenueError) as raised:
        await asking.binance.aggregates_since(BTC, START)
    assert raised.value.trouble == "odd"
