"""What ingest asks Binance over REST: its symbols and its time. From Binance's `rest-api.md`."""

import time

import httpx2
import msgspec

from ingest.venues.clock import measure
from ingest.venues.http import Rest, VenueError, failure, retry_after
from market.symbols import Instrument, instrument


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

    Under `HALT` and `CANCEL_ONLY` there is still market data, but only `TRADING` counts as trading.

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


class BinanceRest:
    """The questions. Raises `VenueError` where it makes sense to ask again, `VenueRefusal` where it does not."""

    def __init__(self, base: str) -> None:
        self._rest = Rest(base)

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""
        response = await self._get("/api/v3/exchangeInfo")
        try:
            return parse_instruments(response.content)
        except msgspec.DecodeError as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def clock_offset(self) -> int:
        """Return the venue's clock minus ours, in microseconds."""
        return await measure(self._time)

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._rest.close()

    async def _time(self) -> int:
        response = await self._get("/api/v3/time")
        try:
            return parse_time(response.content)
        except msgspec.DecodeError as error:
            raise VenueError(f"{response.request.url}: {error}") from error

    async def _get(self, path: str) -> httpx2.Response:
        response = await self._rest.ask("GET", path)
        if response.status_code != 200:
            # 429 is a limit, 418 a ban for not minding it; both say for how long.
            raise failure(response, retry_after(response.headers.get("Retry-After"), time.time()))
        return response
