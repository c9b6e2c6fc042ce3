"""A partition that is ours: its state, and from where it is read once that is rebuilt."""

import logging
import time
from collections.abc import Generator, Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from market.settings import Settings
from market.topics import FEED_MARKS, TRADES_IN
from sequencer.core import Judge
from sequencer.kafka import Complaints
from sequencer.rebuild import Rebuilt, rebuild
from sequencer.state import Snapshots

_BROKER_SECONDS = 5.0

_logger = logging.getLogger("sequencer")


class Partition:
    """A partition of `trades_in` that is ours, with its judge once that is rebuilt."""

    def __init__(self, rebuilding: Generator[None, None, Rebuilt]) -> None:
        self.rebuilding = rebuilding
        self.since = time.monotonic()
        self.judge: Judge | None = None
        self.snapshots = Snapshots()
        self.next_offset = 0


class Reopened(NamedTuple):
    """A partition's state, and the offsets to go on from in `trades_in` and, below zero where none, `feed_marks`."""

    rebuilt: Rebuilt
    start: int
    marks_start: int


def take(consumer: Consumer, numbers: Iterable[int]) -> None:
    """Accept partitions of `trades_in` that the group gives; from now on they can be paused and sought.

    Raises:
        KafkaException: they are not this consumer's to read.
    """
    # Any offset will do until `reopen` seeks the right one. Without, the consumer asks for the committed one and starts
    # when that comes; a pause just then overtakes the start, which is dropped as outdated, and never comes again
    # (librdkafka 2.16.0, `rd_kafka_toppar_op_serve`). With one, the start is queued before this returns.
    consumer.incremental_assign([TopicPartition(TRADES_IN, number, 0) for number in numbers])


def reopen(
    consumer: Consumer, settings: Settings, complaints: Complaints, number: int, now: int
) -> Generator[None, None, Reopened]:
    """Rebuild the state of a partition and go to where its last owner stopped; it stays paused.

    `consumer` is the one of `trades_in`, `now` the local clock's time in microseconds.

    Raises:
        KafkaException: the broker is away, or said no.
    """
    # The offsets come first: this waits until every transaction that touches them is decided, and these are the ones
    # whose records the state must hold.
    start, marks_start = yield from _committed(consumer, number)
    rebuilt = yield from rebuild(settings, complaints, number, now)
    consumer.seek(TopicPartition(TRADES_IN, number, start))
    return Reopened(rebuilt, start, marks_start)


def _committed(consumer: Consumer, number: int) -> Generator[None, None, tuple[int, int]]:
    """Return the offsets to read from next; of `trades_in` the first there is where none is committed."""
    here = TopicPartition(TRADES_IN, number)
    while True:
        try:
            both = consumer.committed([here, TopicPartition(FEED_MARKS, number)], timeout=1.0)
            committed, marks_start = (found.offset for found in both)
            first, _ = consumer.get_watermark_offsets(here, timeout=_BROKER_SECONDS)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError._TIMED_OUT:
                raise
            _logger.info("waiting for the offset of partition %d: %s", number, error.args[0].str())
            yield
            continue
        if 0 <= committed < first:
            _logger.error(
                "records of trades_in were deleted before they were sequenced; kafka.trades_in_hours is too short",
                extra={"partition": number, "records": first - committed},
            )
        return max(committed, first), marks_start
