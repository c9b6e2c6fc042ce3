"""Every kind of fault, as a client with a real socket meets it, and as the market says that it was."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from market.records import Venue
from replay.clock import MarketClock, wall
from replay.faults import Kind
from replay.history import History
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.replay_helpers import rest, socket, until

MARKET = Market(5, 4, 400.0)
SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT"]
SPEED = 5.0
SECOND = 1_000_000


@contextlib.asynccontextmanager
async def busy() -> AsyncIterator[tuple[Server, httpx2.AsyncClient]]:
    """Serve a market in which much is traded, five times as fast as the clock."""
    begun = wall()
    source = SimulatedMarket(MARKET, MarketClock(begun, begun, SPEED), speed=SPEED)
    async with running(source) as server, rest(server) as client:
        yield server, client


class Feed:
    """A client's connection to a venue, and all that came by it."""

    def __init__(self, opened: ClientConnection) -> None:
        self.opened = opened
        self.frames: list[Any] = []
        self.broken: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.opened:
                try:
                    self.frames.append(json.loads(text))
                except ValueError:
                    self.broken.append(str(text))

    def trades(self, symbol: str) -> list[int]:
        """Return the numbers of a symbol's trades as they came: aggregates' at Binance, sequences at KuCoin."""
        code = symbol.replace("-", "")
        return [frame["data"]["a"] for frame in self.frames if frame.get("stream") == f"{code.lower()}@aggTrade"] + [
            int(frame["data"]["sequence"]) for frame in self.frames if frame.get("topic") == f"/market/match:{symbol}"
        ]

    async def more(self, symbol: str = "BTC-USDT", count: int = 5) -> None:
        """Wait for so many more trades."""
        wanted = len(self.trades(symbol)) + count
        await until(lambda: len(self.trades(symbol)) >= wanted)

    async def ended(self) -> ConnectionClosed:
        async with asyncio.timeout(15):
            await self.opened.wait_closed()
            await self._reading
        with pytest.raises(ConnectionClosed) as found:
            await self.opened.recv()
        return found.value


async def token(client: httpx2.AsyncClient) -> str:
    data = (await client.post("/api/v1/bullet-public")).json()["data"]
    return f"{data['instanceServers'][0]['endpoint']}?token={data['token']}&connectId=me"


@contextlib.asynccontextmanager
async def feed(server: Server, client: httpx2.AsyncClient, venue: str, symbols: Iterable[str] = SYMBOLS,
               url: str | None = None) -> AsyncIterator[Feed]:  # fmt: skip
    """Connect to a venue and subscribe to the trades of the symbols."""
    url = url or (server.ws_url + "/stream" if venue == "binance" else await token(client))
    async with connect(url, compression=None, ping_interval=None, proxy=None, close_timeout=0.2) as opened:
        found = Feed(opened)
        if venue == "binance":
            names = [f"{symbol.replace('-', '').lower()}@aggTrade" for symbol in symbols]
            await opened.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        else:
            await until(lambda: bool(found.frames))
            topic = f"/market/match:{','.join(symbols)}"
            await opened.send(json.dumps({"id": "1", "type": "subscribe", "topic": topic, "response": True}))
        await until(lambda: any(frame.get("id") in (1, "1") for frame in found.frames))
        yield found


async def plan(client: httpx2.AsyncClient, kind: Kind, venue: str, **fields: Any) -> int:
    response = await client.post("/-/faults", json={"kind": kind, "venue": venue, **fields})
    assert response.status_code == 201
    number: int = response.json()[0]["id"]
    return number


async def done(client: httpx2.AsyncClient, number: int, over: bool = True) -> dict[str, Any]:
    """Wait until a fault has begun, or is over; return what the market says of it."""
    async with asyncio.timeout(20):
        while True:
            counts = (await client.get("/-/status")).json()["faults"]
            found = {each["id"]: each for each in (await client.get("/-/faults")).json()}
            if number in found and not (over and (counts["planned"] or counts["running"])):
                record: dict[str, Any] = found[number]
                return record
            await asyncio.sleep(0.01)


BOTH = pytest.mark.parametrize("venue", ["binance", "kucoin"])


@BOTH
async def test_a_clean_close(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "close", venue)
        closed = await first.ended()
        assert isinstance(closed, ConnectionClosedOK)
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1001
        assert (await done(client, number, over=False))["to"] is None
        async with feed(server, client, venue) as second:
            await second.more()
            record = await done(client, number)
    assert record["symbols"] == SYMBOLS
    assert record["connections"] == 1
    assert record["planned_at"] <= record["from"] <= record["to"]
    assert 0 < record["recovered"] <= (record["to"] - record["from"]) / SECOND / SPEED + 0.2


