"""The trade frames of the real BTCUSDT recordings, for tests that deliver them otherwise than they came."""

import gzip
import random
from collections.abc import Iterable
from pathlib import Path

from market import recordings
from tests.data import RECORDINGS

# A symbol for each copy, since a market has only one order of arrival for each.
SHUFFLED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def trade_frames() -> list[str]:
    """Return the trade frames of both recordings in the order in which they came."""
    paths = sorted(RECORDINGS.glob("binance-btcusdt-*.frames.gz"))
    return [frame.text for frame in recordings.merged(paths) if '"e":"trade"' in frame.text]


def write_shuffled(folder: Path) -> None:
    """Write a recording of all trades three times, under three symbols, each in a wild order of its own."""
    frames = trade_frames()
    copies: list[list[str]] = []
    for seed, code in enumerate(SHUFFLED):
        mixed = list(reordered(frames, random.Random(seed)))
        copies.append([frame.replace("BTCUSDT", code).replace("btcusdt", code.lower()) for frame in mixed])
    with gzip.open(folder / "binance-shuffled.frames.gz", "wt", encoding="utf-8") as file:
        start = 1_723_161_253_000_000_000
        for number, together in enumerate(zip(*copies, strict=False)):
            for frame in together:
                file.write(f"{start + number * 1_000_000} {frame}\n")
        # The copies differ in their repeats, so each has a tail that the shortest one has not.
        shortest = min(map(len, copies))
        for copy in copies:
            for frame in copy[shortest:]:
                file.write(f"{start + shortest * 1_000_000} {frame}\n")


def reordered(frames: Iterable[str], chance: random.Random) -> Iterable[str]:
    """Return the frames in any order at all, about every tenth of them twice or more."""
    mixed = [frame for frame in frames for _ in range(1 + (chance.random() < 0.1) + (chance.random() < 0.01))]
    chance.shuffle(mixed)
    return mixed
