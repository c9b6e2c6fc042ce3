"""One Kafka transaction after another: what is written in it, and up to which offset was read, count together."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from market.records import DeadLetter, FeedEvent, Gap, Venue, encode
from market.settings import Settings
from market.topics import (
    DEAD_LETTERS,
    FEED_EVENTS,
    FEED_MARKS,
    GAP_MARKS,
    GAPS,
    LATE_TRADES,
    SEQUENCER_STATE,
    TRADES,
    TRADES_IN,
)
from sequencer.core import Verdict
from sequencer.gaps import Output
from sequencer.kafka import NEWEST_HEADER, Complaints, Pause, producer_config
from sequencer.tally import Tally

_BROKER_SECONDS = 5.0
_RETRY_SECONDS = 0.2
_LETTER_BYTES = 65_536

_logger = logging.getLogger("sequencer")


class Aborted(Exception):
    """The transaction was aborted: what it held was neither written nor read."""


class Transaction:
    """The transaction that is open, or the next one. All calls come from one thread."""

    def __init__(self, settings: Settings, complaints: Complaints, tally: Tally, pause: Pause) -> None:
        self.producer = Producer(producer_config(settings, complaints))
        self._tally = tally
        self._pause = pause
        self.begun: float | None = None
        """When it was begun (monotonic seconds), None while none is open."""
        self.offsets: dict[int, int] = {}
        """The next offset to read of each partition of `trades_in` that was read from."""
        self.mark_offsets: dict[int, int] = {}
        """The same of `feed_marks`."""
        self.outcomes: Counter[tuple[Venue, Verdict]] = Counter()
        self.newest: dict[Venue, int] = {}
        self.gaps: Counter[tuple[Venue, str]] = Counter()
        self._refused = 0
        self._headed: set[int] = set()

    def start(self) -> None:
        """Take this instance's place: a transaction that its predecessor left open is aborted.

        Raises:
            KafkaException: the broker refuses.
        """
        self._persist(self.producer.init_transactions, _BROKER_SECONDS)

    def begin(self) -> None:
        """Open a transaction where none is open."""
        if self.begun is None:
            self.producer.begin_transaction()
            self.begun = time.monotonic()

    def pass_on(self, partition: int, key: bytes, value: bytes, newest_before: int) -> None:
        """Write a trade to the partition, which held none newer than `newest_before` (microseconds) until then."""
        if partition in self._headed:
            self._produce(TRADES, key=key, value=value, partition=partition)
        else:
            self._headed.add(partition)
            headers = [(NEWEST_HEADER, b"%d" % newest_before)]
            self._produce(TRADES, key=key, value=value, partition=partition, headers=headers)

    def set_late(self, key: bytes, value: bytes) -> None:
        """Write a trade to the late ones."""
        self._produce(LATE_TRADES, key=key, value=value)

    def note(self, partition: int, record: Output) -> None:
        """Write what the ledger of the partition says: a gap, the mark of a candle, or an event."""
        value = encode(record)
        if isinstance(record, Gap):
            self._produce(GAPS, key=record.gap_id, value=value, partition=partition)
        elif isinstance(record, FeedEvent):
            self._produce(FEED_EVENTS, key=record.venue, value=value)
            self.gaps[record.venue, record.kind] += 1
        else:
            self._produce(GAP_MARKS, key=record.symbol, value=value, partition=partition)

    def write_down(self, partition: int, key: bytes, value: bytes) -> None:
        """Write the state of a symbol."""
        self._produce(SEQUENCER_STATE, key=key, value=value, partition=partition)

    def refuse(self, value: bytes | None, reason: str, venue: Venue | None) -> None:
        """Write a dead letter with the record's value, cut where it is very long, and the reason."""
        payload = (value or b"")[:_LETTER_BYTES].decode(errors="replace")
        letter = DeadLetter("sequencer", reason, payload, time.time_ns() // 1000, venue)
        self._produce(DEAD_LETTERS, value=encode(letter))
        self._refused += 1

    def commit(self, group: Any) -> None:
        """Commit, as the member of the consumer group that `group` (its metadata) says, and count what was done.

        Raises:
            Aborted: the group has moved on, or something was not delivered in time.
            KafkaException: this process can't write any more.
        """
        started = time.monotonic()
        offsets = [TopicPartition(TRADES_IN, partition, offset) for partition, offset in self.offsets.items()]
        offsets += [TopicPartition(FEED_MARKS, partition, offset) for partition, offset in self.mark_offsets.items()]
        try:
            self._persist(self.producer.send_offsets_to_transaction, offsets, group, _BROKER_SECONDS)
            self._persist(self.producer.commit_transaction, _BROKER_SECONDS)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.fatal():
                raise
            self.abort(cause.str())
            raise Aborted from error
        self._tally.trades.update(self.outcomes)
        self._tally.refused += self._refused
        self._tally.gaps.update(self.gaps)
        self._tally.newest.update(self.newest)
        self._tally.transaction_seconds.observe(time.monotonic() - started)
        self._clear()

    def abort(self, reason: str) -> None:
        """Abort the transaction, if one is open.

        Raises:
            KafkaException: this process can't write any more.
        """
        if self.begun is None:
            return
        _logger.warning("transaction aborted: %s", reason, extra={"read": sum(self.outcomes.values())})
        self._persist(self.producer.abort_transaction, _BROKER_SECONDS)
        self._clear()

    def _clear(self) -> None:
        self.begun = None
        self._refused = 0
        self.offsets.clear()
        self.mark_offsets.clear()
        self.gaps.clear()
        self.outcomes.clear()
        self._headed.clear()

    def _produce(self, topic: str, **record: Any) -> None:
        while True:
            try:
                self.producer.produce(topic, **record)
            except BufferError:
                # The queue is full, so the broker is slow or away; the messages in it run into their time at last.
                self.producer.poll(0.1)
            except KafkaException as error:
                if error.args[0].fatal():
                    raise
                self.abort(error.args[0].str())
                raise Aborted from error
            else:
                return

    def _persist(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call until it succeeds, is refused for good, or the process is to stop."""
        while True:
            try:
                call(*arguments)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if not cause.retriable() or self._pause(_RETRY_SECONDS):
                    raise
                _logger.warning("%s: %s; trying again", getattr(call, "__name__", "call"), cause.str())
            else:
                return
