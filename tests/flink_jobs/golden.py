"""Runs a view of `sql/flink` over given rows in a session cluster, and returns what comes out."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from pyflink.common import RowKind

from flink_jobs import candles, feed, reconciliation, rollups, tickers
from flink_jobs.plan import SQL, Job, configuration, statements, values
from flink_jobs.submit import environment
from market.records import GapMark, VenueCandle
from market.settings import Settings

FOLDER = Path(__file__).parent / "golden"
JOBS = (candles.JOB, rollups.JOB, reconciliation.JOB, tickers.JOB, feed.JOB)
_CREATED = re.compile(r"^create (table|view) (\w+)", re.MULTILINE)
_TOPICS = re.compile(r"'connector' = 'kafka',\s+'topic' = '([\w;]+)'")
_CONNECTOR = re.compile(r"\) with \(.*\)\s*$", re.DOTALL)
_COLUMN = re.compile(r"^\s+`?(\w+)`? (?:string|bigint|int|boolean|decimal|timestamp)", re.MULTILINE)
# Of views that change rows: how many columns at their beginning tell one row from another.
_KEYS = {"second_candle": 3, "minute_candle": 3, "rolled_candle": 4, "compared_minute": 2, "counted_hour": 3}
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT")

# What the topics hold that one table reads together. `behind` is there only where a trade came out of order.
_TRADE = [
    "venue",
    "symbol",
    "first_id",
    "last_id",
    "sequence",
    "price",
    "size",
    "quote",
    "side",
    "event_time",
    "behind",
]
# A minute has all that a part of a coarser candle has, but for the interval.
_PART = _COLUMN.findall((SQL / "tables" / "rollup_parts.sql").read_text())
_MINUTE = [column for column in _PART if column != "interval"]
RECORDS = {
    "candles_1m": _MINUTE,
    "rollups": ["interval", *_MINUTE],
    "trades": _TRADE,
    "gap_marks": list(GapMark.__struct_fields__),
    "venue_candles": list(VenueCandle.__struct_fields__),
}


class Golden(msgspec.Struct):
    """Rows that topics hold, by topic, and the rows that a view must then give; times in ISO 8601, UTC."""

    story: str
    given: dict[str, list[list[Any]]]
    expect: list[list[Any]]
    from_time: str = "1970-01-01T00:00:00"


def load(name: str) -> Golden:
    """Read golden rows; the name is that of a view, with a word of its own behind a dash where there are several."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Golden)


def view_of(name: str) -> str:
    """Return the view that golden rows are of."""
    return name.partition("-")[0]


def created(job: Job, kind: str) -> set[str]:
    """Return the names of the job's tables or views (`kind`: `table` or `view`)."""
    found = (_CREATED.search(statement) for statement in statements(job, values(Settings())))
    return {match[2] for match in found if match is not None and match[1] == kind}


def micros(text: str) -> int:
    """Return ISO 8601 in UTC as microseconds since the epoch."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


def run(view: str, golden: Golden, folder: Path, options: dict[str, str], *, streaming: bool) -> list[list[Any]]:
    """Return the view's rows over what is given, sorted; as a changelog they are first folded by all of their key.

    The tables keep their own columns, but are read from files in `folder`. `options` name the cluster.
    """
    job = next(job for job in JOBS if view in created(job, "view"))
    settings = Settings()
    tables = environment({**configuration(job, settings), **options}, streaming=streaming)
    for statement in statements(job, values(settings, from_time=micros(golden.from_time))):
        match = _CREATED.search(statement)
        topics = _TOPICS.search(statement)
        if topics is not None:
            target = folder / topics[1].replace(";", "-")
            _write(statement, {topic: golden.given.get(topic, []) for topic in topics[1].split(";")}, target)
            source = f") with ('connector' = 'filesystem', 'path' = '{target}', 'format' = 'json')"
            tables.execute_sql(_CONNECTOR.split(statement)[0] + source)
        elif match is not None and match[1] == "view":
            tables.execute_sql(statement)
    rows: dict[str, list[Any]] = {}
    with tables.execute_sql(f"select * from {view}").collect() as results:
        for row in results:
            values_of_row = [plain(value) for value in row]
            key = json.dumps(values_of_row[: _key_columns(view)])
            if row.get_row_kind() in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                rows[key] = values_of_row
    return sorted(rows.values(), key=str)


def _key_columns(view: str) -> int | None:
    """Return how many columns at the beginning of a row are its key; None where rows never change."""
    return _KEYS.get(view)


def _write(ddl: str, rows: dict[str, list[list[Any]]], target: Path) -> None:
    columns = _COLUMN.findall(_CONNECTOR.split(ddl)[0])
    target.mkdir(parents=True)
    with (target / "rows.json").open("w") as lines:
        for topic, given in rows.items():
            names = RECORDS[topic] if len(rows) > 1 else columns
            assert set(names) <= set(columns)
            for row in given:
                cells = [micros(cell) if isinstance(cell, str) and _TIME.match(cell) else cell for cell in row]
                lines.write(json.dumps(dict(zip(names, cells, strict=topic != "trades"))) + "\n")


def plain(value: Any) -> Any:
    """Return a value of a row as it is written in JSON: numbers as texts without trailing zeros, times in ISO 8601."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        text = value.isoformat(timespec="milliseconds")
        return text.removesuffix(".000")
    return value
