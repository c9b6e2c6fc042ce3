"""One range of one symbol's candles, fetched when a person asks for it: goes on where it was cut.

Trades win wherever they are complete: what is fetched here only fills minutes that have none. Minutes that the jobs
still correct go to them, older ones straight into the database. Times are microseconds since the epoch, UTC.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import psycopg

from ingest.publisher import Publisher, producer_config
from ingest.repair.database import Database, moment
from ingest.repair.outbox import Outbox, venue_candles
from ingest.repair.plan import SECOND, Span, ceiling, floor
from ingest.repair.sources import BinanceSource, KucoinSource, Source
from ingest.repair.stats import Stats
from ingest.selection import choose
from ingest.venues.http import VenueError, VenueRefusal
from market.records import Venue
from market.settings import Settings

_DELIVERY_SECONDS = 30.0

Progress = Callable[[Venue, int, int], None]
"""Hears of each venue how many minutes are done, and of how many."""


class BackfillError(Exception):
    """It cannot go on; the text says why, and what to do."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for: the minutes of [start, end); all until now where there is no end."""

    symbol: str
    venues: tuple[Venue, ...]
    start: int
    end: int | None

    @property
    def task(self) -> str:
        """The name under which it is kept how far this range has come."""
        return f"backfill {_text(self.start)} {'now' if self.end is None else _text(self.end)}"


def parse_time(text: str) -> int:
    """Return a time that a person wrote, as `2026-01-31` or `2026-01-31T12:00`: UTC, unless it names a zone.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * SECOND


async def backfill(settings: Settings, wanted: Wanted, progress: Progress) -> dict[Venue, int]:
    """Fetch what is wanted; return of each venue how many candles were stored, idle minutes not counted.

    Raises:
        BackfillError: it can't be had, or not now. What was stored remains, and the next call goes on from there.
    """
    stats = Stats(dict)
    sources: dict[Venue, Source] = {"binance": BinanceSource(settings, stats), "kucoin": KucoinSource(settings, stats)}
    database = Database(settings)
    publisher = Publisher(
        producer_config(settings) | {"client.id": "pricebraid-backfill"}, settings.ingest.queue_records
    )
    outbox = Outbox(publisher, database, stats, settings.flink.horizon_hours)
    try:
        for venue in wanted.venues:
            settle_seconds = settings.repair.settle_seconds
            await _fetch(sources[venue], outbox, database, wanted, settle_seconds=settle_seconds, progress=progress)
    except (VenueError, VenueRefusal) as error:
        raise BackfillError(f"The venue gives no answer that is of use: {error}.") from error
    except psycopg.Error as error:
        raise BackfillError(f"The database is of no use: {str(error).strip()}.") from error
    except TimeoutError as error:
        raise BackfillError(f"Kafka did not take the candles within {_DELIVERY_SECONDS:g} s.") from error
    finally:
        for source in sources.values():
            await source.close()
        await database.close()
        await publisher.close(0 if publisher.fatal.done() else 1)
    return {venue: stats.candles[venue] for venue in wanted.venues}


async def _fetch(
    source: Source, outbox: Outbox, database: Database, wanted: Wanted, *, settle_seconds: float, progress: Progress
) -> None:
    venue, symbol = source.venue, wanted.symbol
    found = choose([symbol], await source.instruments()).followed
    if not found:
        raise BackfillError(f"{venue} does not list {symbol}.")
    now = await source.now()
    settled = floor(now - int(settle_seconds * SECOND))
    whole = Span(ceiling(wanted.start), min(settled, settled if wanted.end is None else floor(wanted.end)))
    if whole.start >= whole.end:
        raise BackfillError(f"There is no whole minute between the times, until now ({_text(now)}).")
    done = (await database.progress(venue, wanted.task)).get(symbol, whole.start)
    total = len(whole.minutes())
    for page in Span(max(whole.start, done), whole.end).pages(source.page):
        progress(venue, (page.start - whole.start) // (60 * SECOND), total)
        candles = await source.candles(found[0], page)
        await outbox.candles(venue_candles(found[0], candles.values()), now)
        async with asyncio.timeout(_DELIVERY_SECONDS):
            await outbox.delivered()
        await database.save(venue, wanted.task, {symbol: page.end})
    progress(venue, total, total)
    # Whoever asks for the range again wants it again.
    await database.forget(venue, symbol, wanted.task)


def _text(time: int) -> str:
    return moment(time).strftime("%Y-%m-%dT%H:%MZ")
