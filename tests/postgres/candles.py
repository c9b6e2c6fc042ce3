"""Rows as the jobs write them, of one made-up symbol: what a test does not say of a row is the same in all of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from market.records import Venue

VENUE: Venue = "binance"
SYMBOL = "TEST-USDT"
START = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
END = START + MINUTE

SPANS = {
    "1s": SECOND,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "1h": 60 * MINUTE,
    "4h": 240 * MINUTE,
    "1d": timedelta(days=1),
}


def upsert(connection: psycopg.Connection, table: str, key: str, row: dict[str, Any]) -> None:
    """Write a row as Flink's sink does: insert, or set every column that is not of the key."""
    names = [sql.Identifier(name) for name in row]
    keys = [sql.Identifier(name) for name in key.split()]
    connection.execute(
        sql.SQL("insert into {} ({}) values ({}) on conflict ({}) do update set {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(names),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
            sql.SQL(", ").join(keys),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in names if name not in keys),
        ),
        list(row.values()),
    )


def write(connection: psycopg.Connection, interval: str = "1m", **given: Any) -> None:
    """Upsert a candle; its prices are all `close`, and it was known as it closed."""
    start = given.get("start_time", START)
    close = given.get("close", 7)
    row = {
        "venue": VENUE,
        "symbol": SYMBOL,
        "start_time": start,
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "base_volume": 1,
        "quote_volume": close,
        "taker_buy_base_volume": 1,
        "trade_count": 1,
        "first_id": 1,
        "last_id": 1,
        "origin": "trades",
        "complete": True,
        "last_trade_time": start,
        "known_time": start,
        "generation": 1,
        "version": 1,
    }
    row |= given
    # Each version has one more input than the one before, and it is late where it was known after the close.
    late = row["known_time"] >= start + SPANS[interval] + SECOND
    row.setdefault("late_inputs", row["version"] if late else 0)
    upsert(connection, f"candle_{interval}", "venue symbol start_time", row)


def write_gap(connection: psycopg.Connection, **given: Any) -> None:
    """Upsert a gap: an open one of the minute at START, unless told otherwise."""
    row = {
        "gap_id": "binance:TEST-USDT:10-20",
        "venue": VENUE,
        "symbol": SYMBOL,
        "kind": "missed",
        "reason": "ids",
        "first_id": 10,
        "last_id": 20,
        "from_time": START,
        "to_time": START + 10 * SECOND,
        "opened": END,
        "closed": None,
        "how": None,
        "version": 1,
    }
    upsert(connection, "gap", "gap_id", row | given)


def set_now(connection: psycopg.Connection, now: datetime) -> None:
    """Let `now` be the market's: the match time of the newest trade that a 1-second candle counts."""
    start = now.replace(microsecond=0)
    write(connection, "1s", symbol="CLOCK-USDT", start_time=start, last_trade_time=now)


def rows(connection: psycopg.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return what a query gives, with its values filled in."""
    return connection.execute(query.encode(), values).fetchall()
