"""Recordings: gzip files with a frame a line, one file a venue and connection.

A line is `<receive time in nanoseconds> <the frame as received>`. The older form, `<seconds.fraction>: <frame>`, is
read too; its other lines, of what was sent (`<url> <- …`), opened (`<url> <-> …`) or asked over REST
(`<url> -> <seconds>: <body>`), are told apart from frames.
"""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from market.frames import Frame, RecordingError, opened
from market.records import VENUES, Venue


def venue_of(path: Path) -> Venue:
    """Return the venue that a recording's file name holds.

    Raises:
        RecordingError: the name holds none.
    """
    name = path.name.lower()
    for venue in VENUES:
        if venue in name:
            return venue
    raise RecordingError(f"{path}: the file's name must hold the venue, as in binance-1.frames.gz")


def files(path: Path) -> list[Path]:
    """Return the files of frames of a recording: the file itself, or those of a folder, sorted by name.

    Raises:
        RecordingError: nothing is there, or no file of it holds frames.
    """
    if path.is_file():
        venue_of(path)
        return [path]
    if not path.is_dir():
        raise RecordingError(f"{path}: no such file or folder; give a recording (*.frames.gz) or a folder of them")
    found = sorted(p for p in path.iterdir() if p.is_file() and p.name.endswith((".frames.gz", ".ws.gz", ".ws.1.0.gz")))
    if not found:
        raise RecordingError(f"{path}: holds no recording; expected files such as binance-1.frames.gz")
    for file in found:
        venue_of(file)
    return found


def parse_line(line: str) -> tuple[int, str] | None:
    """Return receive time in nanoseconds and text of a line that holds a received frame, else None."""
    head, _, text = line.partition(" ")
    if head.isdigit():
        return (int(head), text) if text else None
    if head.endswith(":"):
        try:
            return int(Decimal(head[:-1]).scaleb(9)), text
        except ArithmeticError:
            return None
    return None


def read(path: Path) -> Iterator[Frame]:
    """Yield the frames of one file in the order in which they stand.

    Raises:
        RecordingError: the file is not gzip, is cut off, or is no text.
    """
    venue = venue_of(path)
    with opened(path) as lines:
        for line in lines:
            parsed = parse_line(line.rstrip("\n"))
            if parsed is not None:
                yield Frame(parsed[0], parsed[1], venue)


def merged(paths: list[Path]) -> Iterator[Frame]:
    """Yield the frames of several files as one stream by receive time; of equal times, the earlier file first."""
    return heapq.merge(*(read(path) for path in paths), key=lambda frame: frame.receive_time)
