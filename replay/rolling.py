"""The figures of a rolling day, from trades."""

from collections import deque
from dataclasses import dataclass
from decimal import Context, Decimal

from replay.source import DayFigures

_SLOT = 300_000_000
_DAY = 86_400_000_000
# Wide enough for any sum of products of the numbers that venues send.
_EXACT = Context(prec=76)


@dataclass(slots=True)
class _Slot:
    start: int
    open: int
    high: int
    low: int
    base: int
    quote: int
    count: int
    first_id: int


class Rolling:
    """Open, high, low, volumes and count of the last 24 hours of one pair.

    Prices and sizes are integers, in units of `10 ** -decimals`, so sums are exact. The window opens on a five-minute
    mark, so it is up to five minutes wider than a day, and it never reaches back beyond the first trade added.
    """

    __slots__ = ("_base", "_count", "_high", "_low", "_price_scale", "_quote", "_size_scale", "_slots", "last",
                 "last_id", "last_size", "last_time")  # fmt: skip

    def __init__(self, price_decimals: int, size_decimals: int) -> None:
        self._price_scale = -price_decimals
        self._size_scale = -size_decimals
        self._slots: deque[_Slot] = deque()
        self._high = self._low = self._base = self._quote = self._count = 0
        self.last = self.last_size = 0
        self.last_id = -1
        self.last_time = -1

    def add(self, time: int, price: int, size: int, first_id: int, last_id: int) -> None:
        """Add a trade, or an aggregate of the trades `first_id` to `last_id`, at `time` (microseconds)."""
        quote = price * size
        slot = self._slots[-1] if self._slots else None
        if slot is None or time >= slot.start + _SLOT:
            self._expire(time)
            slot = _Slot(time - time % _SLOT, price, price, price, 0, 0, 0, first_id)
            self._slots.append(slot)
            if len(self._slots) == 1:
                self._high = self._low = price
        count = last_id - first_id + 1
        slot.base += size
        slot.quote += quote
        slot.count += count
        self._base += size
        self._quote += quote
        self._count += count
        slot.high = max(slot.high, price)
        slot.low = min(slot.low, price)
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self.last, self.last_size, self.last_id, self.last_time = price, size, last_id, time

    def figures(self, now: int) -> DayFigures:
        """Return the figures at `now` (microseconds), without bid and ask."""
        self._expire(now)
        opened, closed = now - _DAY, now
        if self.last_time < 0:
            return DayFigures(opened, closed)
        last, last_size = self._price(self.last), self._size(self.last_size)
        if not self._slots:
            return DayFigures(opened, closed, last, last_size, last, last, last)
        return DayFigures(
            opened,
            closed,
            last,
            last_size,
            self._price(self._slots[0].open),
            self._price(self._high),
            self._price(self._low),
            self._size(self._base),
            Decimal(self._quote).scaleb(self._price_scale + self._size_scale, _EXACT),
            self._count,
            self._slots[0].first_id,
            self.last_id,
        )

    def _price(self, units: int) -> Decimal:
        return Decimal(units).scaleb(self._price_scale, _EXACT)

    def _size(self, units: int) -> Decimal:
        return Decimal(units).scaleb(self._size_scale, _EXACT)

    def _expire(self, now: int) -> None:
        slots = self._slots
        if not slots or slots[0].start + _SLOT > now - _DAY:
            return
        while slots and slots[0].start + _SLOT <= now - _DAY:
            gone = slots.popleft()
            self._base -= gone.base
            self._quote -= gone.quote
            self._count -= gone.count
        self._high = max((slot.high for slot in slots), default=0)
        self._low = min((slot.low for slot in slots), default=0)
