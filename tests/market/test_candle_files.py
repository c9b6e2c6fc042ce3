"""Candle files are read as the venues' own frames, whose trades make exactly the file's candles."""

import gzip
import itertools
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.candlefiles import frames
from market.frames import RecordingError
from market.recordings import files, merged
from tests.candle_helpers import HEADER, MINUTE, Figures, Key, candles, folded, row, rows, trades, write_candles
from tests.data import KLINES, needs_shared
from tests.replay_helpers import write_recording

SYMBOLS = ("ETH-USDT", "ADA-USDT")
KEYS = st.tuples(
    st.sampled_from(("binance", "kucoin")),
    st.sampled_from(SYMBOLS),
    st.integers(0, 4).map(lambda n: MINUTE + n * 60_000),
)
FLAT = "10,10,10,10"


@given(st.dictionaries(KEYS, candles(), max_size=12), st.booleans())
def test_what_ingest_reads_makes_the_candles_of_the_file(told: dict[Key, Figures], packed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("candles.csv.gz" if packed else "candles.csv")
        found = list(frames([write_candles(path, *itertools.starmap(row, told.items()))]))
    assert folded(trades(found, *SYMBOLS)) == {key: figures for key, figures in told.items() if figures[-1]}
    assert [frame.receive_time for frame in found] == sorted(frame.receive_time for frame in found)


@given(st.dictionaries(KEYS, candles(), max_size=12))
def test_ids_are_as_the_venues_count_and_trades_are_received_as_they_happen(told: dict[Key, Figures]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_candles(Path(folder) / "candles.csv", *itertools.starmap(row, told.items()))
        found = trades(frames([path]), *SYMBOLS)
    ids = defaultdict(list)
    for trade in found:
        assert trade.first_id == trade.last_id == int(trade.source_id)
        assert trade.receive_time == trade.event_time
        ids[trade.venue, trade.symbol].append(trade.first_id)
    for (venue, _), numbers in ids.items():
        if venue == "binance":
            assert numbers == list(range(1, len(numbers) + 1))
        else:
            assert all(after > before + 1 for before, after in itertools.pairwise(numbers))


@needs_shared
def test_a_real_file_of_both_venues_is_given_to_the_last_digit() -> None:
    path = KLINES / "both-venues-1m-eth-ada-20230316-20230404.csv.gz"
    told = {key: figures for key, figures in rows(path).items() if figures[-1]}
    assert len(told) == 106_344
    assert folded(trades(frames([path]), *SYMBOLS)) == told


def test_frames_are_written_as_the_venues_do(tmp_path: Path) -> None:
    path = write_candles(
        tmp_path / "x.csv", f"binance,ETH-USDT,{MINUTE},1,2,1,2,3", f"KuCoin,ETH-USDT,{MINUTE},2,2,1,1,3"
    )
    agg, match, *_ = frames([path])
    time = MINUTE + 1000
    assert json.loads(agg.text) == {
        "stream": "ethusdt@aggTrade",
        "data": {"e": "aggTrade", "E": time, "s": "ETHUSDT", "a": 1, "p": "1", "q": "2", "f": 1, "l": 1, "T": time,
                 "m": False, "M": True},
    }  # fmt: skip
    message = json.loads(match.text)
    assert (message["type"], message["topic"], message["subject"]) == (
        "message", "/market/match:ETH-USDT", "trade.l3match",
    )  # fmt: skip
    data = message["data"]
    assert data.pop("takerOrderId") != data.pop("makerOrderId")
    assert data == {
        "symbol": "ETH-USDT", "type": "match", "side": "sell", "price": "2", "size": "2", "tradeId": "3",
        "sequence": "3", "time": f"{time}000000",
    }  # fmt: skip


def test_rows_in_any_order_are_played_by_time_and_binance_first(tmp_path: Path) -> None:
    path = write_candles(
        tmp_path / "x.csv",
        f"kucoin,ETH-USDT,{MINUTE + 60_000},{FLAT},1",
        f"kucoin,ETH-USDT,{MINUTE},{FLAT},1",
        f"kucoin,ADA-USDT,{MINUTE},{FLAT},1",
        "",
        f"binance,ETH-USDT,{MINUTE + 60_000},{FLAT},1",
        f"binance,ETH-USDT,{MINUTE},{FLAT},1",
    )
    assert [(frame.venue, frame.symbol, frame.receive_time // 10**9 - MINUTE // 1000) for frame in frames([path])] == [
        ("binance", "ETH-USDT", 1),
        ("kucoin", "ADA-USDT", 1),
        ("kucoin", "ETH-USDT", 1),
        ("binance", "ETH-USDT", 61),
        ("kucoin", "ETH-USDT", 61),
    ]


def test_minutes_that_are_missing_or_without_volume_are_silent(tmp_path: Path) -> None:
    path = write_candles(
        tmp_path / "x.csv",
        f"binance,ETH-USDT,{MINUTE},{FLAT},1",
        f"binance,ETH-USDT,{MINUTE + 60_000},{FLAT},0.000",
        f"binance,ETH-USDT,{MINUTE + 120_000},10,11,9,10,0",
        f"binance,ETH-USDT,{MINUTE + 240_000},{FLAT},1",
    )
    made = trades(frames([path]), *SYMBOLS)
    assert [trade.event_time // 60_000_000 - MINUTE // 60_000 for trade in made] == [0, 4]
    assert [trade.first_id for trade in made] == [1, 2]


def test_a_folder_may_hold_candles_beside_frames(tmp_path: Path) -> None:
    write_candles(tmp_path / "days.csv", f"kucoin,ETH-USDT,{MINUTE},{FLAT},1")
    write_recording(
        tmp_path / "binance-1.frames.gz", [(MINUTE * 10**6, "before"), (MINUTE * 10**6 + 60 * 10**9, "after")]
    )
    assert [path.name for path in files(tmp_path)] == ["binance-1.frames.gz", "days.csv"]
    before, candle, after = merged(files(tmp_path))
    assert (before.text, candle.symbol, after.text) == ("before", "ETH-USDT", "after")
    assert [frame.text for frame in merged(files(tmp_path / "days.csv"))] == [candle.text]


def test_ids_and_minutes_go_on_from_one_file_to_the_next(tmp_path: Path) -> None:
    write_candles(tmp_path / "2.csv.gz", f"binance,ETH-USDT,{MINUTE},{FLAT},1")
    write_candles(tmp_path / "1.csv", f"BINANCE,ETH-USDT,{MINUTE + 60_000},{FLAT},1")
    assert [trade.first_id for trade in trades(merged(files(tmp_path)), *SYMBOLS)] == [1, 2]
    write_candles(tmp_path / "3.csv", f"binance,ETH-USDT,{MINUTE},{FLAT},1")
    with pytest.raises(RecordingError, match=r"3\.csv, line 2: binance ETH-USDT must have one candle a minute"):
        list(merged(files(tmp_path)))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("okx,ETH-USDT,{time},10,10,10,10,1", "the exchange must be binance or kucoin, not 'okx'"),
        ("binance,ETHUSDT,{time},10,10,10,10,1", "the symbol must be BASE-QUOTE, such as ETH-USDT, not 'ETHUSDT'"),
        ("binance,ETH-,{time},10,10,10,10,1", "the symbol must be BASE-QUOTE"),
        ("binance,eth-usdt,{time},10,10,10,10,1", "the symbol must be BASE-QUOTE"),
        ("binance,ETH-USDT-X,{time},10,10,10,10,1", "the symbol must be BASE-QUOTE"),
        ("binance,E-THUSDT,{time},10,10,10,10,1", "unlike ETH-USDT and E-THUSDT"),
        ("binance,ETH-USDT,1679004900001,10,10,10,10,1", "open_time_ms must be a whole minute"),
        ("binance,ETH-USDT,1679004900,10,10,10,10,1", "in milliseconds, not '1679004900'"),
        ("binance,ETH-USDT,-60000,10,10,10,10,1", "open_time_ms must be"),
        ("binance,ETH-USDT,2023-03-16,10,10,10,10,1", "open_time_ms must be"),
        ("binance,ETH-USDT,{time},ten,10,10,10,1", "open 'ten' is not a decimal number"),
        ("binance,ETH-USDT,{time},10,nan,10,10,1", "high 'nan' is not a finite number"),
        ("binance,ETH-USDT,{time},10,10,10,inf,1", "close 'inf' is not a finite number"),
        ("binance,ETH-USDT,{time},10,10,-1,10,1", "low '-1' must not be below zero"),
        ("binance,ETH-USDT,{time},10,10,10,10,", "volume '' is not a decimal number"),
        ("binance,ETH-USDT,{time},10,9,9,9,1", "high 9 must not be below open 10"),
        ("binance,ETH-USDT,{time},10,12,11,11,1", "low 11 must not be above open 10"),
        ("binance,ETH-USDT,{time},10,10,10,10,0.1234567890123456789", "more digits"),
        ("binance,ETH-USDT,{first},10,10,10,10,0", "must have one candle a minute"),
        ("binance,ETH-USDT,{time},10,10,10,10", "a row must have 8 columns"),
        ('binance,"ETH-USDT,{time},10,10,10,10,1', "unexpected end of data"),
    ],
)
def test_a_row_that_is_none_is_named_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    first = f"binance,ETH-USDT,{MINUTE},{FLAT},1"
    path = write_candles(tmp_path / "days.csv", first, line.format(first=MINUTE, time=MINUTE + 60_000))
    with pytest.raises(RecordingError) as error:
        next(frames([path]))
    assert str(error.value).startswith(f"{path}, line 3: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("content", ["", "a,b\n", f"{HEADER},trades\n", f"binance,ETH-USDT,{MINUTE},{FLAT},1\n"])
def test_another_header_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "days.csv"
    path.write_text(content)
    with pytest.raises(RecordingError, match=rf"days\.csv, line 1: the header must be {HEADER}, not"):
        next(frames([path]))


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_bytes(f"{HEADER}\r\nbinance,ETH-USDT,{MINUTE},{FLAT},1\r\n".encode())
    assert len(list(frames([path]))) == 1


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    content = "\n".join([HEADER, *(f"binance,ETH-USDT,{MINUTE + n * 60_000},{FLAT},{n}" for n in range(10_000))])
    whole = gzip.compress(content.encode())
    path = tmp_path / "days.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="not a whole gzip file"):
        next(frames([path]))
