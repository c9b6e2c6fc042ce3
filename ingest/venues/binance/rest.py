"""What is asked of Binance over REST: symbols, time, and what repair needs. From Binance's `rest-api.md`."""

import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode

import httpx2
import msgspec

from ingest.venues.candles import MinuteCandle
from ingest.venues.clock import measure
from ingest.venues.fields import microseconds, paid, priced, volume
from ingest.venues.http import Allowance, Rest, Told, Trouble, VenueError, failure, retry_after
from market.records import Trade
from market.symbols import Instrument, instrument

WEIGHT_LIMIT = 6000
"""Weight that the venue allows an address in `WEIGHT_SECONDS`; the weights below are of single requests."""
WEIGHT_SECONDS = 60.0
TIME_WEIGHT = 1
LIST_WEIGHT = 20
CANDLES_WEIGHT = 2
AGGREGATES_WEIGHT = 4
TRADES_WEIGHT = 25
PAGE = 1000
"""Candles, aggregates or trades in one answer, at most."""

_MILLISECOND = 1_000

T = TypeVar("T")


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    base: str = msgspec.field(name="baseAsset")
    quote: str = msgspec.field(name="quoteAsset")


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _Time(msgspec.Struct):
    time: int = msgspec.field(name="serverTime")


def parse_instruments(body: bytes) -> list[Instrument]:
    """Return the pairs of an answer of `/api/v3/exchangeInfo`.

    Under `HALT` and `CANCEL_ONLY` there is still market data, but only `TRADING` counts as trading. A pair that ends
    goes to `BREAK` first and then leaves the list; one that is renamed is another pair with a code of its own.

    Raises:
        msgspec.DecodeError: it is not such an answer.
    """
    found = msgspec.json.decode(body, type=_ExchangeInfo)
    return [
        instrument("binance", item.symbol, item.base, item.quote, trading=item.status == "TRADING")
        for item in found.symbols
    ]


def parse_time(body: bytes) -> int:
    """Return the venue's time of an answer of `/api/v3/time` in microseconds since the epoch.

    Raises:
        msgspec.DecodeError: it is not such an answer.
    """
    return msgspec.json.decode(body, type=_Time).time * 1000


class _Aggregate(msgspec.Struct, gc=False):
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741
    T: int
    m: bool


class _Trade(msgspec.Struct, gc=False, rename="camel"):
    id: int
    price: str
    qty: str
    time: int
    is_buyer_maker: bool


# Open time, open, high, low, close, volume, close time, quote volume, trades, taker's base and quote volume, nothing.
_Kline = tuple[int, str, str, str, str, str, int, str, int, str, str, str]


def parse_candles(body: bytes) -> list[MinuteCandle]:
    """Return the candles of an answer of `/api/v3/klines` of 1-minute ones, oldest first.

    Raises:
        ValueError: it is not such an answer, or holds an odd number.
    """
    return [
        MinuteCandle(
            microseconds(start, _MILLISECOND, "open time"), paid(opened), paid(high), paid(low), paid(close),
            volume(base), volume(quote), volume(taker), count,
        )
        for start, opened, high, low, close, base, _, quote, count, taker, *_ in msgspec.json.decode(
            body, type=list[_Kline]
        )
    ]  # fmt: skip


def parse_aggregates(body: bytes, symbol: str, receive_time: int) -> list[Trade]:
    """Return the trades of an answer of `/api/v3/aggTrades`, oldest first. `receive_time` is in microseconds.

    Raises:
        ValueError: it is not such an answer, or holds an odd number.
    """
    return [
        Trade(
            "binance", symbol, str(item.a), item.f, item.l, item.l, *priced(item.p, item.q),
            "sell" if item.m else "buy", microseconds(item.T, _MILLISECOND, "T"), receive_time, "repair",
        )
        for item in msgspec.json.decode(body, type=list[_Aggregate])
    ]  # fmt: skip


