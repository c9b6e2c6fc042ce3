"""What `status` tells besides the parts: the venues, how fresh the candles are, how long the disk lasts."""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

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
_SELDOM_SECONDS = 15.0


class Facts(msgspec.Struct, frozen=True):
    """What was seen last. `market_now` is the newest event time of any venue, microseconds, UTC."""

    venues: dict[str, dict[str, Any]] = {}
    market_now: int | None = None
    freshness_seconds: float | None = None
    disk_days_left: float | None = None
    suspected_clashes: tuple[str, ...] = ()
    """Symbols that seem to be two coins: the venues' prices are a factor apart."""
    verified: dict[str, Any] | None = None
    """The row of the view of that name; None while there is none."""


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


def venues(healths: Sequence[dict[str, Any]], gaps_open: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the contract's view of the venues from what each ingest process says of itself, and the open gaps.

    Of two processes the one that is better off counts: what one of them has is not missing.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for health in healths:
        for name, venue in health.get("venues", {}).items():
            found.setdefault(name, []).append(venue)
    return {
        name: {
            "connected": any(view.get("connected") for view in views),
            "last_message_age_seconds": min(_numbers(views, "last_message_age_seconds"), default=None),
            "trades": max(_numbers(views, "trades"), default=0),
            "gaps_open": gaps_open.get(name, 0),
        }
        for name, views in found.items()
    }


def newest_event_time(healths: Sequence[dict[str, Any]]) -> int | None:
    """Return the newest match time that ingest has seen at any venue, microseconds, UTC."""
    views = [venue for health in healths for venue in health.get("venues", {}).values()]
    return max(_numbers(views, "newest_event_time"), default=None)


def _numbers(views: Sequence[dict[str, Any]], name: str) -> list[Any]:
    return [view[name] for view in views if view.get(name) is not None]


def freshness(seen: int | None, counted: datetime | None) -> float | None:
    """Return how many seconds the candles are behind the newest trade seen (µs); None where either is unknown."""
    if seen is None or counted is None:
        return None
    return round(max(0.0, seen / 1e6 - counted.timestamp()), 3)


def verified(connection: psycopg.Connection) -> dict[str, Any] | None:
    """Return what the view `verified` tells, by column; None before the first run of verify."""
    return connection.cursor(row_factory=dict_row).execute("select * from verified").fetchone()


class Watch:
    """Gathers the facts each second, in threads of its own, from `start` on."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._connection: psycopg.Connection | None = None
        self._seen: int | None = None
        self._growth = Growth()
        self._days_left: float | None = None
        self._clashes: tuple[str, ...] = ()
        self._verified: dict[str, Any] | None = None
        self._seldom_due = 0.0
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
            healths = list(self._healths())
            self._seen = newest_event_time(healths) or self._seen
            counted, gaps = self._asked()
            fresh = freshness(self._seen, counted)
            self.facts = Facts(venues(healths, gaps), self._seen, fresh, self._days_left, self._clashes, self._verified)
        if self._connection is not None:
            self._connection.close()

    def _healths(self) -> Iterator[dict[str, Any]]:
        ports = [self._settings.ports.ingest, self._settings.ports.ingest_2]
        for port in ports[: self._settings.ingest.processes]:
            with contextlib.suppress(NoAnswer):
                yield ask(f"http://{self._settings.hosts.ingest}:{port}/health") or {}

    def _asked(self) -> tuple[datetime | None, dict[str, int]]:
        """Return what the database tells: the newest trade counted, and each venue's number of open gaps."""
        if not self._database.is_set():
            return None, {}
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
            gaps = self._connection.execute("select venue, count(*) from gap where closed is null group by venue")
            if time.monotonic() >= self._seldom_due:
                self._seldom_due = time.monotonic() + _SELDOM_SECONDS
                self._look_for_clashes(self._connection)
                self._verified = verified(self._connection)
            return row[0] if row else None, dict(gaps.fetchall())
        except (psycopg.Error, StackError) as error:
            log.debug("the database does not tell what is counted: %s", error)
            if self._connection is not None:
                self._connection.close()
            return None, {}

    def _look_for_clashes(self, connection: psycopg.Connection) -> None:
        query = "select symbol from reconciliation_live where state = 'suspected_clash' order by symbol"
        found = tuple(symbol for (symbol,) in connection.execute(query))
        for symbol in sorted(set(found) - set(self._clashes)):
            log.warning("%s: the venues' prices are so far apart that these are two coins; it is left out", symbol)
        self._clashes = found

    def _measure(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                self._growth.add(time.monotonic(), folder_size(self._state.root))
                self._days_left = self._growth.days_left(shutil.disk_usage(self._state.root).free)
            self._stopping.wait(_MEASURE_SECONDS)
