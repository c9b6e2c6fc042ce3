"""Recordings: gzip files with a frame a line, one file a venue and connection; or candle files (`market.candlefiles`).

A line is `<receive time in nanoseconds> <the frame as received>`. The older form, `<seconds.fraction>: <frame>`, is
read too; its other lines, of what was sent (`<url> <- …`), opened (`<url> <-> …`) or asked over REST
(`<url> -> <seconds>: <body>`), are told apart from frames.
"""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

from market import candlefiles
from market.candlefiles import is_candle_file
from market.frames import Frame, RecordingError, opened
from market.records import VENUES, Venue

_FRAMES = (".frames.gz", ".ws.gz", ".ws.1.0.gz")


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
    """Return the files of a recording: the file itself, or the files of frames and candles of a folder, by name.

    Raises:
        RecordingError: nothing is there, or no file of it holds frames or candles.
    """
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and (p.name.endswith(_FRAMES) or is_candle_file(p)))
    else:
        raise RecordingError(
            f"{path}: no such file or folder; give a recording (*.frames.gz, or candles as *.csv) or a folder of them"
        )
    if not found:
        raise RecordingError(f"{path}: holds no recording; expected files such as binance-1.frames.gz, or candles.csv")
    for file in found:
        if not is_candle_file(file):
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
    """Yield the frames of one file of frames in the order in which they stand.

    Raises:
        RecordingError: the file is not gzip, is cut off, or is no text.
    """
    venue = venue_of(path)
    with opened(path) as lines:
        for line in lines:
            parsed = parse_line(line.rstrip("\n"))
            if parsed is not None:
                yield Frame(parsed[0], parsed[1], venue)


def streams(paths: list[Path]) -> list[Iterator[Frame]]:
    """Return the frames of a recording's files: of each file of frames as they stand, of all candles by time.

    Raises:
        RecordingError: a file cannot be read; said when its frames are asked for.
    """
    candles = [path for path in paths if is_candle_file(path)]
    found = [read(path) for path in paths if not is_candle_file(path)]
    # Trade ids and minutes go on from one candle file to the next.
    return [*found, candlefiles.frames(candles)] if candles else found


def merged(paths: list[Path]) -> Iterator[Frame]:
    """Yield the frames of several files as one stream by receive time; of equal times, the earlier file first.

    Candles come after the files of frames.
    """
    return heapq.merge(*streams(paths), key=attrgetter("receive_time"))
