"""What the candles should be, made by DuckDB of the topics' records alone, and how it differs from what was found.

The SQL lies in `sql/oracle`, written without a look at Flink's. Numbers are exact: `decimal(38, 18)`, summed in 128
bits, where an overflow is an error. What does not fit into memory goes to the folder that is given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from market.intervals import INTERVALS
from market.topics import GAP_MARKS, TRADES, VENUE_CANDLES
from verify.reading import CannotCheck

SQL = Path(__file__).parent / "sql" / "oracle"

SETTLING = 5_000_000
"""A candle is closed when its symbol has a trade behind its end, or the market is so far (µs) behind it."""

_LOADS = {TRADES: "load_trades", GAP_MARKS: "load_marks", VENUE_CANDLES: "load_venue_candles"}
TOPICS = tuple(_LOADS)


class Difference(msgspec.Struct, frozen=True):
    """A value of a candle that is not what it should be. `start_time` and values that are times are µs, UTC.

    `column` is `row` where a whole row is missing (`found` is `none`) or is one too many (`expected` is `none`).
    """

    venue: str
    symbol: str
    interval: str
    start_time: int
    column: str
    expected: str | None
    found: str | None


class Differing(msgspec.Struct, frozen=True):
    """How many candles differ, and from the start of the first to the end of the last (µs, UTC).

    `moved` of them were written between the last two looks.
    """

    candles: int
    from_time: int | None
    to_time: int | None
    moved: int = 0


class Counts(msgspec.Struct, frozen=True):
    """Of one interval: candles compared, of these with a gap that is open, and with a difference."""

    compared: int
    incomplete: int
    differing: int


class Sampled(msgspec.Struct, frozen=True):
    """A minute as it was found in Postgres, numbers as text; `start_time` is µs, UTC."""

    venue: str
    symbol: str
    start_time: int
    open: str
    high: str
    low: str
    close: str
    base_volume: str
    quote_volume: str
    taker_buy_base_volume: str | None
    trade_count: str | None


class Oracle:
    """A database of its own in a folder. Methods raise CannotCheck where records make no sense or do not fit.

    `memory` is what it takes before it uses the folder.
    """

    def __init__(self, folder: Path, *, memory: str = "512MB", threads: int = 2) -> None:
        self._database = duckdb.connect(
            str(folder / "oracle.duckdb"),
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
            },
        )
        self._run("tables")

    def close(self) -> None:
        """Close the database; its files stay."""
        self._database.close()

    def _run(self, name: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            done = self._database.execute((SQL / f"{name}.sql").read_text(encoding="utf-8"), values)
            return done.fetchall() if done.description else []
        except duckdb.Error as error:
            raise CannotCheck(f"DuckDB, {name}.sql: {error}") from error

    def load(self, topic: str, path: Path) -> None:
        """Take in a file of records of a topic, a JSON object a line."""
        self._run(_LOADS[topic], {"file": str(path)})

    def drop_doubles(self) -> int:
        """Drop the trades whose ids, or some of them, stand in the topic before; return how many these are."""
        self._run("doubles")
        ((dropped,),) = self._run("drop_doubles")
        return int(dropped)

    def newest(self) -> int | None:
        """Return the newest event time (µs) of any trade; None where there are no trades."""
        self._run("newest")
        ((newest,),) = self._run("now")
        return None if newest is None else int(newest)

    def newest_received(self, until: int) -> int | None:
        """Return the newest event time (µs) of the trades received until then (µs, local clock)."""
        ((newest,),) = self._run("newest_received", {"until": until})
        return None if newest is None else int(newest)

    def recompute(self, judged_from: Mapping[str, int], now: int, until: int) -> None:
        """Make every candle anew that is closed by `now`, ended by `until` and begins at or after its interval's time.

        All are µs.
        """
        self._run("forget_reach")
        for interval, from_time in judged_from.items():
            self._run("reach", {"interval": interval, "length": INTERVALS[interval], "from_time": from_time})
        self._run("seconds")
        self._run("minutes")
        self._run("expected", {"settled": now - SETTLING, "until": until})

    def forget_found(self) -> None:
        """Forget what was found in Postgres."""
        self._run("forget_found")

    def load_found(self, path: Path, now: int, until: int) -> None:
        """Take in a CSV file of candles that were found in Postgres; what `recompute` does not make is left out."""
        self._run("load_found", {"file": str(path), "settled": now - SETTLING, "until": until})

    def compare(self, again: bool) -> Differing:
        """Compare expected and found candles; return what differs.

        `again` counts only those that differed the last time too.
        """
        self._run("differences")
        if again:
            self._run("keep_lasting")
        self._run("remember")
        (differing,) = self._run("differing")
        return Differing(*differing)

    def differences(self, limit: int) -> list[Difference]:
        """Return the first differences, by time."""
        return [Difference(*row) for row in self._run("shown", {"limit": limit})]

    def counts(self) -> dict[str, Counts]:
        """Return for each interval what was compared and what came of it."""
        return {name: Counts(*figures) for name, *figures in self._run("counts")}

    def sample(self, size: int, until: int) -> list[Sampled]:
        """Return up to `size` minutes of each venue by chance, complete ones that begin by `until` (µs)."""
        return [Sampled(*row) for row in self._run("sample", {"size": size, "until": until})]
