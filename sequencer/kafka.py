"""How the sequencer talks to Kafka: the names and the settings of its clients."""

import logging
import time
from typing import Any

from confluent_kafka import KafkaError

from market.settings import Settings

GROUP = "pricebraid-sequencer"
NEWEST_HEADER = "newest_event_time"
"""Header of the first record that a transaction writes to a partition of `trades`: the newest event time of all that
was passed to the partition before, in microseconds as decimal digits, -1 where there is none. A tail that begins
there lacks no trade that is newer than that."""

_LOG_SECONDS = 10.0

_logger = logging.getLogger("sequencer")


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
        # The broker answers a connection in turn: a fetch that waits would hold up what else is asked.
        "fetch.wait.max.ms": 50,
        # By default a full queue is looked at again after a second, in which a fast reader runs dry.
        "fetch.queue.backoff.ms": 20,
    }


def reader_config(settings: Settings, complaints: Complaints, isolation: str) -> dict[str, Any]:
    """Return the settings of a reader of `trades` outside any group, at the isolation level given."""
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
