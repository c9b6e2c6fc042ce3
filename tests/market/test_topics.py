"""Every topic is bounded, and cut into segments that are few and yet small beside what is kept."""

import pytest

from market.sections import KafkaSettings
from market.topics import GAPS, INSTRUMENTS, SEQUENCER_STATE, TRADES, TRADES_IN, Topic, topics

ALL = topics(KafkaSettings())


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_every_topic_is_bounded_by_time_or_compacted(topic: Topic) -> None:
    config = topic.config()
    assert 0 < int(config["retention.ms"]) < 366 * 86_400_000
    assert "delete" in config["cleanup.policy"] or topic.name in {GAPS, INSTRUMENTS, SEQUENCER_STATE}
    assert config["cleanup.policy"] in {"delete", "compact", "compact,delete"}
    assert int(config["segment.ms"]) <= int(config["retention.ms"]) // 8


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_segments_are_small_beside_the_bound_and_not_many(topic: Topic) -> None:
    size = int(topic.config()["segment.bytes"])
    assert size == 64 << 20
    assert topic.retention_bytes < 0 or size <= topic.retention_bytes // 8


def test_a_small_bound_makes_small_segments() -> None:
    small = {topic.name: topic.config()["segment.bytes"] for topic in topics(KafkaSettings(topic_bytes=8 << 20))}
    assert small[TRADES_IN] == str(1 << 20)


def test_the_sequencers_topics_have_equal_partitions_and_trades_outlive_the_horizon() -> None:
    by_name = {topic.name: topic for topic in ALL}
    assert by_name[TRADES].partitions == by_name[TRADES_IN].partitions
    assert by_name[TRADES].retention_hours >= 72 + 24
