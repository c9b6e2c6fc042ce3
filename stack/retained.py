"""What a topic still holds: the first trade of each partition."""

import time

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from market.records import decode_trade
from stack.errors import StackError
from stack.jobplan import Retained

SECONDS = 30.0


def retained(bootstrap: str, topic: str) -> list[Retained]:
    """Return where each partition of a topic of trades begins, in the order of partitions.

    Raises:
        StackError: the broker does not tell in time.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "pricebraid-supervisor",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions)
        return [_first(consumer, topic, partition) for partition in partitions]
    except KafkaException as error:
        raise StackError(f"The broker does not tell what {topic} still holds: {error.args[0]}.") from error
    finally:
        consumer.close()


def _first(consumer: Consumer, topic: str, partition: int) -> Retained:
    watermarks = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=SECONDS)
    low = watermarks[0] if watermarks else OFFSET_INVALID
    if low == OFFSET_INVALID:
        raise StackError(f"The broker does not tell where partition {partition} of {topic} begins.")
    if low == 0:
        return Retained(0, None)
    consumer.assign([TopicPartition(topic, partition, low)])
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            return Retained(low, decode_trade(message.value() or b"").event_time)
        if error.code() == KafkaError._PARTITION_EOF:
            return Retained(low, None)
        raise KafkaException(error)
    raise StackError(f"The first trade of partition {partition} of {topic} cannot be read.")
