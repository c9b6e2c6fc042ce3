"""What a venue is to the rest of ingest. One folder a venue implements it: messages, session rules, REST.

Mapping and session rules are pure: frames, times and answers go in, records, facts and messages come out. To add a
venue, write its folder and name it in `ingest.venues.adapters`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from market.records import Trade
from market.records import Venue as VenueName
from market.symbols import Instrument


class TickerPart(msgspec.Struct, frozen=True):
    """What one message says of a symbol's ticker: fields of `market.records.Ticker` and their new values.

    A field that is not in `values` is left as it was; one that is None is no longer known. `fallback` holds values
    that only count while no message has given the field as one of its `values`. Times are microseconds since the
    epoch, UTC.
    """

    symbol: str
    event_time: int
    receive_time: int
    values: dict[str, str | None]
    fallback: dict[str, str | None] = {}


class Control(msgspec.Struct, frozen=True):
    """A message about the session rather than the market.

    `id` is that of the request which it answers, as text, where it answers one. `code` and `text` tell of an error.
    """

    kind: Literal["ack", "error", "welcome", "pong", "shutdown", "notice"]
    id: str | None = None
    code: int | None = None
    text: str = ""


class Unmapped(msgspec.Struct, frozen=True):
    """A frame, or a part of one, that could not be mapped, and why."""

    reason: str
    payload: str


class Mapped(msgspec.Struct, gc=False):
    """What one frame holds.

    `channel` is its stream or topic without the symbol. `ignored` marks a frame of a channel, or of a listed symbol,
    that was not subscribed. `whole_market` marks tickers of a channel that sends every symbol unasked; of these, only
    what `Codes.tickers` has is mapped. `doubtful` are the followed symbols of which a trade may be in `unmapped`, at
    a venue whose ids would not show that it is missing.
    """

    channel: str
    trades: Sequence[Trade] = ()
    tickers: Sequence[TickerPart] = ()
    control: Control | None = None
    unmapped: Sequence[Unmapped] = ()
    ignored: bool = False
    whole_market: bool = False
    doubtful: Sequence[str] = ()


class Codes(msgspec.Struct, frozen=True):
    """The venue's codes: canonical symbols of those that are followed, and all that the venue lists.

    `tickers` are those whose tickers are taken from the channels of the whole market: the followed ones and others.
    """

    followed: Mapping[str, str]
    listed: frozenset[str]
    tickers: Mapping[str, str]

    @classmethod
    def of(
        cls, instruments: Sequence[Instrument], followed: Sequence[Instrument], others: Sequence[Instrument] = ()
    ) -> "Codes":
        """Return the codes of a venue's list, of those of it that are followed, and of others for tickers alone.

        A symbol that is followed has its ticker by the code that is followed, whatever else now goes by that symbol.
        """
        codes = {item.code: item.symbol for item in followed}
        taken = set(codes.values())
        tickers = {item.code: item.symbol for item in others if item.symbol not in taken} | codes
        return cls(codes, frozenset(item.code for item in instruments), tickers)


class Mapper(Protocol):
    """Pure mapping of one venue's frames. It never raises: what it can't read comes back as `unmapped`."""

    codes: Codes

    def map_frame(self, frame: bytes, receive_time: int) -> Mapped:
        """Map one frame, received at `receive_time` (nanoseconds since the epoch, local clock)."""


class Fact(msgspec.Struct, frozen=True):
    """Something that happened to a session, as it goes into `feed_events`: its kind, and the details by name."""

    kind: str
    detail: dict[str, object] = {}


class Session(Protocol):
    """The rules of one connection, from open to close. Times are seconds of a monotonic clock."""

    leaving: str | None
    """Why the venue will soon end the connection, where it has said so: it still works, and is to be replaced."""

    def due(self, now: float) -> list[str]:
        """Return the messages to send now; each is returned once."""

    def received(self, control: Control, now: float) -> list[Fact]:
        """Take a control message, and return what it means."""

    def ending(self, now: float) -> str | None:
        """Return why the connection must be opened anew, or None while it is well."""

    def confirmed(self) -> Sequence[str] | None:
        """Return the subscriptions that the venue has confirmed; None while one to trades has no answer yet.

        What else is asked for proves nothing of trades: they may flow for long before all of it is answered. Where the
        connection carries none, every subscription is awaited.
        """

    def excuse(self, seconds: float) -> None:
        """Move all that is awaited by so many seconds, in which the socket was not read."""


class Shard(msgspec.Struct, frozen=True):
    """What one connection carries.

    `number` counts from 1; `subscriptions` are streams or topics as the venue has them; `symbols` are the canonical
    symbols in them, and `trades` says by which of the subscriptions the trades of which symbols come.
    """

    number: int
    subscriptions: tuple[str, ...]
    symbols: tuple[str, ...]
    trades: Mapping[str, tuple[str, ...]] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """Where to connect, for one connect only. Times of the session are in seconds; None where the venue has none."""

    url: str
    ping_interval: float | None = None
    ping_timeout: float | None = None
    facts: tuple[Fact, ...] = ()


class Poll(msgspec.Struct, frozen=True):
    """A question that is asked over REST every so many seconds, for the venue's codes.

    It returns what the answer holds, and the answer's size in bytes; None where nothing had to be asked.
    """

    seconds: float
    ask: Callable[[Codes], Awaitable[tuple[Mapped, int] | None]]


class Venue(Protocol):
    """A venue as ingest uses it.

    The methods that ask over REST raise `ingest.venues.http.VenueError` where it makes sense to ask again, and
    `ingest.venues.http.VenueRefusal` where it does not.
    """

    name: VenueName
    poll: Poll | None
    """What the venue gives over REST only; None where it gives all on its socket."""

    def mapper(self, codes: Codes) -> Mapper:
        """Return the mapping of the venue's frames."""

    def shards(self, instruments: Sequence[Instrument]) -> list[Shard]:
        """Return the connections that follow these instruments, within the venue's limits."""

    def session(self, shard: Shard, endpoint: Endpoint, now: float) -> Session:
        """Return the rules of a connection that was just opened."""

    async def endpoint(self) -> Endpoint:
        """Return where to connect; asked anew before every connect."""

    async def instruments(self) -> list[Instrument]:
        """Return every pair that the venue lists."""

    async def clock_offset(self) -> int:
        """Return the venue's clock minus ours, in microseconds."""

    async def close(self) -> None:
        """Close what is open towards the venue's REST interface."""
