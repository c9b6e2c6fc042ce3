"""Flink's REST interface, as far as jobs are watched and stopped (Flink documentation, "REST API")."""

from pathlib import Path
from typing import Any

import msgspec

from stack.asking import NoAnswer, ask

ENDED = frozenset({"FINISHED", "FAILED", "CANCELED"})


class JobView(msgspec.Struct, frozen=True):
    """A job as the JobManager has it. `running` and `tasks` count its subtasks."""

    job_id: str
    name: str
    state: str
    running: int
    tasks: int

    @property
    def healthy(self) -> bool:
        """Whether it runs with every task."""
        return self.state == "RUNNING" and 0 < self.tasks == self.running


class Checkpoints(msgspec.Struct, frozen=True):
    """How many checkpoints a run completed, and what it last resumed from: path and time (ms), or None."""

    completed: int
    restored_from: str | None
    restored_at: int | None


class FlinkRest:
    """Asks the JobManager at `base`, such as `http://127.0.0.1:28081`. Every method raises NoAnswer."""

    def __init__(self, base: str) -> None:
        self._base = base

    def jobs(self) -> dict[str, JobView]:
        """Return all jobs that the JobManager knows, by job id; also those that ended."""
        answer = ask(f"{self._base}/jobs/overview")
        return {
            job["jid"]: JobView(
                job["jid"], job["name"], job["state"], job["tasks"].get("running", 0), job["tasks"].get("total", 0)
            )
            for job in answer["jobs"]
        }

    def checkpoints(self, job_id: str) -> Checkpoints:
        """Return what a job's checkpoints came to."""
        answer = ask(f"{self._base}/jobs/{job_id}/checkpoints")
        restored = (answer.get("latest") or {}).get("restored") or {}
        return Checkpoints(
            (answer.get("counts") or {}).get("completed", 0),
            restored.get("external_path"),
            restored.get("restore_timestamp"),
        )

    def why_failed(self, job_id: str) -> str:
        """Return the first line of a job's last failure; empty where there is none."""
        history = ask(f"{self._base}/jobs/{job_id}/exceptions?maxExceptions=1").get("exceptionHistory") or {}
        entries = history.get("entries") or []
        return str(entries[0].get("stacktrace", "")).strip().splitlines()[0] if entries else ""

    def cancel(self, job_id: str) -> None:
        """Ask the JobManager to cancel a job; its retained checkpoints stay."""
        ask(f"{self._base}/jobs/{job_id}?mode=cancel", method="PATCH")

    def stop(self, job_id: str, savepoints: Path) -> str:
        """Begin to stop a job with a savepoint; return the trigger to ask `stopped` with."""
        body: dict[str, Any] = {"targetDirectory": f"file://{savepoints}", "drain": False}
        return str(ask(f"{self._base}/jobs/{job_id}/stop", 10.0, body=body)["request-id"])

    def stopped(self, job_id: str, trigger: str) -> str | None:
        """Return the savepoint's path once it is complete, None while it is being written.

        Raises:
            NoAnswer: also where the savepoint failed.
        """
        answer = ask(f"{self._base}/jobs/{job_id}/savepoints/{trigger}")
        if answer["status"]["id"] != "COMPLETED":
            return None
        operation = answer["operation"]
        if "location" not in operation:
            cause = str((operation.get("failure-cause") or {}).get("stack-trace", "no reason given"))
            raise NoAnswer(f"the savepoint failed: {cause.strip().splitlines()[0]}")
        return local_path(operation["location"])


def local_path(uri: str) -> str:
    """Return the path of a `file:` address."""
    return "/" + uri.removeprefix("file:").lstrip("/") if uri.startswith("file:") else uri
