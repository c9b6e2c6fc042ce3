import gzip
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import recordings
from stack.errors import StackError
from stack.record import Writer, file_name, line, prepare, start_time

SECOND = 1_000_000_000


def test_frames_are_written_a_line_each_a_file_a_connection(tmp_path: Path) -> None:
    writer = Writer(tmp_path, None, None)
    writer.write("binance", "binance-1", [(1, '{"a":1}'), (2, '{"a":2}')])
    writer.write("kucoin", "kucoin-1", [(3, '{"b":1}')])
    writer.write("binance", "binance-2", [(4, '{"c":1}')])
    paths = writer.close()
    assert [path.name for path in paths] == ["binance-1.frames.gz", "kucoin-1.frames.gz", "binance-2.frames.gz"]
    assert writer.frames == 4
    with gzip.open(tmp_path / "binance-1.frames.gz", "rt") as file:
        assert file.read() == '1 {"a":1}\n2 {"a":2}\n'


def test_a_recording_is_read_back_as_it_was_received(tmp_path: Path) -> None:
    writer = Writer(tmp_path, None, None)
    writer.write("binance", "binance-1", [(1, '{"a":1}'), (5, "ünïcode")])
    writer.write("kucoin", "kucoin-1", [(3, '{"b":1}')])
    writer.close()
    frames = list(recordings.merged(recordings.files(tmp_path)))
    assert [(frame.receive_time, frame.text, frame.venue) for frame in frames] == [
        (1, '{"a":1}', "binance"),
        (3, '{"b":1}', "kucoin"),
        (5, "ünïcode", "binance"),
    ]


def test_only_frames_of_the_time_asked_for_are_written(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 10, 20)
    writer.write("binance", "1", [(n, "{}") for n in (9, 10, 19, 20)])
    assert not writer.full() or writer.newest == {"binance": 20}
    writer.write("kucoin", "1", [(15, "{}")])
    assert not writer.full(), "kucoin may still send frames of before the end"
    writer.write("kucoin", "1", [(25, "{}")])
    assert writer.full()
    writer.close()
    assert writer.frames == 3


def test_without_an_end_it_is_never_full(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 10, None)
    writer.write("binance", "1", [(10**18, "{}")])
    assert not writer.full()
    writer.close()


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=3))
def test_a_frame_is_always_one_line(pieces: list[str]) -> None:
    for text, end in itertools.product(pieces, ("", "\n", "\r\n")):
        written = line((7, text + end + text))
        assert written.startswith("7 ")
        assert written.count("\n") == 1
        assert "\r" not in written


def test_a_newline_between_json_tokens_becomes_a_space() -> None:
    assert line((7, '{"a":\n1}')) == '7 {"a": 1}\n'


@pytest.mark.parametrize(
    ("venue", "connection", "name"),
    [
        ("binance", "binance-1", "binance-1.frames.gz"),
        ("kucoin", "1", "kucoin-1.frames.gz"),
        ("kucoin", "../x/y", "kucoin-x-y.frames.gz"),
        ("kucoin", "", "kucoin-1.frames.gz"),
    ],
)
def test_the_venue_stands_in_the_files_name(venue: str, connection: str, name: str) -> None:
    assert file_name(venue, connection) == name


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    prepare(tmp_path / "new" / "folder")
    (tmp_path / "binance-1.frames.gz").touch()
    with pytest.raises(StackError, match="holds a recording already"):
        prepare(tmp_path)
    with pytest.raises(StackError, match="cannot be made"):
        prepare(tmp_path / "binance-1.frames.gz")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 5 * SECOND),
        ("start", None),
        ("2026-01-31T12:00Z", 1_769_860_800 * SECOND),
        ("2026-01-31T12:00", 1_769_860_800 * SECOND),
        ("2026-01-31 13:00:00.5+01:00", 1_769_860_800 * SECOND + SECOND // 2),
    ],
)
def test_where_to_begin(text: str, expected: int | None) -> None:
    assert start_time(text, 5.0) == expected


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(StackError, match="is no time") as error:
        start_time("yesterday", 5.0)
    assert "2026-01-31T12:00Z" in error.value.remedy
