"""How much is looked at: all that the topics hold, or what has settled lately, and then with little of the machine."""

from datetime import datetime, timedelta

import msgspec

from market.settings import Settings

OVERLAP = timedelta(minutes=65)
"""So much of what the last run looked at is read again: every hour is then whole in one of two runs."""

MOST = 20_000_000
"""Records of a topic that are read for what is recent, whatever was missed since the last run."""

MARGIN_MS = 60_000
"""Reading begins so long before the time that it counts from."""


class Scope(msgspec.Struct, frozen=True):
    """What is read, and what of it is judged.

    `since` (ms, the broker's clock) is where reading begins, and `most` how many records of a topic are read, the
    newest ones; None is all. Candles are judged that ended `settled` µs before the market's now. `hurry` asks the jobs
    for a checkpoint rather than waiting for the next. `memory` and `threads` are DuckDB's.
    """

    name: str
    since: int | None = None
    most: int | None = None
    settled: int = 0
    hurry: bool = True
    memory: str = "512MB"
    threads: int = 2


WHOLE = Scope("whole")


def recent(settings: Settings, last: datetime | None) -> Scope:
    """Return what has settled since the last run that compared anything began; all that may be read where none has."""
    return Scope(
        "recent",
        since=None if last is None else round((last - OVERLAP).timestamp() * 1000),
        most=MOST,
        settled=int(settings.repair.check_seconds * 1_000_000),
        hurry=False,
        memory="256MB",
        threads=1,
    )
