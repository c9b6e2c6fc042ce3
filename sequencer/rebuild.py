"""Rebuilds the state of a partition from the tail of what was passed to it."""

from collections.abc import Generator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from market.records import Trade, decode_trade
from market.settings import Settings
from market.topics import TRADES
from sequencer.core import MARGIN, Judge
from sequencer.kafka import NEWEST_HEADER, Complaints, reader_config

_SPAN = 20_000
_SLICE = 5_000
_TIMEOUT = 5.0


class _Tail:
    """The records of one partition of `trades` up to its end, committed ones alone."""

    def __init__(self, settings: Settings, complaints: Complaints, partition: int) -> None:
        self._settings = settings
        self._complaints = complaints
        self._partition = partition
        self._reader = Consumer(reader_config(settings, complaints, "read_committed"))
        self.low, self.high = self._ends()

    def _ends(self) -> tuple[int, int]:
        """Return the first offset, and the one after the last record, be that committed or not.

        A transaction of the partition's last owner may have been decided, with its offsets, while its marker has
        not reached this partition yet: reading must wait for it, not stop before it.
        """
        reader = Consumer(reader_config(self._settings, self._complaints, "read_uncommitted"))
        try:
            low, high = reader.get_watermark_offsets(TopicPartition(TRADES, self._partition), timeout=_TIMEOUT)
        finally:
            reader.close()
        return low, high

    def read(self, start: int) -> Generator[list[Message], None, None]:
        """Yield the records from `start` to the end, some at a time, perhaps none: then they are being waited for.

        Raises:
            KafkaException: the broker said no.
        """
        self._reader.assign([TopicPartition(TRADES, self._partition, start)])
        reached = start
        while reached < self.high:
            messages: list[Message] = []
            for message in self._reader.consume(_SLICE, timeout=0.05):
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
        self._reader.close()


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


def rebuild(settings: Settings, complaints: Complaints, partition: int) -> Generator[None, None, Judge]:
    """Return the judge of a partition, rebuilt; yield every few thousand records, so that the caller can do else.

    Raises:
        KafkaException: the broker is away, or said no.
    """
    lateness = int(settings.sequencer.lateness_seconds * 1_000_000)
    tail = _Tail(settings, complaints, partition)
    try:
        start, known_since = yield from _start(tail, lateness + MARGIN)
        judge = Judge(lateness, MARGIN, known_since)
        for messages in tail.read(start):
            for message in messages:
                judge.remember(_trade(message))
            yield
        return judge
    finally:
        tail.close()


def _start(tail: _Tail, memory: int) -> Generator[None, None, tuple[int, int]]:
    """Return where a tail begins that holds all trades of the last `memory` microseconds, and since when it does."""
    newest = yield from _newest(tail, max(tail.low, tail.high - _SPAN))
    span = _SPAN
    while True:
        start = max(tail.low, tail.high - span)
        found = yield from _first_told(tail, start)
        if start == tail.low:
            if found is not None:
                return start, found[1] + 1
            return start, 0 if tail.low == 0 else newest + 1
        if found is not None and found[1] < newest - memory:
            return found[0], found[1] + 1
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
