"""Writes each run of the check into Postgres, so that whoever looks at candles sees when they were last verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.types.range import TimestamptzRange

from market.settings import Settings
from verify import report
from verify.check import Verdict
from verify.database import utc
from verify.reading import CannotCheck
from verify.scope import Scope

SQL = Path(__file__).parent / "sql" / "postgres"
EXAMPLES = 50
"""So many values that differ are kept of a run, from the trades and from the venues each."""

_WRITER = "pricebraid_writer"
_NOTHING: dict[str, Any] = {
    "from_time": None,
    "to_time": None,
    "candles": None,
    "differences": None,
    "doubled_trades": None,
    "differing": None,
    "venue_compared": None,
    "venue_differences": None,
    "examples": "[]",
    "error": None,
}


class Ledger:
    """The table `verification`. Methods raise CannotCheck where the database does not answer or refuses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def last_compared(self) -> datetime | None:
        """Return when the last run began that could compare candles; None where none could."""
        with self._connected() as connection:
            row = connection.execute(_sql("last_compared")).fetchone()
        return None if row is None else row[0]

    def compared(self, scope: Scope, began: datetime, verdict: Verdict) -> None:
        """Write what came of a run."""
        differing = verdict.differing
        values = [*verdict.differences[:EXAMPLES], *verdict.unlike_venue[:EXAMPLES]]
        minutes = {(item.venue, item.symbol, item.start_time) for item in verdict.unlike_venue}
        self._write(
            scope,
            began,
            {
                "from_time": utc(min(verdict.judged_from.values())),
                "to_time": utc(verdict.judged_until),
                "candles": verdict.compared,
                "differences": differing.candles,
                "doubled_trades": verdict.doubled,
                "differing": None
                if differing.from_time is None or differing.to_time is None
                else TimestamptzRange(utc(differing.from_time), utc(differing.to_time)),
                "venue_compared": verdict.sampled,
                "venue_differences": len(minutes),
                "examples": msgspec.json.encode([report.difference(item) for item in values]).decode(),
                "error": verdict.venues_silent,
            },
        )

    def nothing_closed(self, scope: Scope, began: datetime) -> None:
        """Write that there was no candle to compare."""
        none = ("candles", "differences", "doubled_trades", "venue_compared", "venue_differences")
        self._write(scope, began, dict.fromkeys(none, 0))

    def failed(self, scope: Scope, began: datetime, error: str) -> None:
        """Write that a run could not compare anything, and why."""
        self._write(scope, began, {"error": error})

    def _write(self, scope: Scope, began: datetime, values: dict[str, Any]) -> None:
        with self._connected() as connection:
            connection.execute(_sql("forget"), {"keep_days": self._settings.postgres.keep_events_days})
            connection.execute(_sql("record"), {**_NOTHING, **values, "scope": scope.name, "started_at": began})

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                host=self._settings.postgres.host,
                port=self._settings.ports.postgres,
                dbname=self._settings.postgres.database,
                user=_WRITER,
                password=self._settings.postgres.writer_password,
                application_name="pricebraid-verify",
                connect_timeout=10,
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise CannotCheck(f"The runs of verify cannot be read or written: {str(error).strip()}") from error


def _sql(name: str) -> bytes:
    return (SQL / f"{name}.sql").read_bytes()
