"""Settled minutes against the venue's own candles: all of KuCoin's, whose ids prove nothing, and some of Binance's.

A minute that is not the same is told to the sequencer as suspected, and then repaired like any other gap. How far it
has come stands in the database. Times are microseconds since the epoch, UTC, the market's clock.
"""

import logging
import random
from collections.abc import Callable, Sequence

from ingest.repair.compare import unequal
from ingest.repair.database import Database
from ingest.repair.outbox import Outbox
from ingest.repair.plan import CANDLE_MISMATCH, HOUR, MINUTE, SECOND, Span, floor, runs
from ingest.repair.sources import Source
from ingest.repair.stats import Stats
from market.settings import Settings
from market.symbols import Instrument

log = logging.getLogger(__name__)

_ALL = ""
"""What stands for all symbols in the progress of a task."""


def sample(
    followed: Sequence[Instrument], hour: Span, count: int, random: random.Random
) -> list[tuple[Instrument, list[int]]]:
    """Return minutes of an hour, drawn over all symbols, by symbol and in order: `count`, or all there are."""
    minutes = hour.minutes()
    drawn = random.sample(range(len(followed) * len(minutes)), min(count, len(followed) * len(minutes)))
    by_symbol: dict[int, list[int]] = {}
    for number in sorted(drawn):
        by_symbol.setdefault(number // len(minutes), []).append(minutes[number % len(minutes)])
    return [(followed[index], chosen) for index, chosen in by_symbol.items()]


class Checks:
    """The comparisons of one venue. Every method raises `VenueError`, `VenueRefusal` and `psycopg.Error`.

    `touched` tells whether an open gap touches a symbol's minute.
    """

    def __init__(
        self,
        source: Source,
        outbox: Outbox,
        database: Database,
        stats: Stats,
        settings: Settings,
        *,
        touched: Callable[[str, int], bool],
    ) -> None:
        self._source = source
        self._outbox = outbox
        self._database = database
        self._stats = stats
        self._settings = settings.repair
        self._touched = touched
        # Which minutes are drawn is nobody's secret.
        self._random = random.Random()  # noqa: S311

    async def all_minutes(self, followed: Sequence[Instrument]) -> None:
        """Compare what has become due of all minutes of the followed symbols: soon after the minute, and an hour on."""
        settled = await self._settled()
        if settled is None:
            return
        await self._due("check", settled - int(self._settings.check_seconds * SECOND), followed)
        await self._due("recheck", settled - HOUR, followed)

    async def some_minutes(self, followed: Sequence[Instrument]) -> None:
        """Compare a sample of the last hour that is over, once an hour."""
        settled = await self._settled()
        if settled is None or not followed:
            return
        venue = self._source.venue
        # An hour on, all that can be repaired has been.
        end = floor(settled - HOUR, HOUR)
        done = (await self._database.progress(venue, "sample")).get(_ALL)
        if done is not None and end > done:
            hour = Span(max(done, end - HOUR), end)
            for item, minutes in sample(followed, hour, self._settings.sample, self._random):
                await self._compare("sample", item, Span(minutes[0], minutes[-1] + MINUTE), minutes)
            await self._outbox.delivered()
        if done is None or end > done:
            await self._database.save(venue, "sample", {_ALL: end if done is not None else floor(settled, HOUR) + HOUR})

    async def _settled(self) -> int | None:
        """Return the time up to which our candles can be looked at: the venue's, unless ours lag behind."""
        newest = await self._database.newest()
        return None if newest is None else min(await self._source.now(), newest)

    async def _due(self, task: str, until: int, followed: Sequence[Instrument]) -> None:
        venue = self._source.venue
        done = await self._database.progress(venue, task)
        now = await self._source.now()
        # A symbol is checked from the first whole minute on in which it is followed.
        fresh = {item.symbol: floor(now) + MINUTE for item in followed if item.symbol not in done}
        if fresh:
            await self._database.save(venue, task, fresh)
        end = floor(until)
        for item in followed:
            start = done.get(item.symbol, end)
            span = Span(start, min(end, start + self._source.page * MINUTE))
            if span.start < span.end:
                await self._compare(task, item, span, list(span.minutes()))
                await self._outbox.delivered()
                await self._database.save(venue, task, {item.symbol: span.end})

    async def _compare(self, task: str, item: Instrument, span: Span, minutes: list[int]) -> None:
        """Compare minutes of a span, and tell of those that differ and that no open gap touches already."""
        theirs = await self._source.candles(item, span, background=True)
        ours = await self._database.minutes(item.venue, item.symbol, span)
        chosen = set(minutes)
        differing = [
            minute
            for minute in unequal(span, theirs, ours)
            if minute in chosen
            and not self._touched(item.symbol, minute)
            # A gap that has just closed may still be on its way to the database.
            and (minute not in ours or ours[minute].complete is not False)
        ]
        self._stats.checks[item.venue, task] += len(minutes)
        self._stats.mismatches[item.venue, task] += len(differing)
        for run in runs(differing):
            log.warning(
                "%s %s: %d minutes are not the venue's", item.venue, item.symbol, len(run.minutes()),
                extra={"task": task, "from": run.start // SECOND},
            )  # fmt: skip
            await self._outbox.suspect(item.venue, item.symbol, run, CANDLE_MISMATCH)
