"""What the database tells of its own trustworthiness: the runs of verify, and which market it shows."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from market.settings import load
from stack.facts import verified
from stack.passwords import with_password
from stack.shown import show_market
from tests.postgres.candles import rows
from tests.postgres.conftest import Database
from verify.check import Verdict
from verify.database import utc
from verify.ledger import Ledger
from verify.oracle import Counts, Difference, Differing
from verify.reading import CannotCheck
from verify.scope import WHOLE, Scope, recent

pytestmark = pytest.mark.stack

HOUR = 3_600_000_000
RECENT = Scope("recent")


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    """The ledger of runs, empty before and after."""
    yield Ledger(with_password(database.settings, database.state))
    with database.connect("owner") as owner:
        owner.execute("delete from verification")


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect("reader") as connection:
        connection.autocommit = True
        yield connection


def verdict(hours: range, *differing: int, doubled: int = 0, unlike: int = 0, silent: str | None = None) -> Verdict:
    """Return what came of a run over hours of 1970, with differing minutes at the beginning of some hours."""

    def difference(hour: int, column: str) -> Difference:
        return Difference("binance", "BTC-USDT", "1m", hour * HOUR, column, "1", "2")

    first, last = (min(differing) * HOUR, max(differing) * HOUR + 60_000_000) if differing else (None, None)
    return Verdict(
        market_now=hours.stop * HOUR,
        judged_from={"1s": hours.start * HOUR + 1, "1m": hours.start * HOUR},
        judged_until=hours.stop * HOUR,
        records=9,
        doubled=doubled,
        candles={"1s": Counts(60, 0, 0), "1m": Counts(40, 0, len(differing))},
        out_of_reach={},
        differing=Differing(len(differing), first, last),
        differences=[difference(hour, column) for hour in differing for column in ("open", "close")],
        sampled=20,
        unlike_venue=[difference(hour, column) for hour in range(unlike) for column in ("high", "low")],
        venues_silent=silent,
        seconds=1.0,
    )


def now() -> datetime:
    return datetime.now().astimezone()


def standing(reader: psycopg.Connection) -> tuple[int, int]:
    """Return how many differences stand: from the trades, and from the venues."""
    told = verified(reader)
    assert told is not None
    return told["differences"], told["venue_differences"]


def test_before_the_first_run_nothing_is_told(ledger: Ledger, reader: psycopg.Connection) -> None:
    assert verified(reader) is None
    assert ledger.last_compared() is None


def test_a_clean_run_is_told_with_what_it_compared(ledger: Ledger, reader: psycopg.Connection) -> None:
    began = now()
    ledger.compared(RECENT, began, verdict(range(10, 12)))
    told = verified(reader)
    assert told is not None
    assert began <= told.pop("finished_at") <= now()
    assert told == {
        "from_time": utc(10 * HOUR),
        "to_time": utc(12 * HOUR),
        "candles": 100,
        "venue_compared": 20,
        "differences": 0,
        "venue_differences": 0,
        "error": None,
    }
    assert ledger.last_compared() == began


def test_a_difference_stands_until_a_run_looks_at_the_same_candles_again(
    ledger: Ledger, reader: psycopg.Connection
) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), 10))
    assert standing(reader) == (1, 0)
    ledger.compared(RECENT, now(), verdict(range(11, 13)))
    assert standing(reader) == (1, 0), "that run looked elsewhere"
    ledger.compared(WHOLE, now(), verdict(range(13), 10))
    assert standing(reader) == (1, 0), "it is the same one, and not counted twice"
    ledger.compared(WHOLE, now(), verdict(range(14)))
    assert standing(reader) == (0, 0)


def test_a_run_that_compares_nothing_takes_nothing_back(ledger: Ledger, reader: psycopg.Connection) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), 10))
    ledger.nothing_closed(RECENT, now())
    ledger.failed(WHOLE, now(), "The broker does not answer.")
    assert standing(reader) == (1, 0)


def test_what_stands_for_a_week_is_not_told_any_more(
    ledger: Ledger, reader: psycopg.Connection, database: Database
) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), 10, unlike=1))
    with database.connect("owner") as owner:
        owner.execute("update verification set finished_at = finished_at - interval '8 days'")
    assert standing(reader) == (0, 0)


def test_doubled_trades_count_too(ledger: Ledger, reader: psycopg.Connection) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), doubled=3))
    assert standing(reader) == (3, 0)
    ledger.compared(WHOLE, now(), verdict(range(12)))
    assert standing(reader) == (0, 0)


def test_minutes_unlike_the_venues_are_counted_once_each_and_no_run_takes_them_back(
    ledger: Ledger, reader: psycopg.Connection
) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), unlike=2))
    ledger.compared(WHOLE, now(), verdict(range(14)))
    assert standing(reader) == (0, 2)


def test_a_run_that_fails_is_told_beside_the_last_that_did_not(ledger: Ledger, reader: psycopg.Connection) -> None:
    ledger.failed(RECENT, now(), "The broker does not answer.")
    told = verified(reader)
    assert told is not None
    assert (told["finished_at"], told["candles"], told["error"]) == (None, None, "The broker does not answer.")
    assert ledger.last_compared() is None
    began = now()
    ledger.compared(RECENT, began, verdict(range(10, 12), silent="kucoin does not tell"))
    ledger.failed(RECENT, now(), "Postgres does not answer.")
    told = verified(reader)
    assert told is not None
    assert (told["candles"], told["error"]) == (100, "Postgres does not answer.")
    assert ledger.last_compared() == began
    errors = rows(reader, "select error from verification order by id")
    assert errors == [("The broker does not answer.",), ("kucoin does not tell",), ("Postgres does not answer.",)]


def test_the_first_values_that_differ_are_kept(ledger: Ledger, reader: psycopg.Connection) -> None:
    ledger.compared(RECENT, now(), verdict(range(10, 12), 11))
    found = rows(reader, "select x.* from verification, jsonb_to_recordset(examples) as x(start_time text, found text)")
    assert found == [("1970-01-01T11:00:00Z", "2")] * 2


def test_runs_are_kept_as_long_as_events(ledger: Ledger, reader: psycopg.Connection, database: Database) -> None:
    ledger.nothing_closed(RECENT, now())
    with database.connect("owner") as owner:
        owner.execute("update verification set finished_at = finished_at - interval '91 days'")
    ledger.nothing_closed(RECENT, now())
    assert rows(reader, "select count(*) from verification") == [(1,)]


def test_a_database_that_refuses_is_told(database: Database) -> None:
    with pytest.raises(CannotCheck, match="runs of verify"):
        Ledger(database.settings).last_compared()


def test_what_is_recent_begins_before_the_last_run(database: Database) -> None:
    began = now()
    since = recent(database.settings, began).since
    assert since is not None
    assert timedelta(hours=1) < began - utc(since * 1000) < timedelta(hours=2)
    assert recent(database.settings, None).since is None


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ({"market": "live"}, ("live", "Binance and KuCoin")),
        ({"market": "simulated"}, ("simulated", "seed 1, 20 symbols, 100 trades/s")),
        (
            {"market": "simulated", "simulation": {"seed": 7, "symbols": 3, "trades_per_second": 0.5}},
            ("simulated", "seed 7, 3 symbols, 0.5 trades/s"),
        ),
        ({"market": "recordings/a day"}, ("recording", "recordings/a day")),
    ],
)
def test_each_start_says_which_market_is_shown(
    database: Database, reader: psycopg.Connection, chosen: dict[str, Any], shown: tuple[str, str]
) -> None:
    where: dict[str, Any] = {"state_dir": Path(database.settings.state_dir), "ports": database.settings.ports}
    for _ in range(2):
        before = now()
        show_market(load(**where, **chosen), database.state)
        ((kind, name, started),) = rows(reader, "select kind, name, started_at from market_shown")
        assert (kind, name) == shown
        assert before <= started <= now()
