"""What the venues' protocol modules need to know of a market, whether it is simulated or recorded."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

from market.records import Venue
from replay.connections import Hub

if TYPE_CHECKING:
    from replay.history import History

NO_HISTORY = "a recording has no history"
"""What is said where the past of a recording is asked for."""

Kind = Literal["simulated", "recording"]


@dataclass(frozen=True, slots=True)
class Listing:
    """A pair that a venue lists.

    `code` is the venue's code for requests and never changes; `name` is what it shows (they differ at KuCoin after a
    renaming). `base` and `quote` are the venue's asset codes. The decimals are those of price and size steps.
    `trading` is false while it is halted.
    """

    venue: Venue
    code: str
    name: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    trading: bool = True


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What a venue's 24-hour ticker says of a pair; null (or zero volume) where nothing has traded yet.

    Times are microseconds since the epoch, UTC; prices quote per base; `base_volume` in base, `quote_volume` in quote.
    `first_id` and `last_id` are the trade ids of the window, -1 without trades.
    """

    open_time: int
    close_time: int
    last: Decimal | None = None
    last_size: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    base_volume: Decimal = Decimal(0)
    quote_volume: Decimal = Decimal(0)
    count: int = 0
    first_id: int = -1
    last_id: int = -1
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a market has been played. `total` is null where there is no end; `skipped` frames fit no stream."""

    total: int | None
    sent: int
    skipped: int
    finished: bool
    seed: int | None


class Lists(Protocol):
    """What the venues list."""

    def listings(self, venue: Venue) -> list[Listing]:
        """Return the pairs that the venue lists."""
        ...


class Source(Lists, Protocol):
    """A market to serve."""

    kind: Kind
    history: "History | None"
    """Its past, where it has one."""
    speed: float
    """How many seconds of its time pass in one of the wall clock, where that is fixed; else 1."""

    def day(self, venue: Venue, code: str) -> DayFigures:
        """Return the 24-hour figures of a listed pair.

        Raises:
            KeyError: the venue does not list it.
        """
        ...

    def now(self) -> int:
        """Return the market's time, microseconds since the epoch, UTC."""
        ...

    def played(self) -> int:
        """Return up to when it has been played: never later than `now`, and earlier where playing is held up."""
        ...

    def progress(self) -> Progress:
        """Return how far it has been played."""
        ...

    async def run(self, hub: Hub) -> None:
        """Publish frames to `hub`, for ever or to the end of a recording."""
        ...
