"""Binance's REST: what connecting and repair need (`rest-api.md`, `errors.md`)."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from replay import binance_history
from replay.binance_query import RestError, array, in_microseconds, listed, mandatory, parameters
from replay.limits import Pool, Rules
from replay.source import NO_HISTORY, DayFigures, Listing, Lists, Source

_STATUSES = ("TRADING", "HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY")
_DECIMALS = 8
_KLINES = ("interval", "startTime", "endTime", "timeZone", "limit")
_AGGREGATES = ("fromId", "startTime", "endTime", "limit")


class Rest:
    """Serves `/api/v3/*`.

    All clients share one pool of weight, since the venue counts by address and all of them are on this machine.
    """

    def __init__(self, source: Source, lists: Lists, rules: Rules) -> None:
        self._source = source
        self._lists = lists
        self._rules = rules
        self._pool = Pool(rules.binance.weight, rules.binance.weight_seconds, rules.clock())

    def routes(self) -> list[web.RouteDef]:
        """Return the paths that are served."""
        return [
            web.get("/api/v3/ping", self._route(self._ping)),
            web.get("/api/v3/time", self._route(self._time)),
            web.get("/api/v3/exchangeInfo", self._route(self._exchange_info, 20)),
            web.get("/api/v3/ticker/24hr", self._route(self._day, _day_weight)),
            web.get("/api/v3/ticker/bookTicker", self._route(self._books, _books_weight)),
            web.get("/api/v3/klines", self._route(self._past(binance_history.klines, *_KLINES), 2)),
            web.get("/api/v3/aggTrades", self._route(self._past(binance_history.aggregates, *_AGGREGATES), 4)),
            web.get("/api/v3/trades", self._route(self._past(binance_history.latest, "limit"), 25)),
            web.get("/api/v3/historicalTrades", self._route(self._past(binance_history.latest, "limit", "fromId"), 25)),
        ]

    def _route(
        self, answer: Callable[[web.Request], Any], weight: int | Callable[[web.Request], int] = 1
    ) -> Callable[[web.Request], Any]:
        async def respond(request: web.Request) -> web.Response:
            now = self._rules.clock()
            headers: dict[str, str] = {}
            try:
                if not self._pool.take(weight if isinstance(weight, int) else weight(request), now):
                    headers["Retry-After"] = str(math.ceil(self._pool.reset(now)))
                    raise RestError(
                        -1003,
                        f"Too much request weight used; current limit is {self._pool.limit} request weight per 1"
                        " MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
                        429,
                    )
                body, status = answer(request), 200
                if isinstance(body, Awaitable):
                    body = msgspec.Raw(await body)
            except RestError as error:
                body, status = {"code": error.code, "msg": str(error)}, error.status
            headers["X-MBX-USED-WEIGHT-1M"] = headers["X-MBX-USED-WEIGHT"] = str(self._pool.used)
            return web.Response(
                body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json"
            )

        return respond

    def _ping(self, request: web.Request) -> dict[str, Any]:
        parameters(request)
        return {}

    def _time(self, request: web.Request) -> dict[str, Any]:
        parameters(request)
        return {"serverTime": _time(request, self._source.now())}

    def _exchange_info(self, request: web.Request) -> dict[str, Any]:
        given = parameters(request, "symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
        if len({"symbol", "symbols", "permissions"} & given.keys()) > 1 or (
            "symbolStatus" in given and {"symbol", "symbols"} & given.keys()
        ):
            raise RestError(-1128, "Combination of optional parameters invalid.")
        permissions = given.get("permissions")
        wanted = "SPOT" in (array(permissions, "permissions") if permissions else ["SPOT"])
        status = _status(given) if "symbolStatus" in given else None
        listings = [item for item in self._chosen(given) if status in (None, _state(item))]
        with_sets = given.get("showPermissionSets", "true") != "false"
        return {
            "timezone": "UTC",
            "serverTime": _time(request, self._source.now()),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self._pool.limit},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
            ],
            "exchangeFilters": [],
            "symbols": [_symbol(item, with_sets) for item in listings] if wanted else [],
        }

    def _day(self, request: web.Request) -> Any:
        given = parameters(request, "symbol", "symbols", "type", "symbolStatus")
        if {"symbol", "symbols"} <= given.keys():
            raise RestError(-1128, "Combination of optional parameters invalid.")
        kind = given.get("type", "FULL")
        if kind not in ("FULL", "MINI"):
            raise RestError(-1139, "Invalid ticker type.")
        status = _status(given)
        if status != "TRADING":
            if "symbol" in given or "symbols" in given:
                raise RestError(-1220, "The symbol's status does not match the requested symbolStatus.")
            return []
        tickers = [_ticker(request, item, self._source.day("binance", item.code), kind) for item in self._chosen(given)]
        return tickers[0] if "symbol" in given else tickers

    def _books(self, request: web.Request) -> Any:
        given = parameters(request, "symbol", "symbols")
        if {"symbol", "symbols"} <= given.keys():
            raise RestError(-1128, "Combination of optional parameters invalid.")
        books = [_book(item, self._source.day("binance", item.code)) for item in self._chosen(given)]
        return books[0] if "symbol" in given else books

    def _chosen(self, given: dict[str, str]) -> Iterable[Listing]:
        """Return the listings that `symbol` or `symbols` name, all without either."""
        if "symbol" in given:
            return listed(self._lists, [given["symbol"]], "symbol")
        if "symbols" in given:
            return listed(self._lists, array(given["symbols"], "symbols"), "symbols")
        return self._lists.listings("binance")

    def _past(self, answer: binance_history.Answer, *allowed: str) -> Callable[[web.Request], Awaitable[bytes]]:
        async def respond(request: web.Request) -> bytes:
            given = parameters(request, "symbol", *allowed)
            listing = listed(self._lists, [mandatory(given, "symbol")], "symbol")[0]
            history = self._source.history
            if history is None:
                raise RestError(-1000, NO_HISTORY)
            as_of = self._source.now() // 1000 - self._rules.binance.lag_ms
            micros = in_microseconds(request)

            def made() -> bytes:
                return msgspec.json.encode(answer(history, listing, given, as_of, micros))

            return await asyncio.get_running_loop().run_in_executor(history.worker, made)

        return respond


def _status(given: dict[str, str]) -> str:
    status = given.get("symbolStatus", "TRADING")
    if status not in _STATUSES:
        raise RestError(-1122, "Invalid symbolStatus.")
    return status


def _state(listing: Listing) -> str:
    return "TRADING" if listing.trading else "BREAK"


def _day_weight(request: web.Request) -> int:
    """Return the weight of a 24-hour ticker request: 2 to 20 symbols, 40 to 100, else 80."""
    if "symbol" in request.query:
        return 2
    symbols = request.query.get("symbols")
    count = symbols.count(",") + 1 if symbols else 101
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _books_weight(request: web.Request) -> int:
    return 2 if "symbol" in request.query else 4


def _time(request: web.Request, micros: int) -> int:
    return micros if in_microseconds(request) else micros // 1000


def _step(decimals: int) -> str:
    return f"{10**-decimals:.{_DECIMALS}f}"


def _symbol(listing: Listing, with_sets: bool) -> dict[str, Any]:
    tick, step = _step(listing.price_decimals), _step(listing.size_decimals)
    shown: dict[str, Any] = {
        "symbol": listing.code,
        "status": _state(listing),
        "baseAsset": listing.base,
        "baseAssetPrecision": _DECIMALS,
        "quoteAsset": listing.quote,
        "quotePrecision": _DECIMALS,
        "quoteAssetPrecision": _DECIMALS,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step},
        ],
        "permissions": [],
    }
    if with_sets:
        shown["permissionSets"] = [["SPOT"]]
    return shown


def _book(listing: Listing, day: DayFigures) -> dict[str, Any]:
    return {
        "symbol": listing.code,
        "bidPrice": f"{day.bid or 0:.8f}",
        "bidQty": f"{day.bid_size or 0:.8f}",
        "askPrice": f"{day.ask or 0:.8f}",
        "askQty": f"{day.ask_size or 0:.8f}",
    }


def _ticker(request: web.Request, listing: Listing, day: DayFigures, kind: str) -> dict[str, Any]:
    opened, last = day.open or 0, day.last or 0
    average = day.quote_volume / day.base_volume if day.base_volume else 0
    change = last - opened
    full = {
        "priceChange": f"{change:.8f}",
        "priceChangePercent": f"{change / opened * 100 if opened else 0:.3f}",
        "weightedAvgPrice": f"{average:.8f}",
        "prevClosePrice": f"{opened:.8f}",
        "lastQty": f"{day.last_size or 0:.8f}",
        **_book(listing, day),
    }
    mini = {
        "symbol": listing.code,
        "lastPrice": f"{last:.8f}",
        "openPrice": f"{opened:.8f}",
        "highPrice": f"{day.high or 0:.8f}",
        "lowPrice": f"{day.low or 0:.8f}",
        "volume": f"{day.base_volume:.8f}",
        "quoteVolume": f"{day.quote_volume:.8f}",
        "openTime": _time(request, day.open_time),
        "closeTime": _time(request, day.close_time),
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }
    return {**mini, **full} if kind == "FULL" else mini
