"""A scripted market on localhost: both venues' REST, and a socket that does what the test says."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import WSMsgType, web

from ingest.feeds import Feed
from ingest.publisher import Record
from tests.ports import free_port

Script = Callable[["Peer"], Awaitable[None]]
Following = Callable[..., AbstractAsyncContextManager[Feed]]
"""Follows one venue (its name, symbols, settings of ingest) while the block runs."""


class Peer:
    """One client's socket, seen from the market. `number` counts its connects from 1."""

    def __init__(self, socket: web.WebSocketResponse, number: int, query: dict[str, str]) -> None:
        self.socket = socket
        self.number = number
        self.query = query

    async def send(self, message: Any) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """Return the client's next message; end the script if it is gone."""
        message = await self.socket.receive()
        if message.type is not WSMsgType.TEXT:
            raise ConnectionResetError("the client is gone")
        found: dict[str, Any] = json.loads(message.data)
        return found

    async def acknowledge(self) -> dict[str, Any]:
        """Wait for a subscription, acknowledge it as its venue does, and return it."""
        request = await self.receive()
        kucoin = "type" in request
        await self.send({"id": request["id"], "type": "ack"} if kucoin else {"result": None, "id": request["id"]})
        return request

    async def linger(self) -> None:
        """Stay until the client goes, answering KuCoin's pings."""
        while True:
            message = await self.receive()
            if message.get("type") == "ping":
                await self.send({"id": message["id"], "type": "pong"})

    async def stream(self, messages: Iterable[Any], every: float = 0.02) -> None:
        """Send a message every so many seconds, and stay until the client goes."""
        lingering = asyncio.create_task(self.linger())
        try:
            for message in messages:
                if lingering.done():
                    break
                await self.send(message)
                await asyncio.sleep(every)
            await lingering
        finally:
            lingering.cancel()
            await asyncio.gather(lingering, return_exceptions=True)


class Market:
    """The server. Answers over REST may be replaced by path in `answers`."""

    def __init__(self) -> None:
        self.port = 0
        self.script: Script = Peer.linger
        self.peers: list[Peer] = []
        self.tokens: list[str] = []
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[], web.Response]] = {"/api/v3/ticker/bookTicker": self._books}
        self.handshake: Callable[[int], web.Response | None] = lambda number: None
        self.symbols = ["BTC-USDT", "ETH-USDT"]
        self.halted: set[str] = set()
        self.streams_per_connection = 200
        self._handshakes = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int | None = None) -> None:
        app = web.Application()
        app.router.add_get("/stream", self._socket)
        app.router.add_get("/endpoint", self._socket)
        app.router.add_route("*", "/{path:api/.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = free_port() if port is None else port
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that lead here."""
        address = f"http://127.0.0.1:{self.port}"
        return {
            "binance": {
                "rest_url": address, "ws_url": f"ws://127.0.0.1:{self.port}",
                "streams_per_connection": self.streams_per_connection,
            },
            "kucoin": {"rest_url": address},
        }  # fmt: skip

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._handshakes += 1
        refused = self.handshake(self._handshakes)
        if refused is not None:
            return refused
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(socket, len(self.peers) + 1, dict(request.query))
        self.peers.append(peer)
        try:
            await self.script(peer)
            await socket.close()
        except (ConnectionError, RuntimeError):
            pass
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path in self.answers:
            return self.answers[request.path]()
        return web.json_response(self._answer(request.path))

    def _books(self) -> web.Response:
        book = {"bidPrice": "4", "bidQty": "1", "askPrice": "6", "askQty": "2"}
        return web.json_response([{"symbol": symbol.replace("-", ""), **book} for symbol in self.symbols])

    def _answer(self, path: str) -> Any:
        now = time.time_ns() // 1_000_000
        pairs = [symbol.split("-") for symbol in self.symbols]
        match path:
            case "/api/v3/exchangeInfo":
                listed: list[dict[str, Any]] = [
                    {
                        "symbol": b + q, "baseAsset": b, "quoteAsset": q, "filters": [],
                        "status": "BREAK" if f"{b}-{q}" in self.halted else "TRADING",
                    }
                    for b, q in pairs
                ]  # fmt: skip
                return {"symbols": listed}
            case "/api/v3/time":
                return {"serverTime": now}
            case "/api/v2/symbols":
                found = [
                    {
                        "symbol": f"{b}-{q}", "name": f"{b}-{q}", "baseCurrency": b, "quoteCurrency": q,
                        "enableTrading": f"{b}-{q}" not in self.halted,
                    }
                    for b, q in pairs
                ]  # fmt: skip
                return {"code": "200000", "data": found}
            case "/api/v1/timestamp":
                return {"code": "200000", "data": now}
            case "/api/v1/market/allTickers":
                tickers = [{"symbol": symbol, "last": "5", "changePrice": "-1", "vol": "7"} for symbol in self.symbols]
                return {"code": "200000", "data": {"time": now, "ticker": tickers}}
            case "/api/v1/bullet-public":
                self.tokens.append(f"token-{len(self.tokens) + 1}")
                server = {
                    "endpoint": f"ws://127.0.0.1:{self.port}/endpoint", "protocol": "websocket", "encrypt": False,
                    "pingInterval": 300, "pingTimeout": 5000,
                }  # fmt: skip
                return {"code": "200000", "data": {"token": self.tokens[-1], "instanceServers": [server]}}
        raise web.HTTPNotFound


class Collected:
    """Stands in for the publisher: keeps what is sent, and is full while the test says so."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.full = False
        self.depth = 0
        self.delivery_errors = 0

    def send(self, topic: str, key: str | None, value: bytes) -> None:
        self.records.append(Record(topic, key, value))

    async def room(self) -> None:
        from tests.ingest.kafka import eventually

        await eventually(lambda: not self.full, "room")

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.records if record.topic == topic]

    def events(self) -> list[str]:
        return [event["kind"] for event in self.of("feed_events")]


def binance_trade(number: int, symbol: str = "BTCUSDT") -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    data = {
        "e": "aggTrade", "E": now, "s": symbol, "a": number, "p": "2.5", "q": "2", "f": number, "l": number,
        "T": now, "m": False, "M": True,
    }  # fmt: skip
    return {"stream": f"{symbol.lower()}@aggTrade", "data": data}


def kucoin_trade(number: int, symbol: str = "BTC-USDT") -> dict[str, Any]:
    data = {
        "symbol": symbol, "type": "match", "side": "sell", "price": "2.5", "size": "2", "tradeId": str(number),
        "sequence": str(number), "time": str(time.time_ns()),
    }  # fmt: skip
    return {"type": "message", "topic": f"/market/match:{symbol}", "subject": "trade.l3match", "data": data}
