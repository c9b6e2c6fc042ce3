"""What recorded frames say: which channel they belong to, which pairs there are, what traded."""

import gzip
import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from market.frames import Frame, RecordingError
from market.recordings import venue_of
from market.records import Venue
from replay.source import Listing
from replay.wire import Message

_log = logging.getLogger(__name__)

# Assets that pairs are quoted in, for codes that no recorded list of symbols explains; the longest that fits is taken.
_QUOTES = tuple(
    sorted(
        (
            "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USDE", "USD1", "PAX", "DAI", "UST", "BTC", "ETH",
            "BNB", "TRX", "XRP", "DOGE", "DOT", "SOL", "EUR", "GBP", "TRY", "BRL", "RUB", "AUD", "NGN", "UAH", "ZAR",
            "PLN", "RON", "ARS", "JPY", "MXN", "COP", "CZK", "BIDR", "IDRT", "BKRW", "BVND", "VAI", "EURI", "AEUR",
        ),
        key=len,
        reverse=True,
    )
)  # fmt: skip
_DECIMALS = 8


class _Frame(msgspec.Struct):
    stream: str | None = None
    topic: str | None = None
    data: msgspec.Raw = msgspec.Raw()


class _BinanceTrade(msgspec.Struct):
    p: str
    q: str
    T: int
    t: int | None = None
    f: int | None = None
    l: int | None = None  # noqa: E741


class _KucoinMatch(msgspec.Struct):
    price: str
    size: str
    time: str
    sequence: str


class Traded(msgspec.Struct, frozen=True):
    """A recorded trade: time in microseconds, the range of trade ids."""

    time: int
    price: str
    size: str
    first_id: int
    last_id: int


class _BinanceBook(msgspec.Struct):
    b: str
    B: str
    a: str
    A: str


class _KucoinTicker(msgspec.Struct):
    bestBid: str | None = None  # noqa: N815
    bestBidSize: str | None = None  # noqa: N815
    bestAsk: str | None = None  # noqa: N815
    bestAskSize: str | None = None  # noqa: N815


_frames = msgspec.json.Decoder(_Frame)
_binance_trades = msgspec.json.Decoder(_BinanceTrade)
_kucoin_matches = msgspec.json.Decoder(_KucoinMatch)


def message(frame: Frame) -> Message | None:
    """Return the frame as a message of its channel, its text unchanged.

    Null where it belongs to no channel: an answer to the recorder's own requests, a greeting, a REST snapshot.
    """
    text = frame.text.encode()
    try:
        parsed = _frames.decode(text)
    except msgspec.DecodeError:
        return None
    if frame.venue == "binance":
        return None if parsed.stream is None else Message(parsed.stream, text, bytes(parsed.data))
    return None if parsed.topic is None else Message(parsed.topic, text, bytes(parsed.data))


def code_of(venue: Venue, channel: str) -> str | None:
    """Return the venue's code of the pair that a channel is about, null where it is about many."""
    if venue == "binance":
        name, _, kind = channel.partition("@")
        return name.upper() if kind and not name.startswith("!") else None
    topic, _, name = channel.partition(":")
    # A candle's topic ends in its interval, as `BTC-USDT_1min`; a snapshot's may be a whole market.
    name = name.partition("_")[0]
    return name if topic and "-" in name else None


def is_trades(venue: Venue, channel: str) -> bool:
    """Say whether the channel carries trades."""
    if venue == "binance":
        return channel.endswith(("@aggTrade", "@trade"))
    return channel.startswith("/market/match:")


def is_book(venue: Venue, channel: str) -> bool:
    """Say whether the channel carries best bid and ask of one pair."""
    return channel.endswith("@bookTicker") if venue == "binance" else channel.startswith("/market/ticker:")


