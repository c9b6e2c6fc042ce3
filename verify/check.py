"""The whole check: reads the topics, waits for the jobs, recomputes, compares, and looks again before it accuses."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from market.intervals import INTERVALS
from market.settings import Settings
from verify.database import Database
from verify.jobs import Jobs
from verify.oracle import TOPICS, Counts, Difference, Oracle
from verify.reach import first_whole, judged_from
from verify.reading import CannotCheck, Reader
from verify.sample import compare

LOOKS = 3
"""So often a candle must differ, each time with the topics read anew, before it is called a difference."""

_PAUSE = 1.0

Progress = Callable[[str], None]


class Verdict(msgspec.Struct, frozen=True):
    """What came of the check. Times are µs, UTC.

    `market_now` is the newest event time that was read; `judged_from` and `out_of_reach` give for each interval where
    the candles begin that can be judged, and how many are older. `doubled` counts trades whose ids stand in the topic
    twice: they are counted once. `differing` counts candles, `differences` are the first of their values that differ.
    `sampled` minutes were compared with the venues' own, and `unlike_venue` are the values that are not theirs.
    """

    market_now: int
    judged_from: dict[str, int]
    records: int
    doubled: int
    candles: dict[str, Counts]
    out_of_reach: dict[str, int]
    differing: int
    differences: list[Difference]
    sampled: int
    unlike_venue: list[Difference]
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.differing or self.doubled or self.unlike_venue)


def check(
    settings: Settings, folder: Path, *, from_time: int, limit: int, timeout: float, sample: int, progress: Progress
) -> Verdict:
    """Compare all candles that can be judged.

    `folder` is scratch space; `from_time` (µs) is where the jobs' generation begins; `timeout` (seconds) how long the
    jobs may take to catch up; at most `limit` differences are returned; `sample` minutes a venue are compared with
    its own candles.

    Raises:
        CannotCheck: a part does not answer, the jobs do not catch up, or there is nothing to check.
    """
    began = time.monotonic()
    with closing(Oracle(folder)) as oracle, closing(Database(settings)) as database:
        jobs = Jobs(settings, timeout, progress)
        with closing(Reader(settings.kafka.bootstrap, TOPICS, folder, progress)) as reader:
            looking = _Looking(oracle, reader, database, jobs, folder / "found.csv")
            for look in range(LOOKS):
                now, reach = looking.look(settings, from_time, progress)
                differing = oracle.compare(again=look > 0)
                if not differing:
                    break
                progress(f"looks again at {differing:,} candles that differ")
                time.sleep(_PAUSE)
        candles = oracle.counts()
        if not any(counts.compared for counts in candles.values()):
            raise CannotCheck("No candle that the topics hold whole is closed yet.")
        settled = now - INTERVALS["1m"] - int(settings.repair.check_seconds * 1_000_000)
        sampled, unlike_venue = compare(settings, oracle.sample(sample, settled), progress) if sample else (0, [])
        return Verdict(
            market_now=now,
            judged_from=reach,
            records=reader.records,
            doubled=looking.doubled,
            candles=candles,
            out_of_reach={interval: database.out_of_reach(interval, first) for interval, first in reach.items()},
            differing=differing,
            differences=oracle.differences(limit),
            sampled=sampled,
            unlike_venue=unlike_venue,
            seconds=round(time.monotonic() - began, 2),
        )


class _Looking:
    """Brings what is expected and what is found into the oracle, each time anew."""

    def __init__(self, oracle: Oracle, reader: Reader, database: Database, jobs: Jobs, file: Path) -> None:
        self._oracle = oracle
        self._reader = reader
        self._database = database
        self._jobs = jobs
        self._file = file
        self.doubled = 0

    def look(self, settings: Settings, from_time: int, progress: Progress) -> tuple[int, dict[str, int]]:
        """Return the market's now, and from where the candles of each interval are judged."""
        oracle = self._oracle
        self._reader.read(oracle.load)
        self._jobs.wait(self._reader.required)
        progress("recomputes the candles")
        self.doubled += oracle.drop_doubles()
        now = oracle.newest()
        if now is None:
            raise CannotCheck("There are no trades in the topic, so no candle can be checked.")
        whole_from = first_whole(self._reader.cut, now, oracle.newest_received)
        reach = judged_from(settings, now, max(from_time, whole_from))
        oracle.recompute(reach, now)
        oracle.forget_found()
        for interval, first in reach.items():
            progress(f"compares the candles of {interval}")
            self._database.write_candles(self._file, interval, first, now - INTERVALS[interval] + 1)
            oracle.load_found(self._file, now)
        return now, reach
