"""What the jobs' state is worth: which path a job resumes from, which may not be used, which may be deleted. Pure.

Every submission of a job is a run. A run's state lies in its retained checkpoints (`<checkpoints>/<job id>/chk-<n>`)
and in the savepoint of its orderly stop. Beside them lies the fingerprint of the query that wrote them: Flink
restores old state into a changed query without a word, so that is compared here, before.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from stack.errors import StackError

DAY = 86_400_000_000
"""A day in microseconds."""

SAVEPOINTS_KEPT = 2
RUNS_KEPT = 20


class Run(msgspec.Struct, frozen=True):
    """One submission of a job. `savepoint` is set by its orderly stop; paths are folders on this machine."""

    job_id: str
    fingerprint: str
    submitted_at: float
    restored_from: str | None = None
    savepoint: str | None = None


class JobRecord(msgspec.Struct, frozen=True):
    """What is remembered of a job between runs, oldest run first.

    `generation` counts the fresh starts; `from_time` (microseconds since the epoch, UTC) is the time from which this
    generation counts trades.
    """

    generation: int = 1
    from_time: int = 0
    runs: tuple[Run, ...] = ()

    def submitted(self, run: Run) -> "JobRecord":
        """Return the record with one more run."""
        return msgspec.structs.replace(self, runs=(*self.runs, run)[-RUNS_KEPT:])

    def stopped_with(self, savepoint: str) -> "JobRecord":
        """Return the record whose last run ended with a savepoint."""
        last = msgspec.structs.replace(self.runs[-1], savepoint=savepoint)
        return msgspec.structs.replace(self, runs=(*self.runs[:-1], last))

    def afresh(self, from_time: int) -> "JobRecord":
        """Return the record of the next generation, which has no state yet."""
        return JobRecord(self.generation + 1, from_time)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint of a job's folder; one without `_metadata` is not complete."""
    complete = [
        path
        for path in folder.glob("chk-*")
        if path.name.removeprefix("chk-").isdigit() and (path / "_metadata").is_file()
    ]
    return max(complete, key=lambda path: int(path.name.removeprefix("chk-")), default=None)


def newest_state(checkpoints: Path, savepoints: Path, job_id: str) -> str | None:
    """Return the newest state that a run left: a checkpoint, or a savepoint whose completion nobody recorded."""
    found = [path for path in savepoints.glob(f"savepoint-{job_id[:6]}-*") if (path / "_metadata").is_file()]
    checkpoint = newest_checkpoint(checkpoints / job_id)
    if checkpoint is not None:
        found.append(checkpoint)
    newest = max(found, key=lambda path: (path / "_metadata").stat().st_mtime, default=None)
    return None if newest is None else str(newest)


def restore_path(record: JobRecord, newest: Callable[[str], str | None], exists: Callable[[str], bool]) -> str | None:
    """Return the path that the job's next run resumes from; None where it begins with nothing.

    The last run decides: its savepoint, else the newest complete state it left, else what it was itself resumed from
    (it added nothing that was kept). A run that began with nothing and kept nothing lost nothing: the topics hold it.

    Raises:
        StackError: the state that is needed is gone.
    """
    if not record.runs:
        return None
    run = record.runs[-1]
    if run.savepoint is not None and exists(run.savepoint):
        return run.savepoint
    left = newest(run.job_id)
    if left is not None:
        return left
    wanted = run.savepoint or run.restored_from
    if wanted is not None and not exists(wanted):
        raise StackError(
            f"The job's state that should be resumed is gone: {wanted}.",
            "Put it back, or start over from the topics: `./pricebraid up --fresh-state`.",
        )
    return wanted


def check_fingerprint(job: str, path: str, written_by: str | None, now: str) -> None:
    """Refuse state of another query than the one that would resume from it.

    Raises:
        StackError: the fingerprints differ, or the state has none.
    """
    if written_by == now:
        return
    what = "has no fingerprint" if written_by is None else "was written by another query, settings or Flink version"
    raise StackError(
        f"The state of job {job} at {path} {what}; it cannot be given to the query as it is now.",
        "Undo the change, or start over from the topics: `./pricebraid up --fresh-state`.",
    )


def disposable(
    records: Mapping[str, JobRecord], checkpoint_folders: Iterable[str], savepoints: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the job ids whose checkpoints, and the savepoint paths, that nothing can need any more.

    To be called once the last run of every job has completed a checkpoint of its own: such a checkpoint refers to no
    file of the state that the run was resumed from. The last two savepoints of each job are kept for people.
    """
    current = {record.runs[-1].job_id for record in records.values() if record.runs}
    kept: set[str] = set()
    for record in records.values():
        own = [run.savepoint for run in record.runs if run.savepoint]
        kept.update(own[-SAVEPOINTS_KEPT:])
    return sorted(set(checkpoint_folders) - current), sorted(set(savepoints) - kept)


class Retained(msgspec.Struct, frozen=True):
    """A partition of `trades`: the first offset that is kept, and the event time (µs, UTC) of the first trade kept."""

    first_offset: int
    first_event_time: int | None


def first_whole_day(partitions: Iterable[Retained], now: int) -> int:
    """Return the first UTC midnight (microseconds) from which the topic holds every trade; 0 if it holds all.

    Partitions that still begin at their first record lost nothing. Of one that lost all it held, nothing is known
    but that what comes from `now` (microseconds) on will be there.
    """
    trimmed = [part for part in partitions if part.first_offset > 0]
    if not trimmed:
        return 0
    newest = max(now if part.first_event_time is None else part.first_event_time for part in trimmed)
    return -(-newest // DAY) * DAY
