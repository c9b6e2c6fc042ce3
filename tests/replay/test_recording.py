import asyncio
import contextlib
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from market import recordings
from market.frames import RecordingError
from replay.recording import RecordedMarket
from replay.server import running
from tests.data import RECORDINGS, needs_shared
from tests.replay_helpers import ask, kucoin, receive, rest, socket, until, write_recording

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def agg(symbol: str, number: int, milliseconds: int, price: str = "100.5") -> dict[str, Any]:
    return {
        "stream": f"{symbol.lower()}@aggTrade",
        "data": {"e": "aggTrade", "E": START // 10**6 + milliseconds, "s": symbol, "a": number, "p": price,
                 "q": "2.00000000", "f": number, "l": number, "T": START // 10**6 + milliseconds, "m": True, "M": True},
    }  # fmt: skip


def match(symbol: str, sequence: int) -> dict[str, Any]:
    data = {"symbol": symbol, "type": "match", "side": "buy", "price": "5.10", "size": "1", "tradeId": str(sequence),
            "sequence": str(sequence), "time": str(START)}  # fmt: skip
    return {"topic": f"/market/match:{symbol}", "type": "message", "subject": "trade.l3match", "data": data}


async def finished(market: RecordedMarket) -> None:
    await until(lambda: market.progress().finished)


@needs_shared
@pytest.mark.parametrize("name", [path.name for path in recordings.files(RECORDINGS)] if RECORDINGS.is_dir() else [])
async def test_a_real_recording_is_delivered_letter_for_letter(name: str) -> None:
    path = RECORDINGS / name
    frames = [frame.text for frame in recordings.read(path)]
    channels: dict[str, None] = {}
    expected = []
    for text in frames:
        message = json.loads(text)
        channel = message.get("stream") or message.get("topic")
        if channel:
            channels[channel] = None
            expected.append(text)
    market = RecordedMarket(path)
    binance = recordings.venue_of(path) == "binance"
    async with running(market) as server, contextlib.AsyncExitStack() as stack:
        if binance:
            opened = await stack.enter_async_context(socket(f"{server.ws_url}/stream"))
            await ask(opened, {"method": "SUBSCRIBE", "params": list(channels), "id": 1})
        else:
            opened = await stack.enter_async_context(kucoin(server))
            prefixes = defaultdict(list)
            for channel in channels:
                prefix, _, symbol = channel.partition(":")
                prefixes[prefix].append(symbol)
            # The trades last, since they begin the play.
            for prefix in sorted(prefixes, key=lambda each: each == "/market/match"):
                listed = [[each] for each in prefixes[prefix]] if "candles" in prefix else [prefixes[prefix]]
                for symbols in listed:
                    request = {"id": 1, "type": "subscribe", "topic": f"{prefix}:{','.join(symbols)}"}
                    await opened.send(json.dumps(request))
        got = [await opened.recv() for _ in expected]
        assert got == expected
        await finished(market)
        progress = market.progress()
        assert (progress.total, progress.sent) == (len(frames), len(frames))
        assert progress.skipped == len(frames) - len(expected)


@needs_shared
async def test_the_recorded_lists_tell_base_and_quote() -> None:
    async with running(RecordedMarket(RECORDINGS)) as server, rest(server) as client:
        symbols = {each["symbol"]: each for each in (await client.get("/api/v3/exchangeInfo")).json()["symbols"]}
        assert len(symbols) == 17
        assert (symbols["AAVEUPUSDT"]["baseAsset"], symbols["BUSDTRY"]["quoteAsset"]) == ("AAVEUP", "TRY")
        coins = {each["symbol"]: each for each in (await client.get("/api/v2/symbols")).json()["data"]}
        assert (coins["BCHSV-USDT"]["name"], coins["BCHSV-USDT"]["baseCurrency"]) == ("BSV-USDT", "BSV")


async def test_several_files_are_merged_by_receive_time(tmp_path: Path) -> None:
    left = [(START + number * SECOND, agg("BTCUSDT", number, 0)) for number in (1, 3, 5)]
    right = [(START + number * SECOND, agg("BTCUSDT", number, 0)) for number in (2, 4, 6)]
    write_recording(tmp_path / "binance-1.frames.gz", left)
    write_recording(tmp_path / "binance-2.frames.gz", right)
    market = RecordedMarket(tmp_path)
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        assert [(await receive(opened))["a"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        await finished(market)
        assert market.now() == (START + 6 * SECOND) // 1000


async def test_raw_connections_get_the_event_as_it_was_recorded(tmp_path: Path) -> None:
    frame = '{"stream":"btcusdt@trade","data":{"e":"trade", "s":"BTCUSDT","t":7,"p":"1.10","q":"2","T":1700000000001}}'
    write_recording(tmp_path / "binance-1.frames.gz", [(START, frame)])
    market = RecordedMarket(tmp_path / "binance-1.frames.gz")
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@trade") as opened:
        assert await opened.recv() == '{"e":"trade", "s":"BTCUSDT","t":7,"p":"1.10","q":"2","T":1700000000001}'


async def test_it_begins_when_all_trade_streams_are_subscribed_and_stays_open_at_the_end(tmp_path: Path) -> None:
    write_recording(tmp_path / "binance-1.frames.gz", [(START, agg("BTCUSDT", 1, 0)), (START + 1, {"result": None})])
    write_recording(tmp_path / "kucoin-1.frames.gz", [(START + 2, match("ETH-USDT", 5)), (START + 3, {"type": "ack"})])
    market = RecordedMarket(tmp_path)
    async with (
        running(market) as server,
        socket(f"{server.ws_url}/stream?streams=btcusdt@aggTrade") as first,
        kucoin(server) as second,
    ):
        await until(lambda: server.hub.subscribed == 1)
        assert market.progress().sent == 0
        await ask(second, {"id": 1, "type": "subscribe", "topic": "/market/match:ETH-USDT", "response": True})
        assert (await receive(first))["data"]["a"] == 1
        assert (await receive(second))["data"]["sequence"] == "5"
        await finished(market)
        assert (market.progress().sent, market.progress().skipped) == (4, 2)
        assert "result" in await ask(first, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert (await ask(second, {"id": 2, "type": "ping"}))["type"] == "pong"


async def test_it_begins_after_a_while_though_a_trade_stream_is_not_subscribed(tmp_path: Path) -> None:
    frames = [(START, agg("BTCUSDT", 1, 0)), (START + 1, agg("ETHUSDT", 1, 0)), (START + 2, agg("BTCUSDT", 2, 0))]
    write_recording(tmp_path / "binance-1.frames.gz", frames)
    market = RecordedMarket(tmp_path, start_wait=0.05)
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        assert [(await receive(opened))["a"] for _ in range(2)] == [1, 2]
        await finished(market)
        assert market.progress().sent == 3


async def test_who_subscribes_to_one_channel_after_the_other_misses_nothing(tmp_path: Path) -> None:
    book = {"stream": "btcusdt@bookTicker", "data": {"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}}
    write_recording(tmp_path / "binance-1.frames.gz", [(START, book), (START + 1, agg("BTCUSDT", 1, 0))])
    market = RecordedMarket(tmp_path)
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        await until(lambda: server.hub.subscribed == 1)
        await ask(opened, {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        assert (await receive(opened))["u"] == 1
        assert (await receive(opened))["a"] == 1


async def test_it_pauses_while_nobody_is_subscribed(tmp_path: Path) -> None:
    frames = [(START + number * SECOND // 100, agg("BTCUSDT", number, 0)) for number in range(60)]
    write_recording(tmp_path / "binance-1.frames.gz", frames)
    market = RecordedMarket(tmp_path, speed=1.0)
    url = "/ws/btcusdt@aggTrade"
    async with running(market) as server:
        async with socket(server.ws_url + url) as opened:
            first = [(await receive(opened))["a"] for _ in range(5)]
        await until(lambda: not server.hub.clients)
        passed = market.progress().sent
        await asyncio.sleep(0.05)
        assert market.progress().sent == passed < 60
        async with socket(server.ws_url + url) as opened:
            second = [(await receive(opened))["a"] for _ in range(60 - passed)]
        assert first == list(range(5))
        assert second == list(range(passed, 60))


async def test_it_goes_on_for_the_others_when_one_client_leaves(tmp_path: Path) -> None:
    frames = [(START + number * SECOND // 100, agg("BTCUSDT", number, 0)) for number in range(40)]
    write_recording(tmp_path / "binance-1.frames.gz", frames)
    market = RecordedMarket(tmp_path, speed=1.0)
    url = "/ws/btcusdt@aggTrade"
    async with running(market) as server, socket(server.ws_url + url) as stays:
        async with socket(server.ws_url + url) as leaves:
            await receive(leaves)
        rest_of_it = [(await receive(stays))["a"] for _ in range(40)]
        assert rest_of_it == list(range(40))


async def test_it_keeps_its_pace(tmp_path: Path) -> None:
    write_recording(
        tmp_path / "binance-1.frames.gz", [(START + number * SECOND, agg("BTCUSDT", number, 0)) for number in range(5)]
    )
    market = RecordedMarket(tmp_path, speed=20.0)
    loop = asyncio.get_running_loop()
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        assert (await receive(opened))["a"] == 0
        began = loop.time()
        for number in range(1, 5):
            assert (await receive(opened))["a"] == number
            assert market.now() >= (START + number * SECOND) // 1000
        assert loop.time() - began > 0.15


async def test_at_full_speed_it_waits_for_a_slow_client_and_drops_nothing(tmp_path: Path) -> None:
    filler = "x" * 4000
    frames = [
        (START + number, {"stream": "btcusdt@aggTrade", "data": {"a": number, "pad": filler}}) for number in range(6000)
    ]
    write_recording(tmp_path / "binance-1.frames.gz", frames)
    market = RecordedMarket(tmp_path)
    most = 0
    async with running(market) as server, socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        for number in range(6000):
            assert json.loads(await opened.recv())["a"] == number
            most = max([most, *(client.backlog for client in server.hub.clients)])
            assert number > 0 or market.progress().sent < 6000
        await finished(market)
    assert most < 3 << 20


async def test_day_figures_come_from_what_was_played(tmp_path: Path) -> None:
    frames: list[tuple[int, Any]] = [
        (START, agg("BTCUSDT", 1, 0, "100.00000000")),
        (START + 1, agg("BTCUSDT", 2, 0, "90.00000000")),
        (START + 2, {"stream": "btcusdt@bookTicker",
                     "data": {"u": 1, "s": "BTCUSDT", "b": "89.0", "B": "1", "a": "91.0", "A": "2"}}),
        (START + 3, agg("ETHUSDT", 1, 0)),
    ]  # fmt: skip
    write_recording(tmp_path / "binance-1.frames.gz", frames)
    market = RecordedMarket(tmp_path, start_wait=0.01)
    async with running(market) as server, rest(server) as client:
        empty = (await client.get("/api/v3/ticker/24hr", params={"symbol": "BTCUSDT"})).json()
        assert (empty["lastPrice"], empty["count"], empty["firstId"]) == ("0.00000000", 0, -1)
        assert (await client.get("/api/v3/time")).json()["serverTime"] == START // 10**6
        async with socket(f"{server.ws_url}/ws/btcusdt@aggTrade"):
            await finished(market)
        full = (await client.get("/api/v3/ticker/24hr", params={"symbol": "BTCUSDT"})).json()
        assert (full["openPrice"], full["lowPrice"], full["lastPrice"]) == (
            "100.00000000",
            "90.00000000",
            "90.00000000",
        )
        assert (full["volume"], full["quoteVolume"], full["count"]) == ("4.00000000", "380.00000000", 2)
        assert (full["bidPrice"], full["askPrice"]) == ("89.00000000", "91.00000000")
        status = (await client.get("/-/status")).json()
        assert (status["kind"], status["frames_total"], status["frames_sent"]) == ("recording", 4, 4)
        assert status["finished"] is True


async def test_pairs_without_a_recorded_list_are_split_by_known_quote_assets(tmp_path: Path) -> None:
    write_recording(
        tmp_path / "binance-1.frames.gz", [(START, agg("1000SATSFDUSD", 1, 0)), (START, agg("ETHBTC", 1, 0))]
    )
    market = RecordedMarket(tmp_path)
    assert [(each.base, each.quote) for each in market.listings("binance")] == [("1000SATS", "FDUSD"), ("ETH", "BTC")]
    assert market.listings("kucoin") == []
    write_recording(tmp_path / "binance-1.frames.gz", [(START, agg("WHATISTHIS", 1, 0))])
    with pytest.raises(RecordingError, match="base and quote cannot be told"):
        RecordedMarket(tmp_path)


def test_an_empty_recording_or_a_broken_list_is_an_error(tmp_path: Path) -> None:
    write_recording(tmp_path / "binance-1.frames.gz", [])
    with pytest.raises(RecordingError, match="holds no frames"):
        RecordedMarket(tmp_path)
    write_recording(tmp_path / "binance-1.frames.gz", [(START, agg("ETHBTC", 1, 0))])
    with gzip.open(tmp_path / "binance-info.http.gz", "wt") as file:
        file.write("https://host/api -> 1.5: {nonsense\n")
    with pytest.raises(RecordingError, match="no recorded list of symbols"):
        RecordedMarket(tmp_path)
