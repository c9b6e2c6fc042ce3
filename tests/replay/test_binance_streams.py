import json

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from replay.limits import BinanceRules, Rules
from replay.server import Server
from replay.wire import binance
from tests.replay_helpers import Clock, ask, receive, socket, still, until

TRADE = b'{"e":"aggTrade","E":1700000000123,"s":"BTCUSDT","a":5,"p":"1.00000000","T":1700000000121,"M":true}'


def publish(server: Server, stream: str = "btcusdt@aggTrade", data: bytes = TRADE) -> None:
    server.hub.publish(binance(stream, data))
    server.hub.flush()


async def test_a_raw_connection_gets_the_event_and_a_combined_one_gets_it_wrapped() -> None:
    async with (
        still() as (server, _),
        socket(f"{server.ws_url}/ws/btcusdt@aggTrade/ethusdt@trade") as raw,
        socket(f"{server.ws_url}/stream?streams=btcusdt@aggTrade/!miniTicker@arr") as combined,
    ):
        await until(lambda: server.hub.subscribed == 3)
        publish(server)
        assert await raw.recv() == TRADE.decode()
        assert await combined.recv() == f'{{"stream":"btcusdt@aggTrade","data":{TRADE.decode()}}}'


async def test_subscriptions_are_acknowledged_unwrapped_and_listed() -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/stream") as opened:
        names = ["btcusdt@aggTrade", "btcusdt@bookTicker"]
        assert await ask(opened, {"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        assert await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": "abc"}) == {"result": names, "id": "abc"}
        await ask(opened, {"method": "UNSUBSCRIBE", "params": names[:1], "id": -3})
        assert await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": None}) == {"result": names[1:], "id": None}


async def test_subscribing_twice_gives_one_stream() -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws") as opened:
        for number in (1, 2):
            await ask(opened, {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": number})
        publish(server)
        assert (await receive(opened))["a"] == 5
        assert await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": ["btcusdt@aggTrade"], "id": 3}


async def test_unknown_and_upper_case_names_are_acknowledged_and_silent() -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws") as opened:
        names = ["BTCUSDT@aggTrade", "nosuchcoin@trade", "!ticker@arr"]
        assert await ask(opened, {"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        publish(server)
        assert "result" in await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 2})


async def test_wrapping_can_be_switched_at_run_time() -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        assert (await ask(opened, {"method": "GET_PROPERTY", "params": ["combined"], "id": 1}))["result"] is False
        reply = await ask(opened, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})
        assert reply == {"result": None, "id": 2}
        assert (await ask(opened, {"method": "GET_PROPERTY", "params": ["combined"], "id": 3}))["result"] is True
        publish(server)
        assert (await receive(opened))["stream"] == "btcusdt@aggTrade"


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
async def test_times_come_in_microseconds_where_the_url_asks(unit: str) -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws/btcusdt@aggTrade?timeUnit={unit}") as opened:
        await until(lambda: server.hub.subscribed == 1)
        publish(server)
        event = await receive(opened)
        assert (event["E"], event["T"], event["a"]) == (1_700_000_000_123_000, 1_700_000_000_121_000, 5)


@pytest.mark.parametrize(
    ("message", "code", "text", "request_id"),
    [
        ("nonsense", 3, "Invalid JSON", None),
        ("[1]", 2, "Invalid request", None),
        ({"params": [], "id": 1}, 2, "missing field `method`", 1),
        ({"method": "subscribe", "params": ["a@trade"], "id": 2}, 2, "unknown variant subscribe", 2),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": 1.5}, 2, "request ID", None),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": "x" * 37}, 2, "request ID", None),
        ({"method": "SUBSCRIBE", "params": "a@trade", "id": 3}, 2, "Invalid request", 3),
        ({"method": "SUBSCRIBE", "params": [5], "id": 4}, 2, "Invalid request", 4),
        ({"method": "LIST_SUBSCRIPTIONS", "params": ["x"], "id": 5}, 2, "too many parameters", 5),
        ({"method": "SET_PROPERTY", "params": [5, True], "id": 6}, 2, "property name must be a string", 6),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 7}, 1, "expected Boolean", 7),
        ({"method": "GET_PROPERTY", "params": ["other"], "id": 8}, 0, "Unknown property", 8),
        ({"method": "GET_PROPERTY", "params": ["combined", 1], "id": 9}, 2, "too many parameters", 9),
    ],
)
async def test_a_wrong_control_message_is_answered_with_an_error(
    message: object, code: int, text: str, request_id: int | None
) -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/stream") as opened:
        reply = await ask(opened, message)
        assert reply["error"]["code"] == code
        assert text in reply["error"]["msg"]
        assert reply["id"] == request_id


