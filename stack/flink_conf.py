"""Flink's configuration: what every process and client of the cluster reads, from Pricebraid's settings."""

import json
from pathlib import Path
from uuid import uuid4

from market.settings import Settings
from stack.flink_memory import Memory
from stack.state import State

_PATTERN = "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %-5p %c{1.}: %m%n"

_CONSOLE = f"""# JobManager and TaskManagers: everything to stdout; the supervisor keeps and rotates it.
status = ERROR
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = {_PATTERN}
# Two lines a checkpoint, and pages of every Kafka client's configuration, would hide the rest.
logger.checkpoints.name = org.apache.flink.runtime.checkpoint.CheckpointCoordinator
logger.checkpoints.level = WARN
logger.kafka.name = org.apache.kafka
logger.kafka.level = WARN
logger.kafka_shaded.name = org.apache.flink.kafka.shaded
logger.kafka_shaded.level = WARN
logger.kafka_source.name = org.apache.flink.connector.kafka
logger.kafka_source.level = WARN
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""

_CLIENT = f"""# `flink` and `sql-client.sh`: a file that each run writes anew.
status = ERROR
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
appender.file.name = file
appender.file.type = FILE
appender.file.append = false
appender.file.fileName = ${{sys:log.file}}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = {_PATTERN}
"""

SHORT_LIVED = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""Options of a JVM that plans much and repeats little: the quick compiler is enough."""

CLIENT_OPTIONS = ["-Xmx512m", *SHORT_LIVED]

# What panels and alerts ask for, of hundreds of metrics an operator: `<scope>:<names>`, by Flink's names.
_SHOWN = (
    "jobmanager:numRunningJobs,numRegisteredTaskManagers,taskSlotsAvailable",
    "jobmanager.job:numRestarts,numberOfFailedCheckpoints,lastCheckpointCompletedTimestamp,lastCheckpointDuration,"
    "lastCheckpointFullSize",
    "taskmanager.job.task:busyTimeMsPerSecond,backPressuredTimeMsPerSecond",
    "taskmanager.job.task.operator:pendingRecords",
    "*.Status.JVM.Memory.Heap:Used",
)
# Labels that are another at each restart would make new series of the old.
_LEFT_OUT = ("host", "tm_id", "task_id", "task_attempt_id", "task_attempt_num", "operator_id")

LOG_FILES = {"log4j-console.properties": _CONSOLE, "log4j-cli.properties": _CLIENT}
"""The logging of the cluster's processes and of its clients, by the names that Flink's scripts expect."""


def configuration(settings: Settings, state: State, java_options: list[str], memory: list[Memory]) -> dict[str, str]:
    """Return Flink's configuration, by Flink's own names (docs: Deployment, Configuration)."""
    hosts, ports, flink = settings.hosts, settings.ports, settings.flink
    values = {
        "jobmanager.rpc.address": hosts.jobmanager,
        "jobmanager.rpc.port": str(ports.flink_rpc),
        "jobmanager.bind-host": settings.listen,
        "blob.server.port": str(ports.flink_blob),
        "rest.address": hosts.jobmanager,
        "rest.bind-address": settings.listen,
        # Without `rest.bind-port` the JobManager listens on it; with it, the SQL client's own server would as well.
        "rest.port": str(ports.flink),
        # Nobody uploads programs through the web UI; `flink run` does not need this.
        "web.submit.enable": "false",
        "taskmanager.host": hosts.taskmanager,
        "taskmanager.bind-host": settings.listen,
        "taskmanager.numberOfTaskSlots": str(flink.slots),
        "parallelism.default": str(flink.parallelism),
        "env.java.opts.all": " ".join(java_options),
        "io.tmp.dirs": str(state.flink_tmp / "client"),
        # A finished or failed job stays in the UI for an hour; without this bound, a failing one fills the heap.
        "jobstore.max-capacity": "50",
        "table.local-time-zone": "UTC",
        # State and how it is kept. Folders must outlive the processes, so storage is never the JobManager's memory.
        "state.backend.type": "rocksdb",
        # Each state begins with a block of an eighth of this. At RocksDB's own 64 MB, the blocks of a few states exceed
        # what a slot may use, and what is written is flushed and compacted all the time.
        "state.backend.rocksdb.writebuffer.size": "2mb",
        # Of most rows nothing is known yet: a new second, a new minute. A filter says so without a look at the files.
        "state.backend.rocksdb.use-bloom-filter": "true",
        # What a checkpoint every ten seconds writes is soon written again, put together with older: not worth packing.
        "state.backend.rocksdb.compression.per.level": ";".join(["NO_COMPRESSION"] * 2 + ["SNAPPY_COMPRESSION"] * 5),
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": f"file://{state.checkpoints}",
        "execution.checkpointing.savepoint-dir": f"file://{state.savepoints}",
        "execution.checkpointing.incremental": "true",
        "execution.checkpointing.interval": f"{round(flink.checkpoint_seconds * 1000)} ms",
        "execution.checkpointing.min-pause": "500 ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.num-retained": "3",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        # A sink that is away for a while (Postgres restarts) must not end the job.
        "execution.checkpointing.tolerable-failed-checkpoints": "1000000",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.backoff-multiplier": "1.5",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
        "restart-strategy.exponential-delay.jitter-factor": "0.1",
        # A killed process is noticed within seconds, and one that came back is taken in at once.
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "10 s",
        "cluster.registration.error-delay": "1 s",
        "cluster.registration.refused-registration-delay": "2 s",
        "cluster.registration.max-timeout": "5 s",
    }
    for division in memory:
        values |= division.configuration
    return values


def reporter(port: int) -> dict[str, str]:
    """Return what has a process show its metrics to Prometheus on a port (docs: Deployment, Metric Reporters).

    The port is open on all addresses of this machine: the reporter has no setting for it.
    """
    name = "metrics.reporter.prometheus"
    return {
        f"{name}.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
        f"{name}.port": str(port),
        f"{name}.filter.includes": ";".join(_SHOWN),
        f"{name}.scope.variables.excludes": ";".join(_LEFT_OUT),
    }


def write_configuration(folder: Path, values: dict[str, str]) -> None:
    """Write `config.yaml` and the logging files into a folder that may serve as `FLINK_CONF_DIR`.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A JSON string is a YAML string, whatever is in it.
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in values.items()]
    _replace(folder / "config.yaml", "# Written from Pricebraid's settings; changes are lost.\n" + "".join(lines))
    for name, text in LOG_FILES.items():
        _replace(folder / name, text)


def _replace(path: Path, text: str) -> None:
    """Write a file that another process may be reading."""
    # Containers that share the folder may write at once.
    fresh = path.with_name(f"{path.name}.{uuid4().hex}.new")
    fresh.write_text(text)
    fresh.replace(path)
