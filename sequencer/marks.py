"""Reads `feed_marks`: of the partitions whose trades are ours, and each mark after the trades that it may speak of."""

from collections import deque
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from market.settings import Settings
from market.topics import FEED_MARKS, TRADES_IN
from sequencer.kafka import Complaints, marks_config

_BATCH = 1_000
_TIMEOUT = 1.0


class Marks:
    """The marks that wait, by partition.

    What sends a mark has sent its trades before; so a mark waits until all is judged that was in `trades_in` when the
    mark was read. Else a gap could be settled before the trades that repaired it are counted.
    """

    def __init__(self, settings: Settings, complaints: Complaints) -> None:
        self._complaints = complaints
        self._consumer = Consumer(marks_config(settings, complaints))
        self._waiting: dict[int, deque[tuple[int, Message]]] = {}

    def add(self, partition: int, start: int) -> None:
        """Read the partition from this offset on; below zero: from its beginning."""
        # A negative one is the consumer's own word for "none", and what is then done is set to be that.
        self._consumer.incremental_assign([TopicPartition(FEED_MARKS, partition, start)])
        self._waiting[partition] = deque()

    def drop(self, partitions: Iterable[int]) -> None:
        """Read these no more, and forget what waits, where they were read."""
        gone = [number for number in partitions if self._waiting.pop(number, None) is not None]
        if gone:
            self._consumer.incremental_unassign([TopicPartition(FEED_MARKS, number) for number in gone])

    def fetch(self) -> None:
        """Let what has come wait for its turn; returns at once."""
        ends: dict[int, int] = {}
        for message in self._consumer.consume(_BATCH, timeout=0):
            error = message.error()
            number = message.partition()
            if error is not None:
                self._complaints(error)
            elif number is not None and number in self._waiting:
                if number not in ends:
                    ends[number] = self._end(number)
                self._waiting[number].append((ends[number], message))

    def ready(self, partition: int, next_offset: int) -> Message | None:
        """Return the next mark of the partition, of which trades were read up to `next_offset`; None if none is due."""
        waiting = self._waiting.get(partition)
        if waiting and waiting[0][0] <= next_offset:
            return waiting.popleft()[1]
        return None

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _end(self, partition: int) -> int:
        """Return the end of the partition of `trades_in`, or 0 where the broker does not say: then nothing waits."""
        try:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(TRADES_IN, partition), timeout=_TIMEOUT)
        except KafkaException as error:
            self._complaints(error.args[0])
            return 0
        return high
