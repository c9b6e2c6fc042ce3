"""What is done for one gap at each venue.

A try returns what settles the gap; or `Later`, where its time has not come; or None, where what was sent lets the
sequencer close it by itself, or the venue's database has not come so far yet. It may be made again at any time: what is
sent twice changes nothing. Times are microseconds since the epoch, UTC, the market's clock.
"""

import time

import msgspec

from ingest.repair.compare import unequal
from ingest.repair.database import Database
from ingest.repair.outbox import Outbox, venue_candles
from ingest.repair.plan import CANDLE_MISMATCH, MINUTE, SECOND, Ids, Span, before, history, lacking, touched, within
from ingest.repair.sources import BinanceSource, KucoinSource, Source
from ingest.venues.http import VenueError
from market.records import Gap, GapHow, Trade
from market.settings import Settings
from market.symbols import Instrument

# The market may run faster than our clock, so its time is looked at again soon.
_LOOK_SECONDS = 2.0
# How long our own candles may lag behind the venue before they are no longer waited for; the market's clock.
_LAG = 120 * SECOND
# A gap begins at the newest time that its connection had delivered; a trade of another symbol may have been on its way.
_ON_ITS_WAY = SECOND
# After so many tries by the cheaper way, trades that stay missing are fetched one by one, then given up for candles.
_ONE_BY_ONE = 2
_GIVEN_UP = 4


class Later(msgspec.Struct, frozen=True):
    """The time for a try has not come; to be looked at again after so many seconds of the local clock."""

    seconds: float


Outcome = GapHow | Later | None


class Repairer:
    """What is the same at every venue: mending by the venue's own candles."""

    def __init__(self, source: Source, outbox: Outbox, database: Database, settings: Settings) -> None:
        self._source = source
        self._outbox = outbox
        self._database = database
        self._settings = settings
        self._history_from = float("-inf")
        """From when on more history may be sent; seconds of the monotonic clock."""

    async def attempt(self, gap: Gap, item: Instrument, tries: int) -> Outcome:
        """Try to mend a gap whose `to_time` is known, after so many tries before.

        Raises:
            VenueError: the venue did not answer.
            VenueRefusal: it never will.
            psycopg.Error: the database is away.
        """
        if gap.kind == "start":
            return await self._start(gap, item)
        return await self._trades(gap, item, tries)

    async def _trades(self, gap: Gap, item: Instrument, tries: int) -> Outcome:
        raise NotImplementedError

    async def _start(self, gap: Gap, item: Instrument) -> Outcome:
        """Fetch the candles before a feed began, and that of its first minute, which it saw in part."""
        now = await self._source.now()
        span = _span(gap)
        if (later := self._unsettled(span, now)) is not None:
            return later
        days = history(span.start, self._settings.repair.backfill_hours)
        # All symbols begin at once: their days, sent at once, would hold up for minutes what happens now.
        clock = time.monotonic()
        if (wait := self._history_from - clock) > 0:
            return Later(wait)
        self._history_from = clock + (days.end - days.start) / MINUTE / self._settings.repair.history_per_second
        past = await self._source.candles(item, days)
        await self._outbox.candles(venue_candles(item, past.values()), now)
        first = await self._source.candles(item, span)
        await self._outbox.candles(venue_candles(item, first.values(), corrected_at=now), now)
        return "venue_candle"

    async def _candles(self, gap: Gap, item: Instrument, *, compare: bool) -> Outcome:
        """Put the venue's own candles in the place of ours; where that is asked for, only of those that differ."""
        now = await self._source.now()
        span = _span(gap)
        if (later := self._unsettled(span, now)) is not None:
            return later
        if compare and now < span.end + _LAG and (await self._database.newest() or 0) < span.end + SECOND:
            return Later(_LOOK_SECONDS)
        theirs = await self._source.candles(item, span)
        minutes: list[int] = []
        if compare:
            ours = await self._database.minutes(gap.venue, gap.symbol, span)
            minutes = unequal(span, theirs, ours)
            if not minutes:
                return "confirmed"
            theirs = {minute: theirs[minute] for minute in minutes if minute in theirs and not theirs[minute].idle}
        await self._outbox.candles(venue_candles(item, theirs.values(), corrected_at=now), now)
        # Where we have trades and the venue has none, or none yet, its candle can't be the better one.
        return None if compare and len(theirs) < len(minutes) else "venue_candle"

    def _unsettled(self, span: Span, now: int) -> Later | None:
        """Return how long to wait until the venue's candles of a span stand; None where they do."""
        left = (span.end - now) / SECOND + self._settings.repair.settle_seconds
        return Later(min(left, _LOOK_SECONDS)) if left > 0 else None


