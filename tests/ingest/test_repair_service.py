"""`python -m ingest.repair` as it is started, with the simulated market's REST, a broker, and a database of its own."""

import asyncio
import time
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from ingest.repair.database import moment
from ingest.venues.binance.rest import BinanceRest
from ingest.venues.candles import MinuteCandle
from ingest.venues.kucoin.rest import KucoinRest
from market.records import Trade, Venue
from market.symbols import Instrument
from market.topics import FEED_MARKS, TRADES_IN, VENUE_CANDLES
from tests.ingest.kafka import eventually
from tests.ingest.postgres import Postgres
from tests.ingest.repairing import MINUTE, START, Bench, bench, gap

pytestmark = pytest.mark.stack

SYMBOL = "BTC-USDT"
QUIET = "ETH-USDT"


class Asked:
    """What the market itself says, by the clients that are tested elsewhere."""

    def __init__(self, bench: Bench) -> None:
        self.binance = BinanceRest(bench.server.rest_url)
        self.kucoin = KucoinRest(bench.server.rest_url)

    async def instrument(self, venue: Venue, symbol: str = SYMBOL) -> Instrument:
        found = await (self.binance if venue == "binance" else self.kucoin).instruments()
        return next(item for item in found if item.symbol == symbol)

    async def aggregates(self, start: int = START, symbol: str = SYMBOL) -> list[Trade]:
        return await self.binance.aggregates_since(await self.instrument("binance", symbol), start)

    async def last_trades(self, symbol: str = SYMBOL) -> list[Trade]:
        return await self.kucoin.trades(await self.instrument("kucoin", symbol))

    async def candles(self, venue: Venue, start: int, minutes: int, symbol: str = SYMBOL) -> list[MinuteCandle]:
        rest = self.binance if venue == "binance" else self.kucoin
        code = (await self.instrument(venue, symbol)).code
        return await rest.candles(code, start, start + minutes * MINUTE)

    async def close(self) -> None:
        await self.binance.close()
        await self.kucoin.close()


def keep(database: Postgres, venue: Venue, candles: list[MinuteCandle], symbol: str = SYMBOL, **changes: Any) -> None:
    """Write candles into the database as the jobs write them."""
    with database.connect() as connection:
        for item in candles:
            if item.idle:
                continue
            row = {
                "venue": venue, "symbol": symbol, "start_time": moment(item.start_time), "open": item.open,
                "high": item.high, "low": item.low, "close": item.close, "base_volume": item.base_volume,
                "quote_volume": item.quote_volume, "trade_count": item.trade_count, "origin": "trades",
                "complete": True, "known_time": moment(item.start_time + MINUTE - 1), "generation": 1, "version": 1,
                "last_trade_time": moment(item.start_time + MINUTE - 1),
            } | changes  # fmt: skip
            connection.execute(
                f"insert into candle_1m ({', '.join(row)}) values ({', '.join(f'%({name})s' for name in row)})", row
            )


def counted_until(database: Postgres, time: int) -> None:
    """Let the newest trade that any candle counts be of this time."""
    with database.connect() as connection:
        connection.execute(
            "insert into candle_1s (venue, symbol, start_time, open, high, low, close, base_volume, quote_volume,"
            " origin, complete, known_time, generation, version, last_trade_time)"
            " values ('binance', 'BTC-USDT', %s, 1, 1, 1, 1, 1, 1, 'trades', true, %s, 1, 1, %s)"
            " on conflict (venue, symbol, start_time) do update set last_trade_time = excluded.last_trade_time",
            [moment(time - time % 1_000_000), moment(time), moment(time)],
        )


def ids(trades: list[dict[str, Any]]) -> list[int]:
    return sorted(number for item in trades for number in range(item["first_id"], item["last_id"] + 1))


def values(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("start_time", *PRICED))


PRICED = ("open", "high", "low", "close", "base_volume", "quote_volume")


def of(candle: MinuteCandle) -> tuple[Any, ...]:
    return values(msgspec.structs.asdict(candle))


# --- Binance: by ids


