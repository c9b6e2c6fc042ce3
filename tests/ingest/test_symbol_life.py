"""Symbols that are halted, delisted or renamed on the market on localhost, as the feed that follows them tells it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from market.records import Venue
from replay.faults import Fault, ListKind
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.ingest.kafka import eventually
from tests.ingest.watching import Watcher

PROMPT: dict[str, Any] = {"instruments_seconds": 0.2, "stale_seconds": 1.0}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with running(SimulatedMarket(Market(1, 3, 400.0))) as found:
        yield found


def change(server: Server, kind: ListKind, venue: Venue, symbol: str, **details: Any) -> None:
    server.chaos.schedule([Fault(kind, venue, 0, symbols=(symbol,), **details)])


def told(watcher: Watcher, symbol: str) -> list[str]:
    """Return what was told of a symbol, without the connections' events."""
    return [event["kind"] for event in watcher.collected.of("feed_events") if event["symbol"] == symbol]


def listed(watcher: Watcher, symbol: str) -> dict[str, Any] | None:
    """Return how the newest list that was published has a symbol."""
    newest = watcher.collected.of("instruments")[-1]["instruments"]
    return next((item for item in newest if item["symbol"] == symbol), None)


async def closed_and_back(server: Server, venue: Venue, kind: ListKind) -> list[str]:
    """Take a followed symbol off the list, for longer than it takes to be stale; return what was told of it."""
    async with Watcher(server, venue, **PROMPT) as watcher:
        # The usual pace has to be known first. It is stale after twenty of its intervals, of 0.2 seconds and some.
        await watcher.trades(500)
        change(server, kind, venue, "ETH-USDT", duration=9_000_000)
        await eventually(lambda: watcher.feed.stats.health(0)["closed_symbols"] == ["ETH-USDT"])
        shown = listed(watcher, "ETH-USDT")
        assert (shown and shown["status"]) == (None if kind == "delisted" else "halted")
        await eventually(lambda: not watcher.feed.stats.closed)
        shown = listed(watcher, "ETH-USDT")
        assert (shown and shown["status"]) == "trading"
        watcher.collected.records = [r for r in watcher.collected.records if r.topic == "feed_events"]
        await eventually(lambda: any(t["symbol"] == "ETH-USDT" for t in watcher.collected.of("trades_in")))
    return told(watcher, "ETH-USDT")


async def test_a_followed_symbol_that_does_not_trade_is_closed_and_not_stale_and_comes_back(server: Server) -> None:
    binance, kucoin = await asyncio.gather(
        closed_and_back(server, "binance", "suspended"), closed_and_back(server, "kucoin", "delisted")
    )
    assert binance == ["halted", "resumed"]
    assert kucoin == ["delisted", "listed"]


async def test_a_renamed_symbol_is_followed_on_under_its_code(server: Server) -> None:
    async with Watcher(server, "kucoin", **PROMPT) as watcher:
        change(server, "renamed", "kucoin", "ETH-USDT", base="ETHER")
        await watcher.event("renamed")
        renamed = listed(watcher, "ETHER-USDT")
        assert renamed is not None
        assert (renamed["code"], renamed["name"], renamed["base"]) == ("ETH-USDT", "ETHER-USDT", "ETHER")
        watcher.collected.records = [r for r in watcher.collected.records if r.topic == "feed_events"]
        await watcher.trades(100)
        assert {trade["symbol"] for trade in watcher.collected.of("trades_in")} == {"BTC-USDT", "ETH-USDT"}
    (event,) = (event for event in watcher.collected.of("feed_events") if event["kind"] == "renamed")
    assert event["symbol"] == "ETH-USDT"
    assert json.loads(event["detail"]) == {
        "code": "ETH-USDT",
        "name": "ETHER-USDT",
        "status": "trading",
        "symbol": "ETHER-USDT",
        "was_name": "ETH-USDT",
        "was_symbol": "ETH-USDT",
    }


async def test_a_symbol_that_nobody_follows_is_told_of_too(server: Server) -> None:
    async with Watcher(server, "kucoin", **PROMPT) as watcher:
        change(server, "suspended", "kucoin", "SOL-USDT")
        await watcher.event("halted")
    assert told(watcher, "SOL-USDT") == ["halted"]
    assert watcher.feed.stats.closed == frozenset()
