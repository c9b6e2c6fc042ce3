"""Runs a view of `sql/flink` over given rows in a session cluster, and returns what comes out."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from pyflink.common import RowKind

from flink_jobs import candles, feed, tickers
from flink_jobs.plan import SQL, Job, configuration, statements, values
from flink_jobs.submit import environment
from market.settings import Settings

FOLDER = Path(__file__).parent / "golden"
JOBS = (candles.JOB, tickers.JOB, feed.JOB)
_CONNECTOR = re.compile(r"\) with \(.*\)\s*$", re.DOTALL)
_COLUMN = re.compile(r"^\s+`?(\w+)`? (?:string|bigint|int|decimal|timestamp)", re.MULTILINE)
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT")


class Golden(msgspec.Struct):
    """Rows that a view's tables hold, and the rows that the view must then give; times in ISO 8601, UTC."""

    story: str
    given: dict[str, list[list[Any]]]
    expect: list[list[Any]]
    from_time: str = "1970-01-01T00:00:00"


def load(view: str) -> Golden:
    """Read the golden rows of a view."""
    return msgspec.json.decode((FOLDER / f"{view}.json").read_bytes(), type=Golden)


def job_of(view: str) -> Job:
    """Return the job that uses the view."""
    return next(job for job in JOBS if view in job.views)


def micros(text: str) -> int:
    """Return ISO 8601 in UTC as microseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


def run(view: str, golden: Golden, folder: Path, options: dict[str, str], *, streaming: bool) -> list[list[Any]]:
    """Return the view's rows over `golden.given`, sorted; as a changelog they are first folded by all of their key.

    The tables keep their own columns, but are read from files in `folder`. `options` name the cluster.
    """
    job = job_of(view)
    settings = Settings()
    tables = environment({**configuration(job, settings), **options}, streaming=streaming)
    filled = values(settings, from_time=micros(golden.from_time))
    for file, statement in zip(job.files(), statements(job, filled), strict=True):
        name = Path(file).stem
        if file.startswith("tables/") and "'connector' = 'kafka'" in statement:
            _write(SQL / file, golden.given.get(name, []), folder / name)
            source = f") with ('connector' = 'filesystem', 'path' = '{folder / name}', 'format' = 'json')"
            tables.execute_sql(_CONNECTOR.split(statement)[0] + source)
        elif file.startswith("views/"):
            tables.execute_sql(statement)
    rows: dict[str, list[Any]] = {}
    with tables.execute_sql(f"select * from {view}").collect() as results:
        for row in results:
            values_of_row = [_plain(value) for value in row]
            # A candle's key is its first three columns; a record's is its whole row.
            key = json.dumps(values_of_row[:3] if view.endswith("_candle") else values_of_row)
            if row.get_row_kind() in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                rows[key] = values_of_row
    return sorted(rows.values(), key=str)


def _write(ddl: Path, rows: list[list[Any]], target: Path) -> None:
    columns = _COLUMN.findall(ddl.read_text().split(") with (")[0])
    target.mkdir(parents=True, exist_ok=True)
    with (target / "rows.json").open("w") as lines:
        for row in rows:
            cells = [micros(cell) if isinstance(cell, str) and _TIME.match(cell) else cell for cell in row]
            lines.write(json.dumps(dict(zip(columns, cells, strict=True))) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        text = value.isoformat(timespec="milliseconds")
        return text.removesuffix(".000")
    return value