def traded(venue: Venue, data: bytes) -> Traded | None:
    """Return the trade in an event's data, null where it holds none."""
    try:
        if venue == "binance":
            trade = _binance_trades.decode(data)
            first = trade.f if trade.f is not None else trade.t
            last = trade.l if trade.l is not None else trade.t
            if first is None or last is None:
                return None
            return Traded(trade.T * 1000, trade.p, trade.q, first, last)
        match = _kucoin_matches.decode(data)
        return Traded(int(match.time) // 1000, match.price, match.size, int(match.sequence), int(match.sequence))
    except (msgspec.DecodeError, ValueError):
        return None


def best(venue: Venue, data: bytes) -> tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]:
    """Return best bid, its size, best ask and its size from an event's data; null where it gives none."""
    texts: tuple[str | None, ...]
    try:
        if venue == "binance":
            book = msgspec.json.decode(data, type=_BinanceBook)
            texts = (book.b, book.B, book.a, book.A)
        else:
            ticker = msgspec.json.decode(data, type=_KucoinTicker)
            texts = (ticker.bestBid, ticker.bestBidSize, ticker.bestAsk, ticker.bestAskSize)
        bid, bid_size, ask, ask_size = (None if text is None else Decimal(text) for text in texts)
    except (msgspec.DecodeError, ArithmeticError):
        return None, None, None, None
    return bid, bid_size, ask, ask_size


def listings(
    folder: Path, codes: Iterable[tuple[Venue, str]], symbols: Mapping[tuple[Venue, str], str]
) -> list[Listing]:
    """Return a listing for each pair, from the recorded lists of symbols (`*.http.gz`) of `folder` where it is there.

    `symbols` has the pairs of which the recording tells base and quote, as `BASE-QUOTE`.

    Raises:
        RecordingError: base and quote of a pair cannot be told, or a list of symbols cannot be read.
    """
    known = _recorded_lists(folder)
    return [
        known.get(key) or Listing(*key, key[1], *_assets(*key, symbols.get(key)), _DECIMALS, _DECIMALS)
        for key in sorted(set(codes))
    ]


def _assets(venue: Venue, code: str, symbol: str | None) -> tuple[str, str]:
    """Return base and quote of a pair; `symbol` is `BASE-QUOTE` where it is known, as every code is at KuCoin."""
    if symbol is not None or venue == "kucoin":
        base, _, quote = (symbol or code).partition("-")
        return base, quote
    for quote in _QUOTES:
        if code.endswith(quote) and code != quote:
            return code.removesuffix(quote), quote
    raise RecordingError(f"{code}: base and quote cannot be told; put the recorded exchangeInfo (*.http.gz) beside it")


def _decimals(step: Any) -> int:
    """Return the decimals of a step such as `0.00100000`; one that cannot be read counts as the most there are."""
    text = str(step)
    if not text.replace(".", "", 1).isdigit():
        return _DECIMALS
    return len(text.rstrip("0").partition(".")[2])


def _recorded_lists(folder: Path) -> dict[tuple[Venue, str], Listing]:
    found: dict[tuple[Venue, str], Listing] = {}
    for path in sorted(folder.glob("*.http.gz")):
        venue = venue_of(path)
        try:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                bodies = [line.split(" ", 3)[3] for line in lines if " -> " in line]
            for body in bodies:
                for listing in _listed(venue, msgspec.json.decode(body)):
                    found[venue, listing.code] = listing
        except (OSError, EOFError, IndexError, msgspec.DecodeError) as error:
            raise RecordingError(f"{path}: no recorded list of symbols ({error})") from error
    return found


def _listed(venue: Venue, body: Any) -> Iterable[Listing]:
    if venue == "binance":
        for item in body.get("symbols", ()) if isinstance(body, dict) else ():
            filters = {each.get("filterType"): each for each in item.get("filters", ())}
            yield Listing(
                venue,
                item["symbol"],
                item["symbol"],
                item["baseAsset"],
                item["quoteAsset"],
                _decimals(filters.get("PRICE_FILTER", {}).get("tickSize")),
                _decimals(filters.get("LOT_SIZE", {}).get("stepSize")),
            )
    elif isinstance(body, dict) and isinstance(body.get("data"), list):
        for item in body["data"]:
            yield Listing(
                venue,
                item["symbol"],
                item["name"],
                item["baseCurrency"],
                item["quoteCurrency"],
                _decimals(item.get("priceIncrement")),
                _decimals(item.get("baseIncrement")),
            )
