"""What our own system holds after a storm: its rows in Postgres, and what lies in its topics."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from bench._processes import BenchError
from bench._storm.facts import MINUTE, Delivery, GapRow, Key, Row
from market.records import decode_trade
from market.sections import KafkaSettings
from market.topics import TRADES, TRADES_IN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READ_SECONDS = 30.0

_CANDLES = """
    select
        venue, symbol, start_time, open, high, low, close, base_volume, quote_volume,
        taker_buy_base_volume, trade_count, first_id, last_id, origin, complete
    from candle
    where "interval" = '1m' and start_time >= %s and start_time < %s
"""
_GAPS = """
    select gap_id, venue, symbol, kind, reason, from_time, to_time, closed, how
    from gap
    where span && tstzrange(%s, null)
    order by from_time, gap_id
"""
_HEARD = """select distinct venue, symbol from candle where "interval" = '1m' and start_time >= %s"""
_UNCHECKED = """
    select count(distinct candle.symbol) - count(distinct candle.symbol) filter (where repair_progress.up_to >= %s)
    from candle
    left join repair_progress on
        repair_progress.venue = candle.venue and repair_progress.symbol = candle.symbol and task = 'check'
    where candle.venue = 'kucoin' and candle."interval" = '1m'
"""
_VERSIONS = """
    select
        (select sum(version) from candle where "interval" = '1m' and start_time >= %s and start_time < %s),
        (select count(*) from gap where closed is null)
"""


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


class Held(NamedTuple):
    """What our own system has of a time: minutes, gaps, the trades that came and those that were passed on."""

    rows: dict[Key, Row]
    gaps: list[GapRow]
    came: list[Delivery]
    passed: list[Delivery]

    def stands_in(self, key: Key) -> bool:
        """Say whether the venue's own candle stands for the minute."""
        row = self.rows.get(key)
        return row is not None and row.origin == "venue_candle"


def held(db: psycopg.Connection[Any], settings: KafkaSettings, start: int, end: int) -> Held:
    """Return everything of the half-open time, the minute in which it begins included.

    Raises:
        BenchError: the topics could not be read.
    """
    came, passed = (deliveries(settings, topic, start, end) for topic in (TRADES_IN, TRADES))
    return Held(candles(db, start // MINUTE * MINUTE, end), gaps(db, start), came, passed)


def candles(db: psycopg.Connection[Any], start: int, end: int) -> dict[Key, Row]:
    """Return the rows of all minutes that begin in the half-open time."""
    found = db.execute(_CANDLES, (_time(start), _time(end)))
    return {Key(venue, symbol, _micros(at)): Row(*columns) for venue, symbol, at, *columns in found}


def gaps(db: psycopg.Connection[Any], start: int) -> list[GapRow]:
    """Return every gap that touches the time from `start` on, the oldest first."""

    def micros(time: datetime | None) -> int | None:
        return None if time is None else _micros(time)

    return [
        GapRow(gap_id, venue, symbol, kind, reason, _micros(begin), micros(end), micros(closed), how)
        for gap_id, venue, symbol, kind, reason, begin, end, closed, how in db.execute(_GAPS, (_time(start),))
    ]


def heard(db: psycopg.Connection[Any], start: int) -> set[tuple[str, str]]:
    """Return of which venues and symbols there is a minute that begins at `start` or later."""
    return {(venue, symbol) for venue, symbol in db.execute(_HEARD, (_time(start),))}


def unchecked(db: psycopg.Connection[Any], end: int) -> int:
    """Return of how many of KuCoin's symbols the minutes up to `end` are yet to be compared with its own candles."""
    (found,) = db.execute(_UNCHECKED, (_time(end),)).fetchone() or (0,)
    return int(found)


def versions(db: psycopg.Connection[Any], start: int, end: int) -> tuple[int, int]:
    """Return a number that moves whenever a minute of the half-open time does, and how many gaps are open."""
    version, open_gaps = db.execute(_VERSIONS, (_time(start), _time(end))).fetchone() or (0, 0)
    return int(version or 0), int(open_gaps)


def deliveries(settings: KafkaSettings, topic: str, start: int, end: int) -> list[Delivery]:
    """Return the trades of `trades_in` or `trades` that happened in the half-open time, as the topic holds them now.

    Raises:
        BenchError: the topic could not be read to its end.
    """
    trades = (decode_trade(value) for value in _values(settings, topic))
    return [
        Delivery(
            trade.venue, trade.symbol, trade.first_id, trade.last_id, trade.event_time, trade.receive_time, trade.origin
        )
        for trade in trades
        if start <= trade.event_time < end
    ]


def _values(settings: KafkaSettings, topic: str) -> Iterator[bytes]:
    """Yield what is committed in the topic, from its beginning to where it ends now."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": "bench-storm",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=_READ_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        unread = set(partitions)
        while unread:
            message = consumer.poll(_READ_SECONDS)
            if message is None:
                raise BenchError(f"{topic} cannot be read to its end")
            error, value = message.error(), message.value()
            if error is not None and error.name() == "_PARTITION_EOF":
                unread.discard(message.partition())
            elif error is not None:
                raise BenchError(f"{topic}: {error}")
            elif value is not None:
                yield value
    except KafkaException as error:
        raise BenchError(f"{topic}: {error}") from error
    finally:
        consumer.close()
