"""Candle files are played like any other recording."""

from decimal import Decimal
from pathlib import Path

import pytest

from market.frames import RecordingError
from replay.recording import RecordedMarket
from replay.server import running
from tests.candle_helpers import MINUTE, write_candles
from tests.replay_helpers import ask, kucoin, receive, rest, socket, until


async def test_a_candle_file_is_played_to_clients_of_both_venues(tmp_path: Path) -> None:
    path = write_candles(
        tmp_path / "days.csv.gz",
        f"kucoin,ETH-USDT,{MINUTE},10.5,12,9,11,4",
        f"binance,ETH-USDT,{MINUTE},10,12,9,11,0.5",
        f"binance,ETH-USDT,{MINUTE + 60_000},11,11,11,11,1",
    )
    market = RecordedMarket(path)
    assert market.now() == (MINUTE + 1000) * 1000
    async with (
        running(market) as server,
        socket(f"{server.ws_url}/stream?streams=ethusdt@aggTrade") as first,
        kucoin(server) as second,
    ):
        await ask(second, {"id": 1, "type": "subscribe", "topic": "/market/match:ETH-USDT", "response": True})
        aggregates = [(await receive(first))["data"] for _ in range(5)]
        assert [(each["a"], each["p"]) for each in aggregates] == [(1, "10"), (2, "9"), (3, "12"), (4, "11"), (5, "11")]
        matches = [(await receive(second))["data"] for _ in range(4)]
        assert [each["price"] for each in matches] == ["10.5", "9", "12", "11"]
        await until(lambda: market.progress().finished)
        assert (market.progress().total, market.progress().sent, market.progress().skipped) == (9, 9, 0)
        day = market.day("binance", "ETHUSDT")
        assert [day.open, day.high, day.low, day.last] == [Decimal(price) for price in (10, 12, 9, 11)]
        assert (day.base_volume, day.count) == (Decimal("1.5"), 5)


async def test_base_and_quote_are_those_that_the_file_tells(tmp_path: Path) -> None:
    figures = f"{MINUTE},10,10,10,10,1"
    path = write_candles(tmp_path / "days.csv", f"binance,A-USDTX,{figures}", f"binance,AX-BTC,{figures}",
                         f"kucoin,ETH-WHATEVER,{figures}")  # fmt: skip
    async with running(RecordedMarket(path)) as server, rest(server) as client:
        symbols = (await client.get("/api/v3/exchangeInfo")).json()["symbols"]
        assert [(each["symbol"], each["baseAsset"], each["quoteAsset"]) for each in symbols] == [
            ("AUSDTX", "A", "USDTX"),
            ("AXBTC", "AX", "BTC"),
        ]
        coins = (await client.get("/api/v2/symbols")).json()["data"]
        assert [(each["symbol"], each["baseCurrency"], each["quoteCurrency"]) for each in coins] == [
            ("ETH-WHATEVER", "ETH", "WHATEVER")
        ]


@pytest.mark.parametrize("rows", [(), (f"binance,ETH-USDT,{MINUTE},10,10,10,10,0",)])
def test_a_file_in_which_nothing_was_traded_is_an_error(tmp_path: Path, rows: tuple[str, ...]) -> None:
    with pytest.raises(RecordingError, match="holds no frames"):
        RecordedMarket(write_candles(tmp_path / "days.csv", *rows))


def test_a_wrong_row_is_told_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="line 2: the exchange must be"):
        RecordedMarket(write_candles(tmp_path / "days.csv", f"okx,ETH-USDT,{MINUTE},10,10,10,10,1"))
