"""What is kept of the jobs on disk: their records, the fingerprints beside their state, and what may be deleted."""

import contextlib
import logging
import shutil
from pathlib import Path

import msgspec

from stack import jobplan
from stack.errors import StackError
from stack.jobplan import JobRecord, Run
from stack.process import write_atomically
from stack.state import State
from stack.submit import Definition

log = logging.getLogger(__name__)

FINGERPRINT = "fingerprint"


class JobStore:
    """The records of all jobs of one market, in `run/jobs.json`, and the folders of their state."""

    def __init__(self, state: State) -> None:
        self._file = state.run / "jobs.json"
        self._checkpoints = state.checkpoints
        self._savepoints = state.savepoints
        self.records = self._read()

    def _read(self) -> dict[str, JobRecord]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, JobRecord])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise StackError(
                f"{self._file} is damaged: {error}.",
                "Delete it and start over from the topics: `./pricebraid up --fresh-state`.",
            ) from error

    def record(self, job: str) -> JobRecord:
        """Return what is remembered of a job."""
        return self.records.get(job, JobRecord())

    def save(self, job: str, record: JobRecord) -> None:
        """Remember this of a job."""
        self.records = {**self.records, job: record}
        write_atomically(self._file, msgspec.json.format(msgspec.json.encode(self.records)))

    def open_run(self, job: Definition) -> Run | None:
        """Return the job's last run, if it was of this very query and nobody stopped it."""
        run = next(reversed(self.record(job.name).runs), None)
        return run if run and run.savepoint is None and run.fingerprint == job.fingerprint else None

    def restore_path(self, job: str, fingerprint: str) -> str | None:
        """Return what the job's next run resumes from, None for nothing.

        Raises:
            StackError: the state is gone, or another query wrote it.
        """
        record = self.record(job)
        path = jobplan.restore_path(
            record,
            lambda job_id: jobplan.newest_state(self._checkpoints, self._savepoints, job_id),
            lambda path: (Path(path) / "_metadata").is_file(),
        )
        if path is not None:
            jobplan.check_fingerprint(job, path, self._fingerprint_beside(Path(path), record), fingerprint)
        return path

    def _fingerprint_beside(self, path: Path, record: JobRecord) -> str | None:
        for folder in (path, path.parent):
            with contextlib.suppress(FileNotFoundError):
                return (folder / FINGERPRINT).read_text().strip()
        return record.runs[-1].fingerprint if record.runs else None

    def submitted(self, job: str, run: Run) -> None:
        """Remember a new run, and lay its fingerprint beside its checkpoints."""
        folder = self._checkpoints / run.job_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FINGERPRINT).write_text(f"{run.fingerprint}\n")
        self.save(job, self.record(job).submitted(run))

    def stopped(self, job: str, savepoint: str) -> None:
        """Remember that the job's last run ended with a savepoint, and lay its fingerprint into it."""
        record = self.record(job)
        (Path(savepoint) / FINGERPRINT).write_text(f"{record.runs[-1].fingerprint}\n")
        self.save(job, record.stopped_with(savepoint))

    def clean(self, jobs: list[str]) -> None:
        """Delete state that nothing needs, once the last run of every one of the jobs has a checkpoint of its own."""
        records = {job: self.record(job) for job in jobs}
        for record in records.values():
            if not record.runs or jobplan.newest_checkpoint(self._checkpoints / record.runs[-1].job_id) is None:
                return
        folders, savepoints = jobplan.disposable(
            records,
            [path.name for path in self._checkpoints.iterdir() if path.is_dir()],
            [str(path) for path in self._savepoints.glob("savepoint-*")],
        )
        for path in [*(self._checkpoints / name for name in folders), *map(Path, savepoints)]:
            log.info("deleting state that nothing needs any more: %s", path)
            shutil.rmtree(path, ignore_errors=True)
