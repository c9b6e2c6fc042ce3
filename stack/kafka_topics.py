"""The topics in the broker: made where they are missing, and configured as the settings want them."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its package lists none of its names
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from stack.errors import StackError

_SECONDS = 30.0
_OF_TOPIC = ConfigSource.DYNAMIC_TOPIC_CONFIG


class TopicLike(Protocol):
    """What `create_topics` needs to know of a topic; `market.topics.Topic` is one."""

    @property
    def name(self) -> str:
        """The topic's name."""

    @property
    def partitions(self) -> int:
        """How many partitions it has."""

    def config(self) -> Mapping[str, str]:
        """Return its configuration as the broker takes it."""


def _silent_logger() -> logging.Logger:
    """Return a logger for librdkafka that keeps to itself that a broker is not up yet: `ready` says so."""
    logger = logging.getLogger("stack.kafka.client")
    logger.setLevel(logging.CRITICAL)
    return logger


def admin_client(bootstrap: str) -> AdminClient:
    """Return a client that asks the broker about topics, and keeps its troubles to itself."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}, logger=_silent_logger())


def create_topics(bootstrap: str, topics: Iterable[TopicLike], seconds: float = _SECONDS) -> None:
    """Make the topics that are missing, and give those that are there the configuration that is wanted.

    `seconds` is how long the broker may take to answer at first.

    Raises:
        StackError: the broker does not answer or refuses, or a topic has another number of partitions.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = admin_client(bootstrap)
    try:
        existing = admin.list_topics(timeout=seconds).topics
        for name in wanted.keys() & existing.keys():
            _same_partitions(wanted[name], len(existing[name].partitions))
        missing = [topic for name, topic in wanted.items() if name not in existing]
        if missing:
            _create(admin, missing)
        kept = [topic for name, topic in wanted.items() if name in existing]
        if kept:
            _configure(admin, kept)
    except KafkaException as error:
        raise StackError(
            f"The topics cannot be made at {bootstrap}: {error.args[0].str()}.", "See the log of kafka."
        ) from error


def _same_partitions(topic: TopicLike, found: int) -> None:
    if found != topic.partitions:
        raise StackError(
            f"The topic {topic.name} has {found} partitions, the settings say {topic.partitions}.",
            f"Set kafka.partitions back to {found}: with another number, trades of one symbol would lie in two "
            "partitions. To change it, stop the stack, delete the market's state folder and start over.",
        )


def _create(admin: AdminClient, topics: list[TopicLike]) -> None:
    fresh = [
        NewTopic(t.name, num_partitions=t.partitions, replication_factor=1, config=dict(t.config())) for t in topics
    ]
    for future in admin.create_topics(fresh, operation_timeout=_SECONDS).values():
        try:
            future.result(_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    _wait_until_there(admin, topics)


def _wait_until_there(admin: AdminClient, topics: list[TopicLike]) -> None:
    """Wait until each partition can be asked: the controller answers sooner than the broker knows of them and leads.

    The list of topics comes first. A client that asks for a partition which the broker has not heard of takes it for
    missing for half a minute, whatever the broker says meanwhile (librdkafka's `topic.metadata.propagation.max.ms`).
    """
    places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
    deadline = time.monotonic() + _SECONDS
    while refusal := _unlisted(admin, topics) or _refusal(admin, places):
        if time.monotonic() > deadline:
            raise refusal
        time.sleep(0.05)


def _unlisted(admin: AdminClient, topics: list[TopicLike]) -> KafkaException | None:
    """Look for every partition in the broker's list; return what is to be said where one is not there, or not led."""
    listed = admin.list_topics(timeout=_SECONDS).topics
    for topic in topics:
        found = listed[topic.name].partitions.values() if topic.name in listed else ()
        if sum(partition.leader >= 0 for partition in found) < topic.partitions:
            return KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    return None


def _refusal(admin: AdminClient, places: list[TopicPartition]) -> BaseException | None:
    """Ask where each partition ends; return what the broker says of one that it cannot tell of."""
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(dict.fromkeys(places, newest), request_timeout=_SECONDS)
    return next(filter(None, (future.exception(_SECONDS) for future in asked.values())), None)


def _configure(admin: AdminClient, topics: list[TopicLike]) -> None:
    """Alter what differs from what is wanted; what is wanted no longer falls back to the broker's default."""
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in topics]
    described = admin.describe_configs(resources, request_timeout=_SECONDS)
    changes = []
    for topic, resource in zip(topics, resources, strict=True):
        found: dict[str, ConfigEntry] = described[resource].result(_SECONDS)
        own = {name: entry.value for name, entry in found.items() if ConfigSource(entry.source) is _OF_TOPIC}
        wanted = topic.config()
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in wanted.items()
            if own.get(name) != value
        ]
        entries += [
            ConfigEntry(name, None, incremental_operation=AlterConfigOpType.DELETE)
            for name in own.keys() - wanted.keys()
        ]
        if entries:
            changes.append(ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries))
    if changes:
        for future in admin.incremental_alter_configs(changes, request_timeout=_SECONDS).values():
            future.result(_SECONDS)
