"""The Kafka part: one broker that is its own controller (KRaft)."""

import shutil
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException

from market.settings import Settings
from stack.environment import base_environment
from stack.errors import StackError
from stack.java import Java
from stack.kafka_topics import admin_client
from stack.part import Part
from stack.probes import refused
from stack.state import State

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


def _not_ready(port: int) -> str | None:
    closed = refused(port)
    if closed is not None:
        return closed
    try:
        listed = admin_client(f"127.0.0.1:{port}").list_topics(timeout=1.5)
    except KafkaException as error:
        return f"no list of topics yet ({error.args[0].name()})"
    return None if listed.brokers else "the broker has not registered yet"
