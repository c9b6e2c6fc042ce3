"""What is asked of KuCoin over REST: symbols, time, day figures, where its socket is, and what repair needs."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec

from ingest.venues import Endpoint, Fact
from ingest.venues.candles import MinuteCandle
from ingest.venues.clock import measure
from ingest.venues.fields import identifier, microseconds, paid, priced, volume
from ingest.venues.http import Allowance, Rest, Told, Trouble, VenueError, failure, retry_after
from market.records import Side, Trade
from market.symbols import Instrument, instrument

WEIGHT_LIMIT = 2000
"""Weight that the venue allows an address in `WEIGHT_SECONDS`; the weights below are of single requests."""
WEIGHT_SECONDS = 30.0
TIME_WEIGHT = 3
LIST_WEIGHT = 4
CANDLES_WEIGHT = 3
TRADES_WEIGHT = 3
PAGE = 1440
"""Candles that are asked for at once: a day's; the venue gives 1,500 at most."""

_SUCCESS = "200000"
_TOO_MANY = "429000"
_SECOND = 1_000_000
_NANOSECONDS = 1_000

T = TypeVar("T")


class _Code(msgspec.Struct):
    code: str


class _Symbol(msgspec.Struct):
    symbol: str
    base: str = msgspec.field(name="baseCurrency")
    quote: str = msgspec.field(name="quoteCurrency")
    trading: bool = msgspec.field(name="enableTrading")
    name: str = ""


class _Symbols(msgspec.Struct):
    data: list[_Symbol]


class _Time(msgspec.Struct):
    data: int


class _Server(msgspec.Struct, rename="camel"):
    endpoint: str
    ping_interval: int
    ping_timeout: int
    protocol: str = "websocket"


class _Bullet(msgspec.Struct, rename="camel"):
    token: str
    instance_servers: list[_Server]


class _BulletAnswer(msgspec.Struct):
    data: _Bullet


def parse_instruments(body: bytes) -> list[Instrument]:
    """Return the pairs of an answer of `/api/v2/symbols`, with the permanent code that requests are made with.

    `symbol` never changes; a renaming changes `name` and the currencies, so these tell what is traded.

    Raises:
        msgspec.DecodeError: it is not such an answer.
    """
    found = msgspec.json.decode(body, type=_Symbols)
    return [
        instrument("kucoin", item.symbol, item.base, item.quote, trading=item.trading, name=item.name)
        for item in found.data
    ]


def parse_time(body: bytes) -> int:
    """Return the venue's time of an answer of `/api/v1/timestamp` in microseconds since the epoch.

    Raises:
        msgspec.DecodeError: it is not such an answer.
    """
    return msgspec.json.decode(body, type=_Time).data * 1000


def parse_endpoint(body: bytes, connect_id: str) -> Endpoint:
    """Return where to connect, from an answer of `/api/v1/bullet-public`. Its times are milliseconds.

    Raises:
        msgspec.DecodeError: it is not such an answer.
        ValueError: it names no server.
    """
    found = msgspec.json.decode(body, type=_BulletAnswer).data
    server = next((item for item in found.instance_servers if item.protocol == "websocket"), None)
    if server is None:
        raise ValueError("names no WebSocket server")
    parts = urlsplit(server.endpoint)
    # A handshake without a path was refused with 400.
    address = parts._replace(path=parts.path or "/", query=urlencode({"token": found.token, "connectId": connect_id}))
    return Endpoint(
        address.geturl(),
        server.ping_interval / 1000,
        server.ping_timeout / 1000,
        (Fact("token_renewed", {"server": server.endpoint}),),
    )


class _Candles(msgspec.Struct):
    # Start in seconds, open, close, high, low, base volume, quote turnover.
    data: list[tuple[str, str, str, str, str, str, str]]


class _Trade(msgspec.Struct, gc=False):
    sequence: str
    price: str
    size: str
    side: Side
    time: int


class _Histories(msgspec.Struct):
    data: list[_Trade]


def parse_candles(body: bytes) -> list[MinuteCandle]:
    """Return the candles of an answer of `/api/v1/market/candles` of 1-minute ones, oldest first.

    Raises:
        ValueError: it is not such an answer, or holds an odd number.
    """
    found = msgspec.json.decode(body, type=_Candles).data
    return [
        MinuteCandle(
            microseconds(identifier(start, "start"), _SECOND, "start"), paid(opened), paid(high), paid(low),
            paid(close), volume(base), volume(quote),
        )
        for start, opened, close, high, low, base, quote in reversed(found)
    ]  # fmt: skip