@BOTH
async def test_a_reset(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        await plan(client, "reset", venue)
        closed = await first.ended()
    assert isinstance(closed, ConnectionClosedError)
    assert closed.rcvd is None
    assert isinstance(closed.__cause__, ConnectionResetError)


@BOTH
async def test_half_open_nothing_comes_any_more_and_tcp_stays_open(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "half_open", venue)
        await done(client, number, over=False)
        await first.opened.send(json.dumps({"id": "9", "type": "ping", "method": "LIST_SUBSCRIPTIONS"}))
        pong = asyncio.ensure_future(await first.opened.ping())
        seen = len(first.frames)
        async with feed(server, client, venue) as second:
            await second.more(count=50)
            assert not pong.done()
            assert len(first.frames) <= seen + 1
            assert first.opened.state.name == "OPEN"
            # Not even its close frame is answered.
            await first.opened.close()
            assert first.opened.protocol.close_rcvd is None
            record = await done(client, number)
    assert record["symbols"] == SYMBOLS
    assert record["recovered"] is not None


@BOTH
async def test_half_open_for_a_while_ends_in_a_reset(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        await plan(client, "half_open", venue, duration=2 * SECOND)
        assert isinstance((await first.ended()).__cause__, ConnectionResetError)


@BOTH
async def test_mute_answers_but_sends_no_data_until_it_is_over(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "mute", venue, duration=8 * SECOND)
        await done(client, number, over=False)
        await asyncio.wait_for(await first.opened.ping(), 5)
        await first.opened.send(json.dumps({"id": "9", "type": "ping", "method": "LIST_SUBSCRIPTIONS"}))
        await until(lambda: first.frames[-1].get("id") == "9")
        if venue == "binance":
            assert len(first.frames[-1]["result"]) == 4
        before = len(first.trades("BTC-USDT"))
        record = await done(client, number)
        await first.more()
    ids = first.trades("BTC-USDT")
    assert ids[before] - ids[before - 1] > 1
    assert record["to"] - record["from"] >= 8 * SECOND
    assert record["recovered"] is not None


async def test_a_token_that_runs_out_is_refused_and_its_sessions_end() -> None:
    async with busy() as (server, client):
        url = await token(client)
        async with feed(server, client, "kucoin", url=url) as first:
            number = await plan(client, "token_expired", "kucoin")
            closed = await first.ended()
            assert isinstance(closed, ConnectionClosedOK)
            assert first.frames[-1] == {"type": "error", "code": 401, "data": "token is expired"}
            async with socket(url) as again:
                assert json.loads(await again.recv()) == {"type": "error", "code": 401, "data": "token is expired"}
                with pytest.raises(ConnectionClosed):
                    await again.recv()
            async with feed(server, client, "kucoin") as second:
                await second.more()
                assert (await done(client, number))["recovered"] is not None


async def test_a_shutdown_is_announced_and_then_comes() -> None:
    async with busy() as (server, client), feed(server, client, "binance") as first:
        number = await plan(client, "shutdown", "binance", duration=5 * SECOND)
        await until(lambda: any(frame.get("stream") == "!serverShutdown" for frame in first.frames))
        notice = next(frame for frame in first.frames if frame.get("stream") == "!serverShutdown")
        assert notice["data"]["e"] == "serverShutdown"
        assert notice["data"]["E"] > 10**12
        async with feed(server, client, "binance") as second:
            await first.more(count=1)
            assert (await first.ended()).rcvd is not None
            await second.more()
            record = await done(client, number)
    # Who has connected anew in time misses nothing.
    assert record["recovered"] < 0.5
    assert record["to"] - record["from"] >= 5 * SECOND


@BOTH
async def test_skipped_messages_are_lost_on_sockets_though_rest_has_them(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        await first.more()
        number = await plan(client, "skipped", venue, symbols=["BTC-USDT"], count=7)
        record = await done(client, number)
        await first.more()
        ids = first.trades("BTC-USDT")
        path = "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000"
        if venue == "kucoin":
            path = "/api/v1/market/histories?symbol=BTC-USDT"
        body = (await client.get(path)).json()
    if venue == "binance":
        known = {each["a"]: each["T"] * 1000 for each in body}
    else:
        known = {int(each["sequence"]): each["time"] // 1000 for each in body["data"]}
    lost = sorted(each for each in known if ids[0] < each < ids[-1] and each not in ids)
    assert len(lost) == record["touched"] == 7
    assert (record["from"], record["to"]) == (known[lost[0]], known[lost[-1]])
    assert record["symbols"] == ["BTC-USDT"]
    assert record["connections"] == 1


@BOTH
async def test_repeated_messages_come_twice(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "repeated", venue, symbols=["BTC-USDT"], count=6)
        await done(client, number)
        await first.more()
    ids = first.trades("BTC-USDT")
    assert len(ids) - len(set(ids)) == 6


@BOTH
async def test_reordered_messages_come_in_another_order_soon(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "reordered", venue, symbols=["BTC-USDT"], count=5)
        await done(client, number)
        await first.more()
    ids = first.trades("BTC-USDT")
    assert ids != sorted(ids)
    wrong = [index for index, each in enumerate(ids) if sorted(ids)[index] != each]
    assert wrong[-1] - wrong[0] < 5
    if venue == "binance":
        assert sorted(ids) == list(range(min(ids), max(ids) + 1))


@BOTH
async def test_late_messages_come_after_their_delay(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        number = await plan(client, "late", venue, symbols=["BTC-USDT"], count=3, delay=3 * SECOND)
        await done(client, number)
        await first.more()
    ids = first.trades("BTC-USDT")
    late = [index for index, each in enumerate(ids) if index and each < ids[index - 1]]
    assert late
    # At some forty trades a second of the market's time.
    assert ids[late[0] - 1] - ids[late[0]] > 20
    assert len(ids) == len(set(ids))


@BOTH
async def test_malformed_messages_are_no_trades(venue: str) -> None:
    async with busy() as (server, client), feed(server, client, venue) as first:
        await first.more()
        number = await plan(client, "malformed", venue, count=8)
        record = await done(client, number)
        await until(lambda: len(first.broken) >= 3)
    assert record["touched"] == 8 * len(SYMBOLS)
    assert record["symbols"] == SYMBOLS


async def test_a_message_broken_beyond_recognition_is_noted_as_missing_to_all_that_the_connection_carries() -> None:
    async with busy() as (server, client), feed(server, client, "kucoin") as first:
        outcomes = set()
        for seed in range(40):
            before = len(first.broken)
            number = await plan(client, "malformed", "kucoin", symbols=["BTC-USDT"], count=8, seed=seed)
            record = await done(client, number)
            await first.more()
            told = all('"/market/match:BTC-USDT"' in text for text in first.broken[before:])
            assert record["symbols"] == (["BTC-USDT"] if told else SYMBOLS)
            outcomes.add(told)
            if len(outcomes) == 2:
                return
    raise AssertionError(f"all messages told what they were: {outcomes}")


async def test_a_share_of_the_connections_is_hit() -> None:
    async with busy() as (server, client), contextlib.AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(feed(server, client, "binance")) for _ in range(4)]
        # By then all of them count as live.
        await feeds[-1].more(count=500)
        number = await plan(client, "skipped", "binance", symbols=["BTC-USDT"], count=5, share=0.5)
        assert (await done(client, number))["connections"] == 2
        for each in feeds:
            await each.more()
        holes = [ids[-1] - ids[0] + 1 - len(ids) for ids in (each.trades("BTC-USDT") for each in feeds)]
        assert sorted(holes) == [0, 0, 5, 5]
        number = await plan(client, "reset", "binance", share=0.01)
        assert (await done(client, number, over=False))["connections"] == 1
        await until(lambda: sum(each.opened.state.name == "CLOSED" for each in feeds) == 1)


async def test_a_disconnect_waits_for_a_connection_that_carries_trades() -> None:
    async with busy() as (server, client):
        number = await plan(client, "close", "binance")
        async with socket(server.ws_url + "/ws/btcusdt@miniTicker") as tickers:
            await tickers.recv()
            await asyncio.sleep(0.7)
            assert (await client.get("/-/status")).json()["faults"] == {"planned": 1, "running": 0, "done": 0}
            async with feed(server, client, "binance", ["ETH-USDT"]) as first:
                await first.ended()
            assert (await done(client, number, over=False))["symbols"] == ["ETH-USDT"]
            await tickers.recv()


async def test_each_of_many_disconnects_lands_on_a_live_connection_of_its_own() -> None:
    async with busy() as (server, client):
        faults = [{"kind": kind, "venue": "binance"} for kind in ("close", "reset", "close")]
        planned = (await client.post("/-/faults", json=faults)).json()
        for _ in faults:
            async with feed(server, client, "binance") as opened:
                await opened.ended()
                assert opened.trades("BTC-USDT")
        async with feed(server, client, "binance") as last:
            await last.more()
            await done(client, planned[-1]["id"])
            records = (await client.get("/-/faults")).json()
        assert [record["connections"] for record in records] == [1, 1, 1]
        assert all(record["recovered"] is not None for record in records)


async def refusals(client: httpx2.AsyncClient, kind: Kind, venue: str, path: str) -> httpx2.Response:
    """Return the answer to a request during an outage; afterwards the venue answers again."""
    number = await plan(client, kind, venue, duration=10 * SECOND)
    await done(client, number, over=False)
    refused = await client.get(path)
    record = await done(client, number)
    assert record["touched"] == 1
    assert 10 * SECOND <= record["to"] - record["from"] < 12 * SECOND
    assert (await client.get(path)).status_code == 200
    return refused


async def test_binance_refuses_with_retry_after() -> None:
    async with busy() as (_, client):
        refused = await refusals(client, "rest_429", "binance", "/api/v3/time")
        assert refused.status_code == 429
        assert refused.json()["code"] == -1003
        assert refused.headers["Retry-After"] == "2"
        refused = await refusals(client, "rest_418", "binance", "/api/v3/klines?symbol=BTCUSDT&interval=1m")
        assert refused.status_code == 418
        assert refused.headers["Retry-After"] == "2"
        until_ms = int(refused.json()["msg"].partition("until ")[2].partition(".")[0])
        assert abs(until_ms - time.time() * 1000) < 60_000


async def test_kucoin_refuses_with_headers_and_without() -> None:
    async with busy() as (_, client):
        path = "/api/v1/market/histories?symbol=BTC-USDT"
        refused = await refusals(client, "rest_429000", "kucoin", path)
        assert (refused.status_code, refused.json()["code"]) == (429, "429000")
        assert refused.headers["gw-ratelimit-remaining"] == "0"
        assert 1000 < int(refused.headers["gw-ratelimit-reset"]) <= 2000
        refused = await refusals(client, "rest_429000_bare", "kucoin", path)
        assert (refused.status_code, refused.json()["code"]) == (429, "429000")
        assert not [name for name in refused.headers if name.startswith("gw-")]


@BOTH
async def test_a_halted_venue_says_nothing_and_lets_nobody_in_and_then_rest_has_what_traded(venue: Venue) -> None:
    path = {
        "binance": "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000",
        "kucoin": "/api/v1/market/histories?symbol=BTC-USDT",
    }
    async with busy() as (server, client):
        url = await token(client)
        async with feed(server, client, venue) as first:
            await first.more()
            number = await plan(client, "halt", venue, duration=8 * SECOND)
            await done(client, number, over=False)
            refused = await client.get(path[venue])
            assert (refused.status_code, refused.json()["code"]) == (503, -1008 if venue == "binance" else "500000")
            with pytest.raises(InvalidStatus, match="503"):
                await socket(url if venue == "kucoin" else server.ws_url + "/stream")
            await asyncio.wait_for(await first.opened.ping(), 5)
            record = await done(client, number)
            assert (await client.get(path[venue])).status_code == 200
            await first.more()
        ids = set(first.trades("BTC-USDT"))
        listing = MARKET.series[venue, "BTCUSDT" if venue == "binance" else "BTC-USDT"].listing
        history = History(MARKET)
        begin, end = (history.level_at(listing, -(-record[name] // 1000)) for name in ("from", "to"))
        during = history.levels(listing, begin, end)
        lost = {each for level in during for each in ([level.number + 1] if venue == "binance" else level.ids)}
        # What traded from the first moment to the last, and nothing else.
        assert len(lost) > 100
        assert not lost & ids
        assert max(ids) > max(lost)
        if venue == "binance":
            assert set(range(min(ids), max(ids))) - ids == lost
        assert record["symbols"] == SYMBOLS
        other = "kucoin" if venue == "binance" else "binance"
        assert (await client.get(path[other])).status_code == 200


async def test_the_truth_counts_what_was_made() -> None:
    async with busy() as (server, client), feed(server, client, "binance") as first:
        await first.more(count=200)
        frames = [frame["data"] for frame in first.frames if frame.get("stream") == "ethusdt@aggTrade"]
        query = {"from": frames[0]["T"] * 1000 + 1000, "to": frames[-1]["T"] * 1000}
        truth = (await client.get("/-/truth", params=query)).json()
        wanted = [each for each in frames if query["from"] <= each["T"] * 1000 < query["to"]]
        assert truth["trades"]["binance"]["ETH-USDT"] == {
            "records": len(wanted),
            "trades": sum(each["l"] - each["f"] + 1 for each in wanted),
            "first_id": wanted[0]["f"],
            "last_id": wanted[-1]["l"],
        }
        assert set(truth["trades"]["kucoin"]) == set(SYMBOLS)
        narrow = {**query, "venue": "kucoin", "symbol": "BTC-USDT"}
        assert list((await client.get("/-/truth", params=narrow)).json()["trades"]) == ["kucoin"]
        future = {"from": 10**16, "to": 10**17}
        none = (await client.get("/-/truth", params=future)).json()["trades"]["kucoin"]["BTC-USDT"]
        assert none == {"records": 0, "trades": 0, "first_id": 0, "last_id": 0}
        assert (await client.get("/-/truth")).status_code == 400


async def test_a_wrong_fault_is_refused_over_http() -> None:
    async with busy() as (_, client):
        response = await client.post("/-/faults", content=b'{"kind":"shutdown","venue":"kucoin"}')
        assert response.status_code == 400
        assert "shutdown is not known at kucoin" in response.json()["error"]
