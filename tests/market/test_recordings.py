"""Recordings of both forms are read, and what is none is said to be none."""

import gzip
from pathlib import Path

import pytest

from market.frames import RecordingError
from market.recordings import files, merged, parse_line, read, venue_of
from tests.data import RECORDINGS, needs_shared


def write(path: Path, *lines: str) -> Path:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def test_both_forms_of_a_line_are_read() -> None:
    assert parse_line('1723161253937085768 {"a":1}') == (1723161253937085768, '{"a":1}')
    assert parse_line('1617566591.326123: {"a":1}') == (1617566591326123000, '{"a":1}')


@pytest.mark.parametrize(
    "line",
    [
        'wss://x/endpoint?token=T <- 1619378326.12: {"id":1}',
        "wss://x/stream <-> 1617566590.37",
        'https://x/depth -> 1617566592.10: {"lastUpdateId":1}',
        'configuration: {"trades":[]}',
        "",
        "123",
    ],
)
def test_what_was_sent_or_asked_is_no_frame(line: str) -> None:
    assert parse_line(line) is None


def test_several_files_are_merged_by_receive_time(tmp_path: Path) -> None:
    write(tmp_path / "binance-1.frames.gz", "10 a", "30 c")
    write(tmp_path / "kucoin-1.frames.gz", "20 b", "30 d")
    assert [(frame.text, frame.venue) for frame in merged(files(tmp_path))] == [
        ("a", "binance"),
        ("b", "kucoin"),
        ("c", "binance"),
        ("d", "kucoin"),
    ]


def test_the_venue_is_in_the_name() -> None:
    assert venue_of(Path("KUCOIN.ws.1.0.gz")) == "kucoin"
    with pytest.raises(RecordingError, match="must hold the venue"):
        venue_of(Path("frames.gz"))


def test_a_path_without_a_recording_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        files(tmp_path / "nothing")
    with pytest.raises(RecordingError, match="holds no recording"):
        files(tmp_path)


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    whole = write(tmp_path / "binance-1.frames.gz", *(f"{i} text" for i in range(10_000))).read_bytes()
    (tmp_path / "binance-2.frames.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="not a whole gzip file"):
        list(read(tmp_path / "binance-2.frames.gz"))


@pytest.mark.parametrize(
    "content", [gzip.compress(b"1 text\n")[:12] + b"no deflate", gzip.compress(b"1 \xff\n")], ids=["broken", "no UTF-8"]
)
def test_a_file_that_is_corrupt_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "binance-1.frames.gz"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"not a whole gzip file|not UTF-8 text"):
        list(read(path))


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "binance-1.frames.gz", '10 {"a":\r1}', "20 \x85b")
    assert [frame.text for frame in read(path)] == ['{"a":\r1}', "\x85b"]


@needs_shared
def test_the_real_recordings_are_read_whole() -> None:
    counts = {path.name: sum(1 for _ in read(path)) for path in files(RECORDINGS)}
    assert counts["binance-btcusdt-20240808.frames.gz"] == 41_249
    assert counts["binance-btcusdt-20240809.frames.gz"] == 58_325
    assert counts["cryptofeed-KUCOIN.ws.1.0.gz"] == 4_721
