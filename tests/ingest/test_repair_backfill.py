"""`python -m ingest.repair backfill`: any range of a symbol's candles, on demand."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.repair.database import moment
from ingest.venues.kucoin.rest import KucoinRest
from market.topics import VENUE_CANDLES
from replay.recording import RecordedMarket
from replay.server import running
from tests.ingest.postgres import Postgres
from tests.ingest.repairing import MINUTE, START, Bench, bench
from tests.replay_helpers import write_recording

pytestmark = pytest.mark.stack

SYMBOL = "BTC-USDT"
DAY = 24 * 60 * MINUTE
TODAY = START - START % DAY
# Of three days that the jobs correct, the first begins at midnight.
CUTOFF = TODAY - 2 * DAY


def day(time: int) -> str:
    return datetime.fromtimestamp(time // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M")


def starts(database: Postgres, interval: str = "1m", venue: str = "kucoin") -> list[int]:
    with database.connect() as connection:
        rows = connection.execute(
            "select extract(epoch from start_time)::bigint * 1000000 from candle"
            " where interval = %s and venue = %s order by start_time",
            [interval, venue],
        ).fetchall()
    return [row[0] for row in rows]


def compared(database: Postgres) -> tuple[list[int], int]:
    """Return the minutes in which KuCoin is compared, and how many its hours count."""
    with database.connect() as connection:
        minutes = connection.execute(
            "select extract(epoch from start_time)::bigint * 1000000 from minute_fact"
            " where kucoin_close is not null order by start_time"
        ).fetchall()
        row = connection.execute("select sum(minutes_repaired) from hour_fact").fetchone()
    return [minute for (minute,) in minutes], row[0] if row else 0


def progress(database: Postgres) -> int:
    with database.connect() as connection:
        row = connection.execute("select count(*) from repair_progress").fetchone()
    return row[0] if row else 0


async def told(made: Bench, start: int, minutes: int) -> dict[int, str]:
    """Return the closes that KuCoin itself tells, of minutes that traded."""
    rest = KucoinRest(made.server.rest_url)
    candles = await rest.candles(SYMBOL, start, start + minutes * MINUTE)
    await rest.close()
    return {item.start_time: item.close for item in candles if not item.idle}


async def test_old_minutes_go_to_the_database_with_all_coarser_ones_and_newer_ones_to_the_jobs(
    database: Postgres,
) -> None:
    async with bench(**database.environment()) as made:
        code, said, _ = await made.backfill(
            SYMBOL, "--venue", "kucoin", "--from", day(CUTOFF - 60 * MINUTE), "--to", day(CUTOFF + 30 * MINUTE)
        )
        old, new = await told(made, CUTOFF - 60 * MINUTE, 60), await told(made, CUTOFF, 30)
        sent = await made.records(VENUE_CANDLES, len(new))
    assert code == 0
    assert said == f"kucoin {SYMBOL}: {len(old) + len(new)} candles\n"
    assert starts(database) == list(old)
    assert starts(database, "1h") == [CUTOFF - 60 * MINUTE]
    assert starts(database, "1d") == [CUTOFF - DAY]
    assert compared(database) == (list(old), len(old))
    assert [item["start_time"] for item in sent] == list(new)
    assert not any(item["supersedes"] for item in sent)
    # It is done, so that asking for the range again fetches it again.
    assert progress(database) == 0


async def test_both_venues_are_asked_up_to_now_where_nothing_else_is_said() -> None:
    async with bench() as made:
        code, _, errors = await made.backfill(SYMBOL, "--from", day(made.clock.micros - 5 * MINUTE))
    # There is no database here, which is told; the venues were asked before.
    assert code == 1
    assert "The database is of no use" in errors
    assert "Run the same command again" in errors


async def test_trades_win_where_they_are_whole(database: Postgres) -> None:
    start = CUTOFF - 60 * MINUTE
    with database.connect() as connection:
        connection.execute(
            "insert into candle_1m (venue, symbol, start_time, open, high, low, close, base_volume, quote_volume,"
            " origin, complete, known_time, generation, version)"
            " values ('kucoin', %s, %s, 1, 1, 1, 1, 1, 1, 'trades', true, %s, 1, 1)",
            [SYMBOL, moment(start), moment(start)],
        )
    async with bench(**database.environment()) as made:
        code, _, _ = await made.backfill(
            SYMBOL, "--venue", "kucoin", "--from", day(start), "--to", day(start + 3 * MINUTE)
        )
    assert code == 0
    with database.connect() as connection:
        rows = connection.execute("select origin, close from candle_1m order by start_time").fetchall()
    assert [origin for origin, _ in rows] == ["trades", "venue_candle", "venue_candle"]
    assert rows[0][1] == 1


async def test_a_backfill_that_was_cut_goes_on_where_it_was(database: Postgres) -> None:
    start = CUTOFF - 4 * DAY
    arguments = (SYMBOL, "--venue", "kucoin", "--from", day(start), "--to", day(CUTOFF))
    async with bench(**database.environment()) as made:
        process = await made.command("backfill", *arguments)
        async with asyncio.timeout(30):
            while not progress(database):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        process.kill()
        await process.communicate()
        stored = len(starts(database))
        code, said, _ = await made.backfill(*arguments)
        days = [await told(made, start + number * DAY, 1440) for number in range(4)]
    assert code == 0
    whole = [minute for found in days for minute in found]
    assert 0 < stored < len(whole)
    assert starts(database) == whole
    fetched = int(said.split(": ")[1].split(" ")[0].replace(",", ""))
    assert fetched < len(whole)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("NO-SUCH", "--from", "2025-01-01"), "does not list NO-SUCH"),
        ((SYMBOL, "--from", "2025-01-01", "--to", "2025-01-01"), "no whole minute"),
        ((SYMBOL, "--from", "2125-01-01"), "no whole minute"),
        ((SYMBOL, "--from", "yesterday"), "give a day"),
    ],
)
async def test_what_cannot_be_had_is_a_clear_error(database: Postgres, arguments: tuple[str, ...], fault: str) -> None:
    async with bench(**database.environment()) as made:
        code, _, errors = await made.backfill(*arguments)
    assert code > 0
    assert fault in errors


async def test_a_recording_has_no_history(database: Postgres, tmp_path: Path) -> None:
    frame = {"stream": "btcusdt@aggTrade", "data": {"e": "aggTrade", "E": 1, "s": "BTCUSDT", "a": 1, "p": "1",
             "q": "1", "f": 1, "l": 1, "T": START // 1000, "m": True, "M": True}}  # fmt: skip
    write_recording(tmp_path / "binance-1.frames.gz", [(START * 1000, frame)])
    async with bench(**database.environment()) as made, running(RecordedMarket(tmp_path)) as server:
        made.environment["PRICEBRAID_BINANCE__REST_URL"] = server.rest_url
        code, _, errors = await made.backfill(
            SYMBOL, "--venue", "binance", "--from", "2020-01-01", "--to", "2020-01-02"
        )
    assert code == 1
    # The message is broken to the width of a terminal.
    assert "a recording has no history" in " ".join(errors.split())
