"""`python -m flink_jobs list`: the jobs as JSON, with what the supervisor needs to submit and to resume them."""

import sys

import msgspec

from flink_jobs import candles, feed, reconciliation, rollups, tickers
from flink_jobs.plan import fingerprint
from market.settings import load

JOBS = (candles.JOB, rollups.JOB, reconciliation.JOB, tickers.JOB, feed.JOB)


def main(arguments: list[str]) -> int:
    """Print the list; return the exit code."""
    if arguments != ["list"]:
        sys.stderr.write("usage: python -m flink_jobs list\n")
        return 2
    settings = load()
    jobs = [{"name": job.name, "fingerprint": fingerprint(job, settings)} for job in JOBS]
    sys.stdout.write(msgspec.json.encode(jobs).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
