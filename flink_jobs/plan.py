"""What a job consists of, without Flink: its SQL files with their values filled in, and a fingerprint of them.

The SQL stands in `sql/flink`, one statement a file (a statement set counts as one), with `${name}` where a value
belongs; a file may be used several times, with values of its own. Nothing here needs a JVM, so the supervisor can ask
for fingerprints cheaply.
"""

import hashlib
import re
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

_ENFORCER = "table.exec.sink.not-null-enforcer"

_WIDTH = re.compile(r"'sink\.parallelism'\s*=\s*'(\d+)'")

DROP_INCOMPLETE_ROWS = {_ENFORCER: "DROP"}
"""Options of a job whose rows are not all to be written: one that lacks what its sink must have is left out."""

_CONFIGURATION = {
    # Timestamps without a zone are UTC here, whatever the machine's zone is.
    "table.local-time-zone": "UTC",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.size": "20000",
    # Rows pass from operator to operator of a task as they are. Flink's own operators and sinks copy what they keep.
    "pipeline.object-reuse": "true",
    # Without it the 1-minute aggregate would be planned twice, once for each of its two sinks.
    "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    # A row that Flink can't read would have been refused by the sequencer: if one is there, stop and say so.
    _ENFORCER: "ERROR",
    # Fixes how keys are spread over state, so that a job can resume at another parallelism.
    "pipeline.max-parallelism": "128",
}


class Filled(msgspec.Struct, frozen=True):
    """A file that a job uses with values of its own for some `${name}`; these may hold `${name}` themselves."""

    name: str
    values: dict[str, str]


class Job(msgspec.Struct, frozen=True):
    """A job: its name, and its tables and views in the order in which they are created.

    The statement that it runs is `jobs/<name>.sql`. `parallel` is false where one task does. `options` are Flink's own,
    over those that all jobs have. It gathers rows for `gather_ms` before it aggregates them, or as long as the settings
    say.
    """

    name: str
    tables: tuple[str | Filled, ...]
    views: tuple[str | Filled, ...]
    parallel: bool = True
    options: dict[str, str] = {}
    gather_ms: int | None = None

    def uses(self) -> list[Filled]:
        """Return the job's files in the order in which they are executed: paths below `sql/flink`, own values."""
        tables = [_below("tables", use) for use in self.tables]
        views = [_below("views", use) for use in self.views]
        return [*tables, *views, _below("jobs", self.name)]


def _below(folder: str, use: str | Filled) -> Filled:
    name, own = (use, {}) if isinstance(use, str) else (use.name, use.values)
    return Filled(f"{folder}/{name}.sql", own)


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
    gather_ms = settings.flink.mini_batch_ms if job.gather_ms is None else job.gather_ms
    return {
        **_CONFIGURATION,
        **job.options,
        # From task to task rows wait for others, by default for 0.1 s: at each of a day's five steps, too.
        "execution.buffer-timeout.interval": "20 ms",
        "table.exec.mini-batch.allow-latency": f"{gather_ms} ms",
        "table.exec.state.ttl": f"{settings.flink.state_hours:g} h",
        "parallelism.default": str(settings.flink.parallelism if job.parallel else 1),
        "pipeline.name": job.name,
    }


def slots(job: Job, settings: Settings) -> int:
    """Return how many slots of the cluster the job takes: as its operators share them, the tasks of the widest."""
    own = int(configuration(job, settings)["parallelism.default"])
    told = (int(width) for text in statements(job, values(settings)) for width in _WIDTH.findall(text))
    return max([own, *told])


def statements(job: Job, filled: dict[str, str]) -> list[str]:
    """Return the job's statements with their values, in order.

    Raises:
        KeyError: a file asks for a value that is not there.
        FileNotFoundError: a file is missing.
    """
    return [statement(use, filled) for use in job.uses()]


def statement(use: Filled, filled: dict[str, str]) -> str:
    """Return one file's statement with its values.

    Raises:
        KeyError: it asks for a value that is not there.
        FileNotFoundError: there is no such file.
    """
    return _fill((SQL / use.name).read_text(encoding="utf-8"), filled | _own(use, filled))


def _own(use: Filled, filled: dict[str, str]) -> dict[str, str]:
    return {name: _fill(value, filled) for name, value in use.values.items()}


def _fill(text: str, filled: dict[str, str]) -> str:
    return Template(text).substitute(filled)


def fingerprint(job: Job, settings: Settings) -> str:
    """Return the sha256 of all that the job's state depends on: statements, settings that matter, Flink's version.

    Flink restores state into a changed query without a word where the plans happen to fit, so the supervisor compares
    this instead. Comments and the layout of a statement do not count.
    """
    neutral = {name: "" if name in _UNCOUNTED else value for name, value in values(settings).items()}
    counted = [_bare(statement) for statement in statements(job, neutral)]
    counted += [f"{name}={value}" for name, value in sorted({**_CONFIGURATION, **job.options}.items())]
    counted.append(version("apache-flink"))
    return hashlib.sha256("\0".join(counted).encode()).hexdigest()


def _bare(statement: str) -> str:
    lines = (line.strip() for line in statement.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("--"))
