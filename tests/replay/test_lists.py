"""A venue's list that changes where a test asks for it, as clients see it over REST and on their sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection

from replay.clock import MarketClock, wall
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.replay_helpers import kucoin, receive, rest, socket

SECOND = 1_000_000
MARKET = Market(5, 3, 400.0)


@contextlib.asynccontextmanager
async def busy() -> AsyncIterator[tuple[Server, httpx2.AsyncClient]]:
    begun = wall()
    source = SimulatedMarket(MARKET, MarketClock(begun, begun, 5.0), speed=5.0)
    async with running(source) as server, rest(server) as client:
        yield server, client


async def plan(client: httpx2.AsyncClient, kind: str, venue: str, **fields: Any) -> None:
    response = await client.post("/-/faults", json={"kind": kind, "venue": venue, "symbols": ["ETH-USDT"], **fields})
    assert response.status_code == 201


async def listed(client: httpx2.AsyncClient, venue: str) -> dict[str, tuple[str, ...]]:
    """Return the state and names of each listed pair, by its code."""
    if venue == "binance":
        found = (await client.get("/api/v3/exchangeInfo")).json()["symbols"]
        return {each["symbol"]: (each["status"],) for each in found}
    found = (await client.get("/api/v2/symbols")).json()["data"]
    return {
        each["symbol"]: (str(each["enableTrading"]), each["name"], each["baseCurrency"]) for each in found
    }  # fmt: skip


async def becomes(client: httpx2.AsyncClient, venue: str, code: str, state: tuple[str, ...] | None) -> None:
    async with asyncio.timeout(10):
        while (await listed(client, venue)).get(code) != state:  # noqa: ASYNC110
            # The venues' limits hold here, too.
            await asyncio.sleep(0.05)


STATES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "binance": ("ETHUSDT", ("TRADING",), ("BREAK",)),
    "kucoin": ("ETH-USDT", ("True", "ETH-USDT", "ETH"), ("False", "ETH-USDT", "ETH")),
}


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_a_pair_leaves_the_list_or_is_halted_in_it_and_comes_back(venue: str) -> None:
    code, trading, halted = STATES[venue]
    async with busy() as (_, client):
        before = await listed(client, venue)
        assert before[code] == trading
        await plan(client, "suspended", venue, duration=3 * SECOND)
        await becomes(client, venue, code, halted)
        await becomes(client, venue, code, trading)
        await plan(client, "delisted", venue, duration=3 * SECOND)
        await becomes(client, venue, code, None)
        await becomes(client, venue, code, trading)
        assert await listed(client, venue) == before


async def test_only_pairs_of_the_state_that_is_asked_for_are_shown() -> None:
    async with busy() as (_, client):
        await plan(client, "suspended", "binance")
        await becomes(client, "binance", "ETHUSDT", ("BREAK",))
        for status, codes in (("TRADING", {"BTCUSDT", "SOLUSDT"}), ("BREAK", {"ETHUSDT"}), ("HALT", set())):
            found = (await client.get("/api/v3/exchangeInfo", params={"symbolStatus": status})).json()["symbols"]
            assert {each["symbol"] for each in found} == codes


async def test_what_has_left_the_list_is_no_symbol_any_more() -> None:
    async with busy() as (_, client):
        for venue in ("binance", "kucoin"):
            await plan(client, "delisted", venue)
            await becomes(client, venue, STATES[venue][0], None)
        refused = await client.get("/api/v3/klines", params={"symbol": "ETHUSDT", "interval": "1m"})
        assert refused.json()["code"] == -1121
        refused = await client.get("/api/v1/market/candles", params={"symbol": "ETH-USDT", "type": "1min"})
        assert refused.json()["code"] == "900001"


async def test_a_renamed_pair_keeps_its_code_and_goes_on() -> None:
    async with busy() as (server, client), kucoin(server) as opened:
        await plan(client, "renamed", "kucoin", base="ETHER")
        await becomes(client, "kucoin", "ETH-USDT", ("True", "ETHER-USDT", "ETHER"))
        await opened.send(json.dumps({"id": "1", "type": "subscribe", "topic": "/market/match:ETH-USDT"}))
        assert (await receive(opened))["data"]["symbol"] == "ETH-USDT"


async def heard(opened: ClientConnection, frames: int) -> set[str]:
    """Return the codes that so many frames are about, of the whole market or of one pair."""
    codes: set[str] = set()
    for _ in range(frames):
        frame = await receive(opened)
        if "stream" in frame:
            data = frame["data"]
            codes.update(each["s"] for each in (data if isinstance(data, list) else [data]))
        elif frame.get("type") == "message":
            codes.add(frame["subject"] if frame["topic"].endswith(":all") else frame["topic"].partition(":")[2])
    return codes


async def everything(server: Server, frames: int) -> tuple[set[str], set[str]]:
    """Return which codes' data two new connections get, one to each venue, among so many frames."""
    async with kucoin(server) as there, socket(server.ws_url + "/stream") as here:
        pairs = ("BTC-USDT", "ETH-USDT")
        streams = [f"{pair.replace('-', '').lower()}@{kind}" for pair in pairs for kind in ("aggTrade", "bookTicker")]
        await here.send(json.dumps({"method": "SUBSCRIBE", "params": ["!miniTicker@arr", *streams], "id": 1}))
        for topic in ("/market/ticker:all", f"/market/match:{','.join(pairs)}"):
            await there.send(json.dumps({"id": "1", "type": "subscribe", "topic": topic}))
        return await heard(here, frames), await heard(there, frames)


async def test_a_pair_that_does_not_trade_is_silent_on_every_channel_of_its_venue() -> None:
    async with busy() as (server, client):
        trading = await everything(server, 1000)
        await plan(client, "suspended", "binance")
        await plan(client, "delisted", "kucoin")
        await becomes(client, "binance", "ETHUSDT", ("BREAK",))
        await becomes(client, "kucoin", "ETH-USDT", None)
        silent = await everything(server, 1000)
    assert trading == ({"BTCUSDT", "ETHUSDT", "SOLUSDT"}, {"BTC-USDT", "ETH-USDT", "SOL-USDT"})
    assert silent == ({"BTCUSDT", "SOLUSDT"}, {"BTC-USDT", "SOL-USDT"})
