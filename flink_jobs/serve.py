"""Submits jobs one after another from one process: `python -m flink_jobs.serve`.

A client of Flink takes most of its time to start and to plan its first query; the next jobs are a second or two each.
Each line of the input asks for one: `{"name", "generation", "from_time", "restore"}`. It is answered by a line:
`{"job_id"}`, or `{"error"}` where it was not submitted. What Flink itself says goes to the standard error.
"""

import importlib
import os
import sys

import msgspec

from flink_jobs.plan import Job, configuration
from flink_jobs.submit import submit
from market.logs import configure
from market.settings import Settings, load


class Request(msgspec.Struct):
    """A job to submit. `restore` is the path of the savepoint or checkpoint that it goes on from, if any."""

    name: str
    generation: int
    from_time: int
    restore: str | None = None


def options(job: Job, settings: Settings, request: Request) -> dict[str, str]:
    """Return the Flink options of a job that is submitted to the session cluster of the settings."""
    found = configuration(job, settings) | {
        "execution.target": "remote",
        "execution.attached": "false",
    }
    if request.restore is not None:
        # The form file:///path with escapes is not decoded by Flink, so the path stands as it is.
        found["execution.state-recovery.path"] = f"file://{request.restore}"
    return found


def main() -> int:
    """Answer until the input ends; return the exit code."""
    # The JVM that does the work writes to the standard output, too; the answers keep it for themselves.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    settings = load()
    configure(settings.log_format, settings.log_level)
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        job: Job = importlib.import_module(f"flink_jobs.{request.name}").JOB
        try:
            made = options(job, settings, request)
            found = {"job_id": submit(job, settings, made, request.generation, request.from_time)}
        except Exception as error:
            found = {"error": str(error)}
        answers.write(msgspec.json.encode(found) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
