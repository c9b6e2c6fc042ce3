"""Candle files for tests, and candles of the trades that ingest's own mapping finds in frames."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from pathlib import Path

from hypothesis import strategies as st

from ingest.venues import Mapper
from ingest.venues.binance.messages import BinanceMapper
from ingest.venues.kucoin.messages import KucoinMapper
from market.frames import Frame
from market.records import Trade
from tests.ingest.shapes import binance, codes, kucoin

HEADER = "exchange,symbol,open_time_ms,open,high,low,close,volume"
MINUTE = 1_679_004_900_000
"""The start of some minute, milliseconds."""

Key = tuple[str, str, int]
"""Venue, canonical symbol, start of the minute in milliseconds."""
Figures = tuple[Decimal, Decimal, Decimal, Decimal, Decimal]
"""Open, high, low, close, volume."""

_EXACT = Context(prec=100)


def write_candles(path: Path, *rows: str, header: str = HEADER) -> Path:
    """Write rows below the header, as gzip where the name says so."""
    content = "".join(f"{line}\n" for line in (header, *rows)).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def row(key: Key, figures: Figures) -> str:
    return ",".join(map(str, (*key, *(format(number, "f") for number in figures))))


def rows(path: Path) -> dict[Key, Figures]:
    """Return the candles of a file as they stand in it."""
    with gzip.open(path, "rt") as lines:
        return {
            (each["exchange"], each["symbol"], int(each["open_time_ms"])): (
                Decimal(each["open"]), Decimal(each["high"]), Decimal(each["low"]), Decimal(each["close"]),
                Decimal(each["volume"]),
            )
            for each in csv.DictReader(lines)
        }  # fmt: skip


def trades(frames: Iterable[Frame], *symbols: str) -> list[Trade]:
    """Return what ingest makes of the frames; each holds one trade."""
    mappers: dict[str, Mapper] = {
        "binance": BinanceMapper(codes(binance(*symbols)), "aggTrade"),
        "kucoin": KucoinMapper(codes(kucoin(*symbols))),
    }
    found = []
    for frame in frames:
        mapped = mappers[frame.venue].map_frame(frame.text.encode(), frame.receive_time)
        assert not mapped.unmapped
        [trade] = mapped.trades
        found.append(trade)
    return found


def folded(made: Sequence[Trade]) -> dict[Key, Figures]:
    """Return the 1-minute candles of trades."""
    candles: dict[Key, Figures] = {}
    for trade in made:
        key = (trade.venue, trade.symbol, trade.event_time // 60_000_000 * 60_000)
        price, size = Decimal(trade.price), Decimal(trade.size)
        opened, high, low, _, volume = candles.get(key, (price, price, price, price, Decimal(0)))
        candles[key] = (opened, max(high, price), min(low, price), price, _EXACT.add(volume, size))
    return candles


@st.composite
def candles(draw: st.DrawFn) -> Figures:
    """Draw the figures of a minute, often with open or close at the rim, flat, tiny or without volume."""
    # Prices times volumes stay below the 20 digits before the point that fit downstream.
    amounts = st.integers(1, 4) | st.integers(1, 10**9)
    low, high = sorted((draw(amounts), draw(amounts)))
    inside = st.sampled_from((low, high)) | st.integers(low, high)
    prices = (draw(inside), high, low, draw(inside))
    price_scale, size_scale = draw(st.integers(-8, 0)), draw(st.integers(-9, 0))
    volume = Decimal(draw(st.just(0) | amounts)).scaleb(size_scale)
    opened, high_, low_, closed = (Decimal(price).scaleb(price_scale) for price in prices)
    return opened, high_, low_, closed, volume
