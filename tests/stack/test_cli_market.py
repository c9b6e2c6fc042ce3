import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from market import recordings
from market.frames import Frame
from market.settings import load
from stack.asking import NoAnswer
from stack.errors import StackError
from stack.reach import choose
from stack.recorded import Recorded, as_recorded, scan, scan_path, symbols_listed
from tests.candle_helpers import MINUTE, write_candles
from tests.data import KLINES, RECORDINGS, needs_shared


def frame(venue: Any, text: str, second: int = 1) -> Frame:
    return Frame(second * 1_000_000_000, text, venue)


AGGREGATE = frame("binance", '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}')
TRADE = frame("binance", '{"e":"trade","s":"BTCUSDT"}')
BOOK = frame("binance", '{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT"}}')
ALL = frame("kucoin", '{"topic":"/market/ticker:all","subject":"BTC-USDT"}', 3)
ONE = frame("kucoin", '{"topic":"/market/ticker:BTC-USDT"}', 2)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([[BOOK, AGGREGATE]], Recorded("aggTrade", None, 1_000_000)),
        ([[BOOK, TRADE]], Recorded("trade", None, 1_000_000)),
        ([[TRADE, AGGREGATE], [TRADE]], Recorded("aggTrade", None, 1_000_000)),
        ([[ALL, ONE]], Recorded(None, "all", 3_000_000)),
        ([[ONE], [BOOK]], Recorded(None, "symbols", 1_000_000)),
        ([[BOOK]], Recorded(None, None, 1_000_000)),
        ([[]], Recorded(None, None, None)),
    ],
)
def test_the_frames_tell_which_channels_were_recorded(files: list[list[Frame]], expected: Recorded) -> None:
    assert scan(files) == expected


def test_no_more_is_read_than_it_takes_to_tell() -> None:
    read = []

    def frames() -> Any:
        for number in range(1000):
            read.append(number)
            yield TRADE

    scan([frames()], enough=10)
    assert len(read) == 11


def test_a_recording_that_does_not_tell_early_is_read_on() -> None:
    assert scan([[BOOK] * 50 + [TRADE]], enough=10).trade_channel == "trade"


def test_the_channels_become_settings_and_the_rest_stays() -> None:
    settings = load(binance={"streams_per_connection": 17})
    told = as_recorded(settings, Recorded("trade", "symbols", 0))
    assert (told.binance.trade_channel, told.kucoin.ticker_channel) == ("trade", "symbols")
    assert told.binance.streams_per_connection == 17
    assert told.symbols == settings.symbols


def test_no_connection_is_blamed_for_the_silence_after_a_recording() -> None:
    told = as_recorded(load(), Recorded(None, None, 0))
    assert min(told.ingest.stale_seconds, told.ingest.idle_seconds) >= 86_400
    assert told.binance == load().binance


@needs_shared
@pytest.mark.parametrize(
    ("name", "trade_channel", "ticker_channel"),
    [
        ("binance-btcusdt-20240808.frames.gz", "trade", None),
        ("cryptofeed-BINANCE.20210404-btc-eth-dot.ws.gz", "aggTrade", None),
        ("cryptofeed-BINANCE.ws.1.0.gz", "aggTrade", None),
        ("cryptofeed-KUCOIN.20210423-10sym.ws.gz", None, "symbols"),
        ("cryptofeed-KUCOIN.ws.1.0.gz", None, "symbols"),
    ],
)
def test_real_recordings_tell_their_channels(name: str, trade_channel: str | None, ticker_channel: str | None) -> None:
    told = scan_path(RECORDINGS / name)
    assert (told.trade_channel, told.ticker_channel) == (trade_channel, ticker_channel)


@needs_shared
def test_the_scan_of_the_largest_recordings_is_quick() -> None:
    began = time.process_time()
    told = scan_path(RECORDINGS)
    assert time.process_time() - began < 1.0
    assert told.began == 1617566591326123


def test_a_candle_file_tells_its_channel_and_when_it_begins_by_its_first_frame(tmp_path: Path) -> None:
    rows = [f"{venue},ETH-USDT,{MINUTE},10,11,10,11,1" for venue in ("kucoin", "binance")]
    path = write_candles(tmp_path / "days.csv", *rows)
    assert scan_path(path) == Recorded("aggTrade", None, (MINUTE + 1000) * 1000)
    [frames] = recordings.streams([path])
    assert scan([frames]).trade_channel == "aggTrade"
    assert len(list(frames)) == 3