async def test_missing_ids_are_fetched_to_the_last_one_and_nothing_else_is() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates()
        hole = page[10:700]
        wanted = (hole[0].first_id, hole[-1].last_id)
        made.tell(gap(SYMBOL, page[9].event_time, page[700].event_time, ids=wanted))
        await made.start()
        trades = await made.records(TRADES_IN, len(hole))
        await asked.close()
    assert {item["origin"] for item in trades} == {"repair"}
    assert [item["first_id"] for item in trades] == [item.first_id for item in hole]
    assert [item["quote"] for item in trades] == [item.quote for item in hole]


async def test_ids_of_torn_aggregates_come_as_single_trades() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates()
        torn = [number for number, item in enumerate(page) if item.last_id - item.first_id >= 2]
        first, last = page[torn[0]], page[torn[5]]
        wanted = (first.first_id + 1, last.last_id - 1)
        made.tell(gap(SYMBOL, first.event_time, last.event_time, ids=wanted))
        await made.start()
        enough = torn[5] - torn[0] - 1 + (first.last_id - first.first_id) + (last.last_id - last.first_id)
        trades = await made.records(TRADES_IN, enough)
        await asked.close()
    assert ids(trades) == list(range(wanted[0], wanted[1] + 1))


async def test_single_trades_are_fetched_where_they_are_what_is_streamed() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates()
        wanted = (page[3].first_id, page[40].last_id)
        made.tell(gap(SYMBOL, page[2].event_time, page[41].event_time, ids=wanted))
        await made.start(PRICEBRAID_BINANCE__TRADE_CHANNEL="trade")
        trades = await made.records(TRADES_IN, wanted[1] - wanted[0] + 1)
        await asked.close()
    assert [item["first_id"] for item in trades] == list(range(wanted[0], wanted[1] + 1))


async def test_a_large_gap_is_mended_by_candles_once_its_minutes_are_over() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates(START + 58 * MINUTE)
        end = made.clock.micros - 1
        made.tell(gap(SYMBOL, page[0].event_time, end, ids=(page[0].first_id, page[0].first_id + 500)))
        made.clock.micros -= 30_000_000
        await made.start(PRICEBRAID_REPAIR__TRADES_LIMIT="500")
        assert await made.count(FEED_MARKS) == 0
        made.clock.micros += 30_000_000 + 5_000_000
        how = await made.settled(1)
        candles = await made.records(VENUE_CANDLES, 2)
        told = await asked.candles("binance", START + 58 * MINUTE, 2)
        await asked.close()
    assert list(how.values()) == ["venue_candle"]
    assert [values(item) for item in candles] == [of(item) for item in told]
    assert all(item["supersedes"] and item["known_time"] == made.clock.micros for item in candles)
    assert [item["trade_count"] for item in candles] == [item.trade_count for item in told]


async def test_nothing_missed_is_found_where_nothing_traded_while_the_feed_was_down() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates(symbol=QUIET)
        one, other = next((a, b) for a, b in pairwise(page) if b.event_time - a.event_time > 100_000)
        down = gap(QUIET, one.event_time, other.event_time - 1, kind="suspected", ids=(one.last_id + 1, None))
        made.tell(down)
        await made.start()
        how = await made.settled(1)
        trades = await made.count(TRADES_IN)
        await asked.close()
    assert how == {down.gap_id: "nothing_missed"}
    assert trades == 0


async def test_what_traded_while_the_feed_was_down_is_sent() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates(symbol=QUIET)
        down = gap(QUIET, page[4].event_time, page[9].event_time, kind="suspected", ids=(page[5].first_id, None))
        made.tell(down)
        await made.start()
        trades = await made.records(TRADES_IN, 5)
        await asked.close()
    assert [item["first_id"] for item in trades][:5] == [item.first_id for item in page[5:10]]


# --- KuCoin: by the last trades, else by candles


async def test_the_last_trades_fill_a_short_gap() -> None:
    async with bench() as made:
        asked = Asked(made)
        last = await asked.last_trades()
        start, end = last[60].event_time, last[90].event_time
        down = gap(SYMBOL, start, end, venue="kucoin", kind="suspected")
        made.tell(down)
        await made.start()
        how = await made.settled(1)
        trades = await made.records(TRADES_IN, 31)
        await asked.close()
    assert how == {down.gap_id: "repair"}
    sent = {item["source_id"] for item in trades}
    assert {item.source_id for item in last if start <= item.event_time <= end} <= sent
    assert sent <= {item.source_id for item in last}


