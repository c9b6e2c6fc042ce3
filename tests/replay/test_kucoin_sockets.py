import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from replay.kucoin import TopicError, topics
from replay.limits import KucoinRules, Rules
from replay.server import Server
from replay.wire import Message
from tests.replay_helpers import Clock, ask, kucoin, receive, rest, socket, still, until


async def token(server: Server) -> tuple[str, str]:
    async with rest(server) as client:
        data = (await client.post("/api/v1/bullet-public")).json()["data"]
    return data["instanceServers"][0]["endpoint"], data["token"]


def publish(server: Server, topic: str) -> None:
    server.hub.publish(Message(topic, json.dumps({"topic": topic}).encode()))
    server.hub.flush()


def subscribe(topic: str, **more: Any) -> dict[str, Any]:
    return {"id": 1, "type": "subscribe", "topic": topic, "privateChannel": False, "response": True, **more}


@asynccontextmanager
async def quiet(rules: Rules | None = None) -> AsyncIterator[tuple[Server, ClientConnection]]:
    async with still(rules) as (server, _), kucoin(server) as opened:
        yield server, opened


async def test_bullet_public_gives_a_token_and_where_to_connect() -> None:
    async with still() as (server, _), rest(server) as client:
        data = (await client.post("/api/v1/bullet-public")).json()["data"]
        (instance,) = data["instanceServers"]
        assert instance["endpoint"].startswith(server.ws_url)
        assert (instance["pingInterval"], instance["pingTimeout"]) == (18_000, 10_000)
        assert data["token"]


async def test_what_is_sent_before_the_welcome_is_not_heard() -> None:
    rules = Rules(kucoin=KucoinRules(welcome_seconds=0.1))
    async with still(rules) as (server, _):
        endpoint, secret = await token(server)
        async with socket(f"{endpoint}?token={secret}&connectId=abc") as opened:
            await opened.send(json.dumps(subscribe("/market/match:BTC-USDT")))
            assert await receive(opened) == {"id": "abc", "type": "welcome"}
            assert server.hub.subscribed == 0
            assert await ask(opened, {"id": 2, "type": "ping"}) == {
                "id": "2", "type": "pong", "timestamp": 1_700_000_000_123_456,
            }  # fmt: skip


async def test_the_connect_id_is_optional() -> None:
    async with still() as (server, _):
        endpoint, secret = await token(server)
        async with socket(f"{endpoint}?token={secret}") as opened:
            assert (await receive(opened))["type"] == "welcome"


@pytest.mark.parametrize(("seconds", "text"), [(None, "token is invalid"), (86_400, "token is expired")])
async def test_a_handshake_with_a_bad_token_is_told_so_and_closed(seconds: int | None, text: str) -> None:
    clock = Clock()
    async with still(Rules(clock=clock)) as (server, _):
        endpoint, secret = await token(server)
        clock.seconds += seconds or 0
        async with socket(f"{endpoint}?token={secret if seconds else 'made-up'}") as opened:
            assert await receive(opened) == {"type": "error", "code": 401, "data": text}
            with pytest.raises(ConnectionClosedOK):
                await opened.recv()


async def test_an_open_connection_outlives_its_token() -> None:
    clock = Clock()
    rules = Rules(clock=clock, watch_seconds=0.002)
    async with quiet(rules) as (_, opened):
        for _ in range(2000):
            clock.seconds += 50
            await opened.send('{"id":1,"type":"ping"}')
            assert (await receive(opened))["type"] == "pong"


async def test_a_subscription_is_acknowledged_only_where_that_is_asked() -> None:
    async with quiet() as (server, opened):
        await opened.send(json.dumps(subscribe("/market/match:BTC-USDT", response=False)))
        assert await ask(opened, subscribe("/market/match:ETH-USDT", id=77)) == {"id": "77", "type": "ack"}
        publish(server, "/market/match:BTC-USDT")
        publish(server, "/market/match:ETH-USDT")
        assert [(await receive(opened))["topic"][-8:] for _ in range(2)] == ["BTC-USDT", "ETH-USDT"]


