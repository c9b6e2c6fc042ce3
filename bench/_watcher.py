"""Watches `candle` as a reader does, until the trades that were sampled are counted in it. No clock of its own."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from bench._sampler import Sampled
from market.intervals import INTERVALS

FINE = ("1s", "1m")
"""The intervals whose rows are made of the trades themselves; those of the others are made of the minutes."""

# The interval stands in the statement, so that one partition is read.
_QUERY = sql.SQL("""
    select candle.venue, candle.symbol, candle.start_time, candle.last_id
    from unnest(%s::text[], %s::text[], %s::timestamptz[]) as wanted (venue, symbol, start_time)
    inner join candle on
        candle.venue = wanted.venue and candle.symbol = wanted.symbol
        and candle."interval" = {} and candle.start_time = wanted.start_time
    -- Where the venue's own candles alone are in it yet, it may count no ids.
    where candle.last_id is not null
    """)


class Key(NamedTuple):
    """A candle of one interval; `start_time` in UTC."""

    venue: str
    symbol: str
    start_time: datetime


class Outcome(NamedTuple):
    """A sampled trade, the interval of the row, and when it was seen counted (microseconds), None where never."""

    sample: Sampled
    interval: str
    seen: int | None

    def seconds(self, patience: int) -> float:
        """Return the seconds from the trade's time; what was never seen counts as `patience` microseconds."""
        return (patience if self.seen is None else self.seen - self.sample.event_time) / 1_000_000


def key_of(sample: Sampled, interval: str) -> Key:
    """Return the candle that must count the trade: buckets are half-open and aligned to UTC."""
    length = INTERVALS[interval]
    start = sample.event_time // length * length
    return Key(sample.venue, sample.symbol, datetime.fromtimestamp(start / 1_000_000, UTC))


class Watcher:
    """The trades of one interval that were not seen yet."""

    def __init__(self, interval: str, patience: int) -> None:
        self._interval = interval
        self._patience = patience
        self._pending: dict[Key, list[Sampled]] = {}
        self.outcomes: list[Outcome] = []

    @property
    def pending(self) -> int:
        """How many trades are waited for."""
        return sum(map(len, self._pending.values()))

    def add(self, samples: Iterable[Sampled]) -> None:
        """Wait for these, too."""
        for sample in samples:
            self._pending.setdefault(key_of(sample, self._interval), []).append(sample)

    def ask(self, connection: psycopg.Connection) -> list[tuple[str, str, datetime, int]]:
        """Read the rows of all candles that are waited for, by their keys."""
        if not self._pending:
            return []
        venues, symbols, starts = zip(*self._pending, strict=True)
        query = _QUERY.format(sql.Literal(self._interval))
        rows = connection.execute(query, (list(venues), list(symbols), list(starts)), prepare=True)
        return rows.fetchall()

    def take(self, rows: list[tuple[str, str, datetime, int]], now: int) -> None:
        """Note what the rows, read by `now` (microseconds), count; give up what was waited for too long."""
        for venue, symbol, start, last_id in rows:
            key = Key(venue, symbol, start.astimezone(UTC))
            waiting = self._pending.get(key, [])
            left = []
            for sample in waiting:
                if sample.last_id <= last_id:
                    self.outcomes.append(Outcome(sample, self._interval, now))
                else:
                    left.append(sample)
            self._put(key, left)
        for key, waiting in list(self._pending.items()):
            left = []
            for sample in waiting:
                if now - sample.event_time >= self._patience:
                    self.outcomes.append(Outcome(sample, self._interval, None))
                else:
                    left.append(sample)
            if len(left) < len(waiting):
                self._put(key, left)

    def _put(self, key: Key, samples: list[Sampled]) -> None:
        if samples:
            self._pending[key] = samples
        else:
            self._pending.pop(key, None)
