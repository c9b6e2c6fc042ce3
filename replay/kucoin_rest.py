"""KuCoin's REST: what connecting and repair need (`openapi-spot-market.json`). Codes are strings, also of errors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from replay import kucoin_history
from replay.events import plain
from replay.kucoin import Sockets
from replay.kucoin_history import Refusal
from replay.limits import Pool, Rules
from replay.source import NO_HISTORY, DayFigures, Listing, Lists, Source

_OK = "200000"
# The venue groups pairs into markets by their quote asset; coins other than these are in the last one.
_MARKETS = {"USDT": "USDS", "USDC": "USDS", "BTC": "BTC"}


class Rest:
    """Serves `/api/v1/*` and `/api/v2/*`.

    All clients share one pool of weight, since the venue counts by address and all of them are on this machine.
    """

    def __init__(self, source: Source, lists: Lists, sockets: Sockets, rules: Rules) -> None:
        self._source = source
        self._lists = lists
        self._sockets = sockets
        self._rules = rules
        self._pool = Pool(rules.kucoin.weight, rules.kucoin.weight_seconds, rules.clock())
        self._tickers: bytes = b""
        self._tickers_made = -rules.kucoin.tickers_seconds

    def routes(self) -> list[web.RouteDef]:
        """Return the paths that are served."""
        return [
            web.post("/api/v1/bullet-public", self._route(self._bullet, 10)),
            web.get("/api/v1/timestamp", self._route(self._timestamp, 3)),
            web.get("/api/v1/symbols", self._route(self._symbols, 4)),
            web.get("/api/v2/symbols", self._route(self._symbols, 4)),
            web.get("/api/v1/market/allTickers", self._route(self._all_tickers, 15)),
            web.get("/api/v1/market/candles", self._route(self._past(kucoin_history.bars), 3)),
            web.get("/api/v1/market/histories", self._route(self._past(kucoin_history.latest), 3)),
            web.route("*", "/api/v1/bullet-public", self._route(_wrong_method, 1)),
            web.route("*", "/api/v1/{rest:.*}", self._route(_not_found, 1)),
            web.route("*", "/api/v2/{rest:.*}", self._route(_not_found, 1)),
        ]

    def _route(
        self, answer: Callable[[web.Request], web.Response | Awaitable[web.Response]], weight: int
    ) -> Callable[[web.Request], Any]:
        async def respond(request: web.Request) -> web.Response:
            now = self._rules.clock()
            if self._pool.take(weight, now):
                answered = answer(request)
                response = answered if isinstance(answered, web.Response) else await answered
            else:
                text = "Too many requests in a short period of time, please retry later"
                response = _failure("429000", text, 429)
            response.headers["gw-ratelimit-limit"] = str(self._pool.limit)
            response.headers["gw-ratelimit-remaining"] = str(self._pool.limit - self._pool.used)
            response.headers["gw-ratelimit-reset"] = str(int(self._pool.reset(now) * 1000))
            return response

        return respond

    def _past(self, answer: kucoin_history.Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def respond(request: web.Request) -> web.Response:
            listings = {listing.code: listing for listing in self._lists.listings("kucoin")}
            history = self._source.history
            as_of = self._source.now() // 1000 - self._rules.kucoin.lag_ms
            try:
                name = request.query.get("symbol")
                if not name:
                    raise Refusal("400100", "symbol: must not be empty.")
                listing = listings.get(name)
                if listing is None:
                    raise Refusal("900001", "The symbol does not exist.")
                if history is None:
                    raise Refusal("400100", NO_HISTORY)

                def made() -> web.Response:
                    return _success(answer(history, listing, request.query, as_of, self._rules.kucoin))

                return await asyncio.get_running_loop().run_in_executor(history.worker, made)
            except Refusal as refusal:
                return _failure(refusal.code, str(refusal), refusal.status)

        return respond

    def _bullet(self, request: web.Request) -> web.Response:
        return _success(self._sockets.bullet(request.host))

    def _timestamp(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _success(self._source.now() // 1000)

    def _symbols(self, request: web.Request) -> web.Response:
        market = request.query.get("market")
        shown = [_symbol(listing) for listing in self._lists.listings("kucoin")]
        return _success([each for each in shown if market is None or each["market"] == market])

    def _all_tickers(self, request: web.Request) -> web.Response:  # noqa: ARG002
        now = self._rules.clock()
        if now - self._tickers_made >= self._rules.kucoin.tickers_seconds:
            self._tickers_made = now
            listings = self._lists.listings("kucoin")
            tickers = [_ticker(listing, self._source.day("kucoin", listing.code)) for listing in listings]
            self._tickers = msgspec.json.encode(
                {"code": _OK, "data": {"time": self._source.now() // 1000, "ticker": tickers}}
            )
        return web.Response(body=self._tickers, content_type="application/json")


def _success(data: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode({"code": _OK, "data": data}), content_type="application/json")


def _failure(code: str, text: str, status: int) -> web.Response:
    body = msgspec.json.encode({"code": code, "msg": text})
    return web.Response(body=body, status=status, content_type="application/json")


def _wrong_method(request: web.Request) -> web.Response:
    return _failure("405000", f"Request method '{request.method}' not supported", 405)


def _not_found(request: web.Request) -> web.Response:  # noqa: ARG001
    return _failure("404000", "Url Not Found", 404)


def _step(decimals: int) -> str:
    return f"{10**-decimals:.{decimals}f}"


def _symbol(listing: Listing) -> dict[str, Any]:
    step = _step(listing.size_decimals)
    return {
        "symbol": listing.code,
        "name": listing.name,
        "baseCurrency": listing.base,
        "quoteCurrency": listing.quote,
        "feeCurrency": listing.quote,
        "market": _MARKETS.get(listing.quote, "ALTS"),
        "baseMinSize": step,
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": step,
        "quoteIncrement": _step(listing.price_decimals),
        "priceIncrement": _step(listing.price_decimals),
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": False,
        "enableTrading": listing.trading,
        "st": False,
    }


def _ticker(listing: Listing, day: DayFigures) -> dict[str, Any]:
    change = None if day.last is None or day.open is None else day.last - day.open
    traded = day.last is not None
    return {
        "symbol": listing.code,
        "symbolName": listing.name,
        "buy": plain(day.bid),
        "bestBidSize": plain(day.bid_size),
        "sell": plain(day.ask),
        "bestAskSize": plain(day.ask_size),
        "changeRate": f"{change / day.open:.4f}" if change is not None and day.open else None,
        "changePrice": plain(change),
        "high": plain(day.high),
        "low": plain(day.low),
        "vol": plain(day.base_volume) if traded else None,
        "volValue": plain(day.quote_volume) if traded else None,
        "last": plain(day.last),
        "averagePrice": f"{day.quote_volume / day.base_volume:.{listing.price_decimals}f}" if day.base_volume else None,
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.001",
        "takerCoefficient": "1",
        "makerCoefficient": "1",
    }
