"""Which jobs there are, and how one is handed to the cluster: `python -m flink_jobs list`, `flink_jobs.serve`."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from market.sections import FlinkSettings
from market.settings import ROOT
from stack.errors import StackError
from stack.logfiles import open_for_append

SECONDS = 180.0
"""How long a job's submission may take."""

REST_SECONDS = 20.0
"""How long the client waits for another job before it ends."""


class Definition(msgspec.Struct, frozen=True):
    """A job: its name, the hash of all that its state depends on, and how many slots of the cluster it takes."""

    name: str
    fingerprint: str
    slots: int = 1


def definitions(env: dict[str, str]) -> list[Definition]:
    """Return the jobs in the order in which they matter.

    Raises:
        StackError: they cannot be listed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "flink_jobs", "list"], env=env, cwd=ROOT, capture_output=True, timeout=60, check=True
        )
        return msgspec.json.decode(done.stdout, type=list[Definition])
    except subprocess.CalledProcessError as error:
        raise StackError(
            f"`python -m flink_jobs list` failed: {error.stderr.decode(errors='replace').strip()[-800:]}"
        ) from error
    except (subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise StackError(f"`python -m flink_jobs list` gave no list of jobs: {error}") from error


def check_slots(jobs: Iterable[Definition], flink: FlinkSettings) -> None:
    """Refuse jobs for which the cluster is too small: Flink would let the last of them wait for slots, in silence.

    Raises:
        StackError: they need more slots than there will be.
    """
    needed, there = sum(job.slots for job in jobs), flink.taskmanagers * flink.slots
    if needed > there:
        raise StackError(
            f"With flink.parallelism at {flink.parallelism} the jobs need {needed} slots, and the cluster has {there}.",
            f"Set flink.slots to {-(-needed // flink.taskmanagers)} or more, with flink.taskmanager_memory for them;"
            " raise flink.taskmanagers; or lower flink.parallelism.",
        )


class Client:
    """Has one process submit jobs, one after another; it ends when it was not needed for a while.

    `abort` ends it, and lets nothing begin any more.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._resting: threading.Timer | None = None
        self._aborted = False

    def submit(self, request: dict[str, object], env: Callable[[], dict[str, str]], log_file: Path) -> str:
        """Submit a job as `flink_jobs.serve` describes; return its id. What Flink says is added to `log_file`.

        `env` is the process's environment, where it has to be started first.

        Raises:
            StackError: it was not submitted; the text tells why.
        """
        with self._turn:
            if self._resting is not None:
                self._resting.cancel()
            began = log_file.stat().st_size if log_file.exists() else 0
            process = self._running(env, log_file)
            answer = self._ask(process, msgspec.json.encode(request) + b"\n")
            if answer is None:
                self._end(process)
                raise StackError("the client that submits jobs gave no answer:\n  " + _tail(log_file, began))
            self._resting = threading.Timer(REST_SECONDS, self._rest, (process,))
            self._resting.daemon = True
            self._resting.start()
        if "job_id" not in answer:
            lines = answer.get("error", "").splitlines()
            raise StackError("Flink refuses the job:\n  " + "\n  ".join(lines[:12]))
        return answer["job_id"]

    def _running(self, env: Callable[[], dict[str, str]], log_file: Path) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._aborted:
                raise StackError("the stack stops")
            if self._process is not None and self._process.poll() is None:
                return self._process
        environment = env()
        with os.fdopen(open_for_append(log_file), "wb") as output, self._lock:
            if self._aborted:
                raise StackError("the stack stops")
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "flink_jobs.serve"],
                    env=environment,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise StackError(f"the client that submits jobs cannot be started: {error}") from error
            return self._process

    def _ask(self, process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, str] | None:
        """Return the process's answer, None where it gives none in time."""
        assert process.stdin is not None
        assert process.stdout is not None
        hurry = threading.Timer(SECONDS, self._end, (process,))
        hurry.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            return msgspec.json.decode(process.stdout.readline(), type=dict[str, str])
        except (OSError, ValueError):
            return None
        finally:
            hurry.cancel()

    def abort(self) -> None:
        """End what runs, and let nothing begin any more."""
        with self._lock:
            self._aborted = True
            process = self._process
        if process is not None:
            self._end(process)

    def _rest(self, process: "subprocess.Popen[bytes]") -> None:
        with self._turn:
            self._end(process)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return "\n  ".join(file.read().decode("utf-8", "replace").splitlines()[-12:])
