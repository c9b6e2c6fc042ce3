"""The records that travel between the parts, as they stand in Kafka.

Numbers that people pay with are decimal strings, never floats. Times are integer microseconds since the epoch,
UTC. Every record is one JSON object; `encode` makes it and the `decode_*` functions read it.
"""

from typing import Literal

import msgspec

Venue = Literal["binance", "kucoin"]
Side = Literal["buy", "sell"]
Origin = Literal["stream", "repair", "backfill"]

VENUES: tuple[Venue, ...] = ("binance", "kucoin")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade (or one aggregate of a taker order's fills at one price) as the venue published it.

    `price`, `size` and `quote` (their exact product) are plain decimal strings in quote per base, base and quote.
    `side` is the taker's. `first_id`..`last_id` is the range of the venue's own trades that the record stands for:
    the range of an aggregate, and the same number twice for a single trade. `sequence` orders trades of one
    `event_time`: the trade id at Binance (the last one of an aggregate), KuCoin's own `sequence`. `event_time` is
    the match time and `receive_time` the local clock's, both in microseconds since the epoch, UTC.
    """

    venue: Venue
    symbol: str
    source_id: str
    first_id: int
    last_id: int
    sequence: int
    price: str
    size: str
    quote: str
    side: Side
    event_time: int
    receive_time: int
    origin: Origin = "stream"


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """What a venue last said of a symbol: last price, best bid and ask, rolling 24-hour figures.

    A field is null until the venue has given it. Prices are quote per base; sizes and base volume in base units.
    `event_time` is the venue's time where the message has one, else the receive time; microseconds, UTC.
    """

    venue: Venue
    symbol: str
    event_time: int
    receive_time: int
    last_price: str | None = None
    last_size: str | None = None
    bid_price: str | None = None
    bid_size: str | None = None
    ask_price: str | None = None
    ask_size: str | None = None
    open_24h: str | None = None
    high_24h: str | None = None
    low_24h: str | None = None
    base_volume_24h: str | None = None
    quote_volume_24h: str | None = None


class FeedEvent(msgspec.Struct, frozen=True, gc=False):
    """A fact about a feed: connected, disconnected, token renewed, subscribed, silent symbol, refused …

    `event_id` is unique, so that a redelivered event stays one row. `connection` names the socket, `symbol` the
    canonical symbol where the fact is about one. `event_time` is the local clock's, microseconds, UTC.
    """

    event_id: str
    venue: Venue
    kind: str
    event_time: int
    connection: str | None = None
    symbol: str | None = None
    detail: str | None = None


Instance = str
"""Name of an ingest process: unlike for any two that run at once, the same after a restart."""


class Lost(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="lost"):
    """A connection that carried the symbol's trades has ended: nothing comes by it after `time`.

    `time` is the newest event time that it had delivered, of any symbol (microseconds, UTC: the market's clock, not
    ours), null where it had delivered nothing.
    """

    venue: Venue
    symbol: str
    instance: Instance
    time: int | None
    reason: str


class Regained(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="regained"):
    """A connection carries the symbol's trades from `time` on: the event time of the first that came by it.

    `reason` is `start` for the first connection of a process to carry the symbol, else `reconnect`.
    """

    venue: Venue
    symbol: str
    instance: Instance
    time: int
    reason: Literal["start", "reconnect"]


class Suspect(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="suspect"):
    """Trades of the symbol from `from_time` to `to_time` (event times, microseconds, UTC) may be missing."""

    venue: Venue
    symbol: str
    from_time: int
    to_time: int
    reason: str


GapKind = Literal["missed", "suspected", "start"]
GapHow = Literal["stream", "repair", "venue_candle", "confirmed", "nothing_missed", "not_at_venue"]


class Settled(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="settled"):
    """Repair has done for a gap what can be done, and `how`."""

    venue: Venue
    symbol: str
    gap_id: str
    how: GapHow


FeedMark = Lost | Regained | Suspect | Settled
"""What the sequencer must know of the feeds besides the trades themselves: the records of `feed_marks`."""


class Gap(msgspec.Struct, frozen=True, gc=False):
    """A range of one symbol's trades at one venue that were missed, or may have been.

    `kind` is `missed` (proved by ids), `suspected`, or `start`: the part of the first minute before the feed began,
    which is no gap to anybody but has to be filled like one. `reason` tells how it came to light: `ids`,
    `disconnected`, `start`, `dropped`, `candle_mismatch`. `first_id`..`last_id` are the missing ids where the venue's
    ids prove it; of a suspected one at such a venue `first_id` follows the last that was seen and `last_id` is null.
    `from_time` and `to_time` are event times; `to_time` is null while the feed is down. `opened` and `closed` are the
    local clock's. All in microseconds, UTC. `how` tells by what it was closed. `version` counts the changes, from 1.
    """

    gap_id: str
    venue: Venue
    symbol: str
    kind: GapKind
    reason: str
    first_id: int | None
    last_id: int | None
    from_time: int
    to_time: int | None
    opened: int
    closed: int | None = None
    how: GapHow | None = None
    version: int = 1


class GapMark(msgspec.Struct, frozen=True, gc=False):
    """A gap touches a candle (`change` +1), or ceases to (-1): a candle is complete where its marks sum to zero.

    `seconds` is the candle's interval, one of `INTERVALS`; `start_time` its start and `known_time` the symbol's newest
    event time when the mark was made, in microseconds, UTC.
    """

    venue: Venue
    symbol: str
    seconds: int
    start_time: int
    change: Literal[1, -1]
    known_time: int


class VenueCandle(msgspec.Struct, frozen=True, gc=False):
    """A closed 1-minute candle as the venue itself gives it over REST. Numbers are plain decimal strings.

    Where `supersedes`, it takes the place of what was made of trades, since these are known not to be whole; else it
    stands only where there are no trades. Of two the one fetched later counts. `known_time` is the market's time when
    it was fetched to correct, or the minute's last microsecond where it fills history. Microseconds, UTC.
    """

    venue: Venue
    symbol: str
    start_time: int
    open: str
    high: str
    low: str
    close: str
    base_volume: str
    quote_volume: str
    taker_buy_base_volume: str | None
    trade_count: int | None
    first_id: int | None
    last_id: int | None
    supersedes: bool
    known_time: int
    fetched_time: int


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """Something that could not be mapped or does not fit, kept with the reason. `part` is who refused it."""

    part: str
    reason: str
    payload: str
    receive_time: int
    venue: Venue | None = None
    connection: str | None = None


RawFrame = tuple[int, str]
"""Receive time in nanoseconds since the epoch, and the frame's text as it came."""

_encoder = msgspec.json.Encoder()
_trade_decoder = msgspec.json.Decoder(Trade)
_raw_decoder = msgspec.json.Decoder(list[RawFrame])
_mark_decoder: msgspec.json.Decoder[FeedMark] = msgspec.json.Decoder(FeedMark)
_gap_decoder = msgspec.json.Decoder(Gap)


Record = Trade | Ticker | FeedEvent | FeedMark | Gap | GapMark | VenueCandle | DeadLetter


def encode(record: Record) -> bytes:
    """Return the record as one JSON object in UTF-8."""
    return _encoder.encode(record)


def decode_trade(value: bytes) -> Trade:
    """Read one value of `trades_in` or `trades`.

    Raises:
        msgspec.DecodeError: it is not JSON, or a field is missing or of the wrong type.
    """
    return _trade_decoder.decode(value)


def decode_mark(value: bytes) -> FeedMark:
    """Read one value of `feed_marks`.

    Raises:
        msgspec.DecodeError: it is not JSON, of an unknown kind, or a field is missing or of the wrong type.
    """
    return _mark_decoder.decode(value)


def decode_gap(value: bytes) -> Gap:
    """Read one value of `gaps`.

    Raises:
        msgspec.DecodeError: it is not JSON, or a field is missing or of the wrong type.
    """
    return _gap_decoder.decode(value)


def encode_raw(frames: list[RawFrame]) -> bytes:
    """Return a batch of frames as the JSON array of `[receive time in ns, text]` that the raw topics hold."""
    return _encoder.encode(frames)


def decode_raw(value: bytes) -> list[RawFrame]:
    """Read one value of a raw topic.

    Raises:
        msgspec.DecodeError: it is not such an array.
    """
    return _raw_decoder.decode(value)
