"""How the venues refuse requests while a fault says so; for as long no other part hears of these requests."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from market.records import Venue
from replay.chaos import Chaos
from replay.kucoin import Sockets
from replay.limits import Rules

_SOCKETS: dict[str, Venue] = {"/ws": "binance", "/stream": "binance", Sockets.path: "kucoin"}
_OVERLOADED = ("/api/v1/market/candles", "/api/v1/market/histories")


def middleware(chaos: Chaos, rules: Rules) -> Middleware:
    """Return what answers in a venue's place while it refuses."""

    @web.middleware
    async def refuse(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        refusal = _refusal(chaos, rules, request.path)
        return await handler(request) if refusal is None else refusal

    return refuse


def _refusal(chaos: Chaos, rules: Rules, path: str) -> web.Response | None:
    venue: Venue | None = _SOCKETS.get(path)
    is_socket = venue is not None or path.startswith("/ws/")
    if venue is None:
        if path.startswith(("/api/v3/", "/ws/")):
            venue = "binance"
        elif path.startswith("/api/"):
            venue = "kucoin"
        else:
            return None
    outage = chaos.outage(venue)
    if outage is None or (is_socket and outage.kind != "halt"):
        return None
    if outage.kind == "rest_429000_bare" and path not in _OVERLOADED:
        return None
    outage.done.touched += 1
    wait = chaos.wait_seconds(outage)
    if is_socket:
        return web.Response(status=503, text="Service Unavailable")
    return _binance(outage.kind, wait, rules) if venue == "binance" else _kucoin(outage.kind, wait, rules)


def _binance(kind: str, wait: float, rules: Rules) -> web.Response:
    if kind == "halt":
        text = "Server is currently overloaded with other requests. Please try again in a few minutes."
        return _json({"code": -1008, "msg": text}, 503, {})
    used = str(rules.binance.weight + 1)
    headers = {
        "Retry-After": str(max(1, math.ceil(wait))),
        "X-MBX-USED-WEIGHT-1M": used,
        "X-MBX-USED-WEIGHT": used,
    }
    if kind == "rest_418":
        until = int((rules.wall() + wait) * 1000)
        text = f"Way too much request weight used; IP banned until {until}."
        return _json({"code": -1003, "msg": f"{text} Please use WebSocket Streams for live updates."}, 418, headers)
    text = (
        f"Too much request weight used; current limit is {rules.binance.weight} request weight per 1 MINUTE. Please use"
        " WebSocket Streams for live updates to avoid polling the API."
    )
    return _json({"code": -1003, "msg": text}, 429, headers)


def _kucoin(kind: str, wait: float, rules: Rules) -> web.Response:
    if kind == "halt":
        return _json({"code": "500000", "msg": "Internal Server Error"}, 503, {})
    headers = {
        "gw-ratelimit-limit": str(rules.kucoin.weight),
        "gw-ratelimit-remaining": "0",
        "gw-ratelimit-reset": str(max(1, int(wait * 1000))),
    }
    text = "Too many requests in a short period of time, please retry later"
    return _json({"code": "429000", "msg": text}, 429, headers if kind == "rest_429000" else {})


def _json(body: dict[str, Any], status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json")
