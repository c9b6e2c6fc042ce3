"""A minute's candle as trades: some few, that make exactly this candle again."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby, pairwise

import msgspec

from market import decimals

MINUTE_MS = 60_000

# The first trade of a minute and, where it has several, the last one; milliseconds after its start.
_FIRST_MS = 1_000
_LAST_MS = 58_000
_TOO_MUCH = 10 ** (decimals.PRECISION - decimals.SCALE)


class UnfitCandle(ValueError):
    """Figures that no trades can make, or only trades that do not fit downstream; the text says which and why."""


class MadeTrade(msgspec.Struct, frozen=True, gc=False):
    """A made trade: match time in milliseconds, UTC; plain decimal numbers; whether the taker bought."""

    time: int
    price: str
    size: str
    buy: bool


class TradedMinute(msgspec.Struct, frozen=True, gc=False):
    """A minute in which something was traded, ready to be played; `start` in milliseconds, UTC.

    `prices` is the way that the price went, no two in a row equal, and `buys` whether it rose to each of them, the
    first one being as the minute on the whole. The volume is `units` of `10 ** -places`, at least one a price.
    """

    start: int
    prices: tuple[str, ...]
    buys: tuple[bool, ...]
    units: int
    places: int

    def trades(self) -> Iterator[MadeTrade]:
        """Make the trades, in their order: one a price, spread over the minute; the volume in parts nearly equal."""
        count = len(self.prices)
        apart = (_LAST_MS - _FIRST_MS) // max(1, count - 1)
        part, rest = divmod(self.units, count)
        size, first_size = _plain(part, self.places), _plain(part + rest, self.places)
        time = self.start + _FIRST_MS
        for number, (price, buy) in enumerate(zip(self.prices, self.buys, strict=True)):
            yield MadeTrade(time + number * apart, price, size if number else first_size, buy)


def traded(
    start: int, opened: Decimal, high: Decimal, low: Decimal, closed: Decimal, *, volume: Decimal
) -> TradedMinute | None:
    """Return the minute of a candle (`start` in milliseconds, the volume in base), null where nothing was traded.

    Raises:
        UnfitCandle: its figures contradict each other, or its trades would not fit downstream.
        UnfitNumber: a number does not fit downstream.
    """
    if high < max(opened, closed):
        raise UnfitCandle(f"high {high} must not be below open {opened} and close {closed}")
    if low > min(opened, closed):
        raise UnfitCandle(f"low {low} must not be above open {opened} and close {closed}")
    if not volume:
        return None
    if not low:
        raise UnfitCandle(f"prices must be above zero where the volume is: low {low}, volume {volume}")
    way = [price for price, _ in groupby((opened, *((low, high) if closed >= opened else (high, low)), closed))]
    prices = tuple(map(decimals.plain, way))
    buys = (closed >= opened, *(after > before for before, after in pairwise(way)))
    whole, _, fraction = decimals.plain(volume).partition(".")
    units, places = int(whole + fraction), len(fraction)
    if units < len(prices):
        # There are at most four prices, so one more digit is enough for each to have a part.
        units, places = 10 * units, places + 1
    finest = max(len(price.partition(".")[2]) for price in prices)
    # Downstream, the exact product of price and size must fit into the columns too.
    if finest + places > decimals.SCALE or decimals.product(high, volume) >= _TOO_MUCH:
        raise UnfitCandle(
            f"price times volume must fit DECIMAL({decimals.PRECISION}, {decimals.SCALE}): high {high}, volume {volume}"
        )
    return TradedMinute(start, prices, buys, units, places)


def _plain(units: int, places: int) -> str:
    """Return `units * 10 ** -places` as plain text, without trailing zeros."""
    if not places:
        return str(units)
    digits = f"{units:0{places + 1}d}"
    return f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")
