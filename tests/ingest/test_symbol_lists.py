"""The venues' lists of symbols, read again and again: what is told of them, and what follows from them."""

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from ingest.feeds import Feed
from ingest.lists import Lists
from ingest.tickers import TickerBoard
from ingest.venues.adapters import adapters
from market.records import Ticker, Venue
from market.settings import load
from tests.ingest.kafka import eventually
from tests.ingest.scripted import Collected, Following, Market, Peer, binance_trade
from tests.ingest.shapes import kucoin


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_what_changes_in_a_list_is_told_of_symbols_that_nobody_follows_too(
    market: Market, collected: Collected, following: Following, venue: Venue
) -> None:
    async with following(venue, "BTC-USDT", instruments_seconds=0.1):
        await eventually(lambda: len(collected.of("instruments")) >= 2)
        market.halted = {"ETH-USDT"}
        await eventually(lambda: "halted" in collected.events())
        market.halted = set()
        await eventually(lambda: "resumed" in collected.events())
        # A list without anything is an outage: nothing is told of it, and nothing delisted.
        read = len(market.asked)
        market.symbols = []
        await eventually(lambda: len(market.asked) > read + 2)
    told = [event for event in collected.of("feed_events") if event["kind"] in ("halted", "resumed", "delisted")]
    assert [(event["kind"], event["symbol"]) for event in told] == [("halted", "ETH-USDT"), ("resumed", "ETH-USDT")]
    code = "ETHUSDT" if venue == "binance" else "ETH-USDT"
    assert json.loads(told[0]["detail"]) == {"code": code, "name": code, "status": "halted"}
    lists = collected.of("instruments")
    assert {item["venue"] for item in lists} == {venue}
    assert [item["code"] for item in lists[0]["instruments"]] == [code.replace("ETH", "BTC"), code]
    assert all(item["instruments"] for item in lists)
    assert [item["seen_time"] for item in lists] == sorted(item["seen_time"] for item in lists)


async def test_a_symbol_that_is_halted_is_not_blamed_for_its_silence(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send(binance_trade(1, "BTCUSDT"))
        await peer.linger()

    market.script = script
    market.halted = {"ETH-USDT"}
    async with following("binance", "BTC-USDT,ETH-USDT", silent_seconds=0.3, instruments_seconds=0.1) as feed:
        await eventually(lambda: feed.stats.health(0)["closed_symbols"] == ["ETH-USDT"])
        assert not feed.stats.silence.waiting.keys() & {"ETH-USDT"}
        market.halted = set()
        await eventually(lambda: "silent_symbol" in collected.events())
        assert feed.stats.health(0)["closed_symbols"] == []
    kinds = [event["kind"] for event in collected.of("feed_events") if event["symbol"] == "ETH-USDT"]
    assert kinds == ["resumed", "silent_symbol"]


async def test_a_connection_is_not_replaced_where_all_that_it_carries_is_halted(
    market: Market, collected: Collected, following: Following
) -> None:
    quiet = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        for number in range(60):
            await peer.send(binance_trade(number))
            await asyncio.sleep(0.21 if number < 12 else 0)
        quiet.set()
        await peer.linger()

    market.script = script
    async with following("binance", stale_seconds=0.1, instruments_seconds=0.1) as feed:
        await asyncio.wait_for(quiet.wait(), 20)
        market.halted = {"BTC-USDT"}
        await eventually(lambda: "halted" in collected.events())
        # Twenty of its intervals, and some: by then the connection would have been replaced.
        await eventually(lambda: len(collected.of("instruments")) >= 90)
        assert not feed.stats.staleness.stale
    assert not {"mute", "stale"} & set(collected.events())


async def test_a_symbol_that_was_stale_before_its_halt_was_known_is_closed_then(
    market: Market, collected: Collected, following: Following
) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        for number in range(12):
            await peer.send(binance_trade(number, "ETHUSDT"))
            await asyncio.sleep(0.21)
        while not over.is_set():
            number += 1
            await peer.send(binance_trade(number))
            await asyncio.sleep(0.1)
        await peer.send(binance_trade(number, "ETHUSDT"))
        await peer.linger()

    market.script = script
    async with following("binance", "BTC-USDT,ETH-USDT", stale_seconds=0.1, instruments_seconds=0.1) as feed:
        await eventually(lambda: "stale" in collected.events())
        market.halted = {"ETH-USDT"}
        await eventually(lambda: feed.stats.closed == {"ETH-USDT"})
        assert not feed.stats.staleness.stale
        market.halted = set()
        await eventually(lambda: "resumed" in collected.events())
        over.set()
        await eventually(lambda: collected.of("trades_in")[-1]["symbol"] == "ETH-USDT")
    kinds = [event["kind"] for event in collected.of("feed_events") if event["symbol"] == "ETH-USDT"]
    assert kinds == ["stale", "halted", "resumed"]


async def test_tickers_of_what_trades_on_both_venues_are_taken_as_soon_as_both_lists_are_there(
    market: Market, collected: Collected
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        mini: dict[str, Any] = {"e": "24hrMiniTicker", "c": "5", "o": "4", "h": "6", "l": "3", "v": "7", "q": "35"}
        tickers = [mini | {"E": time.time_ns() // 1_000_000, "s": code} for code in ("BTCUSDT", "ETHUSDT", "XRPUSDT")]
        await peer.stream(itertools.repeat({"stream": "!miniTicker@arr", "data": tickers}))

    market.script = script
    market.symbols = ["BTC-USDT", "ETH-USDT", "XRP-USDT"]
    where = market.settings
    settings = load(**where | {"binance": where["binance"] | {"books_seconds": 0.1}}, symbols="BTC-USDT")
    (venue,) = (each for each in adapters(settings) if each.name == "binance")
    lists = Lists(settings.symbols, ["binance", "kucoin"])
    publisher: Any = collected
    board = TickerBoard(0.2)
    feed = Feed(venue, settings, lists=lists, publisher=publisher, board=board)
    task = asyncio.create_task(feed.run())
    seen: dict[str, Ticker] = {}

    def heard() -> dict[str, Ticker]:
        seen.update((ticker.symbol, ticker) for ticker in board.due(float("inf")))
        return seen

    await eventually(lambda: bool(heard()))
    assert seen.keys() == {"BTC-USDT"}
    assert "/api/v3/ticker/bookTicker" not in market.asked
    lists.report("kucoin", kucoin("BTC-USDT", "ETH-USDT"))
    # Last prices come by the stream, bid and ask over REST; of what is followed they would come by a stream too.
    await eventually(lambda: "ETH-USDT" in heard() and seen["ETH-USDT"].ask_price is not None)
    assert (seen["ETH-USDT"].last_price, seen["ETH-USDT"].bid_price, seen["ETH-USDT"].ask_price) == ("5", "4", "6")
    assert (seen["BTC-USDT"].last_price, seen["BTC-USDT"].bid_price) == ("5", None)
    assert seen.keys() == {"BTC-USDT", "ETH-USDT"}
    task.cancel()
    await asyncio.wait((task,))
    await venue.close()
