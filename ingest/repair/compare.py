"""Whether a minute of ours is the venue's. Pure."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from ingest.repair.plan import Span
from ingest.venues.candles import MinuteCandle


class Ours(msgspec.Struct, frozen=True):
    """A minute as it stands in our database. `complete` is false while a gap touches it."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    taker_buy_base_volume: Decimal | None
    trade_count: int | None
    complete: bool | None


def same(theirs: MinuteCandle | None, ours: Ours | None) -> bool:
    """Return whether both tell the same of a minute; a minute that one does not have is one without trades.

    What only one of them tells is not compared. A venue may cut its quote volume off after some decimals, which is as
    good as the same; all else is compared to the last digit.
    """
    if theirs is None or theirs.idle or ours is None:
        return (theirs is None or theirs.idle) and ours is None
    pairs = (
        (theirs.open, ours.open),
        (theirs.high, ours.high),
        (theirs.low, ours.low),
        (theirs.close, ours.close),
        (theirs.base_volume, ours.base_volume),
        (theirs.taker_buy_base_volume, ours.taker_buy_base_volume),
    )
    if any(text is not None and number is not None and Decimal(text) != number for text, number in pairs):
        return False
    if theirs.trade_count is not None and ours.trade_count is not None and theirs.trade_count != ours.trade_count:
        return False
    quote = Decimal(theirs.quote_volume)
    return abs(quote - ours.quote_volume) < Decimal(1).scaleb(min(0, int(quote.as_tuple().exponent)))


def unequal(span: Span, theirs: Mapping[int, MinuteCandle], ours: Mapping[int, Ours]) -> list[int]:
    """Return the minutes of the span that are not the same at the venue and here, by their starts, in order."""
    return [minute for minute in span.minutes() if not same(theirs.get(minute), ours.get(minute))]
