"""What `status` tells besides the parts: the venues, how fresh the candles are, how long the disk lasts."""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from market.settings import Settings
from stack.asking import NoAnswer, ask
from stack.errors import StackError
from stack.passwords import dsn
from stack.state import State

log = logging.getLogger(__name__)

GROWTH_WINDOW = 3600.0
GROWTH_LEAST = 300.0
_DAY = 86_400.0
_MEASURE_SECONDS = 30.0


class Facts(msgspec.Struct, frozen=True):
    """What was seen last. `market_now` is the newest event time of any venue, microseconds, UTC."""

    venues: dict[str, dict[str, Any]] = {}
    market_now: int | None = None
    freshness_seconds: float | None = None
    disk_days_left: float | None = None


class Growth:
    """How fast a folder grows, over up to the last hour. Sizes in bytes, times in seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, size: int) -> None:
        """Note the size at a time."""
        self._samples.append((now, size))
        while now - self._samples[0][0] > GROWTH_WINDOW:
            self._samples.popleft()

    def days_left(self, free: int) -> float | None:
        """Return the days until `free` bytes are filled; None while too little is measured, or nothing grows."""
        if not self._samples:
            return None
        (began, first), (now, size) = self._samples[0], self._samples[-1]
        if now - began < GROWTH_LEAST or size <= first:
            return None
        return free / ((size - first) / (now - began)) / _DAY


def folder_size(folder: Path) -> int:
    """Return the bytes that a folder takes on the disk; files may come and go meanwhile."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += folder_size(Path(entry.path))
                else:
                    # Blocks, not lengths: the broker's index files are long and mostly empty.
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def venues(health: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the contract's view of the venues from what ingest says of itself."""
    return {
        name: {
            "connected": bool(venue.get("connected")),
            "last_message_age_seconds": venue.get("last_message_age_seconds"),
            "trades": venue.get("trades", 0),
            # Gaps are not recorded yet, so none is known to be open.
            "gaps_open": 0,
        }
        for name, venue in health.get("venues", {}).items()
    }


def newest_event_time(health: dict[str, Any]) -> int | None:
    """Return the newest match time that ingest has seen at any venue, microseconds, UTC."""
    times = [venue.get("newest_event_time") for venue in health.get("venues", {}).values()]
    return max((time for time in times if time is not None), default=None)


def freshness(seen: int | None, counted: datetime | None) -> float | None:
    """Return how many seconds the candles are behind the newest trade seen (µs); None where either is unknown."""
    if seen is None or counted is None:
        return None
    return round(max(0.0, seen / 1e6 - counted.timestamp()), 3)


class Watch:
    """Gathers the facts each second, in threads of its own, from `start` on."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._connection: psycopg.Connection | None = None
        self._seen: int | None = None
        self._growth = Growth()
        self._days_left: float | None = None
        self._stopping = threading.Event()
        self._database = threading.Event()
        self.facts = Facts()

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._gather, name="facts", daemon=True).start()
        threading.Thread(target=self._measure, name="disk", daemon=True).start()

    def stop(self) -> None:
        """Ask nobody any more."""
        self._stopping.set()

    def database_ready(self) -> None:
        """Tell that the database can be asked."""
        self._database.set()

    def _gather(self) -> None:
        while not self._stopping.wait(1.0):
            health: dict[str, Any] = {}
            with contextlib.suppress(NoAnswer):
                health = ask(f"http://127.0.0.1:{self._settings.ports.ingest}/health") or {}
            self._seen = newest_event_time(health) or self._seen
            self.facts = Facts(venues(health), self._seen, freshness(self._seen, self._counted()), self._days_left)
        if self._connection is not None:
            self._connection.close()

    def _counted(self) -> datetime | None:
        if not self._database.is_set():
            return None
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    dsn(self._settings, self._state, "reader"),
                    autocommit=True,
                    connect_timeout=2,
                    options="-c statement_timeout=2000",
                    application_name="pricebraid status",
                )
            row = self._connection.execute("select newest_trade_counted()").fetchone()
        except (psycopg.Error, StackError) as error:
            log.debug("the database does not tell what is counted: %s", error)
            if self._connection is not None:
                self._connection.close()
            return None
        return row[0] if row else None

    def _measure(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                self._growth.add(time.monotonic(), folder_size(self._state.root))
                self._days_left = self._growth.days_left(shutil.disk_usage(self._state.root).free)
            self._stopping.wait(_MEASURE_SECONDS)
