"""What ingest asks KuCoin over REST: its symbols, time, day figures, and where its socket is."""

import time
from typing import Literal
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec

from ingest.venues import Endpoint, Fact
from ingest.venues.clock import measure
from ingest.venues.http import Rest, VenueError, failure, retry_after
from market.symbols import Instrument, instrument

_SUCCESS = "200000"


class _Code(msgspec.Struct):
    code: str


class _Symbol(msgspec.Struct):
    symbol: str
    base: str = msgspec.field(name="baseCurrency")
    quote: str = msgspec.field(name="quoteCurrency")
    trading: bool = msgspec.field(name="enableTrading")


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

    Raises:
        msgspec.DecodeError: it is not such an answer.
    """
    found = msgspec.json.decode(body, type=_Symbols)
    return [instrument("kucoin", item.symbol, item.base, item.quote, trading=item.trading) for item in found.data]


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


class KucoinRest:
    """The questions. Raises `VenueError` where it makes sense to ask again, `VenueRefusal` where it does not."""

    def __init__(self, base: str) -> None:
        self._rest = Rest(base)

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""
        response = await self._ask("GET", "/api/v2/symbols")
        try:
            return parse_instruments(response.content)
        except msgspec.DecodeError as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def clock_offset(self) -> int:
        """Return the venue's clock minus ours, in microseconds."""
        return await measure(self._time)

    async def endpoint(self, connect_id: str) -> Endpoint:
        """Return where to connect, with a fresh token: an old one is refused a day after it was given."""
        response = await self._ask("POST", "/api/v1/bullet-public")
        try:
            return parse_endpoint(response.content, connect_id)
        except (msgspec.DecodeError, ValueError) as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def all_tickers(self) -> bytes:
        """Return the body of an answer of `/api/v1/market/allTickers`."""
        response = await self._ask("GET", "/api/v1/market/allTickers")
        return response.content

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._rest.close()

    async def _time(self) -> int:
        response = await self._ask("GET", "/api/v1/timestamp")
        try:
            return parse_time(response.content)
        except msgspec.DecodeError as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def _ask(self, method: Literal["GET", "POST"], path: str) -> httpx2.Response:
        response = await self._rest.ask(method, path)
        try:
            code = msgspec.json.decode(response.content, type=_Code).code
        except msgspec.DecodeError:
            code = ""
        # Success is HTTP 200 and the code besides: failures may come with HTTP 200 as well.
        if response.status_code != 200 or code != _SUCCESS:
            raise failure(response, _wait(response))
        return response


def _wait(response: httpx2.Response) -> float:
    """Return the seconds until the pool of requests is full again; its header is in milliseconds."""
    reset = response.headers.get("gw-ratelimit-reset", "")
    if reset.isdigit() and response.headers.get("gw-ratelimit-remaining", "0") in ("0", ""):
        return int(reset) / 1000
    return retry_after(response.headers.get("Retry-After"), time.time())
