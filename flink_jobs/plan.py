"""What a job consists of, without Flink: its SQL files with their values filled in, and a fingerprint of them.

The SQL stands in `sql/flink`, one statement a file (a statement set counts as one), with `${name}` where a value
belongs. Nothing here needs a JVM, so the supervisor can ask for fingerprints cheaply.
"""

import hashlib
from importlib.metadata import version
from string import Template

import msgspec

from market.settings import ROOT, Settings

SQL = ROOT / "sql" / "flink"

# Where rows come from and go to, how fast they are flushed, and what a start from the topics chose, may all change
# without the state being any less right.
_UNCOUNTED = (
    "kafka_bootstrap",
    "jdbc_url",
    "postgres_password",
    "flush_ms",
    "ticker_flush_ms",
    "generation",
    "from_time",
)

_CONFIGURATION = {
    # Timestamps without a zone are UTC here, whatever the machine's zone is.
    "table.local-time-zone": "UTC",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.size": "20000",
    # Without it the 1-minute aggregate would be planned twice, once for each of its two sinks.
    "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    # A row that Flink can't read would have been refused by the sequencer: if one is there, stop and say so.
    "table.exec.sink.not-null-enforcer": "ERROR",
    # Fixes how keys are spread over state, so that a job can resume at another parallelism.
    "pipeline.max-parallelism": "128",
}


class Job(msgspec.Struct, frozen=True):
    """A job: its name, and the names of its tables and views in the order in which they are created.

    The statement that it runs is `jobs/<name>.sql`. `parallel` is false where one task does.
    """

    name: str
    tables: tuple[str, ...]
    views: tuple[str, ...]
    parallel: bool = True

    def files(self) -> list[str]:
        """Return the job's files below `sql/flink`, in the order in which they are executed."""
        tables = [f"tables/{name}.sql" for name in self.tables]
        views = [f"views/{name}.sql" for name in self.views]
        return [*tables, *views, f"jobs/{self.name}.sql"]


def values(settings: Settings, generation: int = 1, from_time: int = 0) -> dict[str, str]:
    """Return what stands for each `${name}` in the SQL.

    `generation` counts the starts from the topics; trades before `from_time` (microseconds, UTC) are left out.
    """
    return {
        "kafka_bootstrap": settings.kafka.bootstrap,
        "jdbc_url": (
            f"jdbc:postgresql://{settings.postgres.host}:{settings.ports.postgres}/{settings.postgres.database}"
            # One statement a batch; and a server that does not answer must not hold a job for ever.
            "?reWriteBatchedInserts=true&ApplicationName=pricebraid&connectTimeout=10&socketTimeout=60"
        ),
        "postgres_password": settings.postgres.writer_password,
        "flush_ms": str(settings.flink.flush_ms),
        "ticker_flush_ms": str(max(200, settings.flink.flush_ms)),
        "state_hours": f"{settings.flink.state_hours:g}",
        "second_state_hours": f"{settings.flink.second_state_hours:g}",
        "generation": str(generation),
        "from_time": str(from_time),
    }


def configuration(job: Job, settings: Settings) -> dict[str, str]:
    """Return the Flink options that the job is submitted with."""
    return {
        **_CONFIGURATION,
        "table.exec.mini-batch.allow-latency": f"{settings.flink.mini_batch_ms} ms",
        "table.exec.state.ttl": f"{settings.flink.state_hours:g} h",
        "parallelism.default": str(settings.flink.parallelism if job.parallel else 1),
        "pipeline.name": job.name,
    }


def statements(job: Job, filled: dict[str, str]) -> list[str]:
    """Return the job's statements with their values, in order.

    Raises:
        KeyError: a file asks for a value that is not there.
        FileNotFoundError: a file is missing.
    """
    return [Template((SQL / file).read_text(encoding="utf-8")).substitute(filled) for file in job.files()]


def fingerprint(job: Job, settings: Settings) -> str:
    """Return the sha256 of all that the job's state depends on: statements, settings that matter, Flink's version.

    Flink restores state into a changed query without a word where the plans happen to fit, so the supervisor compares
    this instead. Comments and the layout of a statement do not count.
    """
    neutral = {name: "" if name in _UNCOUNTED else value for name, value in values(settings).items()}
    counted = [_bare(statement) for statement in statements(job, neutral)]
    counted += [f"{name}={value}" for name, value in sorted(_CONFIGURATION.items())]
    counted.append(version("apache-flink"))
    return hashlib.sha256("\0".join(counted).encode()).hexdigest()


def _bare(statement: str) -> str:
    lines = (line.strip() for line in statement.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("--"))
