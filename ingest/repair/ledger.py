"""The sequencer's ledger of gaps, read from its beginning whenever repair starts: what is open is still to be done."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from market.records import Gap, decode_gap
from market.settings import Settings
from market.topics import GAPS

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_AGAIN_SECONDS = 1.0
_BATCH = 1000

Take = Callable[[Sequence[Gap]], None]


def consumer_config(settings: Settings) -> dict[str, Any]:
    """Return the consumer's configuration. It belongs to no group: every start reads all of the ledger."""
    return {
        "bootstrap.servers": settings.kafka.bootstrap,
        "client.id": "pricebraid-repair",
        "group.id": "pricebraid-repair",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
        "fetch.wait.max.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,
    }


class Ledger:
    """Reads gaps in a thread of its own and hands them to `take` in the event loop, for as long as the process lives.

    `read` is set once all that stood in the ledger at the start has been handed over.
    """

    def __init__(self, settings: Settings, take: Take) -> None:
        self._settings = settings
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self.read = asyncio.Event()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    async def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        told = False
        while not self._stop.is_set():
            consumer = Consumer(consumer_config(self._settings))
            try:
                self._follow(consumer)
            except KafkaException as error:
                if not told:
                    log.warning("the ledger of gaps can't be read yet: %s", error)
                    told = True
                self._stop.wait(_AGAIN_SECONDS)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        """Read from the beginning until told to stop, or until something is wrong; reading it all again is cheap."""
        partitions = self._partitions(consumer)
        consumer.assign([TopicPartition(GAPS, number, OFFSET_BEGINNING) for number in partitions])
        unread = set(partitions)
        while not self._stop.is_set():
            gaps = []
            for message in consumer.consume(_BATCH, _POLL_SECONDS):
                error = message.error()
                if error is None:
                    gaps += _gap(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
            if gaps:
                self._hand_over(self._take, gaps)
            if not unread:
                self._hand_over(self.read.set)

    def _partitions(self, consumer: Consumer) -> list[int]:
        found = consumer.list_topics(GAPS, timeout=10).topics[GAPS]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def _hand_over(self, call: Callable[..., Any], *arguments: Any) -> None:
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(call, *arguments)


def _gap(message: Message) -> list[Gap]:
    value = message.value()
    if value is None:
        return []
    try:
        return [decode_gap(value if isinstance(value, bytes) else value.encode())]
    except msgspec.DecodeError as error:
        log.warning("a gap that can't be read is left out: %s", error)
        return []
