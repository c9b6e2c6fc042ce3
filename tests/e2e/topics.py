"""Reads topics of the running stack."""

import json
import time
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from tests.stacks import PORTS


class Message(NamedTuple):
    """Key and value as JSON, and when it was written (milliseconds since the epoch)."""

    key: Any
    value: Any
    timestamp: int


def newest(topic: str, count: int, seconds: float = 30.0) -> list[Message]:
    """Return `count` messages from the end of the topic, those of a partition in order.

    Raises:
        AssertionError: there were fewer within `seconds`.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{PORTS['KAFKA']}",
            "group.id": f"test-{time.monotonic_ns()}",
            "enable.auto.commit": False,
        }
    )
    places = [
        TopicPartition(topic, number) for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ]
    for place in places:
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        place.offset = max(low, high - count)
    consumer.assign(places)
    found: list[Message] = []
    deadline = time.monotonic() + seconds
    try:
        while len(found) < count and time.monotonic() < deadline:
            for message in consumer.consume(count, timeout=0.5):
                assert message.error() is None, message.error()
                key, value = message.key(), message.value()
                found.append(
                    Message(
                        json.loads(key) if key else None, json.loads(value) if value else None, message.timestamp()[1]
                    )
                )
    finally:
        consumer.close()
    assert len(found) >= count, f"{topic} holds {len(found)} messages"
    return found[:count]


def count(topic: str) -> int:
    """Return how many records the topic holds."""
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{PORTS['KAFKA']}", "group.id": "test-count"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10) for number in partitions]
    finally:
        consumer.close()
    return sum(high - low for low, high in ends)
