import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from replay.connections import Hub
from replay.player import SimulatedMarket
from replay.server import running
from replay.simulation import Market
from tests.replay_helpers import Listener, rest, socket, until

START = 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 86_400_000_000 - 90_000_000
"""90 seconds before a UTC midnight, microseconds."""


class Turns:
    """A clock that goes on by a step at each look."""

    def __init__(self, step: int, now: int = START) -> None:
        self.time = now
        self._step = step

    def __call__(self) -> int:
        self.time += self._step
        return self.time


@contextlib.asynccontextmanager
async def playing(market: SimulatedMarket, channels: Iterable[str], now: Callable[[], int]) -> AsyncIterator[Listener]:
    hub, listener = Hub(), Listener(now)
    hub.clients.add(listener)
    hub.subscribe(listener, channels)
    task = asyncio.create_task(market.run(hub))
    yield listener
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def heard(channels: Iterable[str], until_time: int, start: int = START) -> list[tuple[int, Any]]:
    """Return what a listener of three pairs hears, and when, until a time."""
    clock = Turns(20_000, start)
    market = SimulatedMarket(Market(5, 3, 200.0), clock, turn_seconds=0)
    async with playing(market, channels, lambda: clock.time) as listener:
        await until(lambda: clock.time >= until_time)
    return listener.heard


