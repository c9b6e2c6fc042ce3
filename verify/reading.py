"""Reads what is committed in topics, up to the ends that were captured, into files of JSON lines.

A reader goes on where it stopped. It also tells since when a topic lacks nothing: what retention has cut off is gone.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from market.topics import TRADES
from verify.scope import MARGIN_MS, WHOLE, Scope

NEWEST_HEADER = "newest_event_time"
"""A header that the first record of each transaction has in `trades`: the newest event time (µs, as decimal digits,
-1 for none) of all that was passed to the partition before."""

SECONDS = 30.0
_FILE_RECORDS = 50_000
_SLICE = 5_000
# How long the topics may bring nothing while their ends are not reached, in looks of a tenth of a second.
_PATIENCE = 300

Place = tuple[str, int]
"""A topic and the number of a partition of it."""

Take = Callable[[str, Path], None]
"""Is given a topic and a file with records of it, a line each. The file is deleted afterwards."""


class CannotCheck(Exception):
    """Nothing can be said of the candles; the text says why."""


class NothingToCheck(CannotCheck):
    """No candle is closed, of what was read."""


class Cut(msgspec.Struct):
    """A partition that has lost its oldest records, or of which they are not read.

    `newest_before` is the newest event time (µs) of what was passed before the first record that tells it, of `trades`
    alone. What is lost was written before `first_written` (ms, of the broker's clock); of `trades` that is known only
    where reading began by time. None: not known.
    """

    newest_before: int | None = None
    first_written: int | None = None


def silent(_text: str) -> None:
    """Tell nobody how far it is."""


def silent_logger() -> logging.Logger:
    """Return a logger for librdkafka: what matters of its log comes as errors, too."""
    logger = logging.getLogger("verify.kafka")
    logger.setLevel(logging.CRITICAL)
    return logger


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Return the numbers of a topic's partitions.

    Raises:
        CannotCheck: the broker does not answer, or there is no such topic.
    """
    try:
        found = consumer.list_topics(topic, timeout=SECONDS).topics[topic]
    except KafkaException as error:
        raise CannotCheck(f"The broker does not answer: {error.args[0].str()}.") from error
    if found.error is not None:
        raise CannotCheck(
            f"The topic {topic} cannot be read: {found.error.str()}. "
            "The next start makes the topics that are missing; of anything else the log of kafka tells."
        )
    return sorted(found.partitions)


def ends_of(consumer: Consumer, place: Place) -> tuple[int, int]:
    """Return the first offset of a partition, and the one behind its last record.

    Raises:
        CannotCheck: the broker does not answer.
    """
    try:
        ends = consumer.get_watermark_offsets(TopicPartition(*place), timeout=SECONDS)
    except KafkaException as error:
        raise CannotCheck(f"The broker does not tell where {_named([place])} ends: {error.args[0].str()}.") from error
    if ends is None:
        raise CannotCheck(f"The broker does not tell in time where {_named([place])} ends.")
    return ends


class Reader:
    """The committed records of some topics, as far back as `scope` says.

    Every method raises CannotCheck where the broker does not answer.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Iterable[str],
        folder: Path,
        progress: Callable[[str], None] = silent,
        scope: Scope = WHOLE,
    ) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "pricebraid-verify",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": 32_768,
                "fetch.wait.max.ms": 50,
                "fetch.queue.backoff.ms": 20,
                "log_level": 0,
            },
            logger=silent_logger(),
        )
        self._files = _Files(folder)
        self._progress = progress
        self._next: dict[Place, int] = {}
        self.cut: dict[Place, Cut] = {}
        self.required: dict[Place, int] = {}
        """Behind the last record that was read of each partition: what whoever has read the same has reached."""
        self.records = 0
        for topic in topics:
            partitions = partitions_of(self._consumer, topic)
            for number in partitions:
                self._begin((topic, number), scope, len(partitions))

    def _begin(self, place: Place, scope: Scope, partitions: int) -> None:
        """Choose where reading a partition begins."""
        low, high = ends_of(self._consumer, place)
        by_time = low if scope.since is None else self._first_written(place, scope.since - MARGIN_MS, high)
        by_count = low if scope.most is None else high - scope.most // partitions
        first = max(low, by_time, by_count)
        self._next[place] = first
        if first > 0:
            # What is not read was written a while before that time. So something was that is read.
            self.cut[place] = Cut(first_written=scope.since if first == by_time > low else None)

    def _first_written(self, place: Place, since: int, high: int) -> int:
        """Return the offset of the first record that was written then (ms) or later, `high` where there is none."""
        try:
            (found,) = self._consumer.offsets_for_times([TopicPartition(*place, since)], timeout=SECONDS)
        except KafkaException as error:
            raise CannotCheck(f"The broker does not answer: {error.args[0].str()}.") from error
        return found.offset if found.offset >= 0 else high

    def read(self, take: Take) -> None:
        """Read on to where the topics end now."""
        ends = {place: ends_of(self._consumer, place)[1] for place in self._next}
        begun = dict(self._next)
        ahead = {place for place, start in begun.items() if start < ends[place]}
        self._consumer.assign([TopicPartition(*place, self._next[place]) for place in sorted(ahead)])
        total = sum(ends[place] - begun[place] for place in ahead)
        idle = 0
        while ahead:
            messages = self._consumer.consume(_SLICE, timeout=0.1)
            idle = 0 if messages else idle + 1
            if idle > _PATIENCE:
                raise CannotCheck(f"The broker does not bring what the topics hold: {_named(ahead)}.")
            for message in messages:
                place = (str(message.topic()), _number(message.partition()))
                if place in ahead and self._pass(message, place, ends[place], take):
                    ahead.discard(place)
            done = sum(self._next[place] - begun[place] for place in begun)
            self._progress(f"reads the topics: {done:,} of {total:,}")
        self._files.give_all(take)

    def _pass(self, message: Message, place: Place, end: int, take: Take) -> bool:
        """Take in a message; return whether the partition's end is reached."""
        error, offset = message.error(), _number(message.offset())
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise CannotCheck(f"The topic {place[0]} cannot be read: {error.str()}.")
            self._next[place] = min(max(offset, self._next[place]), end)
            return self._next[place] >= end
        if offset >= end:
            self._next[place] = end
            return True
        self._next[place] = offset + 1
        self.required[place] = offset + 1
        value = message.value()
        if isinstance(value, bytes):
            if place in self.cut:
                _learn(self.cut[place], message, place[0])
            self.records += 1
            self._files.put(place[0], value, take)
        return offset + 1 >= end

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()


class _Files:
    """Files of JSON lines, one a topic at a time, each given away when it is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[str, list[bytes]] = {}

    def put(self, topic: str, value: bytes, take: Take) -> None:
        lines = self._lines.setdefault(topic, [])
        lines.append(value)
        if len(lines) >= _FILE_RECORDS:
            self._give(topic, take)

    def give_all(self, take: Take) -> None:
        for topic in [topic for topic, lines in self._lines.items() if lines]:
            self._give(topic, take)

    def _give(self, topic: str, take: Take) -> None:
        path = self._folder / f"{topic}.ndjson"
        path.write_bytes(b"\n".join(self._lines.pop(topic)))
        take(topic, path)
        path.unlink()


def _learn(cut: Cut, message: Message, topic: str) -> None:
    if topic != TRADES:
        if cut.first_written is None:
            cut.first_written = message.timestamp()[1]
    elif cut.newest_before is None:
        headers: Any = message.headers()
        for name, value in headers or ():
            if name == NEWEST_HEADER:
                cut.newest_before = int(value)


def _number(value: int | None) -> int:
    assert value is not None  # whatever was read has a partition and an offset
    return value


def _named(places: Iterable[Place]) -> str:
    return ", ".join(f"{topic} {number}" for topic, number in sorted(places))
