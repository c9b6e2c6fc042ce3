"""KuCoin spot (Classic) frames and `allTickers` to records: pure, total, and fast, since every frame passes here.

Shapes are those of KuCoin's Classic WebSocket and of `/api/v1/market/allTickers`. A trade's `time` is the match time
in nanoseconds, as a string; a ticker's is in milliseconds, as a number, and tells of the latest trade.
"""

import re
from decimal import Context
from typing import Annotated, Literal

import msgspec

from ingest.venues import Codes, Control, Mapped, TickerPart, Unmapped
from ingest.venues.fields import Unfit, amount, identifier, microseconds, price, priced
from market.decimals import parse, plain
from market.records import Trade

_MATCH = "/market/match"
_TICKER = "/market/ticker"
_ALL = "all"

# Topics that exist besides. Any other counts as `other`, so that a frame from outside can't make up metric labels.
_CHANNELS = {
    "/market/level2": "level2", "/market/candles": "candles", "/market/snapshot": "snapshot",
    "/market/level1": "level1", "/spotMarket/level1": "level1", "/spotMarket/level2Depth5": "level2",
    "/spotMarket/level2Depth50": "level2",
}  # fmt: skip
_MILLISECOND = 1_000
_NANOSECONDS = 1_000
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
# What can be told of a frame that is no JSON: which symbol its trade was of.
_TOPIC = re.compile(rb"(/market/[A-Za-z]+):([A-Za-z0-9-]+)")
# Wide enough for the difference of any two numbers that fit.
_EXACT = Context(prec=80)


class _Envelope(msgspec.Struct, gc=False):
    type: Literal["message", "welcome", "ack", "pong", "error", "notice", "command"]
    topic: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    code: int | str | None = None


class _Match(msgspec.Struct, gc=False):
    type: Literal["match"]
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    size: str
    sequence: str
    time: str
    trade_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = msgspec.field(name="tradeId")


class _Ticker(msgspec.Struct, gc=False, rename="camel"):
    price: str | None = None
    size: str | None = None
    best_bid: str | None = None
    best_bid_size: str | None = None
    best_ask: str | None = None
    best_ask_size: str | None = None
    time: int | None = None
    # The documentation's example spells it so; live it is `time`.
    capital_time: int | None = msgspec.field(default=None, name="Time")


