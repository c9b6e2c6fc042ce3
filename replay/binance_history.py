"""Binance's REST of the past: `klines`, `aggTrades`, `trades`, `historicalTrades` (`rest-api.md`).

Each answer is a function of the parameters and of the time as of which it is given (milliseconds since the epoch).
"""

import re
from collections.abc import Callable
from typing import Any

from replay.binance_query import RestError, limit, mandatory, number, time_ms
from replay.events import fixed
from replay.history import History
from replay.intervals import Candle, Interval, candles
from replay.pairs import Level
from replay.simulation import FIRST_MINUTE
from replay.source import Listing

Answer = Callable[[History, Listing, dict[str, str], int, bool], list[Any]]
"""From history, listing, parameters, the time as of which (ms), and whether to show times in microseconds."""

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_INTERVALS: dict[str, int | None] = {
    "1s": _SECOND, "1m": _MINUTE, "3m": 3 * _MINUTE, "5m": 5 * _MINUTE, "15m": 15 * _MINUTE, "30m": 30 * _MINUTE,
    "1h": _HOUR, "2h": 2 * _HOUR, "4h": 4 * _HOUR, "6h": 6 * _HOUR, "8h": 8 * _HOUR, "12h": 12 * _HOUR,
    "1d": _DAY, "3d": 3 * _DAY, "1w": 7 * _DAY, "1M": None,
}  # fmt: skip
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")
_WIDTH = 8
# What takes longer than the venue's ten seconds to make is answered as the venue does it.
_MOST_MINUTES = 50_000


def klines(history: History, listing: Listing, given: dict[str, str], as_of: int, micros: bool) -> list[Any]:
    """Return candles by their open time, oldest first; the last one may still form.

    Raises:
        RestError: a parameter is wrong, or it would take too long (-1007).
    """
    name = mandatory(given, "interval")
    if name not in _INTERVALS:
        raise RestError(-1120, "Invalid interval.")
    interval = Interval(_INTERVALS[name], _zone(given.get("timeZone", "0")))
    start, end, most = time_ms(given, "startTime", up=True), time_ms(given, "endTime"), limit(given)
    stop = interval.number(as_of if end is None else min(end, as_of)) + 1
    first = interval.number(FIRST_MINUTE * _MINUTE)
    if start is not None:
        first = max(first, interval.number(min(start, as_of + _DAY) - 1) + 1)
        stop = min(stop, first + most)
    first = max(first, stop - most)
    if stop <= first:
        return []
    if interval.start(stop) - interval.start(first) > _MOST_MINUTES * _MINUTE:
        raise RestError(
            -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            504,
        )  # fmt: skip
    return [
        _kline(listing, candle, micros) for candle in candles(history, listing, interval, range(first, stop), as_of)
    ]


def aggregates(history: History, listing: Listing, given: dict[str, str], as_of: int, micros: bool) -> list[Any]:
    """Return aggregate trades, oldest first.

    Raises:
        RestError: a parameter is wrong, or there are times beside `fromId` (-1128).
    """
    from_id, start, end = number(given, "fromId"), time_ms(given, "startTime", up=True), time_ms(given, "endTime")
    most, first = limit(given), 0
    stop = history.level_at(listing, (as_of if end is None else min(end, as_of)) + 1)
    if from_id is not None:
        if start is not None or end is not None:
            raise RestError(-1128, "Combination of optional parameters invalid.")
        first = max(0, from_id - 1)
    elif start is not None:
        first = history.level_at(listing, min(start, as_of + 1))
    if from_id is None and start is None:
        first = max(0, stop - most)
    return [_aggregate(listing, level, micros) for level in history.levels(listing, first, min(stop, first + most))]


def latest(history: History, listing: Listing, given: dict[str, str], as_of: int, micros: bool) -> list[Any]:
    """Return the latest trades, or those from `fromId` on where it is given; oldest first.

    Raises:
        RestError: a parameter is wrong.
    """
    from_id, most = number(given, "fromId"), limit(given)
    stop = history.fill_at(listing, as_of + 1)
    first = max(0, stop - most if from_id is None else from_id - 1)
    return [
        _trade(listing, level, each, size, micros)
        for level in history.levels_of_fills(listing, first, min(stop, first + most))
        for each, size in zip(level.ids, level.sizes, strict=True)
    ]


def _zone(text: str) -> int:
    """Return the milliseconds of a time zone such as `-1:00` or `8`.

    Raises:
        RestError: it is none between -12:00 and +14:00 (-1130).
    """
    found = _ZONE.fullmatch(text)
    minutes = int(found[2]) * 60 + int(found[3] or 0) if found else 10**6
    minutes = -minutes if found and found[1] == "-" else minutes
    if not -720 <= minutes <= 840:
        raise RestError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return minutes * _MINUTE


def _kline(listing: Listing, candle: Candle, micros: bool) -> list[Any]:
    price, size = listing.price_decimals, listing.size_decimals
    unit = 1000 if micros else 1
    return [
        candle.start_ms * unit,
        fixed(candle.open, price, _WIDTH),
        fixed(candle.high, price, _WIDTH),
        fixed(candle.low, price, _WIDTH),
        fixed(candle.close, price, _WIDTH),
        fixed(candle.base, size, _WIDTH),
        candle.end_ms * unit - 1,
        fixed(candle.quote, price + size, _WIDTH),
        candle.count,
        fixed(candle.taker_base, size, _WIDTH),
        fixed(candle.taker_quote, price + size, _WIDTH),
        "0",
    ]


def _aggregate(listing: Listing, level: Level, micros: bool) -> dict[str, Any]:
    return {
        "a": level.number + 1,
        "p": fixed(level.price, listing.price_decimals, _WIDTH),
        "q": fixed(sum(level.sizes), listing.size_decimals, _WIDTH),
        "f": level.ids[0],
        "l": level.ids[-1],
        "T": level.time_ms * 1000 if micros else level.time_ms,
        "m": not level.buy,
        "M": True,
    }


def _trade(listing: Listing, level: Level, trade_id: int, size: int, micros: bool) -> dict[str, Any]:
    return {
        "id": trade_id,
        "price": fixed(level.price, listing.price_decimals, _WIDTH),
        "qty": fixed(size, listing.size_decimals, _WIDTH),
        "quoteQty": fixed(level.price * size, listing.price_decimals + listing.size_decimals, _WIDTH),
        "time": level.time_ms * 1000 if micros else level.time_ms,
        "isBuyerMaker": not level.buy,
        "isBestMatch": True,
    }
