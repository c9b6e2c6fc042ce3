"""Records to Kafka: keyed, idempotent, pipelined, in a bounded queue, and never waiting on the event loop."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from market.records import DeadLetter, encode
from market.settings import Settings
from market.topics import DEAD_LETTERS

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 0.005
_AGAIN_SECONDS = 1.0
_COMPLAIN_SECONDS = 10.0
# Reading goes on once this much of the queue is taken and no more, so that it does not stop with every record.
_LOW_WATER = 0.8
_LARGEST_RECORD = 2 << 20
_LONGEST_PAYLOAD = 10_000


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record on its way: `key` is None where the topic has none."""

    topic: str
    key: str | None
    value: bytes


def producer_config(settings: Settings) -> dict[str, Any]:
    """Return the producer's configuration, but for its callbacks."""
    return {
        "bootstrap.servers": settings.kafka.bootstrap,
        "client.id": "pricebraid-ingest",
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": settings.kafka.linger_ms,
        # Java's way of choosing a partition by key, so that all writers of a topic agree.
        "partitioner": "murmur2_random",
        # Never give up on a record while the process lives.
        "message.timeout.ms": 0,
        "message.max.bytes": _LARGEST_RECORD,
        "queue.buffering.max.messages": settings.ingest.queue_records,
        "queue.buffering.max.kbytes": settings.ingest.queue_megabytes * 1024,
        "reconnect.backoff.max.ms": 1000,
        "delivery.report.only.error": True,
    }


class Publisher:
    """One idempotent producer. To be used from the event loop that runs when it is made, `depth` from anywhere.

    A record that the producer's queue has no room for waits in front of it, and `full` turns true: whoever makes
    records then awaits `room()` before making more. Delivery is tried for as long as the process lives; one that
    failed for good is counted, and the record is sent again before anything that still waits. Only a record that is
    too large to be taken at all becomes a dead letter.
    """

    def __init__(
        self, config: dict[str, Any], queue_records: int, make: Callable[[dict[str, Any]], Producer] = Producer
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._low_water = int(queue_records * _LOW_WATER)
        self._waiting: deque[Record] = deque()
        self._failed: deque[Record] = deque()
        self._again_at = 0.0
        self._room = asyncio.Event()
        self._room.set()
        self._drain: asyncio.Task[None] | None = None
        self._stopping = threading.Event()
        self._complained = float("-inf")
        self.fatal: asyncio.Future[str] = self._loop.create_future()
        """Done with the reason once the producer can't be used any more."""
        self.full = False
        self.sent = 0
        self.delivery_errors = 0
        callbacks = {"on_delivery": self._delivered, "error_cb": self._erred, "logger": logging.getLogger("kafka")}
        self._producer = make(config | callbacks)
        self._poller = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._poller.start()

    @property
    def depth(self) -> int:
        """How many records have not been acknowledged yet, and a few events of the producer itself at times."""
        return len(self._producer) + len(self._waiting) + len(self._failed)

    def send(self, topic: str, key: str | None, value: bytes) -> None:
        """Queue a record. Never waits, never raises."""
        self.sent += 1
        record = Record(topic, key, value)
        if self.full or not self._produce(record):
            self._waiting.append(record)
            self._hold()

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    async def close(self, seconds: float) -> int:
        """Deliver everything, in at most so many seconds; return how many records remain. Nothing may be sent after.

        The event loop goes on meanwhile.
        """
        deadline = time.monotonic() + seconds
        queued = self.depth
        while self.depth and not self.fatal.done() and (left := deadline - time.monotonic()) > 0:
            await asyncio.to_thread(self._producer.flush, min(left, _POLL_SECONDS))
        self._stopping.set()
        await asyncio.to_thread(self._poller.join)
        remaining = self.depth
        if self._drain is not None:
            self._drain.cancel()
        if remaining:
            log.error("stopped with records unsent", extra={"flushed": queued - remaining, "unsent": remaining})
        else:
            log.info("flushed everything", extra={"flushed": queued, "unsent": 0, "sent_in_all": self.sent})
        return remaining

    def _produce(self, record: Record) -> bool:
        """Hand a record to the producer; false if it has no room."""
        try:
            self._producer.produce(record.topic, record.value, record.key)
        except BufferError:
            return False
        except KafkaException as error:
            self._undelivered(record, error.args[0])
        return True

    def _hold(self) -> None:
        self.full = True
        self._room.clear()
        if self._drain is None or self._drain.done():
            self._drain = self._loop.create_task(self._empty())

    async def _empty(self) -> None:
        """Hand over what waits as room comes: first what has failed before, then the rest, each in its order."""
        while self._failed or self._waiting or len(self._producer) > self._low_water:
            for queue in (self._failed, self._waiting):
                # A record that fails at once puts off the rest, and itself goes to the end of those that failed.
                while queue and self._loop.time() >= self._again_at and self._produce(queue[0]):
                    queue.popleft()
            await asyncio.sleep(_DRAIN_SECONDS)
        self.full = False
        self._room.set()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take a delivery report, in whichever thread polls."""
        topic, key, value = message.topic(), message.key(), message.value()
        if error is None or topic is None:
            return
        record = Record(
            topic,
            key.decode() if isinstance(key, bytes) else key,
            value.encode() if isinstance(value, str) else value or b"",
        )
        self._loop.call_soon_threadsafe(self._undelivered, record, error)

    def _erred(self, error: KafkaError) -> None:
        """Take an error of the producer itself, in whichever thread polls."""
        self._loop.call_soon_threadsafe(self._complain, error)

    def _undelivered(self, record: Record, error: KafkaError) -> None:
        self.delivery_errors += 1
        self._complain(error)
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._too_large(record)
            return
        self._failed.append(record)
        self._again_at = self._loop.time() + _AGAIN_SECONDS
        self._hold()

    def _too_large(self, record: Record) -> None:
        log.error("a record is too large for the broker", extra={"topic": record.topic, "bytes": len(record.value)})
        if record.topic == DEAD_LETTERS:
            return
        start = record.value[:_LONGEST_PAYLOAD].decode("utf-8", "replace")
        reason = f"{len(record.value)} bytes are too large for the broker; the payload is cut"
        letter = DeadLetter("ingest", reason, start, time.time_ns() // 1000)
        self.send(DEAD_LETTERS, None, encode(letter))

    def _complain(self, error: KafkaError) -> None:
        if error.fatal() and not self.fatal.done():
            self.fatal.set_result(str(error))
        now = time.monotonic()
        if error.fatal() or now - self._complained > _COMPLAIN_SECONDS:
            self._complained = now
            log.warning("Kafka: %s", error.str(), extra={"delivery_errors": self.delivery_errors})
