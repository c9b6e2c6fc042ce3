"""Candle files: 1-minute candles of the venues as CSV, read as frames of trades that make exactly these candles.

The columns are those of `HEADER`: the exchange, in any case; the symbol as `BASE-QUOTE`, in the venue's assets; the
minute's start in milliseconds, UTC; prices in quote per base; the volume in base. The rows may stand in any order, and
in several files. A frame is received at the time of its trade.
"""

import csv
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TextIO

import msgspec

from market.candles import MINUTE_MS, MadeTrade, TradedMinute, UnfitCandle, traded
from market.decimals import UnfitNumber, parse
from market.frames import Frame, RecordingError, opened
from market.records import VENUES, Venue

SUFFIXES = (".csv", ".csv.gz")
HEADER = "exchange,symbol,open_time_ms,open,high,low,close,volume"

_COLUMNS = HEADER.split(",")
_NUMBERS = _COLUMNS[3:]
# What ingest takes for a trade's time: from 2010 to 2100.
_TIMES = range(1_262_304_000_000, 4_102_444_800_000)
_NANOSECONDS = 1_000_000


def is_candle_file(path: Path) -> bool:
    """Say whether the file's name is that of a candle file."""
    return path.name.lower().endswith(SUFFIXES)


class _Pair:
    """A venue's pair: writes trades as the venue does, and numbers them."""

    def __init__(self, venue: Venue, symbol: str) -> None:
        self.venue: Venue = venue
        self.symbol = symbol
        self.code = symbol.replace("-", "") if venue == "binance" else symbol
        self.minutes: set[int] = set()
        self._number = 0
        self._text = self._aggregate if venue == "binance" else self._match

    def frame(self, trade: MadeTrade) -> Frame:
        """Return the next trade's frame, received when it was made."""
        return Frame(trade.time * _NANOSECONDS, self._text(trade), self.venue, self.symbol)

    def _aggregate(self, trade: MadeTrade) -> str:
        """Write an `aggTrade` of one trade; its ids go on by one, as Binance's do."""
        self._number = number = self._number + 1
        return (
            f'{{"stream":"{self.code.lower()}@aggTrade","data":{{"e":"aggTrade","E":{trade.time},"s":"{self.code}"'
            f',"a":{number},"p":"{trade.price}","q":"{trade.size}","f":{number},"l":{number},"T":{trade.time}'
            f',"m":{"false" if trade.buy else "true"},"M":true}}}}'
        )

    def _match(self, trade: MadeTrade) -> str:
        """Write a match; KuCoin's sequences rise by more than one, as if the two orders had taken numbers too."""
        self._number = number = self._number + 3
        return (
            f'{{"topic":"/market/match:{self.code}","type":"message","subject":"trade.l3match","data":{{'
            f'"symbol":"{self.code}","type":"match","side":"{"buy" if trade.buy else "sell"}","price":"{trade.price}"'
            f',"size":"{trade.size}","tradeId":"{number}","sequence":"{number}"'
            f',"takerOrderId":"{number - 1:024x}","makerOrderId":"{number - 2:024x}"'
            f',"time":"{trade.time * _NANOSECONDS}"}}}}'
        )


class _Row(msgspec.Struct, frozen=True, gc=False):
    """What a row with trades holds."""

    pair: _Pair
    minute: TradedMinute


class _Reader:
    """Reads rows. What pairs there are, and which of their minutes were told, holds for all files together."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], _Pair] = {}
        self._by_code: dict[tuple[Venue, str], _Pair] = {}

    def file(self, path: Path) -> Iterator[_Row]:
        """Yield the file's rows with trades, as they stand."""
        with opened(path, packed=path.name.lower().endswith(".gz")) as lines:
            yield from self._rows(path, lines)

    def _rows(self, path: Path, lines: TextIO) -> Iterator[_Row]:
        rows = csv.reader(lines, strict=True)
        try:
            header = next(rows, [])
            if header != _COLUMNS:
                raise RecordingError(f"the header must be {HEADER}, not {','.join(header)[:80]!r}")
            for row in rows:
                if row and (found := self._row(row)) is not None:
                    yield found
        except (RecordingError, UnfitNumber, UnfitCandle, csv.Error) as error:
            raise RecordingError(f"{path}, line {max(1, rows.line_num)}: {error}") from error

    def _row(self, row: list[str]) -> _Row | None:
        if len(row) != len(_COLUMNS):
            raise RecordingError(f"a row must have {len(_COLUMNS)} columns, {HEADER}, not {len(row)}")
        exchange, symbol, time, *numbers = row
        pair = self._by_name.get((exchange, symbol)) or self._pair(exchange, symbol)
        start = _minute(time)
        if start in pair.minutes:
            raise RecordingError(f"{pair.venue} {symbol} must have one candle a minute; this is the second at {time}")
        pair.minutes.add(start)
        *prices, volume = map(_number, _NUMBERS, numbers)
        minute = traded(start, *prices, volume=volume)
        return None if minute is None else _Row(pair, minute)

    def _pair(self, exchange: str, symbol: str) -> _Pair:
        venue = next((venue for venue in VENUES if venue == exchange.lower()), None)
        if venue is None:
            raise RecordingError(f"the exchange must be {' or '.join(VENUES)}, not {exchange!r}")
        base, _, quote = symbol.partition("-")
        if not all(asset.isascii() and asset.isalnum() and asset == asset.upper() for asset in (base, quote)):
            raise RecordingError(f"the symbol must be BASE-QUOTE, such as ETH-USDT, not {symbol!r}")
        pair = _Pair(venue, symbol)
        pair = self._by_code.setdefault((venue, pair.code), pair)
        if pair.symbol != symbol:
            raise RecordingError(f"symbols must differ without the dash too, unlike {pair.symbol} and {symbol}")
        self._by_name[exchange, symbol] = pair
        return pair


def _minute(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(_TIMES.stop))
    if not digits or int(text) not in _TIMES or int(text) % MINUTE_MS:
        raise RecordingError(
            f"open_time_ms must be a whole minute from 2010 to 2099, in milliseconds, not {text[:40]!r}"
        )
    return int(text)


def _number(name: str, text: str) -> Decimal:
    try:
        number = parse(text)
    except UnfitNumber as error:
        raise UnfitNumber(f"{name} {error}") from error
    if number < 0:
        raise UnfitNumber(f"{name} {text!r} must not be below zero")
    return number


def frames(paths: Iterable[Path]) -> Iterator[Frame]:
    """Yield the trades of all the files together as frames, in the order of time; of equal times, Binance's first.

    All rows are read before the first frame, and the frames are made a minute at a time. A minute that is missing or
    without volume is silent.

    Raises:
        RecordingError: a file is no candle file; the text says where, and what was expected.
    """
    reader = _Reader()
    rows = [row for path in paths for row in reader.file(path)]
    rows.sort(key=lambda row: (row.minute.start, row.pair.venue, row.pair.symbol))
    for _, minute in groupby(rows, key=lambda row: row.minute.start):
        made = [row.pair.frame(trade) for row in minute for trade in row.minute.trades()]
        yield from sorted(made, key=attrgetter("receive_time"))
