"""A pair of the simulated market while it is played."""

from dataclasses import dataclass

from replay import noise
from replay.rolling import Rolling
from replay.simulation import Series, Trades


@dataclass(frozen=True, slots=True)
class Level:
    """What one taker order took at one price: price and sizes in steps, time in milliseconds, its fills' ids.

    `number` counts the pair's levels since the market's first minute; `order` tells the orders of a minute apart.
    """

    time_ms: int
    price: int
    buy: bool
    ids: list[int]
    sizes: list[int]
    number: int
    order: int


class _Columns:
    """A minute as lists, which are quicker than arrays to take single numbers from."""

    __slots__ = ("buy", "first_level", "ids", "minute", "order", "price", "size", "spread", "start", "time_ms")

    def __init__(self, series: Series, made: Trades) -> None:
        self.minute = made.minute
        self.first_level = made.first_level
        self.spread = made.spread
        self.ids: list[int] = series.fill_ids(made.first_fill, len(made.size)).tolist()
        self.time_ms: list[int] = made.time_ms.tolist()
        self.price: list[int] = made.price.tolist()
        self.buy: list[bool] = made.buy.tolist()
        self.order: list[int] = made.order.tolist()
        self.start: list[int] = made.start.tolist()
        self.size: list[int] = made.size.tolist()


class Pair:
    """Where a pair stands in the current minute, its figures of the day and its top of book."""

    def __init__(self, series: Series, minute: int) -> None:
        listing = series.listing
        self.series = series
        self.rolling = Rolling(listing.price_decimals, listing.size_decimals)
        self.bid = self.ask = self.bid_size = self.ask_size = 0
        self.sequence = 0
        """The id of the last trade."""
        self.changed = False
        """Whether it traded since its last ticker."""
        self.pushed_ms = 0
        """When its last ticker was pushed."""
        self._order_key = noise.key("order", listing.venue, listing.code)
        self._columns = self._next = _Columns(series, series.minute(minute))
        self._index = 0

    def prepare(self, minute: int) -> None:
        """Make a minute ahead of its time."""
        self._next = _Columns(self.series, self.series.minute(minute))

    def enter(self, minute: int) -> None:
        """Begin a minute, made ahead or else made now."""
        if self._next.minute != minute:
            self.prepare(minute)
        self._columns = self._next
        self._index = 0

    def due(self) -> int | None:
        """Return when the next level is due, in milliseconds; null at the minute's end."""
        times = self._columns.time_ms
        return times[self._index] if self._index < len(times) else None

    def take(self) -> Level:
        """Return the next level and go on. It counts in the day's figures and moves the top of the book."""
        columns, index = self._columns, self._index
        self._index = index + 1
        begin, end = columns.start[index], columns.start[index + 1]
        time_ms, price = columns.time_ms[index], columns.price[index]
        sizes, ids = columns.size[begin:end], columns.ids[begin:end]
        if self.series.listing.venue == "binance":
            self.rolling.add(time_ms * 1000, price, sum(sizes), ids[0], ids[-1])
        else:
            for size, number in zip(sizes, ids, strict=True):
                self.rolling.add(time_ms * 1000, price, size, number, number)
        buy, spread = columns.buy[index], columns.spread
        self.bid, self.ask = (price - spread, price) if buy else (price, price + spread)
        # What is left at the best prices: any size will do, so long as it changes and is the same at every run.
        self.bid_size = 1 + (sizes[0] * 7 + ids[0]) % (20 * sizes[0] + 50)
        self.ask_size = 1 + (sizes[-1] * 5 + ids[-1] * 3) % (20 * sizes[-1] + 50)
        self.sequence = ids[-1]
        self.changed = True
        return Level(time_ms, price, buy, ids, sizes, columns.first_level + index, columns.order[index])

    def order_id(self, time_ms: int, number: int) -> str:
        """Return an id for an order, 24 hexadecimal digits as KuCoin's are."""
        mixed = (self._order_key ^ (number * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF
        return f"{time_ms // 1000:08x}{mixed:016x}"
