"""`python -m flink_jobs list`: the jobs as JSON, with what the supervisor needs to submit and to resume them.

`python -m flink_jobs console`: the statements with which Flink's SQL client begins.
"""

import sys

import msgspec

from flink_jobs import candles, feed, reconciliation, rollups, tickers
from flink_jobs.console import preparation
from flink_jobs.plan import fingerprint, slots
from market.settings import load

JOBS = (candles.JOB, rollups.JOB, reconciliation.JOB, tickers.JOB, feed.JOB)


def main(arguments: list[str]) -> int:
    """Print what is asked for; return the exit code."""
    if arguments == ["console"]:
        sys.stdout.write(preparation(load()))
        return 0
    if arguments != ["list"]:
        sys.stderr.write("usage: python -m flink_jobs list|console\n")
        return 2
    settings = load()
    jobs = [
        {"name": job.name, "fingerprint": fingerprint(job, settings), "slots": slots(job, settings)} for job in JOBS
    ]
    sys.stdout.write(msgspec.json.encode(jobs).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