def test_a_candle_file_of_kucoin_tells_when_it_begins(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "days.csv", f"kucoin,ETH-USDT,{MINUTE},10,10,10,10,1")
    assert scan_path(path) == Recorded(None, None, (MINUTE + 1000) * 1000)


def test_a_wrong_candle_file_is_refused_with_the_line(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "days.csv", f"kucoin,ETH-USDT,{MINUTE},10,9,10,10,1")
    with pytest.raises(StackError, match=r"days\.csv, line 2: high 9 must not be below open 10") as error:
        choose(load(market=str(path)))
    assert "candle file" in error.value.remedy


@needs_shared
def test_a_real_candle_file_tells_its_channel() -> None:
    told = scan_path(KLINES / "both-venues-1m-eth-ada-20230316-20230404.csv.gz")
    assert told == Recorded("aggTrade", None, 1679004901000000)


def listing(binance: list[tuple[str, str, str]], kucoin: list[tuple[str, str, str]]) -> Any:
    def asked(url: str, _seconds: float) -> Any:
        if "exchangeInfo" in url:
            return {
                "symbols": [{"symbol": c, "baseAsset": b, "quoteAsset": q, "status": "TRADING"} for c, b, q in binance]
            }
        return {
            "data": [{"symbol": c, "baseCurrency": b, "quoteCurrency": q, "enableTrading": True} for c, b, q in kucoin]
        }

    return asked


def test_symbols_are_those_that_the_market_lists_of_either_venue() -> None:
    asked = listing([("VETETH", "VET", "ETH")], [("KALT-USDT", "KALT", "USDT"), ("ALT-USDT", "ALT", "USDT")])
    assert symbols_listed("http://nowhere", both=False, asked=asked) == ["ALT-USDT", "APTOSLAUNCHTOKEN-USDT", "VET-ETH"]


def test_symbols_of_both_venues_only() -> None:
    asked = listing([("BTCUSDT", "BTC", "USDT"), ("XUSDT", "X", "USDT")], [("BTC-USDT", "BTC", "USDT")])
    assert symbols_listed("http://nowhere", both=True, asked=asked) == ["BTC-USDT"]


def test_a_market_that_lists_nothing_is_refused() -> None:
    with pytest.raises(StackError, match="lists no symbol"):
        symbols_listed("http://nowhere", both=False, asked=listing([], []))


def test_a_market_that_does_not_answer_is_told() -> None:
    def asked(url: str, _seconds: float) -> Any:
        raise NoAnswer(f"{url} does not answer")

    with pytest.raises(StackError, match="does not tell its symbols"):
        symbols_listed("http://nowhere", both=False, asked=asked)


def answering(*silent: str) -> Any:
    def asked(url: str, _seconds: float) -> Any:
        for name in silent:
            if name in url:
                raise NoAnswer(f"{url} does not answer: no route")
        return {}

    return asked


def test_auto_is_live_where_both_exchanges_answer() -> None:
    choice = choose(load(market="auto"), answering())
    assert choice.market == "live"
    assert "LIVE" in (choice.said or "")


def test_auto_is_simulated_where_one_does_not_answer_and_that_is_said() -> None:
    choice = choose(load(market="auto"), answering("kucoin"))
    assert choice.market == "simulated"
    assert "kucoin cannot be reached" in (choice.said or "")
    assert "SIMULATED" in (choice.said or "")
    assert "no route" in (choice.said or "")


@pytest.mark.parametrize("market", ["live", "simulated"])
def test_what_is_asked_for_by_name_is_taken_without_asking_anybody(market: str) -> None:
    assert choose(load(market=market), answering("binance", "kucoin")) == (market, None)


def test_a_recording_is_taken_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gzip.open(tmp_path / "binance-1.frames.gz", "wt") as file:
        file.write(f"1 {TRADE.text}\n")
    monkeypatch.chdir(tmp_path)
    assert choose(load(market=".")).market == str(tmp_path.resolve())


@pytest.mark.parametrize("content", [None, b"", b"no gzip", gzip.compress(b"", mtime=0)])
def test_a_path_without_a_recording_is_refused_with_what_is_allowed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "binance-1.frames.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StackError) as error:
        choose(load(market=str(path)))
    assert "recording" in error.value.remedy
