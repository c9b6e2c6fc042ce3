"""How the sequencer talks to Kafka: the names and the settings of its clients."""

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

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

GROUP = "pricebraid-sequencer"
NEWEST_HEADER = "newest_event_time"
"""Header of the first record that a transaction writes to a partition of `trades`: the newest event time of all that
was passed to the partition before, in microseconds as decimal digits, -1 where there is none. A tail that begins
there lacks no trade that is newer than that."""

Pause = Callable[[float], bool]
"""Waits so many seconds before something is tried again; true where the process is to stop, so that it is not."""

_TWINS = (TRADES_IN, TRADES, FEED_MARKS, GAPS, GAP_MARKS, SEQUENCER_STATE)
_OTHERS = (LATE_TRADES, DEAD_LETTERS, FEED_EVENTS)
_BROKER_SECONDS = 5.0
_LOG_SECONDS = 10.0

_logger = logging.getLogger("sequencer")


class FatalError(Exception):
    """Something that this process can't go on after; started again, it may."""


class Complaints:
    """Hears the errors of a client: logs each kind now and then, and keeps the one after which nothing goes on."""

    def __init__(self) -> None:
        self.fatal: KafkaError | None = None
        self._logged: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Take in an error; a client calls this itself."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.fatal = error
            return
        # A broker that is away is an error every few milliseconds.
        now = time.monotonic()
        if now - self._logged.get(error.code(), -_LOG_SECONDS) >= _LOG_SECONDS:
            self._logged[error.code()] = now
            _logger.warning("kafka: %s", error.str())


def _base(settings: Settings, complaints: Complaints) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.kafka.bootstrap,
        "client.id": f"{GROUP}-{settings.sequencer.instance}",
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 1000,
        # What matters of the library's own log comes as errors, too.
        "log_level": 2,
        "error_cb": complaints,
    }


def consumer_config(settings: Settings, complaints: Complaints) -> dict[str, Any]:
    """Return the settings of the consumer of `trades_in`.

    With an instance id of its own a process that comes back within the session's time gets its partitions back at
    once; when it stays away, they move after that time. Only what a rebalance moves is taken from a process.
    """
    return _base(settings, complaints) | {
        "group.id": GROUP,
        "group.instance.id": f"{GROUP}-{settings.sequencer.instance}",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1500,
        "max.poll.interval.ms": 60_000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        # Each partition is written many times a second: to fetch every batch by itself would keep the broker busy. What
        # came is committed once nothing more is there, so this is also how often, unless there is always more.
        # The broker answers a connection in turn: a fetch that waits holds up what else is asked.
        "fetch.min.bytes": 1 << 20,
        "fetch.wait.max.ms": settings.sequencer.commit_ms,
        # By default a full queue is looked at again after a second, in which a fast reader runs dry.
        "fetch.queue.backoff.ms": 20,
    }


def reader_config(settings: Settings, complaints: Complaints, isolation: str) -> dict[str, Any]:
    """Return the settings of a reader outside any group, at the isolation level given, which is told of ends."""
    return _base(settings, complaints) | {
        "group.id": f"{GROUP}-rebuild",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": isolation,
        "enable.partition.eof": True,
        # The end is only told by a fetch that finds nothing, which by default waits half a second.
        "fetch.wait.max.ms": 10,
        "fetch.queue.backoff.ms": 20,
    }


def marks_config(settings: Settings, complaints: Complaints) -> dict[str, Any]:
    """Return the settings of the reader of `feed_marks`, which is in no group: offsets are kept with the trades'."""
    return _base(settings, complaints) | {
        "group.id": f"{GROUP}-marks",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 20,
    }


def producer_config(settings: Settings, complaints: Complaints) -> dict[str, Any]:
    """Return the settings of the transactional producer.

    The transaction's time is short, so that what a killed process left open does not hold up readers for long; the
    same instance aborts it at once when it comes back.
    """
    return _base(settings, complaints) | {
        "transactional.id": f"{GROUP}-{settings.sequencer.instance}",
        "transaction.timeout.ms": 10_000,
        "linger.ms": settings.kafka.linger_ms,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
    }


def await_topics(producer: Producer, bootstrap: str, pause: Pause) -> None:
    """Wait for broker and topics, and see that each partition of `trades_in` has its twin in what belongs to it.

    Raises:
        FatalError: it has not.
    """
    while True:
        try:
            found = producer.list_topics(timeout=_BROKER_SECONDS).topics
        except KafkaException as error:
            _logger.warning("waiting for Kafka at %s: %s", bootstrap, error.args[0].str())
        else:
            missing = [name for name in (*_TWINS, *_OTHERS) if name not in found]
            if not missing:
                counts = {name: len(found[name].partitions) for name in _TWINS}
                if len(set(counts.values())) > 1:
                    told = ", ".join(f"{name} has {count}" for name, count in counts.items())
                    raise FatalError(f"numbers of partitions must be equal: {told}")
                return
            _logger.warning("waiting for the topics %s", ", ".join(missing))
        if pause(1.0):
            return