async def test_of_a_longer_gap_only_the_minutes_that_differ_become_the_venues(database: Postgres) -> None:
    async with bench(**database.environment()) as made:
        asked = Asked(made)
        told = await asked.candles("kucoin", START, 5)
        wrong = msgspec.structs.replace(told[2], base_volume="0.5")
        # The fourth minute is wrong, too: it is not there at all.
        keep(database, "kucoin", [told[0], told[1], wrong, told[4]])
        counted_until(database, made.clock.micros)
        down = gap(SYMBOL, START + 5, START + 4 * MINUTE + 5, venue="kucoin", kind="suspected")
        made.tell(down)
        await made.start()
        how = await made.settled(1)
        candles = await made.records(VENUE_CANDLES, 2)
        await asked.close()
    assert how == {down.gap_id: "venue_candle"}
    assert [values(item) for item in candles] == [of(told[2]), of(told[3])]


async def test_a_gap_in_which_nothing_was_missed_is_confirmed(database: Postgres) -> None:
    async with bench(**database.environment()) as made:
        asked = Asked(made)
        keep(database, "kucoin", await asked.candles("kucoin", START, 2))
        counted_until(database, made.clock.micros)
        down = gap(SYMBOL, START + 5, START + MINUTE + 5, venue="kucoin", kind="suspected")
        made.tell(down)
        await made.start()
        how = await made.settled(1)
        candles = await made.count(VENUE_CANDLES)
        await asked.close()
    assert how == {down.gap_id: "confirmed"}
    assert candles == 0


async def test_our_own_candles_are_waited_for_before_they_are_compared(database: Postgres) -> None:
    async with bench(**database.environment()) as made:
        asked = Asked(made)
        made.clock.micros = START + 10 * MINUTE
        told = await asked.candles("kucoin", START + 8 * MINUTE, 1)
        counted_until(database, START + 8 * MINUTE)
        down = gap(SYMBOL, START + 8 * MINUTE + 5, START + 8 * MINUTE + 9, venue="kucoin", kind="suspected")
        made.tell(down)
        await made.start()
        await eventually(lambda: True)
        keep(database, "kucoin", told)
        counted_until(database, made.clock.micros)
        how = await made.settled(1)
        await asked.close()
    assert how == {down.gap_id: "confirmed"}


# --- The start of a feed


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_a_feed_that_begins_gets_the_days_before_and_its_first_minute(venue: Venue) -> None:
    async with bench() as made:
        asked = Asked(made)
        first = made.clock.micros
        begun = gap(SYMBOL, first, first + 7_000_000, venue=venue, kind="start")
        made.tell(begun)
        made.clock.micros += MINUTE + 6_000_000
        await made.start(PRICEBRAID_REPAIR__BACKFILL_HOURS="2")
        how = await made.settled(1)
        minutes = first % (24 * 60 * MINUTE) // MINUTE
        candles = await made.records(VENUE_CANDLES, minutes + 1)
        told = await asked.candles(venue, first, 1)
        await asked.close()
    assert how == {begun.gap_id: "venue_candle"}
    *past, last = candles
    assert [item["start_time"] for item in past] == [first - (minutes - n) * MINUTE for n in range(minutes)]
    assert not any(item["supersedes"] for item in past)
    assert all(item["known_time"] == item["start_time"] + MINUTE - 1 for item in past)
    assert last["supersedes"]
    assert values(last) == of(told[0])


@pytest.mark.parametrize(("pace", "served"), [("1", 1), ("1000", 2)])
async def test_the_days_of_one_symbol_wait_until_those_of_another_are_paid_for(pace: str, served: int) -> None:
    async with bench() as made:
        first = made.clock.micros
        for symbol in (SYMBOL, "ETH-USDT"):
            made.tell(gap(symbol, first, first + 7_000_000, kind="start"))
        made.clock.micros += MINUTE + 6_000_000
        await made.start(PRICEBRAID_REPAIR__BACKFILL_HOURS="2", PRICEBRAID_REPAIR__HISTORY_PER_SECOND=pace)
        await made.settled(served)
        minutes = first % (24 * 60 * MINUTE) // MINUTE
        candles = await made.records(VENUE_CANDLES, served * (minutes + 1))
    assert len({item["symbol"] for item in candles}) == served


