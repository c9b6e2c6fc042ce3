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


def encode(record: Trade | Ticker | FeedEvent | DeadLetter) -> bytes:
    """Return the record as one JSON object in UTF-8."""
    return _encoder.encode(record)


def decode_trade(value: bytes) -> Trade:
    """Read one value of `trades_in` or `trades`.

    Raises:
        msgspec.DecodeError: it is not JSON, or a field is missing or of the wrong type.
    """
    return _trade_decoder.decode(value)


def encode_raw(frames: list[RawFrame]) -> bytes:
    """Return a batch of frames as the JSON array of `[receive time in ns, text]` that the raw topics hold."""
    return _encoder.encode(frames)


def decode_raw(value: bytes) -> list[RawFrame]:
    """Read one value of a raw topic.

    Raises:
        msgspec.DecodeError: it is not such an array.
    """
    return _raw_decoder.decode(value)
