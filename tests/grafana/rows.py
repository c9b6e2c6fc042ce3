"""Queries of dashboards asked as Grafana asks them, and what panels need of the rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from bench._dashboards import Query
from bench._expansion import Shown, Value, expand

Rows = list[dict[str, Any]]
OHLCV = ["open", "high", "low", "close", "volume"]
# What Grafana has a type of its own for. All else would be shown as text.
TYPES = (bool, int, float, Decimal, str, datetime, type(None))


def ask(connection: psycopg.Connection, query: Query, values: Mapping[str, Value], shown: Shown) -> Rows:
    """Return the rows that Grafana gets, each by its columns' names."""
    cursor = connection.execute(expand(query.sql, values, shown).encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    assert len(set(names)) == len(names), names
    return [dict(zip(names, row, strict=True)) for row in cursor]


def check(query: Query, rows: Rows, shown: Shown) -> None:
    """Assert that the rows have the shape that the kind of panel needs."""
    assert all(isinstance(value, TYPES) for row in rows for value in row.values())
    columns = list(rows[0])
    if query.kind in ("timeseries", "candlestick", "state-timeline", "annotation") or query.form == "time_series":
        assert columns[0] == "time"
        times = [row["time"] for row in rows]
        # The small curves of a table are of a day, whatever the range.
        earliest = shown.to_time - timedelta(days=1) if query.kind == "table" else shown.from_time
        assert all(earliest <= time <= shown.to_time for time in times)
        if query.kind != "annotation":
            assert times == sorted(times)
    if query.kind == "candlestick":
        assert columns[1:] == OHLCV
    if query.kind in ("timeseries", "candlestick"):
        assert len(set(times)) == len(times)
        numbers = [value for row in rows for name, value in row.items() if name != "time"]
        assert all(isinstance(value, Decimal | int | float | None) for value in numbers)
        # A column that is null throughout would be drawn as nothing.
        assert all(any(row[name] is not None for row in rows) for name in columns)
    if query.kind == "state-timeline":
        assert all(isinstance(value, str | None) for row in rows for name, value in row.items() if name != "time")
    if query.kind == "annotation":
        assert {"text", "tags"} <= set(columns)
        assert all(row["text"] for row in rows)
        ends = [row["timeEnd"] for row in rows if "timeEnd" in row]
        assert all(time <= end <= shown.to_time for time, end in zip(times, ends, strict=False))
