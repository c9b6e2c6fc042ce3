"""KuCoin's Classic sockets: tokens, welcome, topics, session rules (`openapi-spot-public.json` and live captures)."""

import asyncio
import math
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from replay.connections import Client, Hub, accept
from replay.limits import KucoinRules, Rules, Sliding
from replay.source import Source
from replay.wire import pong_frame

_MANY = ("/market/ticker", "/market/match", "/market/level2", "/spotMarket/level1", "/spotMarket/level2Depth5",
         "/spotMarket/level2Depth50", "/callauction/level2Depth50", "/callauction/callauctionData")  # fmt: skip
_ONE = ("/market/candles", "/market/snapshot")


_EXPIRED = "token is expired"


class TopicError(Exception):
    """A message that is refused: the venue's code (an integer on the socket) and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def topics(text: Any, symbols_a_request: int) -> list[str]:
    """Return the topics of one symbol each that a request's topic names.

    Raises:
        TopicError: there is none (406), no such topic (404), it is malformed (400) or names too many symbols (509).
    """
    if not isinstance(text, str) or not text:
        raise TopicError(406, "topic is required")
    prefix, _, names = text.partition(":")
    if prefix not in _MANY and prefix not in _ONE:
        raise TopicError(404, f"topic {text} does not exist")
    symbols = names.split(",")
    if not all(symbols) or (prefix in _ONE and len(symbols) > 1):
        raise TopicError(400, "topic is invalid")
    if len(symbols) > symbols_a_request:
        raise TopicError(509, f"exceed max subscription count limitation of {symbols_a_request} per time")
    return [f"{prefix}:{symbol}" for symbol in symbols]


class Tokens:
    """Tokens for handshakes; times in seconds, monotonic."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._issued: dict[str, float] = {}
        self._revoked: set[str] = set()

    def revoke(self) -> None:
        """Let all tokens issued so far run out."""
        self._revoked.update(self._issued)

    def issue(self, now: float) -> str:
        """Return a new token. Those that ran out long ago are forgotten."""
        for token, since in list(self._issued.items()):
            if now - since < 2 * self._seconds:
                break
            del self._issued[token]
            self._revoked.discard(token)
        token = secrets.token_urlsafe(96)
        self._issued[token] = now
        return token

    def refusal(self, token: str, now: float) -> str | None:
        """Return why a handshake with the token is refused, null where it is not."""
        since = self._issued.get(token)
        if since is None:
            return "token is invalid"
        return _EXPIRED if token in self._revoked or now - since >= self._seconds else None


class Session:
    """What one connection owes and may ask, by the time that is passed in (seconds, monotonic)."""

    def __init__(self, rules: KucoinRules, now: float) -> None:
        self._rules = rules
        self._heard = now
        self._messages = Sliding(rules.messages, rules.messages_seconds)

    def received(self, now: float) -> bool:
        """Count a message of the client; return whether it is within the limit."""
        self._heard = now
        return self._messages.hit(now)

    def silent(self, now: float) -> bool:
        """Say whether the client has been silent for too long; what is streamed to it does not count."""
        return now - self._heard >= self._rules.idle_seconds


def _error(request_id: str | None, code: int, text: str) -> bytes:
    shown: dict[str, Any] = {} if request_id is None else {"id": request_id}
    return msgspec.json.encode({**shown, "type": "error", "code": code, "data": text})


def _some_id() -> str:
    return secrets.token_urlsafe(8)


