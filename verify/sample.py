"""Compares some minutes with the venues' own candles, asked for over REST. From the venues' REST documentation."""

import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import httpx2
import msgspec

from market.records import Venue
from market.settings import Settings
from market.symbols import Instrument, instrument
from verify.oracle import Difference, Sampled
from verify.reading import CannotCheck

_GAP_SECONDS = 0.1
_TRIES = 4
_PAUSE = 3.0

Values = dict[str, str]
"""A candle's values by column, as the venue writes them."""


def compare(
    settings: Settings, minutes: Iterable[Sampled], progress: Callable[[str], None]
) -> tuple[int, list[Difference]]:
    """Return how many minutes were compared, and every value that is not the venue's own (which is `expected`).

    Raises:
        CannotCheck: a venue cannot be reached, or answers what cannot be read.
    """
    found: list[Difference] = []
    done = 0
    with httpx2.Client(timeout=10.0, follow_redirects=True) as client:
        venues: dict[str, Binance | Kucoin] = {
            "binance": Binance(client, settings),
            "kucoin": Kucoin(client, settings),
        }
        codes: dict[str, dict[str, str]] = {}
        for minute in minutes:
            venue = venues[minute.venue]
            if minute.venue not in codes:
                codes[minute.venue] = {item.symbol: item.code for item in venue.instruments()}
            code = codes[minute.venue].get(minute.symbol)
            if code is None:
                continue  # not listed any more
            found += _differences(minute, venue.candle(code, minute.start_time))
            done += 1
            progress(f"asks the venues for their own candles: {done:,}")
            time.sleep(_GAP_SECONDS)
    return done, found


def _differences(minute: Sampled, told: Values | None) -> list[Difference]:
    def difference(column: str, expected: str | None, ours: str | None) -> Difference:
        return Difference(minute.venue, minute.symbol, "1m", minute.start_time, column, expected, ours)

    if told is None:
        return [difference("row", "none", "a row")]
    ours = {column: getattr(minute, column) for column in told}
    return [
        difference(column, value, ours[column])
        for column, value in told.items()
        if ours[column] is None or not _same(column, Decimal(value), Decimal(ours[column]))
    ]


def _same(column: str, told: Decimal, ours: Decimal) -> bool:
    """Return whether a value is the venue's. It may cut its quote volume off after some decimals."""
    if column == "quote_volume":
        return abs(told - ours) < Decimal(1).scaleb(min(0, int(told.as_tuple().exponent)))
    return told == ours


class _Rest:
    """A venue's REST, asked in turn."""

    venue: Venue

    def __init__(self, client: httpx2.Client, settings: Settings) -> None:
        self._client = client
        self._base: str = getattr(settings, self.venue).rest_url.rstrip("/")

    def _ask(self, path: str, query: dict[str, Any]) -> Any:
        reason = ""
        for _ in range(_TRIES):
            try:
                answer = self._client.get(f"{self._base}{path}", params=query)
                if answer.status_code == 200:
                    return msgspec.json.decode(answer.content)
            except (httpx2.HTTPError, msgspec.DecodeError) as error:
                reason = str(error)
                pause = _PAUSE
            else:
                reason = f"HTTP {answer.status_code}"
                asked = answer.headers.get("Retry-After", "")
                pause = min(60.0, float(asked)) if asked.isdigit() else _PAUSE
            time.sleep(pause)
        raise CannotCheck(f"{self.venue} does not tell its candles ({path}): {reason}.")


class Binance(_Rest):
    """`/api/v3`."""

    venue: Venue = "binance"

    def instruments(self) -> list[Instrument]:
        """Return every pair that is listed."""
        listed = self._ask("/api/v3/exchangeInfo", {})["symbols"]
        return [instrument("binance", i["symbol"], i["baseAsset"], i["quoteAsset"], trading=True) for i in listed]

    def candle(self, code: str, start: int) -> Values | None:
        """Return the minute that begins then (µs), None where the venue has none."""
        query = {"symbol": code, "interval": "1m", "startTime": start // 1000, "limit": 1}
        for row in self._ask("/api/v3/klines", query):
            if row[0] * 1000 == start and Decimal(row[5]):
                return {
                    "open": row[1],
                    "high": row[2],
                    "low": row[3],
                    "close": row[4],
                    "base_volume": row[5],
                    "quote_volume": row[7],
                    "trade_count": str(row[8]),
                    "taker_buy_base_volume": row[9],
                }
        return None


class Kucoin(_Rest):
    """`/api/v1` and `/api/v2`. The order of its candles is open, close, high, low."""

    venue: Venue = "kucoin"

    def instruments(self) -> list[Instrument]:
        """Return every pair that is listed."""
        listed = self._ask("/api/v2/symbols", {})["data"]
        return [instrument("kucoin", i["symbol"], i["baseCurrency"], i["quoteCurrency"], trading=True) for i in listed]

    def candle(self, code: str, start: int) -> Values | None:
        """Return the minute that begins then (µs), None where the venue has none."""
        seconds = start // 1_000_000
        query = {"symbol": code, "type": "1min", "startAt": seconds, "endAt": seconds + 60}
        for row in self._ask("/api/v1/market/candles", query).get("data") or []:
            if int(row[0]) == seconds and Decimal(row[5]):
                names = ("open", "close", "high", "low", "base_volume", "quote_volume")
                return dict(zip(names, row[1:], strict=True))
        return None
