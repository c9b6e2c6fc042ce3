"""What connections tell the sequencer: losses, returns and doubts, beside the trades and by the same way."""

import asyncio
from collections.abc import Iterator
from itertools import chain, count, islice, repeat
from typing import Any

import pytest
from aiohttp import web

from ingest import connection
from tests.ingest.kafka import eventually
from tests.ingest.scripted import Collected, Following, Market, Peer, binance_trade, kucoin_trade


def marks(collected: Collected, symbol: str = "BTC-USDT") -> list[dict[str, Any]]:
    return [mark for mark in collected.of("feed_marks") if mark["symbol"] == symbol]


def kinds(collected: Collected) -> list[tuple[str, str]]:
    return [(mark["kind"], mark["reason"]) for mark in marks(collected)]


async def welcome(peer: Peer, subscriptions: int = 2) -> None:
    await peer.send({"id": "x", "type": "welcome"})
    for _ in range(subscriptions):
        await peer.acknowledge()


async def test_a_loss_and_the_return_from_it_are_told_with_the_market_s_times(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send(binance_trade(peer.number))
        if peer.number == 1:
            await peer.socket.close(code=1001)
        await peer.linger()

    market.script = script
    async with following("binance", "BTC-USDT,ETH-USDT"):
        await eventually(lambda: len(collected.of("trades_in")) == 2)
    first, second = (trade["event_time"] for trade in collected.of("trades_in"))
    for symbol in ("BTC-USDT", "ETH-USDT"):
        assert [(mark["kind"], mark["instance"], mark["time"]) for mark in marks(collected, symbol)] == [
            ("regained", "test", first),
            ("lost", "test", first),
            ("regained", "test", second),
            ("lost", "test", second),
        ]
    assert [reason for _, reason in kinds(collected)] == ["start", "closed by the venue", "reconnect", "ingest stops"]
    assert {record.key for record in collected.records if record.topic == "feed_marks"} == {"BTC-USDT", "ETH-USDT"}


async def test_a_venue_that_cannot_be_reached_is_told_as_lost(
    market: Market, collected: Collected, following: Following
) -> None:
    await market.stop()
    async with following("kucoin"):
        await eventually(lambda: "unreachable" in collected.events())
        await market.start(market.port)
        await eventually(lambda: "connected" in collected.events())
        await market.stop()
        await eventually(lambda: bool(marks(collected)))
    assert [(mark["kind"], mark["time"]) for mark in marks(collected)] == [("lost", None)]


async def test_a_shard_without_trades_has_no_marks(market: Market, collected: Collected, following: Following) -> None:
    async def script(peer: Peer) -> None:
        streams = (await peer.acknowledge())["params"]
        if "btcusdt@aggTrade" in streams:
            await peer.send(binance_trade(1))
        await peer.linger()

    market.script = script
    market.streams_per_connection = 1
    async with following("binance"):
        await eventually(lambda: len(market.peers) == 3)
        await eventually(lambda: len(marks(collected)) == 1)
    assert kinds(collected) == [("regained", "start"), ("lost", "ingest stops")]


async def test_marks_keep_their_place_among_the_trades_while_kafka_is_behind(
    market: Market, collected: Collected, following: Following
) -> None:
    closing = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        collected.full = peer.number == 1
        for number in range(50):
            await peer.send(binance_trade(peer.number * 100 + number))
        closing.set()
        if peer.number == 1:
            await peer.socket.close()
        await peer.linger()

    market.script = script
    async with following("binance"):
        await asyncio.wait_for(closing.wait(), 20)
        assert len(collected.of("trades_in")) <= 1
        collected.full = False
        await eventually(lambda: len(collected.of("trades_in")) == 100)
    topics = [record.topic for record in collected.records if record.topic in ("trades_in", "feed_marks")]
    assert topics == [
        "trades_in", "feed_marks", *["trades_in"] * 49, "feed_marks", "trades_in", "feed_marks", *["trades_in"] * 49,
        "feed_marks",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "spoilt",
    [
        '{"type":"message","topic":"/market/match:BTC-USDT","subject":"trade.l3match","data":{"symbol":"BTC-U',
        kucoin_trade(2) | {"data": {"symbol": "BTC-USDT", "price": 5}},
        "nonsense",
    ],
)
async def test_a_malformed_trade_of_kucoin_makes_what_lies_around_it_suspect(
    market: Market, collected: Collected, following: Following, spoilt: Any
) -> None:
    async def script(peer: Peer) -> None:
        await welcome(peer)
        await peer.send(kucoin_trade(1))
        await peer.send(spoilt)
        await peer.send(kucoin_trade(3))
        await peer.linger()

    market.script = script
    async with following("kucoin", "BTC-USDT,ETH-USDT"):
        await eventually(lambda: len(collected.of("trades_in")) == 2)
    before, after = (trade["event_time"] for trade in collected.of("trades_in"))
    (suspect,) = (mark for mark in marks(collected) if mark["kind"] == "suspect")
    assert (suspect["from_time"], suspect["to_time"], suspect["reason"]) == (before, after, "dropped")
    others = [mark["kind"] for mark in marks(collected, "ETH-USDT")]
    assert others == ["regained", *(["suspect"] if spoilt == "nonsense" else []), "lost"]


async def test_a_malformed_ticker_of_kucoin_makes_no_trade_suspect(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await welcome(peer)
        await peer.send(kucoin_trade(1))
        await peer.send('{"type":"message","topic":"/market/ticker:all","subject":"BTC-USDT","data":{"pri')
        await peer.send(kucoin_trade(3))
        await peer.linger()

    market.script = script
    async with following("kucoin"):
        await eventually(lambda: len(collected.of("trades_in")) == 2)
    assert kinds(collected) == [("regained", "start"), ("lost", "ingest stops")]


async def test_a_shutdown_that_is_announced_costs_nothing(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        if peer.number == 1:
            await peer.send(binance_trade(0))
            await peer.send({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
        await peer.stream(binance_trade(number) for number in count(peer.number * 10_000))

    market.script = script
    async with following("binance") as feed:
        await eventually(lambda: "renewed" in collected.events())
        assert feed.stats.open == 1
        assert (feed.stats.renewals, feed.stats.reconnects) == (1, 0)
    assert collected.events() == [
        "connected", "subscribed", "shutdown_notice", "connected", "subscribed", "renewed", "disconnected",
    ]  # fmt: skip
    assert kinds(collected) == [("regained", "start"), ("lost", "ingest stops")]
    renewed = next(event for event in collected.of("feed_events") if event["kind"] == "renewed")
    assert "announced a shutdown" in renewed["detail"]


async def test_a_connection_is_replaced_at_its_age_with_a_fresh_token_and_without_a_mark(
    market: Market, collected: Collected, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        await welcome(peer)
        await peer.stream(kucoin_trade(number) for number in count(peer.number * 10_000))

    market.script = script
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.1)
    async with following("kucoin", renew_hours=1 / 3600):
        await eventually(lambda: "renewed" in collected.events())
    assert [peer.query["token"] for peer in market.peers] == ["token-1", "token-2"]
    assert kinds(collected) == [("regained", "start"), ("lost", "ingest stops")]
    connected = [event for event in collected.of("feed_events") if event["kind"] == "connected"]
    assert "replaces" in connected[1]["detail"]


async def test_while_a_replacement_cannot_be_had_the_old_connection_goes_on(
    market: Market, collected: Collected, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.stream(binance_trade(number) for number in count(peer.number * 10_000))

    monkeypatch.setattr(connection, "_RENEWAL_GAP_SECONDS", 0.2)
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.1)
    market.script = script
    market.handshake = lambda number: web.Response(status=503) if 1 < number < 4 else None
    async with following("binance", renew_hours=0.5 / 3600):
        await eventually(lambda: "renewed" in collected.events())
    assert collected.events().count("unreachable") >= 2
    assert kinds(collected) == [("regained", "start"), ("lost", "ingest stops")]


async def test_a_connection_whose_trades_stay_away_is_replaced_though_heartbeats_go_on(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        trades = (binance_trade(number) for number in count(peer.number * 10_000))
        heartbeats = repeat({"stream": "!miniTicker@arr", "data": []})
        await peer.stream(chain(islice(trades, 150), heartbeats) if peer.number == 1 else trades)

    market.script = script
    loop = asyncio.get_running_loop()
    async with following("binance", stale_seconds=2):
        await eventually(lambda: len(collected.of("trades_in")) == 150)
        silent = loop.time()
        await eventually(lambda: len(collected.of("trades_in")) > 150)
        # Twenty usual intervals of some 0.2 s, and what a connect takes.
        assert loop.time() - silent < 7
        await eventually(lambda: "renewed" in collected.events())
    assert [kind for kind, _ in kinds(collected)] == ["regained", "lost", "regained", "lost"]
    assert "mute" in collected.events()
    trades = collected.of("trades_in")
    lost, regained = marks(collected)[1:3]
    assert lost["time"] == trades[149]["event_time"]
    assert regained["time"] == trades[150]["event_time"]


async def test_a_symbol_that_falls_silent_by_its_own_pace_is_told_and_so_is_its_return(
    market: Market, collected: Collected, following: Following
) -> None:
    resumed = asyncio.Event()

    def trades() -> Iterator[Any]:
        for number in count():
            yield binance_trade(number, "ETHUSDT")
            if number < 100 or resumed.is_set():
                yield binance_trade(number)

    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.stream(trades())

    market.script = script
    async with following("binance", "BTC-USDT,ETH-USDT", stale_seconds=2) as feed:
        await eventually(lambda: "stale" in collected.events())
        assert feed.stats.health(0)["stale_symbols"] == ["BTC-USDT"]
        resumed.set()
        await eventually(lambda: "fresh" in collected.events())
        assert feed.stats.health(0)["stale_symbols"] == []
    told = [(event["kind"], event["symbol"]) for event in collected.of("feed_events") if event["symbol"]]
    assert told == [("stale", "BTC-USDT"), ("fresh", "BTC-USDT")]
    assert len(market.peers) == 1


async def test_a_message_that_comes_late_by_the_old_connection_is_not_lost_with_it(
    market: Market, collected: Collected, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = kucoin_trade(1)
    renewed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await welcome(peer)
        if peer.number == 1:
            ordinary = (kucoin_trade(number) for number in count(10_000))
            await peer.stream(late if renewed.is_set() else next(ordinary) for _ in count())
        renewed.set()
        await peer.stream(kucoin_trade(number) for number in count(20_000))

    market.script = script
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.5)
    async with following("kucoin", renew_hours=1 / 3600):
        await eventually(lambda: "renewed" in collected.events())
    assert "1" in {trade["source_id"] for trade in collected.of("trades_in")}
