"""What tests read from a broker, and how they wait for it."""

import asyncio
import time
from collections.abc import Callable

import confluent_kafka

WAIT_SECONDS = 20.0


def read(bootstrap: str, topic: str, enough: int) -> list[confluent_kafka.Message]:
    """Return the first records of a topic, as many as are asked for."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
        found: list[confluent_kafka.Message] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while len(found) < enough and time.monotonic() < deadline:
            found += [message for message in consumer.consume(1000, 0.2) if message.error() is None]
        return found
    finally:
        consumer.close()


async def eventually(condition: Callable[[], bool], what: str = "the condition") -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come in {WAIT_SECONDS:g} s"
        await asyncio.sleep(0.01)
