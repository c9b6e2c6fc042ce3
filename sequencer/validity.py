"""Refuses records that some reader downstream could not read, before they reach `trades`.

Flink reads `trades` with every number as `DECIMAL(38, 18)` or `BIGINT`; one row that does not fit would stop a job for
good. So a value is decoded strictly (no unknown, missing or mistyped field) and its texts are held against patterns.
The check costs under a microsecond a trade. Prices are not multiplied again: `quote` is trusted to be their product.
"""

import re
from typing import Annotated

import msgspec

from market.decimals import PRECISION, SCALE
from market.records import FeedMark, Lost, Regained, Suspect, Trade, Venue, decode_mark

EARLIEST = 946_684_800_000_000
"""2000-01-01 in microseconds since the epoch: times in seconds or milliseconds fall before it."""
LATEST = 4_102_444_800_000_000
"""2100-01-01 likewise: times in nanoseconds fall after it."""
AHEAD = 86_400_000_000
"""How far an event may lie ahead of its receipt, in microseconds: one in the far future would make all others late."""
WIDEST = 1_000_000
"""Trades in one aggregate, at most: a range without bounds would make every later trade a double."""

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Time = Annotated[int, msgspec.Meta(ge=EARLIEST, le=LATEST)]


class _Strict(Trade, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """A `Trade` with the bounds of its numbers."""

    first_id: _Id
    last_id: _Id
    sequence: _Id
    event_time: _Time
    receive_time: _Time


_WHOLE = PRECISION - SCALE
_POSITIVE = rf"(?:[1-9][0-9]{{0,{_WHOLE - 1}}}(?:\.[0-9]{{1,{SCALE}}})?|0\.(?=0*[1-9])[0-9]{{1,{SCALE}}})"
# One match over all texts costs a third of one match each.
_texts_fit = re.compile(rf"{_POSITIVE} {_POSITIVE} {_POSITIVE} [!-~]{{1,64}}").fullmatch
# Binance lists symbols that are not ASCII; control characters would be refused by Postgres.
_symbol_fits = re.compile(r"[^\s\x00-\x1f\x7f-\x9f-]{1,32}-[^\s\x00-\x1f\x7f-\x9f-]{1,32}").fullmatch
_decode = msgspec.json.Decoder(_Strict).decode


class Refused(ValueError):
    """A record that is not let through; the text is the reason, and `venue` whose it is where that can be told."""

    def __init__(self, reason: str, venue: Venue | None = None) -> None:
        super().__init__(reason)
        self.venue: Venue | None = venue


class Checker:
    """Decodes and checks the records of `trades_in`; remembers which keys and symbols belong together."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def check(self, key: bytes | None, value: bytes | None) -> Trade:
        """Return the trade that the record holds.

        Raises:
            Refused: it holds none that every reader could read, or its key is not its symbol.
        """
        if value is None:
            raise Refused("the record has no value")
        try:
            trade = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"not a trade: {error}") from None
        if _texts_fit(f"{trade.price} {trade.size} {trade.quote} {trade.source_id}") is None:
            raise Refused(_misfit(trade), trade.venue)
        if not 0 <= trade.last_id - trade.first_id < WIDEST:
            raise Refused(f"the ids {trade.first_id} to {trade.last_id} are no range of an aggregate", trade.venue)
        if trade.event_time > trade.receive_time + AHEAD:
            raise Refused("the event time is more than a day ahead of the receive time", trade.venue)
        if key is None or key != self._keys.get(trade.symbol):
            self._admit(key, trade)
        return trade

    def _admit(self, key: bytes | None, trade: Trade) -> None:
        """Take in a symbol that was not met before. By the wrong key a symbol could be in two partitions at once."""
        if _symbol_fits(trade.symbol) is None:
            raise Refused(f"{trade.symbol!r} is not of the form BASE-QUOTE", trade.venue)
        expected = trade.symbol.encode()
        if key != expected:
            raise Refused(f"the record's key {key!r} is not its symbol {trade.symbol}", trade.venue)
        self._keys[trade.symbol] = expected


def check_mark(key: bytes | None, value: bytes | None) -> FeedMark:
    """Return the mark that a record of `feed_marks` holds.

    Raises:
        Refused: it holds none, its key is not its symbol, or a time can't be.
    """
    if value is None:
        raise Refused("the record has no value")
    try:
        mark = decode_mark(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"not a mark: {error}") from None
    if _symbol_fits(mark.symbol) is None or key != mark.symbol.encode():
        raise Refused(f"the record's key {key!r} is not its symbol {mark.symbol!r}", mark.venue)
    times: tuple[int | None, ...] = ()
    if isinstance(mark, Lost | Regained):
        times = (mark.time,)
    elif isinstance(mark, Suspect):
        times = (mark.from_time, mark.to_time)
    if not all(time is None or EARLIEST <= time <= LATEST for time in times):
        raise Refused("a time is not one in microseconds", mark.venue)
    return mark


def _misfit(trade: Trade) -> str:
    for name in ("price", "size", "quote"):
        text = getattr(trade, name)
        if re.fullmatch(_POSITIVE, text) is None:
            return f"{name} {text!r} is no plain decimal above zero that fits DECIMAL({PRECISION}, {SCALE})"
    return f"source_id {trade.source_id!r} is not 1 to 64 printable ASCII characters"
