"""A partition that the consumer group gives: read from the offset that is sought, at whatever moment that happens."""

from confluent_kafka import Consumer, TopicPartition

from market.settings import load
from market.topics import TRADES_IN
from sequencer.kafka import Complaints, consumer_config
from sequencer.partition import take
from tests.sequencer.cluster import Cluster


def test_a_partition_can_be_paused_and_sought_as_soon_as_it_is_given(cluster: Cluster) -> None:
    cluster.make_topics()
    for value in (b"read before", b"read next"):
        cluster.send_raw(b"A-USDT", value)
    ((written_to, _, _), _) = cluster.read(TRADES_IN)
    consumer = Consumer(consumer_config(load(kafka={"bootstrap": cluster.bootstrap}), Complaints()))
    try:
        take(consumer, range(4))
        consumer.pause([TopicPartition(TRADES_IN, number) for number in range(4)])
        for number in range(4):
            consumer.seek(TopicPartition(TRADES_IN, number, 1 if number == written_to else 0))
        consumer.resume([TopicPartition(TRADES_IN, number) for number in range(4)])
        (first,) = consumer.consume(1, timeout=10)
        assert (first.error(), first.value()) == (None, b"read next")
    finally:
        consumer.close()
