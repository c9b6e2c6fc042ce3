"""KuCoin's REST of the past: `market/candles` and `market/histories` (`openapi-spot-market.json`).

Each answer is a function of the parameters and of the time as of which it is given (milliseconds since the epoch).
"""

from collections.abc import Callable, Mapping
from typing import Any

from replay.events import short
from replay.history import History
from replay.intervals import Interval, candles
from replay.limits import KucoinRules
from replay.simulation import FIRST_MINUTE
from replay.source import Listing

Answer = Callable[[History, Listing, Mapping[str, str], int, KucoinRules], list[Any]]
"""From history, listing, parameters, the time as of which (ms), and the rules."""

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_TYPES: dict[str, int | None] = {
    "1min": _MINUTE, "3min": 3 * _MINUTE, "5min": 5 * _MINUTE, "15min": 15 * _MINUTE, "30min": 30 * _MINUTE,
    "1hour": _HOUR, "2hour": 2 * _HOUR, "4hour": 4 * _HOUR, "6hour": 6 * _HOUR, "8hour": 8 * _HOUR,
    "12hour": 12 * _HOUR, "1day": _DAY, "1week": 7 * _DAY, "1month": None,
}  # fmt: skip
_MOST_CANDLES = 1500
_MOST_TRADES = 100
# What takes longer than the venue would wait.
_MOST_MINUTES = 50_000


class Refusal(Exception):
    """A refused request: the venue's code (a string), its text, and the HTTP status, which may be that of a success."""

    def __init__(self, code: str, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


def bars(history: History, listing: Listing, given: Mapping[str, str], as_of: int, rules: KucoinRules) -> list[Any]:
    """Return candles, newest first, from `startAt` (inclusive) to `endAt` (exclusive), both in seconds; 1,500 at most.

    Raises:
        Refusal: a parameter is wrong (400100), or it would take too long (500000).
    """
    if given.get("type") not in _TYPES:
        raise Refusal("400100", "Incorrect candlestick type.")
    interval = Interval(_TYPES[given["type"]])
    start, end = _seconds(given, "startAt"), _seconds(given, "endAt")
    stop = interval.number(as_of) + 1
    if end:
        stop = min(stop, interval.number(min(end * 1000, as_of + _DAY) - 1) + 1)
    first = max(interval.number(FIRST_MINUTE * _MINUTE), stop - _MOST_CANDLES)
    if start:
        first = max(first, interval.number(min(start * 1000, as_of + _DAY) - 1) + 1)
    if stop <= first:
        return []
    if interval.start(stop) - interval.start(first) > _MOST_MINUTES * _MINUTE:
        raise Refusal("500000", "Internal Server Error", 500)
    price, size = listing.price_decimals, listing.size_decimals
    found = [
        [
            str(candle.start_ms // 1000),
            short(candle.open, price),
            short(candle.close, price),
            short(candle.high, price),
            short(candle.low, price),
            short(candle.base, size),
            short(candle.quote, price + size),
        ]
        for candle in candles(history, listing, interval, range(first, stop), as_of)
        if candle.count or rules.idle_candles
    ]
    return found[::-1]


def latest(
    history: History,
    listing: Listing,
    given: Mapping[str, str],  # noqa: ARG001
    as_of: int,
    rules: KucoinRules,  # noqa: ARG001
) -> list[Any]:
    """Return the last hundred trades, oldest first, times in nanoseconds."""
    stop = history.fill_at(listing, as_of + 1)
    return [
        {
            "sequence": str(sequence),
            "price": short(level.price, listing.price_decimals),
            "size": short(size, listing.size_decimals),
            "side": "buy" if level.buy else "sell",
            "time": level.time_ms * 1_000_000,
        }
        for level in history.levels_of_fills(listing, stop - _MOST_TRADES, stop)
        for sequence, size in zip(level.ids, level.sizes, strict=True)
    ]


def _seconds(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refusal("400100", f"{name}: must be a number of seconds.")
    return int(text)