def parse_trades(body: bytes, symbol: str, receive_time: int) -> list[Trade]:
    """Return the trades of an answer of `/api/v3/historicalTrades`, oldest first. `receive_time` is in microseconds.

    Raises:
        ValueError: it is not such an answer, or holds an odd number.
    """
    return [
        Trade(
            "binance", symbol, str(item.id), item.id, item.id, item.id, *priced(item.price, item.qty),
            "sell" if item.is_buyer_maker else "buy", microseconds(item.time, _MILLISECOND, "time"), receive_time,
            "repair",
        )
        for item in msgspec.json.decode(body, type=list[_Trade])
    ]  # fmt: skip


def allowance(response: httpx2.Response, now: float) -> Allowance | None:
    """Return what a response tells of the weight that is left, until the minute ends. `now` is since the epoch."""
    used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
    return Allowance(WEIGHT_LIMIT - int(used), WEIGHT_SECONDS - now % WEIGHT_SECONDS) if used.isdigit() else None


class BinanceRest:
    """The questions. Raises `VenueError` where it makes sense to ask again, `VenueRefusal` where it does not.

    `told` hears what the answers tell of the limit.
    """

    def __init__(self, base: str, told: Told | None = None) -> None:
        self._rest = Rest(base, lambda response: allowance(response, time.time()), told)

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""
        return await self._read("/api/v3/exchangeInfo", parse_instruments)

    async def candles(self, code: str, start: int, end: int) -> list[MinuteCandle]:
        """Return the 1-minute candles that begin in [start, end), oldest first, at most `PAGE`; microseconds, UTC."""
        query = {
            "symbol": code, "interval": "1m", "startTime": start // _MILLISECOND,
            "endTime": end // _MILLISECOND - 1, "limit": PAGE,
        }  # fmt: skip
        return await self._read(f"/api/v3/klines?{urlencode(query)}", parse_candles)

    async def aggregates_since(self, item: Instrument, start: int) -> list[Trade]:
        """Return the oldest aggregates from the time `start` on (microseconds, UTC), at most `PAGE`, oldest first."""
        return await self._aggregates(item, {"startTime": start // _MILLISECOND})

    async def aggregates_from(self, item: Instrument, aggregate: int) -> list[Trade]:
        """Return the aggregates from one on, by its own id and not a trade's, at most `PAGE`, oldest first."""
        return await self._aggregates(item, {"fromId": aggregate})

    async def trades_from(self, item: Instrument, first_id: int) -> list[Trade]:
        """Return the trades from one on by its id, at most `PAGE`, oldest first. Some hosts don't have this."""
        query = urlencode({"symbol": item.code, "fromId": first_id, "limit": PAGE})
        received = time.time_ns() // 1000
        path = f"/api/v3/historicalTrades?{query}"
        return await self._read(path, lambda body: parse_trades(body, item.symbol, received))

    async def books(self) -> bytes:
        """Return the body of an answer of `/api/v3/ticker/bookTicker`: best bid and ask of every pair."""
        return await self._read("/api/v3/ticker/bookTicker", lambda body: body)

    async def time(self) -> int:
        """Return the venue's time, in microseconds since the epoch."""
        return await self._read("/api/v3/time", parse_time)

    async def clock_offset(self) -> int:
        """Return the venue's clock minus ours, in microseconds."""
        return await measure(self.time)

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._rest.close()

    async def _aggregates(self, item: Instrument, where: dict[str, int]) -> list[Trade]:
        query = urlencode({"symbol": item.code, **where, "limit": PAGE})
        received = time.time_ns() // 1000
        path = f"/api/v3/aggTrades?{query}"
        return await self._read(path, lambda body: parse_aggregates(body, item.symbol, received))

    async def _read(self, path: str, parse: Callable[[bytes], T]) -> T:
        response = await self._rest.ask("GET", path)
        if response.status_code != 200:
            # 429 is a limit, 418 a ban for not minding it; both say for how long.
            wait = retry_after(response.headers.get("Retry-After"), time.time())
            raise failure(response, wait, _trouble(response.status_code))
        try:
            return parse(response.content)
        except ValueError as error:
            raise VenueError(f"{response.request.url}: {error}") from error


def _trouble(status: int) -> Trouble:
    match status:
        case 418 | 429:
            return "limit"
        case 403:
            # The firewall's, which has its own reasons.
            return "odd"
        case _:
            return "busy" if status >= 500 else "lacking"
