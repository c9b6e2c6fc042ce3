"""Candles made in the most obvious way, one record after the other: what the oracle is compared with."""

import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import Context, Decimal, localcontext

import msgspec

from market.decimals import plain
from market.intervals import INTERVALS
from market.records import GapMark, Trade, VenueCandle, encode

MINUTE = INTERVALS["1m"]

Key = tuple[str, str, str, int]
"""Venue, symbol, interval and start (µs)."""


class Passed(msgspec.Struct, frozen=True):
    """A trade as it stands in `trades`: how far (µs) it came behind its symbol's newest, where that was much."""

    trade: Trade
    behind: int = 0

    def line(self) -> bytes:
        if not self.behind:
            return encode(self.trade)
        return json.dumps(json.loads(encode(self.trade)) | {"behind": self.behind}).encode()


class Candle(msgspec.Struct):
    """A candle with the values that Postgres holds; times in µs."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    taker_buy_base_volume: Decimal | None
    trade_count: int | None
    first_id: int | None
    last_id: int | None
    origin: str
    complete: bool
    last_trade_time: int | None
    known_time: int

    def texts(self) -> dict[str, str | None]:
        """Return every value as the oracle compares it."""
        return {name: _text(value) for name, value in msgspec.structs.asdict(self).items()}


def _text(value: Decimal | int | str | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    return None if value is None else str(value)


def candles(
    trades: Iterable[Passed], marks: Iterable[GapMark] = (), venue_candles: Iterable[VenueCandle] = ()
) -> dict[Key, Candle]:
    """Return every candle of every interval, closed or not."""
    with localcontext(Context(prec=100)):
        return _candles(list(trades), list(marks), venue_candles)


def _candles(trades: list[Passed], marks: list[GapMark], venue_candles: Iterable[VenueCandle]) -> dict[Key, Candle]:
    made: dict[Key, Candle] = {}
    for interval in ("1s", "1m"):
        length = INTERVALS[interval]
        buckets: dict[tuple[str, str, int], list[Passed]] = defaultdict(list)
        for passed in trades:
            trade = passed.trade
            buckets[trade.venue, trade.symbol, trade.event_time // length * length].append(passed)
        made |= {(venue, symbol, interval, start): _of(lot) for (venue, symbol, start), lot in buckets.items()}
    _tell(made, venue_candles)
    minutes = sorted((key, candle) for key, candle in made.items() if key[2] == "1m")
    for interval, length in list(INTERVALS.items())[2:]:
        lots: dict[Key, list[Candle]] = defaultdict(list)
        for (name, symbol, _, start), candle in minutes:
            lots[name, symbol, interval, start // length * length].append(candle)
        made |= {key: _merged(lot) for key, lot in lots.items()}
    for (name, symbol, interval, start), candle in made.items():
        length = INTERVALS[interval]
        touching = [
            mark
            for mark in marks
            if (mark.venue, mark.symbol) == (name, symbol)
            and mark.seconds == (1 if interval == "1s" else 60)
            and start <= mark.start_time < start + length
        ]
        candle.complete = sum(mark.change for mark in touching) == 0
        candle.known_time = max([candle.known_time, *_told(made, marks, (name, symbol, interval, start))])
        candle.known_time -= candle.known_time % 1000
        if candle.last_trade_time is not None:
            candle.last_trade_time -= candle.last_trade_time % 1000
    return made


def _told(made: dict[Key, Candle], marks: list[GapMark], key: Key) -> list[int]:
    """Return when a candle was told of gaps: by marks of its own, and of candles that it is made of."""
    name, symbol, interval, start = key
    parts = [part for part in INTERVALS if part == interval or (part != "1s" and INTERVALS[part] < INTERVALS[interval])]
    return [
        mark.known_time
        for mark in marks
        for part in parts
        if (mark.venue, mark.symbol) == (name, symbol)
        and mark.seconds * 1_000_000 == INTERVALS[part]
        and start <= mark.start_time < start + INTERVALS[interval]
        and (name, symbol, part, mark.start_time) in made
    ]


def _of(lot: list[Passed]) -> Candle:
    ordered = sorted((passed.trade for passed in lot), key=lambda trade: (trade.event_time, trade.sequence))
    prices = [Decimal(trade.price) for trade in ordered]
    return Candle(
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        base_volume=sum((Decimal(trade.size) for trade in ordered), Decimal()),
        quote_volume=sum((Decimal(trade.quote) for trade in ordered), Decimal()),
        taker_buy_base_volume=sum((Decimal(trade.size) for trade in ordered if trade.side == "buy"), Decimal()),
        trade_count=sum(trade.last_id - trade.first_id + 1 for trade in ordered),
        first_id=min(trade.first_id for trade in ordered),
        last_id=max(trade.last_id for trade in ordered),
        origin="trades",
        complete=True,
        last_trade_time=ordered[-1].event_time,
        known_time=max(passed.trade.event_time + passed.behind for passed in lot),
    )


def _tell(made: dict[Key, Candle], venue_candles: Iterable[VenueCandle]) -> None:
    """Let the venue's candles take their places, the one that counts last."""
    known: dict[Key, int] = {}
    traded = {key: candle.last_trade_time for key, candle in made.items()}
    for told in sorted(venue_candles, key=lambda item: (item.supersedes, item.fetched_time)):
        key: Key = (told.venue, told.symbol, "1m", told.start_time)
        known[key] = max(known.get(key, 0), told.known_time)
        if told.supersedes or key not in traded:
            known[key] = max(known[key], made[key].known_time if key in made else 0)
            made[key] = Candle(
                open=Decimal(told.open),
                high=Decimal(told.high),
                low=Decimal(told.low),
                close=Decimal(told.close),
                base_volume=Decimal(told.base_volume),
                quote_volume=Decimal(told.quote_volume),
                taker_buy_base_volume=None
                if told.taker_buy_base_volume is None
                else Decimal(told.taker_buy_base_volume),
                trade_count=told.trade_count,
                first_id=told.first_id,
                last_id=told.last_id,
                origin="venue_candle",
                complete=True,
                last_trade_time=traded.get(key),
                known_time=known[key],
            )
    for key, time in known.items():
        made[key].known_time = max(made[key].known_time, time)


def _merged(lot: list[Candle]) -> Candle:
    bought = [candle.taker_buy_base_volume for candle in lot if candle.taker_buy_base_volume is not None]
    counts = [candle.trade_count for candle in lot if candle.trade_count is not None]
    return Candle(
        open=lot[0].open,
        high=max(candle.high for candle in lot),
        low=min(candle.low for candle in lot),
        close=lot[-1].close,
        base_volume=sum((candle.base_volume for candle in lot), Decimal()),
        quote_volume=sum((candle.quote_volume for candle in lot), Decimal()),
        taker_buy_base_volume=sum(bought, Decimal()) if len(bought) == len(lot) else None,
        trade_count=sum(counts) if len(counts) == len(lot) else None,
        first_id=min((candle.first_id for candle in lot if candle.first_id is not None), default=None),
        last_id=max((candle.last_id for candle in lot if candle.last_id is not None), default=None),
        origin="venue_candle" if any(candle.origin == "venue_candle" for candle in lot) else "trades",
        complete=True,
        last_trade_time=max(
            (candle.last_trade_time for candle in lot if candle.last_trade_time is not None), default=None
        ),
        known_time=max(candle.known_time for candle in lot),
    )
