"""What is known after a storm, as plain values. Times are microseconds since the epoch, UTC, on the market's clock,
unless a name says `receive` or `wall`: those are this machine's, which a market at speed runs ahead of."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

MINUTE = 60_000_000
SECOND = 1_000_000


class Delivery(NamedTuple):
    """A record that a client was handed: the venue's own trades `first_id`..`last_id`, as `origin` says from where."""

    venue: str
    symbol: str
    first_id: int
    last_id: int
    event_time: int
    receive_time: int
    origin: str = "stream"


class Done(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """A fault that really took place, as the market says at `/-/faults`.

    `symbols` are those whose trades it touched, from `since` to `until` (null: it still goes on). `recovered` is the
    market's own view of what took the sockets hit to be replaced, in seconds by the wall; null for other faults.
    """

    kind: str
    venue: str
    symbols: list[str]
    since: int | None
    until: int | None
    connections: int = 0
    touched: int = 0
    recovered: float | None = None


class Key(NamedTuple):
    """A 1-minute candle by its start."""

    venue: str
    symbol: str
    start: int


class Row(NamedTuple):
    """A 1-minute row of `candle`."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    taker_buy_base_volume: Decimal | None
    trade_count: int | None
    first_id: int | None
    last_id: int | None
    origin: str
    complete: bool


class GapRow(NamedTuple):
    """A row of `gap`; `to_time` is null while the feed is down, `closed` while it is open."""

    gap_id: str
    venue: str
    symbol: str
    kind: str
    reason: str
    from_time: int
    to_time: int | None
    closed: int | None
    how: str | None

    @property
    def end(self) -> int | None:
        """When it ends, null where it goes on: one that closes before its end is known is just its beginning."""
        return self.from_time if self.to_time is None and self.closed is not None else self.to_time

    def touches(self, start: int, end: int) -> bool:
        """Say whether the gap, both its ends included, touches the half-open time from `start` to `end`."""
        return self.from_time < end and (self.end is None or self.end >= start)


class Lost(NamedTuple):
    """A trade that was lost."""

    venue: str
    symbol: str
    trade_id: int
    event_time: int


class Finding(msgspec.Struct, frozen=True, order=True):
    """Something that nothing explains. `rule` names what was broken."""

    rule: str
    venue: str
    symbol: str
    text: str


class Clock(msgspec.Struct, frozen=True):
    """The market's clock beside this machine's: `market` was at `wall`, and runs `speed` times as fast."""

    market: int
    wall: int
    speed: float

    def wall_of(self, market: int) -> float:
        """Return when by this machine's clock it is `market`."""
        return self.wall + (market - self.market) / self.speed

    def market_of(self, wall: float) -> int:
        """Return what the market's clock shows at `wall`."""
        return self.market + round((wall - self.wall) * self.speed)
