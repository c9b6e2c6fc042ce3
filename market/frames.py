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
    """A received frame: when (nanoseconds since the epoch, local clock), and its text, from which venue."""

    receive_time: int
    text: str
    venue: Venue


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file of a recording, gzip, as UTF-8 text whose lines end with a line feed.

    Raises:
        RecordingError: it is no whole gzip file, or no text; also where that is found while reading.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            yield lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: not a whole gzip file ({error})") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not UTF-8 text ({error})") from error