async def test_errors_can_have_the_documented_flat_shape() -> None:
    rules = Rules(binance=BinanceRules(flat_errors=True))
    async with still(rules) as (server, _), socket(f"{server.ws_url}/ws") as opened:
        reply = await ask(opened, {"method": "GET_PROPERTY", "params": ["other"], "id": 8})
        assert reply == {"code": 0, "msg": "Unknown property", "id": 8}


async def test_the_server_pings_every_20_seconds_and_closes_60_seconds_after_an_unanswered_one() -> None:
    clock = Clock()
    rules = Rules(clock=clock, watch_seconds=0.002)
    async with (
        still(rules) as (server, _),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.ws_url}/ws/btcusdt@trade", autoping=False) as opened,
    ):
        clock.seconds += 20
        first = await opened.receive(10)
        assert first.type is aiohttp.WSMsgType.PING
        await opened.pong(b"unsolicited")
        await opened.pong(first.data)
        clock.seconds += 20
        second = await opened.receive(10)
        assert second.type is aiohttp.WSMsgType.PING
        assert second.data != first.data
        clock.seconds += 20
        assert (await opened.receive(10)).type is aiohttp.WSMsgType.PING
        clock.seconds += 20
        assert (await opened.receive(10)).type is aiohttp.WSMsgType.PING
        assert server.hub.clients
        clock.seconds += 20
        last = await opened.receive(10)
        assert (last.type, last.data, last.extra) == (aiohttp.WSMsgType.CLOSE, 1008, "Pong timeout")
    assert not server.hub.clients


async def test_the_sixth_message_of_a_second_ends_the_connection_and_pings_and_pongs_count() -> None:
    clock = Clock()
    async with still(Rules(clock=clock)) as (server, _), socket(f"{server.ws_url}/ws") as opened:
        for _ in range(5):
            await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
        clock.seconds += 1
        for _ in range(2):
            await (await opened.ping())
        await opened.pong()
        for _ in range(2):
            await ask(opened, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
        await opened.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
        with pytest.raises(ConnectionClosedError, match="1008"):
            await opened.recv()


async def test_1024_streams_fit_on_a_connection_and_not_one_more() -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws") as opened:
        names = [f"coin{number}@trade" for number in range(1024)]
        assert (await ask(opened, {"method": "SUBSCRIBE", "params": names, "id": 1}))["result"] is None
        assert (await ask(opened, {"method": "SUBSCRIBE", "params": names[:1], "id": 2}))["result"] is None
        reply = await ask(opened, {"method": "SUBSCRIBE", "params": ["one@trade"], "id": 3})
        assert reply == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 3}


async def test_attempts_to_connect_are_limited() -> None:
    clock = Clock()
    async with still(Rules(clock=clock, binance=BinanceRules(connections=2))) as (server, _):
        for _ in range(2):
            async with socket(f"{server.ws_url}/ws"):
                pass
        clock.seconds += 100
        with pytest.raises(InvalidStatus) as refused:
            await socket(f"{server.ws_url}/ws")
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "200"
        clock.seconds += 200
        async with socket(f"{server.ws_url}/ws"):
            pass


async def test_a_connection_lives_for_24_hours() -> None:
    clock = Clock()
    rules = Rules(clock=clock, watch_seconds=0.002, binance=BinanceRules(ping_seconds=1e9))
    async with still(rules) as (server, _), socket(f"{server.ws_url}/ws/btcusdt@aggTrade") as opened:
        await until(lambda: server.hub.subscribed == 1)
        clock.seconds += 86_399
        publish(server)
        await receive(opened)
        clock.seconds += 1
        with pytest.raises(ConnectionClosedError):
            await opened.recv()
