"""What a recording is made of, and how its files are opened."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec

from market.records import Venue


class RecordingError(ValueError):
    """A path that is no recording, with what was expected instead."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A received frame: when (nanoseconds since the epoch, local clock), and its text, from which venue.

    `symbol` is the pair that it is about, as `BASE-QUOTE` in the venue's assets; null where only the text tells.
    """

    receive_time: int
    text: str
    venue: Venue
    symbol: str | None = None


@contextmanager
def opened(path: Path, *, packed: bool = True) -> Iterator[TextIO]:
    """Open a file of a recording as UTF-8 text, whose lines end with a line feed; `packed` is gzip.

    Raises:
        RecordingError: it is no whole gzip file, or no text; also where that is found while reading.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="\n")
            if packed
            else path.open(encoding="utf-8", newline="\n") as lines
        ):
            yield lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: not a whole gzip file ({error})") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not UTF-8 text ({error})") from error