async def test_every_trade_goes_out_once_at_its_time_across_midnight() -> None:
    end = START + 150_000_000
    frames = await heard(["btcusdt@aggTrade", "btcusdt@trade", "/market/match:BTC-USDT"], end)
    aggregates = [f["data"] for _, f in frames if f.get("stream") == "btcusdt@aggTrade"]
    trades = [f["data"] for _, f in frames if f.get("stream") == "btcusdt@trade"]
    matches = [f["data"] for _, f in frames if "topic" in f]
    market = Market(5, 3, 200.0)

    series = market.series["binance", "BTCUSDT"]
    due = [
        (int(made.time_ms[level]), made.first_level + level + 1, Decimal(int(made.price[level])).scaleb(-2))
        for minute in range(START // 60_000_000, end // 60_000_000)
        for made in [series.minute(minute)]
        for level in range(len(made.price))
        if made.first_level + level + 1 >= aggregates[0]["a"]
    ]
    # What is due when the market starts is history; it is a few turns of this clock.
    assert aggregates[0]["T"] < START // 1000 + 500
    assert [(each["T"], each["a"], Decimal(each["p"])) for each in aggregates][: len(due)] == due
    assert all(right["f"] == left["l"] + 1 for left, right in pairwise(aggregates))
    assert [each["t"] for each in trades] == list(range(aggregates[0]["f"], aggregates[-1]["l"] + 1))
    assert all(each["E"] >= each["T"] for each in aggregates + trades)

    kucoin = market.series["kucoin", "BTC-USDT"]
    sequences = [int(each["sequence"]) for each in matches]
    assert all(right - left >= 2 for left, right in pairwise(sequences))
    assert [each["tradeId"] for each in matches] == [each["sequence"] for each in matches]
    # The minute before midnight and the one after are whole: their candles come out of what was sent.
    for minute in range(START // 60_000_000 + 1, end // 60_000_000):
        candle = kucoin.candle(minute)
        assert candle is not None
        inside = [each for each in matches if int(each["time"]) // 60_000_000_000 == minute]
        assert Decimal(inside[0]["price"]) == candle.open
        assert Decimal(inside[-1]["price"]) == candle.close
        assert sum(Decimal(each["size"]) for each in inside) == candle.base_volume
        assert len(inside) == candle.trade_count
        assert all(each["time"].endswith("000000") and len(each["time"]) == 19 for each in inside)


async def test_fills_of_one_taker_order_share_its_id_and_time() -> None:
    frames = await heard(["/market/match:BTC-USDT"], START + 60_000_000)
    orders = defaultdict(list)
    for _, frame in frames:
        orders[frame["data"]["takerOrderId"]].append(frame["data"])
    assert any(len(fills) > 1 for fills in orders.values())
    for fills in orders.values():
        assert len({(fill["time"], fill["side"]) for fill in fills}) == 1
        assert len({fill["tradeId"] for fill in fills}) == len(fills)
    makers = [frame["data"]["makerOrderId"] for _, frame in frames]
    assert len(set(makers)) == len(makers)


async def test_a_market_started_again_sends_the_same_trades_and_goes_on() -> None:
    first = {frame["data"]["a"]: frame["data"] for _, frame in await heard(["ethusdt@aggTrade"], START + 20_000_000)}
    again = await heard(["ethusdt@aggTrade"], START + 40_000_000, start=START + 10_000_000)
    second = {frame["data"]["a"]: frame["data"] for _, frame in again}
    assert min(first) < min(second) < max(first) < max(second)
    assert sorted(first | second) == list(range(min(first), max(second) + 1))
    for number in first.keys() & second.keys():
        assert {**first[number], "E": 0} == {**second[number], "E": 0}


async def test_after_a_stall_trades_go_out_late_with_the_time_at_which_they_were_due() -> None:
    clock = Turns(0)
    market = SimulatedMarket(Market(5, 1, 200.0), clock)
    async with playing(market, ["btcusdt@aggTrade"], lambda: clock.time) as listener:
        clock.time += 200_000_000
        expected = Market(5, 1, 200.0).series["binance", "BTCUSDT"]
        level = expected.counts(clock.time // 60_000_000)[0]
        await until(lambda: bool(listener.heard) and listener.heard[-1][1]["data"]["a"] > level)
    times = [frame["data"]["T"] for _, frame in listener.heard]
    assert times == sorted(times)
    assert times[0] < START // 1000 + 2000
    assert {frame["data"]["E"] for _, frame in listener.heard} == {clock.time // 1000}


async def test_kucoins_tickers_come_at_most_every_100_ms_a_symbol() -> None:
    frames = await heard(["/market/ticker:all", "/market/ticker:ETH-USDT"], START + 30_000_000)
    pushes = defaultdict(list)
    for time, frame in frames:
        pushes[frame["topic"], frame["subject"]].append((time, frame["data"]))
    assert pushes.keys() == {
        *(("/market/ticker:all", f"{base}-USDT") for base in ("BTC", "ETH", "SOL")),
        ("/market/ticker:ETH-USDT", "trade.ticker"),
    }
    for pushed in pushes.values():
        assert len(pushed) > 20
        assert all(right[0] - left[0] >= 100_000 for left, right in pairwise(pushed))
        for _, data in pushed:
            assert 0 < Decimal(data["bestBid"]) < Decimal(data["bestAsk"])
            assert Decimal(data["bestBid"]) <= Decimal(data["price"]) <= Decimal(data["bestAsk"])
        assert all(left[1]["time"] <= right[1]["time"] for left, right in pairwise(pushed))


async def test_mini_tickers_come_every_second_with_the_symbols_that_changed() -> None:
    clock = Turns(20_000)
    market = SimulatedMarket(Market(5, 20, 2.0), clock, turn_seconds=0)
    arrays: list[tuple[int, list[dict[str, Any]]]] = []

    class Arrays(Listener):
        def queue(self, frame: bytes) -> None:
            arrays.append((clock.time, json.loads(frame[frame.index(b"{") :])["data"]))

    hub, listener = Hub(), Arrays(lambda: clock.time)
    hub.clients.add(listener)
    hub.subscribe(listener, ["!miniTicker@arr"])
    task = asyncio.create_task(market.run(hub))
    await until(lambda: clock.time > START + 60_000_000)
    task.cancel()
    assert all(right[0] - left[0] > 900_000 for left, right in pairwise(arrays))
    # The first array has all that traded before the start.
    sizes = [len(array) for _, array in arrays[1:]]
    assert 0 < min(sizes) <= max(sizes) < 20
    assert all(each["e"] == "24hrMiniTicker" for _, array in arrays for each in array)


async def test_book_tickers_lie_around_the_last_price_and_their_ids_rise() -> None:
    frames = [frame["data"] for _, frame in await heard(["btcusdt@bookTicker"], START + 20_000_000)]
    updates = [each["u"] for each in frames]
    assert updates == sorted(set(updates))
    for each in frames:
        assert 0 < Decimal(each["a"]) - Decimal(each["b"]) < Decimal("1")
        assert Decimal(each["A"]) > 0 < Decimal(each["B"])


async def test_day_figures_agree_with_the_trades_since_the_minute_before_the_start() -> None:
    clock = Turns(20_000)
    market = SimulatedMarket(Market(5, 3, 200.0), clock, turn_seconds=0)
    async with playing(market, ["/market/match:SOL-USDT"], lambda: clock.time) as listener:
        await until(lambda: clock.time > START + 20_000_000)
    day = market.day("kucoin", "SOL-USDT")
    first = START // 60_000_000 - 1
    series = Market(5, 3, 200.0).series["kucoin", "SOL-USDT"]
    before = series.candle(first)
    assert before is not None
    played = series.counts(first)[1]
    assert day.open == before.open
    assert day.last_id == int(listener.heard[-1][1]["data"]["sequence"])
    assert day.last == Decimal(listener.heard[-1][1]["data"]["price"])
    assert series.fill_ids(played + day.count - 1, 1).tolist() == [day.last_id]
    assert day.low is not None
    assert day.high is not None
    assert day.low <= day.last <= day.high
    assert day.bid is not None
    assert day.ask is not None
    assert day.bid < day.ask


async def test_the_simulated_market_is_served_over_real_sockets() -> None:
    source = SimulatedMarket(Market(1, 2, 400.0))
    async with (
        running(source) as server,
        socket(f"{server.ws_url}/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade") as opened,
        rest(server) as client,
    ):
        last: dict[str, int] = {}
        for _ in range(100):
            data = json.loads(await opened.recv())["data"]
            assert data["a"] == last.get(data["s"], data["a"] - 1) + 1
            last[data["s"]] = data["a"]
        status = (await client.get("/-/status")).json()
        assert status["kind"] == "simulated"
        assert status["frames_sent"] >= 100
        assert (status["clients"], status["subscribed"], status["frames_total"]) == (1, 2, None)
        assert (status["finished"], status["seed"]) == (False, 1)
        info = (await client.get("/api/v3/exchangeInfo")).json()
        assert [each["symbol"] for each in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
        ticker = (await client.get("/api/v3/ticker/24hr", params={"symbol": "BTCUSDT"})).json()
        assert ticker["lastId"] >= last["BTCUSDT"]
