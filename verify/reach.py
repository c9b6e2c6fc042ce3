"""Which candles can be judged: those whose every input the topics still hold, and that the jobs alone wrote. Pure."""

from collections.abc import Callable, Mapping

from market.intervals import INTERVALS
from market.settings import Settings
from market.topics import TRADES
from verify.reading import Cut, Place

DAY = 86_400_000_000
_HOUR = 3_600_000_000


def first_whole(cut: Mapping[Place, Cut], newest: int, newest_received: Callable[[int], int | None]) -> int:
    """Return the event time (µs) from which the topics lack nothing.

    `newest` is the market's now, and `newest_received` gives the newest event time of the trades that had been received
    by a time (µs, local clock): marks and candles that were written before that concern nothing that is newer.
    """
    found = 0
    for (topic, _), part in cut.items():
        if part.newest_before is not None:
            whole = part.newest_before
        elif part.first_written is None:
            whole = newest
        else:
            received = newest_received((part.first_written + 1) * 1000)
            # Before the first trade there is nothing to be marked. Of trades that were not read it says nothing.
            nothing = newest if topic == TRADES else -1
            whole = nothing if received is None else received
        found = max(found, whole + 1)
    return found


def judged_from(settings: Settings, now: int, whole_from: int) -> dict[str, int]:
    """Return for each interval the time (µs) from which its candles can be judged.

    Backfill writes what is older than the first midnight within the jobs' horizon straight into Postgres. Seconds are
    corrected only while the jobs keep their state; and what is older than an interval's retention is dropped.
    """
    horizon = now - int(settings.flink.horizon_hours * _HOUR)
    first = max(whole_from, -(-horizon // DAY) * DAY)
    kept = settings.postgres
    days = (
        kept.keep_1s_days,
        kept.keep_1m_days,
        kept.keep_5m_days,
        kept.keep_15m_days,
        kept.keep_1h_days,
        kept.keep_4h_days,
        kept.keep_1d_days,
    )
    found = {name: max(first, now - int(keep * DAY)) for name, keep in zip(INTERVALS, days, strict=True)}
    found["1s"] = max(found["1s"], now - int(settings.flink.second_state_hours * _HOUR))
    return found
