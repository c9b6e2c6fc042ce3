import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

from stack.logfiles import KEPT, follow, last_lines, older, open_for_append, rotate
from stack.upkeep import rotate_all
from tests.stack.fake_parts import until


def write(path: Path, text: str) -> None:
    descriptor = open_for_append(path)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def unpacked(path: Path) -> str:
    with gzip.open(path, "rt") as file:
        return file.read()


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    write(path, "small\n")
    assert not rotate(path, 100)
    assert not rotate(tmp_path / "absent.log", 100)
    assert path.read_text() == "small\n"


def test_three_older_pieces_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    for number in range(5):
        write(path, f"piece {number}\n" * 20)
        assert rotate(path, 100)
    assert path.read_text() == ""
    assert [unpacked(older(path, n)).splitlines()[0] for n in range(1, KEPT + 1)] == ["piece 4", "piece 3", "piece 2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "ingest.log",
        "ingest.log.1.gz",
        "ingest.log.2.gz",
        "ingest.log.3.gz",
    ]


def test_a_process_goes_on_writing_through_a_rotation_and_no_line_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    descriptor = open_for_append(path)
    script = "import sys\nfor line in sys.stdin:\n    print('x' * 50, line.strip(), flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script], stdin=subprocess.PIPE, stdout=descriptor, text=True
    )
    os.close(descriptor)
    assert process.stdin is not None
    with process:
        for number in range(10):
            print(number, file=process.stdin, flush=True)
        until("ten lines stand there", lambda: len(path.read_text().splitlines()) == 10)
        assert rotate(path, 100)
        print("after", file=process.stdin, flush=True)
        process.stdin.close()
    assert path.read_text() == "x" * 50 + " after\n"
    assert [line.split()[1] for line in unpacked(older(path, 1)).splitlines()] == [str(n) for n in range(10)]


def test_every_log_of_the_folder_is_rotated_but_nothing_else(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        write(tmp_path / name, "line\n" * 100)
    rotate_all(tmp_path, 10)
    assert sorted(file.name for file in tmp_path.glob("*.gz")) == ["a.log.1.gz", "b.log.1.gz"]


def test_last_lines_of_a_log_longer_than_one_read(tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    write(path, "".join(f"line {n} {'x' * 100}\n" for n in range(20_000)))
    assert [line.split()[1] for line in last_lines(path, 3)] == ["19997", "19998", "19999"]
    assert len(last_lines(path, 50_000)) == 20_000
    assert last_lines(path, 0) == []
    assert last_lines(tmp_path / "absent.log", 5) == []


def test_following_goes_on_after_the_log_was_emptied(tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    write(path, "before, which is longer than what comes\n")
    seen: list[str] = []
    done = threading.Event()

    reader = threading.Thread(target=lambda: seen.extend(follow(path, done.is_set, pause=0.01)))
    reader.start()
    try:
        until("the first is seen", lambda: _append_until_seen(path, "first\n", seen))
        assert rotate(path, 5)
        until("the second is seen", lambda: _append_until_seen(path, "second\n", seen))
    finally:
        done.set()
        reader.join()
    assert "before" not in "".join(seen)


def _append_until_seen(path: Path, text: str, seen: list[str]) -> bool:
    """The reader may look after the write: then the text is before its start, and is written again."""
    if text not in "".join(seen):
        write(path, text)
    return text in "".join(seen)
