"""The Kafka part: one broker that is its own controller (KRaft), and the topics in it."""

import logging
import shutil
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its package lists none of its names
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)

from market.settings import Settings
from stack.environment import base_environment
from stack.errors import StackError
from stack.java import Java
from stack.part import Part
from stack.probes import refused
from stack.state import State

_SECONDS = 30.0
_OF_TOPIC = ConfigSource.DYNAMIC_TOPIC_CONFIG

_SERVER = """# Written before each start from Pricebraid's settings; changes are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://{listen}:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://{host}:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}

auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
background.threads=4
message.max.bytes=8388608

# One broker, so one copy; few partitions of the internal topics keep start and recovery short.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# A broker that was killed may register again only when its old session is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Bounds are looked at every minute. Consumers that were away for a week still find where they were.
log.retention.check.interval.ms=60000
log.cleaner.backoff.ms=15000
log.cleaner.dedupe.buffer.size=16777216
log.segment.delete.delay.ms=10000
offsets.retention.minutes=20160
transactional.id.expiration.ms=1209600000
metadata.log.max.snapshot.interval.ms=3600000
metadata.max.retention.bytes=52428800
"""

_LOG4J = """# Everything to stdout: the supervisor keeps and rotates it.
status = WARN
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss'Z'}{UTC} %-5p %c{1}: %m%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
logger.broker.name = org.apache.kafka.server
logger.broker.level = WARN
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = ERROR
"""


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


def part(settings: Settings, state: State, java: Java) -> Part:
    """Return the broker part."""
    port = settings.ports.kafka
    return Part(
        name="kafka",
        command=[
            *(str(java.executable), *java_options(state.kafka), f"-Djava.io.tmpdir={state.kafka / 'tmp'}"),
            *("-cp", _class_path(state), "kafka.Kafka", str(state.kafka / "server.properties")),
        ],
        env=base_environment(),
        cwd=state.kafka,
        endpoint=f"127.0.0.1:{port}",
        ready=lambda: _not_ready(port),
        prepare=lambda: prepare(settings, state, java),
        stop_seconds=30.0,
    )


def java_options(folder: Path) -> list[str]:
    """Return the options of the broker's JVM, whose configuration lies in `folder`."""
    return [
        *("-Xms256m", "-Xmx448m", "-XX:+UseSerialGC", "-XX:MaxMetaspaceSize=128m"),
        *("-XX:+ExitOnOutOfMemoryError", "-Duser.timezone=UTC"),
        f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').as_uri()}",
    ]


def _class_path(state: State) -> str:
    return str(state.jars / "kafka" / "*")


def prepare(settings: Settings, state: State, java: Java) -> None:
    """Write the broker's configuration, and format its storage where it is not yet.

    Raises:
        StackError: it cannot be written or formatted.
    """
    try:
        state.kafka.mkdir(parents=True, exist_ok=True)
        # A killed broker leaves its unpacked libraries behind.
        shutil.rmtree(state.kafka / "tmp", ignore_errors=True)
        (state.kafka / "tmp").mkdir()
        write_configuration(settings, state.kafka, state.kafka / "data")
        if not (state.kafka / "data" / "meta.properties").is_file():
            _format(state, java)
    except OSError as error:
        raise StackError(
            f"The broker's storage in {state.kafka} cannot be prepared: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def write_configuration(settings: Settings, folder: Path, data: Path) -> None:
    """Write into `folder` what the broker reads: its properties, its logging, and the id that `data` is formatted with.

    Raises:
        OSError: it cannot be written.
    """
    (folder / "log4j2.properties").write_text(_LOG4J)
    (folder / "server.properties").write_text(
        _SERVER.format(
            listen=settings.listen,
            host=settings.hosts.kafka,
            broker=settings.ports.kafka,
            controller=settings.ports.kafka_controller,
            data=_escaped(data),
        )
    )
    cluster = folder / "cluster.id"
    if not cluster.is_file():
        cluster.write_text(urlsafe_b64encode(b"\0" + uuid4().bytes[1:]).decode().rstrip("="))


def _escaped(path: Path) -> str:
    """Return a path as a value of a Java properties file."""
    return str(path).replace("\\", "\\\\")


def _format(state: State, java: Java) -> None:
    done = subprocess.run(
        [
            *(str(java.executable), "-Xmx128m", "-XX:TieredStopAtLevel=1"),
            f"-Dlog4j2.configurationFile={(state.kafka / 'log4j2.properties').as_uri()}",
            *("-cp", _class_path(state), "kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", (state.kafka / "cluster.id").read_text()),
            *("--config", str(state.kafka / "server.properties")),
        ],
        env=base_environment(),
        cwd=state.kafka,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(
            f"The broker's storage in {state.kafka} cannot be formatted: {(done.stderr or done.stdout).strip()[-500:]}",
            f"Check that the disk is not full; if the storage is damaged, delete {state.kafka} and try again.",
        )


def _silent_logger() -> logging.Logger:
    """Return a logger for librdkafka that keeps to itself that a broker is not up yet: `ready` says so."""
    logger = logging.getLogger("stack.kafka.client")
    logger.setLevel(logging.CRITICAL)
    return logger


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}, logger=_silent_logger())


def _not_ready(port: int) -> str | None:
    closed = refused(port)
    if closed is not None:
        return closed
    try:
        listed = _admin(f"127.0.0.1:{port}").list_topics(timeout=1.5)
    except KafkaException as error:
        return f"no list of topics yet ({error.args[0].name()})"
    return None if listed.brokers else "the broker has not registered yet"


def create_topics(bootstrap: str, topics: Iterable[TopicLike], seconds: float = _SECONDS) -> None:
    """Make the topics that are missing, and give those that are there the configuration that is wanted.

    `seconds` is how long the broker may take to answer at first.

    Raises:
        StackError: the broker does not answer or refuses, or a topic has another number of partitions.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = _admin(bootstrap)
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
    # The controller answers before the broker knows of them.
    deadline = time.monotonic() + _SECONDS
    while not {topic.name for topic in topics} <= admin.list_topics(timeout=_SECONDS).topics.keys():
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        time.sleep(0.05)


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