def parse_trades(body: bytes, symbol: str, receive_time: int) -> list[Trade]:
    """Return the trades of an answer of `/api/v1/market/histories`, oldest first. `receive_time` is in microseconds.

    A trade's id is its sequence, which the answer has alone.

    Raises:
        ValueError: it is not such an answer, or holds an odd number.
    """
    found = msgspec.json.decode(body, type=_Histories).data
    sequences = [identifier(item.sequence, "sequence") for item in found]
    return [
        Trade(
            "kucoin", symbol, item.sequence, sequence, sequence, sequence, *priced(item.price, item.size), item.side,
            microseconds(item.time // _NANOSECONDS, 1, "time"), receive_time, "repair",
        )
        for item, sequence in zip(found, sequences, strict=True)
    ]  # fmt: skip


def allowance(response: httpx2.Response) -> Allowance | None:
    """Return what a response tells of the pool of weight; its time is in milliseconds."""
    left, reset = (response.headers.get(f"gw-ratelimit-{name}", "") for name in ("remaining", "reset"))
    return Allowance(int(left), int(reset) / 1000) if left.isdigit() and reset.isdigit() else None


class KucoinRest:
    """The questions. Raises `VenueError` where it makes sense to ask again, `VenueRefusal` where it does not.

    `told` hears what the answers tell of the limit.
    """

    def __init__(self, base: str, told: Told | None = None) -> None:
        self._rest = Rest(base, allowance, told)

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""
        return await self._read("GET", "/api/v2/symbols", parse_instruments)

    async def candles(self, code: str, start: int, end: int) -> list[MinuteCandle]:
        """Return the 1-minute candles that begin in [start, end), oldest first, at most `PAGE`; microseconds, UTC.

        Minutes in which nothing traded may be left out.
        """
        query = {"symbol": code, "type": "1min", "startAt": start // _SECOND, "endAt": end // _SECOND}
        found = await self._read("GET", f"/api/v1/market/candles?{urlencode(query)}", parse_candles)
        # Whether the end is part of it is not documented.
        return [candle for candle in found if start <= candle.start_time < end]

    async def trades(self, item: Instrument) -> list[Trade]:
        """Return the last trades, oldest first: 100 at most, and there is no way to get older ones."""
        received = time.time_ns() // 1000
        path = f"/api/v1/market/histories?{urlencode({'symbol': item.code})}"
        return await self._read("GET", path, lambda body: parse_trades(body, item.symbol, received))

    async def time(self) -> int:
        """Return the venue's time, in microseconds since the epoch."""
        return await self._read("GET", "/api/v1/timestamp", parse_time)

    async def clock_offset(self) -> int:
        """Return the venue's clock minus ours, in microseconds."""
        return await measure(self.time)

    async def endpoint(self, connect_id: str) -> Endpoint:
        """Return where to connect, with a fresh token: an old one is refused a day after it was given."""
        return await self._read("POST", "/api/v1/bullet-public", lambda body: parse_endpoint(body, connect_id))

    async def all_tickers(self) -> bytes:
        """Return the body of an answer of `/api/v1/market/allTickers`."""
        response = await self._ask("GET", "/api/v1/market/allTickers")
        return response.content

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._rest.close()

    async def _read(self, method: Literal["GET", "POST"], path: str, parse: Callable[[bytes], T]) -> T:
        response = await self._ask(method, path)
        try:
            return parse(response.content)
        except ValueError as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def _ask(self, method: Literal["GET", "POST"], path: str) -> httpx2.Response:
        response = await self._rest.ask(method, path)
        try:
            code = msgspec.json.decode(response.content, type=_Code).code
        except msgspec.DecodeError:
            code = ""
        # Success is HTTP 200 and the code besides: failures may come with HTTP 200 as well.
        if response.status_code != 200 or code != _SUCCESS:
            wait = _wait(response)
            raise failure(response, wait, _trouble(response.status_code, code, wait))
        return response


def _trouble(status: int, code: str, wait: float) -> Trouble:
    """Return what a failure means. Too many requests without a time to wait tells of the venue's load, not of ours."""
    if code == _TOO_MANY or status == 429:
        return "limit" if wait else "busy"
    if status >= 500 or code.startswith("5"):
        return "busy"
    # Codes of the market itself have six digits; others come from what stands before it.
    return "lacking" if len(code) == 6 and code.startswith(("4", "9")) else "odd"


def _wait(response: httpx2.Response) -> float:
    """Return the seconds until the pool of requests is full again; its header is in milliseconds."""
    reset = response.headers.get("gw-ratelimit-reset", "")
    if reset.isdigit() and response.headers.get("gw-ratelimit-remaining", "0") in ("0", ""):
        return int(reset) / 1000
    return retry_after(response.headers.get("Retry-After"), time.time())
