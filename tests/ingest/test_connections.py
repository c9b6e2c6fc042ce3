"""Connections to a scripted market: what is lost, refused or silent comes back, and is told."""

import asyncio

import pytest
from aiohttp import web

from ingest.venues.requests import Requests
from tests.ingest.kafka import eventually
from tests.ingest.scripted import Collected, Following, Market, Peer, binance_trade, kucoin_trade


async def test_binance_trades_arrive_with_their_raw_frames_and_facts(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.acknowledge()
        assert request["params"] == ["!miniTicker@arr", "btcusdt@aggTrade", "btcusdt@bookTicker"]
        for number in range(3):
            await peer.send(binance_trade(number))
        await peer.linger()

    market.script = script
    async with following("binance", raw_batch_frames=4) as feed:
        await eventually(lambda: len(collected.of("trades_in")) == 3)
        await eventually(lambda: feed.stats.clock_offset is not None)
        assert feed.stats.health(0)["connected"]
    trade = collected.of("trades_in")[0]
    assert (trade["symbol"], trade["quote"], trade["side"]) == ("BTC-USDT", "5", "buy")
    (batch,) = collected.of("binance_raw_data")
    assert [frame[1][:10] for frame in batch] == ['{"result":', *['{"stream":'] * 3]
    assert collected.events() == ["connected", "subscribed", "disconnected"]
    assert {record.key for record in collected.records if record.topic == "binance_raw_data"} == {"binance-1-test"}


async def test_kucoin_trades_arrive_and_its_day_figures_with_them(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send({"id": peer.query["connectId"], "type": "welcome"})
        topics = [(await peer.acknowledge())["topic"] for _ in range(2)]
        assert topics == ["/market/match:BTC-USDT", "/market/ticker:all"]
        await peer.send(kucoin_trade(7))
        await peer.linger()

    market.script = script
    async with following("kucoin") as feed:
        await eventually(lambda: len(collected.of("trades_in")) == 1)
        await eventually(lambda: feed.stats.channel("allTickers").tickers == 1)
    assert collected.of("trades_in")[0]["source_id"] == "7"
    assert collected.events() == ["token_renewed", "connected", "subscribed", "subscribed", "disconnected"]


async def test_a_lost_connection_comes_back_and_its_end_is_told(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send(binance_trade(peer.number))
        if peer.number == 1:
            await peer.socket.close(code=1008, message=b"enough")
        await peer.linger()

    market.script = script
    async with following("binance") as feed:
        await eventually(lambda: len(collected.of("trades_in")) == 2)
        assert feed.stats.reconnects == 1
    lost = next(event for event in collected.of("feed_events") if event["kind"] == "disconnected")
    assert '"code":1008' in lost["detail"]
    assert "enough" in lost["detail"]
    assert lost["connection"] == "binance-1-test"


async def test_kucoin_gets_a_fresh_token_for_every_connect(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send({"id": "x", "type": "welcome"})
        await peer.acknowledge()
        if peer.number == 1:
            await peer.send({"id": "x", "type": "error", "code": 401, "data": "token is expired"})
        await peer.linger()

    market.script = script
    async with following("kucoin"):
        await eventually(lambda: len(market.peers) == 2)
        await eventually(lambda: collected.events().count("connected") == 2)
    assert [peer.query["token"] for peer in market.peers] == ["token-1", "token-2"]
    assert len({peer.query["connectId"] for peer in market.peers}) == 2
    assert collected.events().count("token_renewed") == 2
    assert "refused" in collected.events()


async def test_kucoin_is_pinged_in_json(market: Market, following: Following) -> None:
    pings: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.send({"id": "x", "type": "welcome"})
        while True:
            message = await peer.receive()
            reply = "pong" if message["type"] == "ping" else "ack"
            await peer.send({"id": message["id"], "type": reply})
            if reply == "pong":
                pings.append(message["id"])

    market.script = script
    async with following("kucoin"):
        await eventually(lambda: len(pings) >= 3)
    assert len(market.peers) == 1


async def test_a_connection_that_does_not_acknowledge_is_opened_anew(
    market: Market, collected: Collected, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Requests.__init__, "__defaults__", (0.3,))
    async with following("binance"):
        await eventually(lambda: len(market.peers) == 2)
    details = [event["detail"] for event in collected.of("feed_events") if event["kind"] == "disconnected"]
    assert "no answer to the subscription of !miniTicker@arr" in details[0]


async def test_a_connection_on_which_nothing_comes_is_opened_anew(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.linger()

    market.script = script
    async with following("binance", idle_seconds=0.3):
        await eventually(lambda: len(market.peers) == 2)
    assert any("no frame for 0.3 s" in event["detail"] for event in collected.of("feed_events"))


async def test_pings_of_the_venue_show_that_a_quiet_connection_lives(market: Market, following: Following) -> None:
    pings = 0

    async def script(peer: Peer) -> None:
        nonlocal pings
        await peer.acknowledge()
        while True:
            await peer.socket.ping()
            pings += 1
            await asyncio.sleep(0.05)

    market.script = script
    async with following("binance", idle_seconds=0.3):
        await eventually(lambda: pings > 20)
    assert len(market.peers) == 1


async def test_heartbeats_without_the_data_that_came_before_are_no_life(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send({"stream": "!miniTicker@arr", "data": []})
        while True:
            await peer.socket.ping()
            await asyncio.sleep(0.05)

    market.script = script
    async with following("binance", idle_seconds=0.3):
        await eventually(lambda: len(market.peers) == 2)
    assert any("heartbeats but no data" in event["detail"] for event in collected.of("feed_events"))


async def test_while_kafka_is_behind_reading_waits_and_nothing_is_lost(
    market: Market, collected: Collected, following: Following
) -> None:
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send(binance_trade(0))
        await sent.wait()
        for number in range(1, 2000):
            await peer.send(binance_trade(number))
        await peer.linger()

    market.script = script
    async with following("binance", idle_seconds=0.3):
        await eventually(lambda: len(collected.of("trades_in")) == 1)
        collected.full = True
        sent.set()
        await eventually(lambda: len(collected.of("trades_in")) == 2)
        # Longer than a connection may be idle: that nothing is read is not the venue's fault.
        await asyncio.sleep(0.6)
        assert len(collected.of("trades_in")) == 2
        collected.full = False
        await eventually(lambda: len(collected.of("trades_in")) == 2000)
        assert len(market.peers) == 1
    assert [trade["first_id"] for trade in collected.of("trades_in")] == list(range(2000))


async def test_what_came_before_the_end_is_read_even_if_kafka_must_make_room_first(
    market: Market, collected: Collected, following: Following
) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send({"id": "x", "type": "welcome"})
        await peer.acknowledge()
        await peer.acknowledge()
        collected.full = peer.number == 1
        for number in range(100):
            await peer.send(kucoin_trade(peer.number * 1000 + number))
        await peer.socket.close()
        closed.set()
        await peer.linger()

    market.script = script
    async with following("kucoin"):
        await asyncio.wait_for(closed.wait(), 20)
        # Pings fall due meanwhile, and find the connection closed.
        await asyncio.sleep(0.5)
        assert len(collected.of("trades_in")) <= 1
        collected.full = False
        await eventually(lambda: len(collected.of("trades_in")) >= 100)
    assert [trade["first_id"] for trade in collected.of("trades_in")][:100] == list(range(1000, 1100))


async def test_a_handshake_that_is_refused_for_now_is_tried_again_when_it_may(
    market: Market, collected: Collected, following: Following
) -> None:
    market.handshake = lambda number: web.Response(status=429, headers={"Retry-After": "1"}) if number == 1 else None
    async with following("binance"):
        loop = asyncio.get_running_loop()
        await eventually(lambda: "unreachable" in collected.events())
        refused = loop.time()
        await eventually(lambda: len(market.peers) == 1)
        assert loop.time() - refused > 0.8
    assert "HTTP 429" in collected.of("feed_events")[0]["detail"]


async def test_a_venue_that_does_not_serve_this_country_is_not_asked_again(
    market: Market, collected: Collected, following: Following
) -> None:
    market.handshake = lambda number: web.Response(status=451)
    async with following("binance") as feed:
        await eventually(lambda: "refused" in collected.events())
        assert not feed.stats.health(0)["connected"]
    (refused,) = (event for event in collected.of("feed_events") if event["kind"] == "refused")
    assert "legal reasons" in refused["detail"]
    assert market.peers == []


async def test_a_symbol_that_never_sends_is_told_once(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send(binance_trade(1))
        await peer.linger()

    market.script = script
    async with following("binance", "BTC-USDT,ETH-USDT", silent_seconds=0.5) as feed:
        await eventually(lambda: "silent_symbol" in collected.events())
        assert feed.stats.health(0)["silent_symbols"] == ["ETH-USDT"]
    (event,) = (event for event in collected.of("feed_events") if event["kind"] == "silent_symbol")
    assert event["symbol"] == "ETH-USDT"


async def test_a_symbol_that_the_venue_does_not_list_is_told_and_left_out(
    market: Market, collected: Collected, following: Following
) -> None:
    subscribed: list[str] = []

    async def script(peer: Peer) -> None:
        subscribed.extend((await peer.acknowledge())["params"])
        await peer.linger()

    market.script = script
    async with following("binance", "NO-USDT,ETH-USDT") as feed:
        await eventually(lambda: bool(subscribed))
        assert feed.stats.symbols == 1
    assert subscribed == ["!miniTicker@arr", "ethusdt@aggTrade", "ethusdt@bookTicker"]
    assert [event["symbol"] for event in collected.of("feed_events") if event["kind"] == "unknown_symbol"] == [
        "NO-USDT"
    ]


async def test_a_venue_that_cannot_be_reached_at_the_start_is_followed_once_it_can(
    market: Market, collected: Collected, following: Following
) -> None:
    await market.stop()
    async with following("binance"):
        await eventually(lambda: collected.events().count("unreachable") >= 2)
        await market.start(market.port)
        await eventually(lambda: "connected" in collected.events())


async def test_a_symbol_that_is_delisted_is_told(market: Market, collected: Collected, following: Following) -> None:
    async with following("kucoin", "BTC-USDT", instruments_seconds=0.2):
        await eventually(lambda: market.asked.count("/api/v2/symbols") >= 2)
        market.symbols = ["ETH-USDT"]
        await eventually(lambda: "delisted" in collected.events())
        market.symbols = ["BTC-USDT", "ETH-USDT"]
        await eventually(lambda: "listed" in collected.events())
    told = [(event["kind"], event["symbol"]) for event in collected.of("feed_events") if "listed" in event["kind"]]
    assert told == [("delisted", "BTC-USDT"), ("listed", "BTC-USDT")]


async def test_a_frame_that_cannot_be_mapped_stops_nothing(
    market: Market, collected: Collected, following: Following
) -> None:
    async def script(peer: Peer) -> None:
        await peer.acknowledge()
        await peer.send("nonsense")
        await peer.socket.send_bytes(b"\xff")
        await peer.send(binance_trade(1))
        await peer.linger()

    market.script = script
    async with following("binance") as feed:
        await eventually(lambda: len(collected.of("trades_in")) == 1)
        assert feed.stats.health(0)["dead_letters"] == 2
    letters = collected.of("dead_letters")
    assert [letter["payload"] for letter in letters] == ["nonsense", "\ufffd"]
    assert {(letter["venue"], letter["connection"], letter["part"]) for letter in letters} == {
        ("binance", "binance-1-test", "ingest")
    }
