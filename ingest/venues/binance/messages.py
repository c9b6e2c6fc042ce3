"""Binance spot stream frames to records: pure, total, and fast, since every frame passes here.

Shapes are those of Binance's `web-socket-streams.md`. A frame comes wrapped (`{"stream": …, "data": …}`, from
`/stream`) or bare (from `/ws`); replies to requests come bare on both. Times are integer milliseconds, and `T`, the
match time, is a trade's time; `E` is only when the gateway sent it.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from ingest.venues import Codes, Control, Mapped, TickerPart, Unmapped
from ingest.venues.fields import Unfit, amount, microseconds, price, priced
from market.records import Trade

TradeChannel = Literal["aggTrade", "trade"]

# Channels by the names that streams and events give them. Any other name counts as `other`, so that a frame from
# outside can't make up metric labels.
_CHANNELS = {
    "aggTrade": "aggTrade", "trade": "trade", "bookTicker": "bookTicker",
    "miniTicker": "miniTicker", "24hrMiniTicker": "miniTicker", "ticker": "ticker", "24hrTicker": "ticker",
    "depth": "depth", "depthUpdate": "depth", "kline": "kline", "avgPrice": "avgPrice", "blockTrade": "blockTrade",
    "referencePrice": "referencePrice",
}  # fmt: skip
_MILLISECOND = 1_000
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

_Id = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Envelope(
    msgspec.Struct, gc=False, rename={"event": "e", "update": "u", "ask_size": "A", "snapshot": "lastUpdateId"}
):
    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    event: str | None = None
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    code: int | None = None
    msg: str = ""
    update: msgspec.Raw = msgspec.Raw()
    ask_size: msgspec.Raw = msgspec.Raw()
    snapshot: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct, gc=False):
    code: int
    msg: str = ""


class _Aggregate(msgspec.Struct, gc=False):
    e: Literal["aggTrade"]
    s: str
    a: _Id
    p: str
    q: str
    f: _Id
    l: _Id  # noqa: E741
    T: int
    m: bool


class _Trade(msgspec.Struct, gc=False):
    e: Literal["trade"]
    s: str
    t: _Id
    p: str
    q: str
    T: int
    m: bool


class _BookTicker(msgspec.Struct, gc=False):
    s: str
    b: str
    B: str
    a: str
    A: str


class _Book(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class _MiniTicker(msgspec.Struct, gc=False):
    e: Literal["24hrMiniTicker"]
    E: int
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741
    v: str
    q: str


_envelope = msgspec.json.Decoder(_Envelope)
_error = msgspec.json.Decoder(_Error)
_aggregate = msgspec.json.Decoder(_Aggregate)
_trade = msgspec.json.Decoder(_Trade)
_book_ticker = msgspec.json.Decoder(_BookTicker)
_book = msgspec.json.Decoder(_Book)
_mini_ticker = msgspec.json.Decoder(_MiniTicker)
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def _unmapped(error: Exception | str, payload: bytes) -> Unmapped:
    # A part of a frame is not quite bytes: `msgspec.Raw` is declared as if it were, but only has its contents.
    return Unmapped(str(error), bytes(payload).decode("utf-8", "replace"))


def _channel(name: str) -> str:
    """Return the channel of a stream's or event's name: `depth` for `btcusdt@depth@100ms`."""
    head, _, rest = name.partition("@")
    kind = head[1:] if head.startswith("!") else rest or head
    return _CHANNELS.get(kind.partition("@")[0].partition("_")[0], "other")


def _reply(envelope: _Envelope) -> Control | None:
    request = None if envelope.id is None else str(envelope.id)
    # Errors are documented flat, and were seen on the wire inside `error`.
    if envelope.error:
        error = _error.decode(envelope.error)
        return Control("error", request, error.code, error.msg)
    if envelope.code is not None:
        return Control("error", request, envelope.code, envelope.msg)
    return Control("ack", request) if envelope.result else None


def _best(bid: str, bid_size: str, ask: str, ask_size: str) -> dict[str, str | None]:
    bid_price, ask_price = price(bid), price(ask)
    return {
        "bid_price": bid_price,
        "bid_size": amount(bid_size) if bid_price else None,
        "ask_price": ask_price,
        "ask_size": amount(ask_size) if ask_price else None,
    }


def _whole_market(channel: str, data: bytes, map_part: Callable[[bytes], TickerPart | None]) -> Mapped:
    parts: list[TickerPart] = []
    unmapped: list[Unmapped] = []
    for element in _elements.decode(data):
        try:
            part = map_part(element)
        except _UNREADABLE as error:
            unmapped.append(_unmapped(error, element))
        else:
            if part is not None:
                parts.append(part)
    return Mapped(channel, tickers=parts, unmapped=unmapped, whole_market=True)


class BinanceMapper:
    """The mapping of Binance's frames: see `ingest.venues.Mapper`.

    Trades are taken from `trade_channel` alone, since those of the other stream are the same trades once more.
    """

    def __init__(self, codes: Codes, trade_channel: TradeChannel) -> None:
        self.codes = codes
        trades: Callable[[bytes, int], Mapped] = self._aggregate if trade_channel == "aggTrade" else self._trade
        self._by_channel = {
            trade_channel: trades,
            "bookTicker": self._book_ticker,
            "miniTicker": self._mini_ticker,
        }

    def map_frame(self, frame: bytes, receive_time: int) -> Mapped:
        """Map one frame, received at `receive_time` (nanoseconds since the epoch, local clock)."""
        try:
            if frame[:1] == b"[":
                return self._mini_tickers(frame, receive_time)
            envelope = _envelope.decode(frame)
            if envelope.stream is None:
                return self._bare(envelope, frame, receive_time)
            if envelope.stream == "!serverShutdown":
                return Mapped("control", control=Control("shutdown"))
        except _UNREADABLE as error:
            return Mapped("unknown", unmapped=(_unmapped(error, frame),))
        return self._data(_channel(envelope.stream), envelope.data, receive_time)

    def map_books(self, body: bytes, receive_time: int) -> Mapped:
        """Map an answer of `/api/v3/ticker/bookTicker`, of symbols that are not followed: the stream has the others."""
        try:
            return _whole_market("bookTickers", body, lambda element: self._book_part(element, receive_time))
        except _UNREADABLE as error:
            return Mapped("bookTickers", unmapped=(_unmapped(error, body),))

    def _data(self, channel: str, data: bytes, receive_time: int) -> Mapped:
        decode = self._by_channel.get(channel)
        if decode is None:
            return Mapped(channel, ignored=True)
        try:
            return decode(data, receive_time)
        except _UNREADABLE as error:
            return Mapped(channel, unmapped=(_unmapped(error, data),))

    def _bare(self, envelope: _Envelope, frame: bytes, receive_time: int) -> Mapped:
        if envelope.event == "serverShutdown":
            return Mapped("control", control=Control("shutdown"))
        if envelope.event is not None:
            return self._data(_channel(envelope.event), frame, receive_time)
        reply = _reply(envelope)
        if reply is not None:
            return Mapped("control", control=reply)
        if envelope.update and envelope.ask_size:
            return self._data("bookTicker", frame, receive_time)
        if envelope.snapshot:
            return Mapped("depth", ignored=True)
        return Mapped("unknown", unmapped=(_unmapped("of no known shape", frame),))

    def _symbol(self, code: str) -> str | None:
        """Return the canonical symbol, or None for a listed one that nobody follows."""
        symbol = self.codes.followed.get(code)
        if symbol is None and code not in self.codes.listed:
            raise Unfit(f"unknown symbol {code[:40]!r}")
        return symbol

    def _aggregate(self, data: bytes, receive_time: int) -> Mapped:
        item = _aggregate.decode(data)
        symbol = self._symbol(item.s)
        if symbol is None:
            return Mapped("aggTrade", ignored=True)
        if item.f > item.l:
            raise Unfit(f"first id {item.f} lies after last id {item.l}")
        figures = priced(item.p, item.q)
        event_time = microseconds(item.T, _MILLISECOND, "T")
        trade = Trade(
            "binance", symbol, str(item.a), item.f, item.l, item.l, *figures, "sell" if item.m else "buy",
            event_time, receive_time // 1000,
        )  # fmt: skip
        return Mapped("aggTrade", (trade,))

    def _trade(self, data: bytes, receive_time: int) -> Mapped:
        item = _trade.decode(data)
        symbol = self._symbol(item.s)
        if symbol is None:
            return Mapped("trade", ignored=True)
        figures = priced(item.p, item.q)
        event_time = microseconds(item.T, _MILLISECOND, "T")
        trade = Trade(
            "binance", symbol, str(item.t), item.t, item.t, item.t, *figures, "sell" if item.m else "buy",
            event_time, receive_time // 1000,
        )  # fmt: skip
        return Mapped("trade", (trade,))

    def _book_ticker(self, data: bytes, receive_time: int) -> Mapped:
        item = _book_ticker.decode(data)
        symbol = self._symbol(item.s)
        if symbol is None:
            return Mapped("bookTicker", ignored=True)
        received = receive_time // 1000
        # The message has no time of its own.
        part = TickerPart(symbol, received, received, _best(item.b, item.B, item.a, item.A))
        return Mapped("bookTicker", tickers=(part,))

    def _mini_ticker(self, data: bytes, receive_time: int) -> Mapped:
        if bytes(data).startswith(b"["):
            return self._mini_tickers(data, receive_time)
        part = self._mini_part(data, receive_time)
        return Mapped("miniTicker", tickers=(part,) if part else ())

    def _mini_tickers(self, data: bytes, receive_time: int) -> Mapped:
        """Map `!miniTicker@arr`, each element for itself: one that can't be read does not spoil the others."""
        return _whole_market("miniTicker", data, lambda element: self._mini_part(element, receive_time))

    def _book_part(self, data: bytes, receive_time: int) -> TickerPart | None:
        item = _book.decode(data)
        symbol = None if item.symbol in self.codes.followed else self.codes.tickers.get(item.symbol)
        if symbol is None:
            return None
        received = receive_time // 1000
        return TickerPart(symbol, received, received, _best(item.bid_price, item.bid_qty, item.ask_price, item.ask_qty))

    def _mini_part(self, data: bytes, receive_time: int) -> TickerPart | None:
        item = _mini_ticker.decode(data)
        symbol = self.codes.tickers.get(item.s)
        if symbol is None:
            return None
        values = {
            "last_price": price(item.c),
            "open_24h": price(item.o),
            "high_24h": price(item.h),
            "low_24h": price(item.l),
            "base_volume_24h": amount(item.v),
            "quote_volume_24h": amount(item.q),
        }
        return TickerPart(symbol, microseconds(item.E, _MILLISECOND, "E"), receive_time // 1000, values)
