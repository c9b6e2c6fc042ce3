"""The candles of the real BTCUSDT recordings: the exchange's own, and ours of a running stack."""

import csv
from decimal import Decimal

from tests.data import KLINES
from tests.stacks import Stack

Candle = tuple[Decimal, Decimal, Decimal, Decimal, Decimal, int]


def official() -> dict[int, Candle]:
    """Return open, high, low, close, volume and number of trades of the whole minutes, by start in ms."""
    with (KLINES / "binance-btcusdt-official-1m-20240808T2354.csv").open() as file:
        return {
            int(row["open_time_ms"]): (
                *(Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")),
                int(row["trades_in_recording"]),
            )  # type: ignore[misc]
            for row in csv.DictReader(file)
            if row["coverage"] == "full"
        }


def ours(stack: Stack, symbol: str = "BTC-USDT") -> dict[int, Candle]:
    """Return the same of the table `candle`."""
    rows = stack.query(
        "select extract(epoch from start_time)::bigint * 1000, open, high, low, close, base_volume, trade_count"
        f" from candle where venue = 'binance' and symbol = '{symbol}' and interval = '1m'"
    )
    assert len(rows) == len({row[0] for row in rows})
    return {int(row[0]): (*map(Decimal, row[1:6]), int(row[6])) for row in rows}  # type: ignore[misc]


def of_whole_minutes(candles: dict[int, Candle]) -> dict[int, Candle]:
    """Return those that the recording holds whole."""
    return {start: candles[start] for start in official() if start in candles}