async def test_a_list_of_symbols_is_one_request_and_ids_need_not_differ() -> None:
    async with quiet() as (server, opened):
        for _ in range(2):
            assert await ask(opened, subscribe("/market/ticker:BTC-USDT,NO-COIN,BCHSV-USDT")) == {
                "id": "1", "type": "ack",
            }  # fmt: skip
        assert server.hub.subscribed == 3
        publish(server, "/market/ticker:BCHSV-USDT")
        assert (await receive(opened))["topic"] == "/market/ticker:BCHSV-USDT"
        await ask(opened, {**subscribe("/market/ticker:BTC-USDT,NO-COIN"), "type": "unsubscribe"})
        assert server.hub.subscribed == 1


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("{nonsense", 400, "Unrecognized token"),
        ("[]", 400, "invalid"),
        ({"id": 1, "type": "sing"}, 415, "not supported"),
        ({"id": 1, "type": "subscribe"}, 406, "required"),
        (subscribe("/no/such:BTC-USDT"), 404, "topic /no/such:BTC-USDT does not exist"),
        (subscribe("/market/match:"), 400, "topic is invalid"),
        (subscribe("/market/candles:BTC-USDT_1min,ETH-USDT_1min"), 400, "topic is invalid"),
        (subscribe("/market/match:BTC-USDT", privateChannel=True), 403, "login is required"),
        (subscribe("/market/match:" + ",".join(f"C{n}-USDT" for n in range(101))), 509, "of 100 per time"),
    ],
)
async def test_a_wrong_message_is_answered_with_an_error_of_numeric_code(message: Any, code: int, text: str) -> None:
    async with quiet() as (_, opened):
        reply = await ask(opened, message)
        assert (reply["type"], reply["code"]) == ("error", code)
        assert text in reply["data"]
        if isinstance(message, dict):
            assert reply["id"] == "1"


async def test_each_symbol_counts_as_a_topic() -> None:
    async with quiet(Rules(kucoin=KucoinRules(topics=150))) as (server, opened):
        first = ",".join(f"C{number}-USDT" for number in range(100))
        assert (await ask(opened, subscribe("/market/match:" + first)))["type"] == "ack"
        reply = await ask(opened, subscribe("/market/ticker:" + first))
        assert (reply["code"], reply["data"]) == (509, "exceed max subscription count limitation of 150 per session")
        assert server.hub.subscribed == 100


async def test_the_101st_message_of_ten_seconds_is_refused() -> None:
    clock = Clock()
    async with quiet(Rules(clock=clock)) as (_, opened):
        for _ in range(100):
            assert (await ask(opened, {"id": 1, "type": "ping"}))["type"] == "pong"
        assert (await ask(opened, {"id": 2, "type": "ping"}))["code"] == 509
        clock.seconds += 10
        assert (await ask(opened, {"id": 3, "type": "ping"}))["type"] == "pong"


async def test_a_client_silent_for_60_seconds_is_closed_though_it_is_streamed_to() -> None:
    clock = Clock()
    async with quiet(Rules(clock=clock, watch_seconds=0.002)) as (server, opened):
        await ask(opened, subscribe("/market/match:BTC-USDT"))
        clock.seconds += 59
        await (await opened.ping())
        publish(server, "/market/match:BTC-USDT")
        assert (await receive(opened))["topic"] == "/market/match:BTC-USDT"
        clock.seconds += 1
        last = await receive(opened)
        assert (last["type"], last["code"], last["data"]) == ("error", 400, "ping timeout")
        with pytest.raises(ConnectionClosedOK):
            await opened.recv()
    await until(lambda: not server.hub.clients)


async def test_sessions_and_attempts_to_connect_are_limited() -> None:
    rules = Rules(clock=Clock(), kucoin=KucoinRules(sessions=1, connections=2))
    async with quiet(rules) as (server, _):
        endpoint, secret = await token(server)
        async with socket(f"{endpoint}?token={secret}") as second:
            reply = await receive(second)
            assert (reply["code"], reply["data"]) == (509, "exceed max session count limitation of 1")
        with pytest.raises(InvalidStatus) as refused:
            await socket(f"{endpoint}?token={secret}")
        assert refused.value.response.status_code == 429


async def test_clients_are_closed_in_order_when_the_server_stops() -> None:
    async with still() as (server, _):
        endpoint, secret = await token(server)
        opened = await socket(f"{endpoint}?token={secret}")
        await receive(opened)
        closing = asyncio.create_task(opened.wait_closed())
    await closing
    assert opened.close_code == 1001


def test_a_topic_of_all_symbols_is_one_topic() -> None:
    assert topics("/market/ticker:all", 100) == ["/market/ticker:all"]
    with pytest.raises(TopicError):
        topics(5, 100)
