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
from verify.oracle import TOPICS, Counts, Difference, Differing, Oracle, Sampled
from verify.reach import first_whole, judged_from
from verify.reading import CannotCheck, NothingToCheck, Reader
from verify.sample import compare
from verify.scope import WHOLE, Scope

LOOKS = 3
"""So often a candle must differ, each time with the topics read anew, before it is called a difference."""

MOST_LOOKS = 12
"""So many looks are taken while what is found still changes from one to the next.

What stands in Postgres may be made of more than was read before, where much is being repaired; what has not changed
since the last look is not.
"""

_PAUSE = 1.0

Progress = Callable[[str], None]


class Verdict(msgspec.Struct, frozen=True):
    """What came of the check. Times are µs, UTC.

    `market_now` is the newest event time that was read; `judged_from` and `out_of_reach` give for each interval where
    the candles begin that can be judged, and how many are older, which is not counted where only what is recent is
    looked at; they had ended by `judged_until`. `doubled` counts trades whose ids stand in the topic twice: they are
    counted once. `differing` counts candles, `differences` are the first of their values that differ. `sampled` minutes
    were compared with the venues' own, and `unlike_venue` are the values that are not theirs; `venues_silent` says why
    they could not be.
    """

    market_now: int
    judged_from: dict[str, int]
    judged_until: int
    records: int
    doubled: int
    candles: dict[str, Counts]
    out_of_reach: dict[str, int]
    differing: Differing
    differences: list[Difference]
    sampled: int
    unlike_venue: list[Difference]
    venues_silent: str | None
    seconds: float

    @property
    def compared(self) -> int:
        """How many candles were compared, of all intervals."""
        return sum(counts.compared for counts in self.candles.values())

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.differing.candles or self.doubled or self.unlike_venue)


def check(
    settings: Settings,
    folder: Path,
    scope: Scope,
    *,
    from_time: int,
    limit: int,
    timeout: float,
    sample: int,
    progress: Progress,
) -> Verdict:
    """Compare all candles of the scope that can be judged.

    `folder` is scratch space; `from_time` (µs) is where the jobs' generation begins; `timeout` (seconds) how long the
    jobs may take to catch up; at most `limit` differences are returned; `sample` minutes a venue are compared with
    its own candles.

    Raises:
        CannotCheck: a part does not answer, the jobs do not catch up, or (`NothingToCheck`) no candle is closed.
    """
    began = time.monotonic()
    with (
        closing(Oracle(folder, memory=scope.memory, threads=scope.threads)) as oracle,
        closing(Database(settings)) as database,
    ):
        jobs = Jobs(settings, timeout, progress, hurry=scope.hurry)
        with closing(Reader(settings.kafka.bootstrap, TOPICS, folder, progress, scope)) as reader:
            looking = _Looking(oracle, reader, database, jobs, folder / "found.csv")

            def look() -> None:
                looking.look(settings, scope, from_time, progress)

            look()
            differing = lasting(oracle.compare, look, progress)
        candles = oracle.counts()
        if not any(counts.compared for counts in candles.values()):
            raise NothingToCheck("No candle that the topics hold whole is closed yet.")
        settled = looking.now - INTERVALS["1m"] - int(settings.repair.check_seconds * 1_000_000)
        minutes = oracle.sample(sample, settled) if sample else []
        sampled, unlike_venue, silent = _sampled(settings, minutes, progress)
        # Counting what is older takes a look at all of it.
        older = {}
        if scope is WHOLE:
            older = {interval: database.out_of_reach(interval, first) for interval, first in looking.reach.items()}
        return Verdict(
            market_now=looking.now,
            judged_from=looking.reach,
            judged_until=looking.until,
            records=reader.records,
            doubled=looking.doubled,
            candles=candles,
            out_of_reach=older,
            differing=differing,
            differences=oracle.differences(limit),
            sampled=sampled,
            unlike_venue=unlike_venue,
            venues_silent=silent,
            seconds=round(time.monotonic() - began, 2),
        )


def lasting(compare: Callable[[bool], Differing], look: Callable[[], None], progress: Progress) -> Differing:
    """Return what still differs after as many further looks as it takes to tell.

    `compare` is told whether it is to count only what differed the last time, too.
    """
    differing = compare(False)
    for number in range(2, MOST_LOOKS + 1):
        if not differing.candles or (number > LOOKS and not differing.moved):
            break
        progress(f"looks again at {differing.candles:,} candles that differ")
        time.sleep(_PAUSE)
        look()
        differing = compare(True)
    return differing


def _sampled(
    settings: Settings, minutes: list[Sampled], progress: Progress
) -> tuple[int, list[Difference], str | None]:
    """Compare minutes with the venues' own. A venue that does not answer takes nothing from what is known by then."""
    if not minutes:
        return 0, [], None
    try:
        return *compare(settings, minutes, progress), None
    except CannotCheck as error:
        return 0, [], str(error)


class _Looking:
    """Brings what is expected and what is found into the oracle, each time anew."""

    def __init__(self, oracle: Oracle, reader: Reader, database: Database, jobs: Jobs, file: Path) -> None:
        self._oracle = oracle
        self._reader = reader
        self._database = database
        self._jobs = jobs
        self._file = file
        self.doubled = 0
        self.now = 0
        """The market's now (µs)."""
        self.until = 0
        """Until when candles are judged (µs)."""
        self.reach: dict[str, int] = {}
        """From where on those of each interval are (µs)."""

    def look(self, settings: Settings, scope: Scope, from_time: int, progress: Progress) -> None:
        """Read what is new in the topics, recompute, and read all candles."""
        oracle = self._oracle
        self._reader.read(oracle.load)
        self._jobs.wait(self._reader.required)
        progress("recomputes the candles")
        self.doubled += oracle.drop_doubles()
        now = oracle.newest()
        if now is None:
            raise NothingToCheck("There are no trades in the topic, so no candle can be checked.")
        until = now - scope.settled
        whole_from = first_whole(self._reader.cut, now, oracle.newest_received)
        reach = judged_from(settings, now, max(from_time, whole_from))
        oracle.recompute(reach, now, until)
        oracle.forget_found()
        for interval, first in reach.items():
            progress(f"compares the candles of {interval}")
            self._database.write_candles(self._file, interval, first, until - INTERVALS[interval] + 1)
            oracle.load_found(self._file, now, until)
        self.now, self.until, self.reach = now, until, reach