class BinanceRepairer(Repairer):
    """Binance has every trade by its id, so what was missed is filled to the last one."""

    def __init__(self, source: BinanceSource, outbox: Outbox, database: Database, settings: Settings) -> None:
        super().__init__(source, outbox, database, settings)
        self._by_id = source

    async def _trades(self, gap: Gap, item: Instrument, tries: int) -> Outcome:
        if gap.first_id is None:
            return await (self._candles(gap, item, compare=True) if _of_candle(gap) else self._between(gap, item))
        if gap.last_id is None:
            return await self._suspected(gap, item, gap.first_id, tries)
        wanted = Ids(gap.first_id, gap.last_id)
        old = gap.from_time < self._outbox.cutoff(await self._source.now())
        if old or len(wanted) > self._settings.repair.trades_limit or tries >= _GIVEN_UP:
            return await self._candles(gap, item, compare=False)
        if self._settings.binance.trade_channel == "trade" or tries >= _ONE_BY_ONE:
            try:
                return await self._one_by_one(item, wanted)
            except VenueError as error:
                if error.trouble != "lacking":
                    raise
        return await self._aggregates(gap, item, wanted)

    async def _aggregates(self, gap: Gap, item: Instrument, wanted: Ids) -> Outcome:
        """Send the aggregates that consist of wanted trades only; of others the trades one by one."""
        page = await self._page(gap, item, wanted.first)
        found: list[Trade] = []
        torn = False
        while page:
            whole = within(page, wanted)
            await self._outbox.trades(whole)
            found += whole
            torn = torn or any(_torn(trade, wanted) for trade in page)
            if page[-1].last_id >= wanted.last:
                break
            page = await self._by_id.aggregates_from(item, int(page[-1].source_id) + 1)
        if not page:
            # The venue's database lags behind its stream.
            return None
        missing = lacking(found, wanted)
        if not torn:
            return "not_at_venue" if missing else None
        try:
            outcomes = [await self._one_by_one(item, ids) for ids in missing]
        except VenueError as error:
            if error.trouble != "lacking":
                raise
            return await self._candles(gap, item, compare=False)
        return next((outcome for outcome in outcomes if outcome is not None), None)

    async def _page(self, gap: Gap, item: Instrument, first_id: int) -> list[Trade]:
        """Return aggregates that begin no later than with a trade, where the venue has it."""
        page = await self._by_id.aggregates_since(item, gap.from_time - _ON_ITS_WAY)
        # Aggregates have ids of their own; only their times and the trades in them tell where to begin.
        if page and page[0].first_id > first_id:
            page = await self._by_id.aggregates_from(item, before(page, first_id))
        return page

    async def _one_by_one(self, item: Instrument, wanted: Ids) -> Outcome:
        found: list[Trade] = []
        at = wanted.first
        while page := await self._by_id.trades_from(item, at):
            inside = within(page, wanted)
            await self._outbox.trades(inside)
            found += inside
            at = page[-1].last_id + 1
            if at > wanted.last:
                return "not_at_venue" if lacking(found, wanted) else None
        return None

    async def _suspected(self, gap: Gap, item: Instrument, first_id: int, tries: int) -> Outcome:
        """Send what traded from an id on while the feed was down; nothing, in most cases that come here.

        The sequencer closes such a gap by the next trade that it sees, so it is for symbols that trade rarely.
        """
        assert gap.to_time is not None
        page = await self._page(gap, item, first_id)
        missed = [trade for trade in page if trade.last_id >= first_id and trade.event_time <= gap.to_time]
        if not missed:
            return "nothing_missed"
        if missed[0].event_time < self._outbox.cutoff(await self._source.now()):
            return await self._candles(gap, item, compare=False)
        if missed[0].first_id < first_id:
            return await self._one_by_one(item, Ids(first_id, missed[-1].last_id))
        await self._outbox.trades(missed)
        # The sequencer has had these once already, and was waiting for nothing else.
        return "repair" if tries else None

    async def _between(self, gap: Gap, item: Instrument) -> Outcome:
        """Send what traded in the gap of a symbol of which no trade was ever seen, so that no id tells anything."""
        assert gap.to_time is not None
        page = await self._by_id.aggregates_since(item, gap.from_time)
        missed = [trade for trade in page if trade.event_time <= gap.to_time]
        await self._outbox.trades(missed)
        return "repair" if missed else "nothing_missed"


class KucoinRepairer(Repairer):
    """KuCoin has the last 100 trades: where they reach back far enough they fill the gap, else its candles do."""

    def __init__(self, source: KucoinSource, outbox: Outbox, database: Database, settings: Settings) -> None:
        super().__init__(source, outbox, database, settings)
        self._last = source
        # Trades only ever get further out of reach, so there is no need to ask again while a minute is waited for.
        self._out_of_reach: set[str] = set()

    async def _trades(self, gap: Gap, item: Instrument, tries: int) -> Outcome:  # noqa: ARG002
        assert gap.to_time is not None
        # A candle that was found to differ is not mended by trades, which were taken to be whole before.
        if not _of_candle(gap) and gap.gap_id not in self._out_of_reach:
            span = _span(gap)
            # Not beyond the minutes that it touches: a minute that we have not followed must stay the venue's.
            start, end = max(gap.from_time - _ON_ITS_WAY, span.start), min(gap.to_time + _ON_ITS_WAY, span.end)
            trades = await self._last.trades(item)
            if trades and trades[0].event_time < start:
                missed = [trade for trade in trades if start <= trade.event_time < end]
                if not missed or missed[0].event_time >= self._outbox.cutoff(await self._source.now()):
                    await self._outbox.trades(missed)
                    return "repair"
            self._out_of_reach.add(gap.gap_id)
        outcome = await self._candles(gap, item, compare=True)
        if not isinstance(outcome, Later):
            self._out_of_reach.discard(gap.gap_id)
        return outcome


def _span(gap: Gap) -> Span:
    assert gap.to_time is not None
    return touched(gap.from_time, gap.to_time)


def _of_candle(gap: Gap) -> bool:
    """Return whether it is a candle that was found to differ; nothing says then which trades are missing."""
    return gap.reason == CANDLE_MISMATCH


def _torn(trade: Trade, wanted: Ids) -> bool:
    """Return whether some ids of a trade are wanted and some are not."""
    overlaps = trade.first_id <= wanted.last and trade.last_id >= wanted.first
    return overlaps and not (wanted.first <= trade.first_id and trade.last_id <= wanted.last)