class _DayTicker(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    buy: str | None = None
    sell: str | None = None
    best_bid_size: str | None = None
    best_ask_size: str | None = None
    change_price: str | None = None
    high: str | None = None
    low: str | None = None
    vol: str | None = None
    vol_value: str | None = None
    last: str | None = None


class _AllTickers(msgspec.Struct, gc=False):
    time: int
    ticker: list[msgspec.Raw]


class _Answer(msgspec.Struct, gc=False):
    data: _AllTickers


_envelope = msgspec.json.Decoder(_Envelope)
_match = msgspec.json.Decoder(_Match)
_ticker = msgspec.json.Decoder(_Ticker)
_day_ticker = msgspec.json.Decoder(_DayTicker)
_answer = msgspec.json.Decoder(_Answer)


def _unmapped(error: Exception | str, payload: bytes) -> Unmapped:
    # A part of a frame is not quite bytes: `msgspec.Raw` is declared as if it were, but only has its contents.
    return Unmapped(str(error), bytes(payload).decode("utf-8", "replace"))


def _control(envelope: _Envelope) -> Control:
    request = None if envelope.id is None else str(envelope.id)
    text = bytes(envelope.data).decode("utf-8", "replace").strip('"')
    match envelope.type:
        case "welcome" | "ack" | "pong":
            return Control(envelope.type, request)
        case "error":
            return Control("error", request, identifier(str(envelope.code), "code"), text)
    return Control("notice", request, text=f"{envelope.type} {envelope.subject}: {text}")


def _open(last: str | None, change: str | None) -> str | None:
    """Return the price 24 hours ago: the last one less the change since, where both are given."""
    if last is None or change is None:
        return None
    amount(change.removeprefix("-"))
    number = _EXACT.subtract(parse(last), parse(change))
    return plain(number) if number > 0 else None


class KucoinMapper:
    """The mapping of KuCoin's frames: see `ingest.venues.Mapper`."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    def map_frame(self, frame: bytes, receive_time: int) -> Mapped:
        """Map one frame, received at `receive_time` (nanoseconds since the epoch, local clock)."""
        channel = "unknown"
        try:
            envelope = _envelope.decode(frame)
            if envelope.type != "message":
                return Mapped("control", control=_control(envelope))
            topic, _, rest = envelope.topic.partition(":")
            if topic == _MATCH:
                channel = "match"
                return self._match(envelope.data, receive_time)
            if topic == _TICKER:
                channel = "ticker"
                return self._ticker(envelope, rest, receive_time)
        except _UNREADABLE as error:
            return Mapped(channel, unmapped=(_unmapped(error, frame),), doubtful=self._doubtful(frame))
        return Mapped(_CHANNELS.get(topic, "other"), ignored=True)

    def map_day_figures(self, body: bytes, receive_time: int) -> Mapped:
        """Map an answer of `/api/v1/market/allTickers`, each ticker for itself.

        Only its 24-hour figures count where the socket gives the rest: the answer is up to two seconds old.
        """
        try:
            answer = _answer.decode(body)
            event_time = microseconds(answer.data.time, _MILLISECOND, "time")
        except _UNREADABLE as error:
            return Mapped("allTickers", unmapped=(_unmapped(error, body),))
        parts: list[TickerPart] = []
        unmapped: list[Unmapped] = []
        for element in answer.data.ticker:
            try:
                part = self._day_part(element, event_time, receive_time)
            except _UNREADABLE as error:
                unmapped.append(_unmapped(error, element))
            else:
                if part is not None:
                    parts.append(part)
        return Mapped("allTickers", tickers=parts, unmapped=unmapped, whole_market=True)

    def _doubtful(self, frame: bytes) -> tuple[str, ...]:
        """Return the followed symbols of which a frame that can't be read may have held a trade: all where in doubt."""
        found = _TOPIC.search(frame)
        topic, code = ("", "") if found is None else (found[1].decode(), found[2].decode())
        if topic not in ("", _MATCH):
            return ()
        if code in self.codes.followed:
            return (self.codes.followed[code],)
        return () if code in self.codes.listed else tuple(self.codes.followed.values())

    def _match(self, data: bytes, receive_time: int) -> Mapped:
        item = _match.decode(data)
        symbol = self.codes.followed.get(item.symbol)
        if symbol is None:
            if item.symbol not in self.codes.listed:
                raise Unfit(f"unknown symbol {item.symbol[:40]!r}")
            return Mapped("match", ignored=True)
        sequence = identifier(item.sequence, "sequence")
        figures = priced(item.price, item.size)
        event_time = microseconds(_match_time(item.time) // _NANOSECONDS, 1, "time")
        trade = Trade(
            "kucoin", symbol, item.trade_id, sequence, sequence, sequence, *figures, item.side,
            event_time, receive_time // 1000,
        )  # fmt: skip
        return Mapped("match", (trade,))

    def _ticker(self, envelope: _Envelope, name: str, receive_time: int) -> Mapped:
        # `/market/ticker:all` has the symbol in the subject, a topic of one symbol has it in the topic.
        whole = name == _ALL
        code = envelope.subject if whole else name
        symbol = (self.codes.tickers if whole else self.codes.followed).get(code)
        if symbol is None:
            if not whole and code not in self.codes.listed:
                raise Unfit(f"unknown symbol {code[:40]!r}")
            return Mapped("ticker", ignored=not whole, whole_market=whole)
        item = _ticker.decode(envelope.data)
        last, bid, ask = price(item.price), price(item.best_bid), price(item.best_ask)
        values = {
            "last_price": last,
            "last_size": amount(item.size) if last else None,
            "bid_price": bid,
            "bid_size": amount(item.best_bid_size) if bid else None,
            "ask_price": ask,
            "ask_size": amount(item.best_ask_size) if ask else None,
        }
        received = receive_time // 1000
        time = item.capital_time if item.time is None else item.time
        event_time = received if time is None else microseconds(time, _MILLISECOND, "time")
        return Mapped("ticker", tickers=(TickerPart(symbol, event_time, received, values),), whole_market=whole)

    def _day_part(self, data: bytes, event_time: int, receive_time: int) -> TickerPart | None:
        item = _day_ticker.decode(data)
        symbol = self.codes.tickers.get(item.symbol)
        if symbol is None:
            return None
        last, bid, ask = price(item.last), price(item.buy), price(item.sell)
        values = {
            "open_24h": _open(last, item.change_price),
            "high_24h": price(item.high),
            "low_24h": price(item.low),
            "base_volume_24h": amount(item.vol),
            "quote_volume_24h": amount(item.vol_value),
        }
        fallback = {
            "last_price": last,
            "bid_price": bid,
            "bid_size": amount(item.best_bid_size) if bid else None,
            "ask_price": ask,
            "ask_size": amount(item.best_ask_size) if ask else None,
        }
        return TickerPart(symbol, event_time, receive_time // 1000, values, fallback)


def _match_time(text: str) -> int:
    # 19 digits of nanoseconds: one more than an id may have.
    if not (text.isascii() and text.isdigit()) or len(text) != len("1545913818099033203"):
        raise Unfit(f"time {text[:40]!r} is not nanoseconds since the epoch")
    return int(text)
