"""What a foreign feed hands to its user, written down a line a trade. Runs in the feed's own environment."""

import argparse
import json
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

TRIP_SECONDS = 0.05
"""A feed that is connected waits so long before it subscribes: the way to a venue that is not on this machine.

KuCoin hears nothing before its own welcome. Over a network that is there first; here a feed that does not wait for it
would be faster, and stay unheard.
"""


@dataclass(frozen=True)
class Asked:
    """Where the market is (base addresses without a path), which symbols are followed (`BTC-USDT`), and the file."""

    rest: str
    ws: str
    symbols: list[str]
    out: Path


def asked() -> Asked:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rest", required=True)
    parser.add_argument("--ws", required=True)
    parser.add_argument("--symbols", required=True)
    parser.add_argument("--out", required=True, type=Path)
    found = parser.parse_args()
    return Asked(found.rest, found.ws, found.symbols.split(","), found.out)


class Tape:
    """Writes `[venue, symbol, first id, last id, event time, receive time]`, ids the venue's own, times in µs."""

    def __init__(self, path: Path) -> None:
        # By lines, so that nothing is lost where the process is killed.
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> "Tape":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, venue: str, symbol: str, first_id: int, last_id: int, event_time: int) -> None:
        """Note a trade that has just been handed over."""
        row = [venue, symbol, first_id, last_id, event_time, time.time_ns() // 1000]
        self._file.write(json.dumps(row, separators=(",", ":")) + "\n")


def ids(message: Mapping[str, Any]) -> tuple[int, int]:
    """Return the venue's own ids that its message of a trade stands for: of Binance's aggregate the range.

    Of KuCoin's, which has no range, `sequence` twice.
    """
    if "f" in message:
        return int(message["f"]), int(message["l"])
    return int(message["sequence"]), int(message["sequence"])


def until_stopped(stop: Callable[[], object]) -> None:
    """Call `stop` once at SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: stop())  # noqa: ARG005
