"""Which jobs there are, and how one is handed to the cluster: `python -m flink_jobs list` and `flink run`."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from market.settings import ROOT
from stack.errors import StackError
from stack.logfiles import open_for_append

SECONDS = 180
_JOB_ID = re.compile(r"JobID ([0-9a-f]{32})")


class Definition(msgspec.Struct, frozen=True):
    """A job: its name, its script under the project's folder, and the hash of all that its state depends on."""

    name: str
    script: str
    fingerprint: str


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


def command(
    flink: Path, python: str, job: Definition, *, generation: int, from_time: int, restore: str | None
) -> list[str]:
    """Return the `flink run` of a job. Its client and its workers use `python`."""
    resume = ["-s", f"file://{restore}"] if restore else []
    return [
        str(flink), "run", "-d", *resume, "-pyclientexec", python, "-pyexec", python, "-py", str(ROOT / job.script),
        "--generation", str(generation), "--from-time", str(from_time),
    ]  # fmt: skip


class Client:
    """Runs `flink run`, several at once if wanted; `abort` ends those that run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._aborted = False

    def submit(self, arguments: list[str], env: dict[str, str], log_file: Path) -> str:
        """Run `flink run`, its output going to `log_file`; return the id of the submitted job.

        Raises:
            StackError: it was not submitted; the text holds the last lines of the output.
        """
        descriptor = open_for_append(log_file)
        began = log_file.stat().st_size
        with os.fdopen(descriptor, "wb") as output, self._lock:
            if self._aborted:
                raise StackError("the stack stops")
            try:
                process = subprocess.Popen(
                    arguments,
                    env=env,
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise StackError(f"`flink run` cannot be started: {error}") from error
            self._running.add(process)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            self._end(process)
        with log_file.open("rb") as file:
            file.seek(began)
            written = file.read().decode("utf-8", "replace")
        found = _JOB_ID.search(written)
        if code != 0 or found is None:
            how = f"took more than {SECONDS} s" if code is None else f"exited with code {code}"
            lines = "\n  ".join(written.splitlines()[-12:])
            raise StackError(f"`flink run` {how}:\n  {lines}")
        return found[1]

    def abort(self) -> None:
        """End what runs, and let nothing begin any more."""
        with self._lock:
            self._aborted = True
            running = list(self._running)
        for process in running:
            self._end(process)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with self._lock:
            self._running.discard(process)
