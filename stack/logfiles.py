"""Log files of parts: opened for appending, rotated by size, read from the end, followed as they grow.

A part keeps its log open as its own stdout, so a file cannot be moved away from under it: rotation copies what is
there and then empties the file, and the part goes on at its start.
"""

import gzip
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEPT = 3
_CHUNK = 1 << 20


def open_for_append(path: Path) -> int:
    """Return a descriptor whose writes always go to the file's end, also after it was emptied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def older(path: Path, number: int) -> Path:
    """Return where the `number`-th older piece of a log lies; 1 is the newest of them."""
    return path.with_name(f"{path.name}.{number}.gz")


def rotate(path: Path, limit: int) -> bool:
    """Move a log of more than `limit` bytes to `NAME.1.gz`, keeping three older pieces; return whether it did.

    Only the lines written between the last read and the emptying, some microseconds, can be lost.
    """
    try:
        if path.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    copy = path.with_name(f"{path.name}.rotating")
    with path.open("r+b") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
        source.truncate(0)
    for number in range(KEPT, 1, -1):
        if older(path, number - 1).exists():
            older(path, number - 1).replace(older(path, number))
    packed = path.with_name(f"{path.name}.packing")
    with copy.open("rb") as raw, gzip.open(packed, "wb", compresslevel=3) as target:
        shutil.copyfileobj(raw, target, _CHUNK)
    packed.replace(older(path, 1))
    copy.unlink()
    return True


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log, without their ends; none where there is no file."""
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            data = b""
            while position > 0 and data.count(b"\n") <= count:
                step = min(_CHUNK, position)
                position = file.seek(position - step)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    return data.decode("utf-8", "replace").splitlines()[-count:] if count > 0 else []


def follow(path: Path, stopped: Callable[[], bool] = lambda: False, pause: float = 0.2) -> Iterator[str]:
    """Yield what is appended to a log from now on, as it comes; a file that was emptied is read from its start."""
    while not path.exists():
        if stopped():
            return
        time.sleep(pause)
    with path.open("r", encoding="utf-8", errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while not stopped():
            if path.stat().st_size < file.tell():
                file.seek(0)
            text = file.read()
            if text:
                yield text
            else:
                time.sleep(pause)
