"""A venue's own 1-minute candle, as both give it over REST."""

import msgspec


class MinuteCandle(msgspec.Struct, frozen=True):
    """The minute that begins at `start_time` (microseconds since the epoch, UTC); numbers are plain decimal strings.

    Prices are quote per base. What a venue does not tell is null.
    """

    start_time: int
    open: str
    high: str
    low: str
    close: str
    base_volume: str
    quote_volume: str
    taker_buy_base_volume: str | None = None
    trade_count: int | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing traded: such a candle is flat at the previous close."""
        return self.base_volume == "0"