# --- Whatever happens meanwhile


async def test_what_was_not_done_when_it_was_killed_is_done_after_it_starts_again() -> None:
    async with bench() as made:
        asked = Asked(made)
        page = await asked.aggregates()
        holes = [page[number : number + 20] for number in range(10, 810, 40)]
        gaps = [
            gap(SYMBOL, page[10].event_time - 1, page[999].event_time, ids=(hole[0].first_id, hole[-1].last_id))
            for hole in holes
        ]
        made.tell(*gaps)
        await made.start()
        await made.records(TRADES_IN, 1)
        await made.kill()
        closed = [msgspec.structs.replace(item, closed=1, how="repair", version=2) for item in gaps[:5]]
        made.tell(*closed)
        await made.start()
        await eventually(lambda: sum("ledger of gaps is read" in line for line in made.log) == 2)
        trades: list[dict[str, Any]] = []
        wanted = {item.first_id for hole in holes[5:] for item in hole}
        deadline = time.monotonic() + 30
        while not wanted <= {item["first_id"] for item in trades}:
            assert time.monotonic() < deadline
            trades = await made.records(TRADES_IN, max(len(wanted), 1 + len(trades)))
        health = await made.health()
        assert await made.stop() == 0
        await asked.close()
    assert health["ready"]
    assert health["queue"] == len(gaps) - len(closed)


async def test_a_database_that_is_away_is_waited_for(whole: Postgres, database: Postgres) -> None:
    async with bench(**database.environment()) as made:
        asked = Asked(made)
        keep(database, "kucoin", await asked.candles("kucoin", START, 1))
        counted_until(database, made.clock.micros)
        await made.start()
        down = gap(SYMBOL, START + 5, START + 9, venue="kucoin", kind="suspected")
        made.tell(down)
        whole.crash()
        await eventually(lambda: any("Postgres: " in line for line in made.log))
        await asyncio.to_thread(whole.start)
        how = await made.settled(1)
        await asked.close()
    assert how == {down.gap_id: "confirmed"}


# --- Checks


async def test_a_minute_that_is_not_the_venues_is_suspected_once_and_checks_go_on_where_they_were(
    database: Postgres,
) -> None:
    async with bench(**database.environment()) as made:
        asked = Asked(made)
        now = made.clock.micros
        told = await asked.candles("kucoin", START + 50 * MINUTE, 10)
        wrong = msgspec.structs.replace(told[4], close=str(Decimal(told[4].close) + 1))
        keep(database, "kucoin", [*told[:4], wrong, *told[6:]])
        counted_until(database, now)
        other = await asked.candles("kucoin", START + 50 * MINUTE, 10, QUIET)
        keep(database, "kucoin", other, QUIET)
        with database.connect() as connection:
            for symbol in (SYMBOL, QUIET):
                connection.execute(
                    "insert into repair_progress values ('kucoin', %s, 'check', %s)",
                    [symbol, moment(START + 50 * MINUTE)],
                )
        await made.start()
        marks = await made.records(FEED_MARKS, 1)
        # The last two minutes are not due yet.
        await eventually(lambda: _progress(database, QUIET) == START + 58 * MINUTE)
        health = await made.health()
        await asked.close()
    assert [(mark["kind"], mark["symbol"], mark["reason"]) for mark in marks] == [
        ("suspect", SYMBOL, "candle_mismatch")
    ]
    assert (marks[0]["from_time"], marks[0]["to_time"]) == (START + 54 * MINUTE, START + 56 * MINUTE - 1)
    assert health["venues"]["kucoin"]["checks"] == 16
    assert health["venues"]["kucoin"]["mismatches"] == 2


def _progress(database: Postgres, symbol: str) -> int:
    with database.connect() as connection:
        row = connection.execute(
            "select extract(epoch from up_to) from repair_progress where symbol = %s and task = 'check'", [symbol]
        ).fetchone()
    return int(row[0] * 1_000_000) if row else 0