class Sockets:
    """Serves the socket endpoint that `bullet-public` gives, and hands out its tokens."""

    path = "/endpoint"

    def __init__(self, hub: Hub, source: Source, rules: Rules) -> None:
        self._hub = hub
        self._source = source
        self._rules = rules
        self._sessions: dict[Client, Session] = {}
        self._tokens = Tokens(rules.kucoin.token_seconds)
        self._attempts = Sliding(rules.kucoin.connections, rules.kucoin.connections_seconds)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths that are served."""
        return [web.get(self.path, self._open)]

    def bullet(self, host: str) -> dict[str, Any]:
        """Return a new token and where to connect with it."""
        rules = self._rules.kucoin
        return {
            "token": self._tokens.issue(self._rules.clock()),
            "instanceServers": [
                {
                    "endpoint": f"ws://{host}{self.path}",
                    "encrypt": False,
                    "protocol": "websocket",
                    "pingInterval": rules.ping_interval_ms,
                    "pingTimeout": rules.ping_timeout_ms,
                }
            ],
        }

    def expire(self, clients: Iterable[Client]) -> None:
        """Let all tokens issued so far run out, and end the sessions of these clients for it."""
        self._tokens.revoke()
        for client in clients:
            client.reply(_error(None, 401, _EXPIRED))
            self._hub.close(client, WSCloseCode.OK, "Bye")

    def watch(self, now: float) -> None:
        """Close the connections whose clients have been silent for too long."""
        for client, session in self._sessions.items():
            if session.silent(now) and not client.closing and not client.frozen:
                client.reply(_error(_some_id(), 400, "ping timeout"))
                self._hub.close(client, WSCloseCode.OK, "Bye")

    async def _open(self, request: web.Request) -> web.StreamResponse:
        now = self._rules.clock()
        if not self._attempts.hit(now):
            wait = math.ceil(self._attempts.wait(now))
            return web.Response(status=429, headers={"Retry-After": str(wait)}, text="Too many connections")
        socket, client = await accept(request, "kucoin")
        refusal = self._tokens.refusal(request.query.get("token", ""), now)
        if refusal is not None:
            client.reply(_error(None, 401, refusal))
            await client.close(WSCloseCode.OK, "Bye")
            return socket
        if len(self._sessions) >= self._rules.kucoin.sessions:
            text = f"exceed max session count limitation of {self._rules.kucoin.sessions}"
            client.reply(_error(_some_id(), 509, text))
            await client.close(WSCloseCode.OK, "Bye")
            return socket
        session = Session(self._rules.kucoin, now)
        self._sessions[client] = session
        self._hub.clients.add(client)
        loop = asyncio.get_running_loop()
        welcome_at = loop.time() + self._rules.kucoin.welcome_seconds
        welcome = {"id": request.query.get("connectId") or _some_id(), "type": "welcome"}
        timer = loop.call_at(welcome_at, client.reply, msgspec.json.encode(welcome))
        try:
            await self._serve(socket, client, session, welcome_at)
        finally:
            timer.cancel()
            del self._sessions[client]
            self._hub.leave(client)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, client: Client, session: Session, welcome_at: float) -> None:
        loop = asyncio.get_running_loop()
        async for message in socket:
            # What still comes while the closing is under way is not heard; the socket's own end ends the loop.
            if client.closing or message.type is WSMsgType.ERROR:
                pass
            elif message.type is WSMsgType.PING:
                # Answered as any server does, but it is no sign of life here.
                client.queue(pong_frame(bytes(message.data)))
                client.flush()
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and loop.time() >= welcome_at:
                text = message.data if isinstance(message.data, str) else bytes(message.data).decode(errors="replace")
                answer = self._answer(client, session, text)
                if answer is not None:
                    client.reply(answer)
            await asyncio.sleep(0)

    def _answer(self, client: Client, session: Session, text: str) -> bytes | None:
        """Do what a message asks; return the reply, null where none is given."""
        within = session.received(self._rules.clock())
        try:
            message = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return _error(_some_id(), 400, f"Unrecognized token '{text[:40]}'")
        if not isinstance(message, dict):
            return _error(_some_id(), 400, "message is invalid")
        given = message.get("id")
        # An id comes back as a string, whatever it was, and need not be unique.
        request_id = _some_id() if given is None else str(given)
        if not within:
            return _error(request_id, 509, "exceed max permits per second limit")
        kind = message.get("type")
        if kind == "ping":
            return msgspec.json.encode({"id": request_id, "type": "pong", "timestamp": self._source.now()})
        try:
            if kind == "subscribe":
                self._subscribe(client, message)
            elif kind == "unsubscribe":
                self._hub.unsubscribe(client, topics(message.get("topic"), self._rules.kucoin.symbols_a_request))
            else:
                raise TopicError(415, f"type {kind} is not supported")
        except TopicError as error:
            return _error(request_id, error.code, str(error))
        return msgspec.json.encode({"id": request_id, "type": "ack"}) if message.get("response") is True else None

    def _subscribe(self, client: Client, message: dict[str, Any]) -> None:
        wanted = topics(message.get("topic"), self._rules.kucoin.symbols_a_request)
        if message.get("privateChannel"):
            raise TopicError(403, "login is required")
        # Each symbol counts as a topic.
        if len(client.channels.keys() | set(wanted)) > self._rules.kucoin.topics:
            raise TopicError(
                509, f"exceed max subscription count limitation of {self._rules.kucoin.topics} per session"
            )
        self._hub.subscribe(client, wanted)
