"""Binance's market streams: connections, control messages, session rules (`web-socket-streams.md`)."""

import asyncio
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from replay.connections import Client, Hub, accept
from replay.limits import BinanceRules, Rules, Sliding
from replay.wire import MICROSECONDS, UNWRAPPED, ping_frame, pong_frame

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_ID_TEXT = re.compile(r"[A-Za-z0-9]{1,36}")
_UNKNOWN_PROPERTY, _NO_BOOLEAN, _INVALID, _NO_JSON, _TOO_MANY = range(5)


class ControlError(Exception):
    """A control message that is refused: the venue's code and text, and the request's id where it could be read."""

    def __init__(self, code: int, text: str, request_id: int | str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed control message."""

    method: str
    params: list[Any]
    request_id: int | str | None


def parse(text: str) -> Request:
    """Read a control message.

    Raises:
        ControlError: it is not JSON (3), or not of the documented form (2).
    """
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ControlError(_NO_JSON, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(message, dict):
        raise ControlError(_INVALID, "Invalid request: expected an object")
    request_id = message.get("id")
    whole = isinstance(request_id, int) and not isinstance(request_id, bool) and -(2**63) <= request_id < 2**63
    text_id = isinstance(request_id, str) and _ID_TEXT.fullmatch(request_id) is not None
    if not (request_id is None or whole or text_id):
        raise ControlError(_INVALID, "Invalid request: request ID must be an unsigned integer")
    if "method" not in message:
        raise ControlError(_INVALID, "Invalid request: missing field `method` at line 1 column 1", request_id)
    method = message["method"]
    if method not in _METHODS:
        expected = ", ".join(f"`{each}`" for each in _METHODS)
        raise ControlError(
            _INVALID, f"Invalid request: unknown variant {method}, expected one of {expected}", request_id
        )
    params = message.get("params", [])
    if not isinstance(params, list):
        raise ControlError(_INVALID, "Invalid request: params must be an array", request_id)
    return Request(method, params, request_id)


class Session:
    """What one connection owes and may ask, by the time that is passed in (seconds, monotonic)."""

    def __init__(self, rules: BinanceRules, now: float) -> None:
        self._rules = rules
        self._opened = now
        self._next_ping = now + rules.ping_seconds
        self._pings = 0
        self._unanswered: dict[bytes, float] = {}
        self._messages = Sliding(rules.messages, rules.messages_seconds)

    def received(self, now: float) -> bool:
        """Count a message of the client, pings and pongs too; return whether it is within the limit."""
        return self._messages.hit(now)

    def pong(self, payload: bytes) -> None:
        """Take a pong. One that answers none of our pings changes nothing; one that does answers those before it."""
        if payload in self._unanswered:
            for sent in list(self._unanswered):
                del self._unanswered[sent]
                if sent == payload:
                    return

    def over(self, now: float) -> str | None:
        """Return why the connection ends now, if it does."""
        oldest = next(iter(self._unanswered.values()), None)
        if oldest is not None and now - oldest >= self._rules.pong_seconds:
            return "Pong timeout"
        if now - self._opened >= self._rules.lifetime_seconds:
            return "24 hours are over"
        return None

    def ping(self, now: float) -> bytes | None:
        """Return the payload of a ping where one is due."""
        if now < self._next_ping:
            return None
        self._next_ping = now + self._rules.ping_seconds
        self._pings += 1
        payload = str(self._pings).encode()
        self._unanswered[payload] = now
        return payload


class Streams:
    """Serves `/ws`, `/ws/<streams>` and `/stream?streams=`."""

    def __init__(self, hub: Hub, rules: Rules) -> None:
        self._hub = hub
        self._rules = rules
        self._sessions: dict[Client, Session] = {}
        self._attempts = Sliding(rules.binance.connections, rules.binance.connections_seconds)
        self._answers: dict[str, Callable[[Client, Request], Any]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": self._list,
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the paths that are served."""
        return [
            web.get("/ws", self._open),
            web.get("/ws/{streams:.*}", self._open),
            web.get("/stream", self._open),
        ]

    def watch(self, now: float) -> None:
        """Send the pings that are due, and close what is over."""
        for client, session in self._sessions.items():
            if client.closing or client.frozen:
                continue
            reason = session.over(now)
            if reason is not None:
                self._hub.close(client, WSCloseCode.POLICY_VIOLATION, reason)
                continue
            payload = session.ping(now)
            if payload is not None:
                client.queue(ping_frame(payload))
                client.flush()

    async def _open(self, request: web.Request) -> web.StreamResponse:
        now = self._rules.clock()
        if not self._attempts.hit(now):
            wait = math.ceil(self._attempts.wait(now))
            return web.Response(status=429, headers={"Retry-After": str(wait)}, text="Too many connections")
        combined = request.path == "/stream"
        names = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        streams = [name for name in names.split("/") if name]
        if len(streams) > self._rules.binance.streams:
            return web.Response(status=400, text="Too many streams")
        form = 0 if combined else UNWRAPPED
        if request.query.get("timeUnit", "").upper() == "MICROSECOND":
            form |= MICROSECONDS
        socket, client = await accept(request, "binance", form)
        session = Session(self._rules.binance, now)
        self._sessions[client] = session
        self._hub.clients.add(client)
        self._hub.subscribe(client, streams)
        try:
            await self._serve(socket, client, session)
        finally:
            del self._sessions[client]
            self._hub.leave(client)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, client: Client, session: Session) -> None:
        async for message in socket:
            # What still comes while the closing is under way is not heard; the socket's own end ends the loop.
            if client.closing or message.type is WSMsgType.ERROR:
                pass
            elif not session.received(self._rules.clock()):
                self._hub.close(client, WSCloseCode.POLICY_VIOLATION, "Too many requests")
            elif message.type is WSMsgType.PING:
                client.queue(pong_frame(bytes(message.data)))
                client.flush()
            elif message.type is WSMsgType.PONG:
                session.pong(bytes(message.data))
            else:
                text = message.data if isinstance(message.data, str) else bytes(message.data).decode(errors="replace")
                client.reply(self._answer(client, text))
            # A client that floods must not keep the others from being served.
            await asyncio.sleep(0)

    def _answer(self, client: Client, text: str) -> bytes:
        try:
            request = parse(text)
            result = self._answers[request.method](client, request)
        except ControlError as error:
            content: dict[str, Any] = {"code": error.code, "msg": str(error)}
            if not self._rules.binance.flat_errors:
                content = {"error": content}
            return msgspec.json.encode({**content, "id": error.request_id})
        return msgspec.json.encode({"result": result, "id": request.request_id})

    def _names(self, request: Request) -> list[str]:
        if not request.params or not all(isinstance(name, str) for name in request.params):
            raise ControlError(_INVALID, "Invalid request: params must be stream names", request.request_id)
        return request.params

    def _subscribe(self, client: Client, request: Request) -> None:
        names = self._names(request)
        if len(client.channels.keys() | set(names)) > self._rules.binance.streams:
            raise ControlError(_TOO_MANY, "Too many subscriptions", request.request_id)
        # A name that exists nowhere, or is in upper case, is taken too: it is never heard of again.
        self._hub.subscribe(client, names)

    def _unsubscribe(self, client: Client, request: Request) -> None:
        self._hub.unsubscribe(client, self._names(request))

    def _list(self, client: Client, request: Request) -> list[str]:
        if request.params:
            raise ControlError(_INVALID, "Invalid request: too many parameters", request.request_id)
        return list(client.channels)

    def _property(self, request: Request, most: int) -> None:
        if len(request.params) > most:
            raise ControlError(_INVALID, "Invalid request: too many parameters", request.request_id)
        if not request.params or not isinstance(request.params[0], str):
            raise ControlError(_INVALID, "Invalid request: property name must be a string", request.request_id)
        if request.params[0] != "combined":
            raise ControlError(_UNKNOWN_PROPERTY, "Unknown property", request.request_id)

    def _set_property(self, client: Client, request: Request) -> None:
        self._property(request, 2)
        value = request.params[1] if len(request.params) > 1 else None
        if not isinstance(value, bool):
            raise ControlError(_NO_BOOLEAN, "Invalid value type: expected Boolean", request.request_id)
        # What waits was made for the form so far.
        client.flush()
        client.form = client.form & ~UNWRAPPED if value else client.form | UNWRAPPED

    def _get_property(self, client: Client, request: Request) -> bool:
        self._property(request, 1)
        return not client.form & UNWRAPPED
