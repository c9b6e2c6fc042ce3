"""Rebuilds the state of a partition: from what was written down, the tail of what was passed, and the gaps."""

from collections.abc import Generator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from market.records import Gap, Trade, decode_gap, decode_trade
from market.settings import Settings
from market.topics import GAPS, SEQUENCER_STATE, TRADES
from sequencer.core import MARGIN, Judge
from sequencer.kafka import NEWEST_HEADER, Complaints, reader_config
from sequencer.state import Snapshots

_SPAN = 20_000
_SLICE = 5_000
_TIMEOUT = 5.0


class Rebuilt(NamedTuple):
    """The state of a partition, and what of it is written down."""

    judge: Judge
    snapshots: Snapshots


class _Reader:
    """Reads one partition, that of the number given, of any topic up to its end, committed records alone."""

    def __init__(self, settings: Settings, complaints: Complaints, partition: int) -> None:
        self._partition = partition
        self._committed = Consumer(reader_config(settings, complaints, "read_committed"))
        self._uncommitted = Consumer(reader_config(settings, complaints, "read_uncommitted"))

    def ends(self, topic: str) -> tuple[int, int]:
        """Return the first offset, and the one after the last record, be that committed or not.

        A transaction of the partition's last owner may have been decided, with its offsets, while its marker has
        not reached this partition yet: reading must wait for it, not stop before it.
        """
        return self._uncommitted.get_watermark_offsets(TopicPartition(topic, self._partition), timeout=_TIMEOUT)

    def read(self, topic: str, start: int, end: int) -> Generator[list[Message], None, None]:
        """Yield the records from `start` to `end`, some at a time, perhaps none: then they are being waited for.

        Raises:
            KafkaException: the broker said no.
        """
        self._committed.assign([TopicPartition(topic, self._partition, start)])
        # Getting here takes the broker's answers, which may have been long in coming; even if nothing is to be read.
        yield []
        reached = start
        while reached < end:
            messages: list[Message] = []
            for message in self._committed.consume(_SLICE, timeout=0.05):
                error = message.error()
                if error is None:
                    messages.append(message)
                    reached = offset(message) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    reached = max(reached, offset(message))
                else:
                    raise KafkaException(error)
            yield messages

    def close(self) -> None:
        self._committed.close()
        self._uncommitted.close()


class _Tail:
    """The records of a partition of `trades` up to its end as it is now."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self.low, self.high = reader.ends(TRADES)

    def read(self, start: int) -> Generator[list[Message], None, None]:
        """Yield the records from `start` on, some at a time, perhaps none."""
        return self._reader.read(TRADES, start, self.high)


def offset(message: Message) -> int:
    """Return the message's offset; one that was read always has it."""
    found = message.offset()
    assert found is not None
    return found


def newest_before(message: Message) -> int | None:
    """Return what the record's header tells of the newest event time before it, or None where it has no such header."""
    headers = message.headers()
    for name, value in headers if isinstance(headers, list) else ():
        if name == NEWEST_HEADER and isinstance(value, bytes):
            return int(value)
    return None


def rebuild(settings: Settings, complaints: Complaints, partition: int, now: int) -> Generator[None, None, Rebuilt]:
    """Return the state of a partition, rebuilt; yield every few thousand records, so that the caller can do else.

    `now` is the local clock's time in microseconds.

    Raises:
        KafkaException: the broker is away, or said no.
    """
    lateness, grace = (int(s * 1e6) for s in (settings.sequencer.lateness_seconds, settings.sequencer.gap_seconds))
    horizon = int(settings.flink.horizon_hours * 3600 * 1e6)
    reader = _Reader(settings, complaints, partition)
    try:
        tail = _Tail(reader)
        snapshots = yield from _snapshots(reader)
        start, known_since, newest = yield from _start(tail, lateness + MARGIN + Snapshots.SPAN)
        judge = Judge(lateness, MARGIN, known_since, grace, horizon)
        judge.ledger.now = now
        whole = known_since <= max(0, newest - Snapshots.SPAN)
        for state in snapshots.states():
            judge.recall(state, whole=whole)
        for messages in tail.read(start):
            for message in messages:
                judge.remember(_trade(message))
            yield
        judge.recalled()
        gaps = yield from _gaps(reader)
        judge.ledger.restore(gaps.values())
        return Rebuilt(judge, snapshots)
    finally:
        reader.close()


def _snapshots(reader: _Reader) -> Generator[None, None, Snapshots]:
    snapshots = Snapshots()
    for messages in reader.read(SEQUENCER_STATE, *reader.ends(SEQUENCER_STATE)):
        for message in messages:
            key, value = message.key(), message.value()
            if isinstance(key, bytes) and isinstance(value, bytes):
                snapshots.read(key, value)
        yield
    return snapshots


def _gaps(reader: _Reader) -> Generator[None, None, dict[str, Gap]]:
    gaps: dict[str, Gap] = {}
    for messages in reader.read(GAPS, *reader.ends(GAPS)):
        for message in messages:
            value = message.value()
            if value is not None:
                gap = decode_gap(value)
                gaps[gap.gap_id] = gap
        yield
    return gaps


def _start(tail: _Tail, memory: int) -> Generator[None, None, tuple[int, int, int]]:
    """Return where a tail begins that holds all trades of the last `memory` microseconds, and since when it does.

    The third is the newest event time in it.
    """
    newest = yield from _newest(tail, max(tail.low, tail.high - _SPAN))
    span = _SPAN
    while True:
        start = max(tail.low, tail.high - span)
        found = yield from _first_told(tail, start)
        if start == tail.low:
            if found is not None:
                return start, found[1] + 1, newest
            return start, 0 if tail.low == 0 else newest + 1, newest
        if found is not None and found[1] < newest - memory:
            return found[0], found[1] + 1, newest
        span *= 4


def _newest(tail: _Tail, start: int) -> Generator[None, None, int]:
    newest = -1
    for messages in tail.read(start):
        for message in messages:
            told = newest_before(message)
            newest = max(newest, _trade(message).event_time, -1 if told is None else told)
        yield
    return newest


def _first_told(tail: _Tail, start: int) -> Generator[None, None, tuple[int, int] | None]:
    """Return offset and told newest event time of the first record with such a header, from `start` on."""
    for messages in tail.read(start):
        for message in messages:
            told = newest_before(message)
            if told is not None:
                return offset(message), told
        yield
    return None


def _trade(message: Message) -> Trade:
    value = message.value()
    assert value is not None  # only the sequencer writes `trades`, and it passes no record without a value
    return decode_trade(value)
