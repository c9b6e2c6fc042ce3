"""What repair reads from Postgres and writes to it. Times are microseconds since the epoch, UTC.

Every method raises `psycopg.Error` while the database is away; the next call connects anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from ingest.repair.compare import Ours
from ingest.repair.plan import Span
from market.records import Venue, VenueCandle
from market.settings import Settings

T = TypeVar("T")

_ROLE = "pricebraid_writer"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECT_SECONDS = 5


def moment(time: int) -> datetime:
    """Return a time as Postgres takes it."""
    return _EPOCH + timedelta(microseconds=time)


def micros(time: datetime) -> int:
    """Return a time of Postgres as microseconds since the epoch."""
    return (time - _EPOCH) // timedelta(microseconds=1)


class Database:
    """One connection, used by one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._address = make_conninfo(
            host=settings.postgres.host,
            port=settings.ports.postgres,
            dbname=settings.postgres.database,
            user=_ROLE,
            password=settings.postgres.writer_password,
            connect_timeout=_CONNECT_SECONDS,
            application_name="pricebraid-repair",
        )
        self._connection: psycopg.AsyncConnection | None = None
        self._lock = asyncio.Lock()

    async def newest(self) -> int | None:
        """Return the match time of the newest trade that a candle counts; None where there is none."""

        async def read(connection: psycopg.AsyncConnection) -> int | None:
            row = await (await connection.execute("select newest_trade_counted()")).fetchone()
            return None if row is None or row[0] is None else micros(row[0])

        return await self._do(read)

    async def minutes(self, venue: Venue, symbol: str, span: Span) -> dict[int, Ours]:
        """Return our minutes of a span by their starts."""

        async def read(connection: psycopg.AsyncConnection) -> dict[int, Ours]:
            cursor = await connection.execute(
                "select start_time, open, high, low, close, base_volume, quote_volume, taker_buy_base_volume,"
                " trade_count, complete from candle_1m"
                " where venue = %s and symbol = %s and start_time >= %s and start_time < %s",
                [venue, symbol, moment(span.start), moment(span.end)],
            )
            return {micros(start): Ours(*rest) async for start, *rest in cursor}

        return await self._do(read)

    async def progress(self, venue: Venue, task: str) -> dict[str, int]:
        """Return how far a task has come, by symbol."""

        async def read(connection: psycopg.AsyncConnection) -> dict[str, int]:
            cursor = await connection.execute(
                "select symbol, up_to from repair_progress where venue = %s and task = %s", [venue, task]
            )
            return {symbol: micros(up_to) async for symbol, up_to in cursor}

        return await self._do(read)

    async def save(self, venue: Venue, task: str, up_to: Mapping[str, int]) -> None:
        """Keep how far a task has come, by symbol."""

        async def write(connection: psycopg.AsyncConnection) -> None:
            await connection.cursor().executemany(
                "insert into repair_progress (venue, symbol, task, up_to) values (%s, %s, %s, %s)"
                " on conflict (venue, symbol, task) do update set up_to = excluded.up_to",
                [(venue, symbol, task, moment(time)) for symbol, time in up_to.items()],
            )

        await self._do(write)

    async def forget(self, venue: Venue, symbol: str, task: str) -> None:
        """Drop how far a task has come."""

        async def write(connection: psycopg.AsyncConnection) -> None:
            await connection.execute(
                "delete from repair_progress where venue = %s and symbol = %s and task = %s", [venue, symbol, task]
            )

        await self._do(write)

    async def store(self, candles: Sequence[VenueCandle]) -> None:
        """Write candles of one venue and symbol, in order, and make anew what is made of them."""

        async def write(connection: psycopg.AsyncConnection) -> None:
            first, last = candles[0], candles[-1]
            span = [moment(first.start_time), moment(last.start_time + 60_000_000)]
            await connection.execute("select store_venue_candles(%s::jsonb)", [msgspec.json.encode(candles).decode()])
            await connection.execute("select recompute_candles(%s, %s, %s, %s)", [first.venue, first.symbol, *span])
            await connection.execute("select recompute_reconciliation(%s, %s, %s)", [first.symbol, *span])

        if candles:
            await self._do(write)

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            await self._drop()

    async def _do(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
        """Return what `work` gives, in one transaction."""
        async with self._lock:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(self._address)
                async with self._connection.transaction():
                    return await work(self._connection)
            except BaseException:
                # Whatever state it was left in, as by a cancellation in the midst of an answer.
                await self._drop()
                raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
