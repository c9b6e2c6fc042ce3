"""`python -m bench.catchup`: how fast the jobs work off what waits in Kafka, beside how fast it can be read at all.

As after an outage of what feeds them: the jobs have run for a while, then two million trades of both venues appear in
`trades` at once, since one transaction wrote them. It takes the time until Postgres holds the candles of all intervals
with every trade in them; the minutes of both venues side by side, which gather for a second by design, are waited for
as well and told beside it. Afterwards, on the same cluster, a job does nothing but read the newest of these trades and
decode them to what candles are made of. Each is done three times, and the fastest counts: no part runs cold, and what
else slows the machine for a moment flatters nobody.

With `--candles FILE` the trades are those that give the candles of that file, all of them and once.
"""

import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from string import Template
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console

from bench import _backlog
from bench._cluster import Cluster, cluster, connect
from bench._command import judge
from bench._host import Host, Load, how_busy
from bench._processes import BenchError, wait_for
from flink_jobs import candles, reconciliation, rollups
from flink_jobs.plan import Filled, statement, values
from market.frames import RecordingError
from market.intervals import INTERVALS
from market.settings import Settings

TARGET = 0.4
"""The least share of the rate of reading alone."""
_SQL = Path(__file__).parent / "sql"
_SECONDS = 900.0
_EARLIER = 4_000_000
_READINGS = 3
_FIRST_OF_CANDLES = 20_000
_RECONCILED = "select sum(coalesce(binance_trade_count, 0) + coalesce(kucoin_trade_count, 0)) from minute_fact"


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what. Rates in trades a second."""

    host: Host
    before: Load
    after: Load
    trades: int
    seconds: float
    """From when the trades were there until Postgres had the candles of all intervals."""
    reconciled_seconds: float
    """From when the trades were there until it had the minutes of both venues side by side as well."""
    read_rate: float
    rate: float
    rates: list[float]
    """Of each time, in order; `rate` is the best of them."""
    share: float
    """What making candles reaches of the rate of reading alone."""
    rows: dict[str, int]
    """Candles in Postgres, by interval; and `reconciled`, minutes of both venues side by side."""
    state_mib: dict[str, float]
    """Size of a job's checkpoint once all is counted."""

    @property
    def kept(self) -> bool:
        """Whether that is enough."""
        return self.share >= TARGET


def read(on: Cluster, since: float, trades: int) -> float:
    """Read and decode the trades written since then (seconds since the epoch), so many, and return the rate."""
    tables, filled = on.tables(candles.JOB), values(on.settings)
    tables.execute_sql(statement(Filled("tables/candle_inputs.sql", {}), filled))
    tables.execute_sql(Template((_SQL / "waiting.sql").read_text()).substitute(since=int(since * 1000)))
    tables.execute_sql(statement(Filled("views/candle_input.sql", {}), filled))
    job_id = str(tables.execute_sql((_SQL / "read.sql").read_text()).get_job_client().get_job_id())
    ended = on.finished(job_id, _SECONDS)
    return trades / (ended - on.running_since(job_id))


class Counted(NamedTuple):
    """When every trade was counted, seconds since the epoch: in candles of all intervals (and how busy the machine had
    been until then), and in the minutes of both venues side by side."""

    in_candles: float
    busy: Load
    in_minutes: float


class Made(NamedTuple):
    """A backlog that was worked off: what it was, how busy the machine had been, and when all of it was counted."""

    backlog: _backlog.Put
    before: Load
    counted: Counted

    @property
    def seconds(self) -> float:
        """From when the trades were there until Postgres had the candles of all intervals."""
        return self.counted.in_candles - self.backlog.appeared

    @property
    def reconciled_seconds(self) -> float:
        """From when the trades were there until it had the minutes of both venues side by side as well."""
        return self.counted.in_minutes - self.backlog.appeared

    @property
    def rate(self) -> float:
        """Trades a second."""
        return self.backlog.trades / self.seconds


class Jobs:
    """The jobs that make candles and set the venues against each other; they run from when this is made."""

    def __init__(self, on: Cluster) -> None:
        self._on = on
        self._ids = {job.name: on.submit(job) for job in (reconciliation.JOB, rollups.JOB, candles.JOB)}

    def counted(self, trades: int) -> Counted:
        """Wait until candles of every interval, and the minutes that are compared, count so many trades."""
        with connect(self._on.settings, "owner") as connection:

            def whole(interval: str) -> bool:
                query = "select sum(trade_count) from candle where interval = %s"
                row = connection.execute(query, (interval,)).fetchone()
                return row is not None and row[0] == trades

            def reconciled() -> bool:
                row = connection.execute(_RECONCILED).fetchone()
                return row is not None and row[0] == trades

            # The day is there last, and is the cheapest to be asked for.
            for interval in reversed(INTERVALS):
                wait_for(f"every trade is in the candles of {interval}", lambda i=interval: whole(i), _SECONDS, 0.2)  # type: ignore[misc]
            in_candles, busy = time.time(), Load.now()
            wait_for("every trade is in the minutes that are compared", reconciled, _SECONDS, 0.2)
            return Counted(in_candles, busy, time.time())

    def rows(self) -> dict[str, int]:
        """Return how many candles there are of each interval, and `reconciled`, minutes side by side."""
        with connect(self._on.settings, "owner") as connection:
            rows: dict[str, int] = dict(connection.execute("select interval, count(*) from candle group by interval"))
            row = connection.execute("select count(*) from minute_fact").fetchone()
        return {interval: rows[interval] for interval in INTERVALS} | {"reconciled": row[0] if row else 0}

    def state_mib(self) -> dict[str, float]:
        """Return the size of each job's next checkpoint."""
        return {name: round(self._on.state_bytes(job_id) / (1 << 20), 1) for name, job_id in self._ids.items()}

    def cancel(self) -> None:
        """End them."""
        for job_id in self._ids.values():
            self._on.cancel(job_id)


def measure(
    settings: Settings,
    stream: Iterator[tuple[str, str | bytes]],
    console: Console,
    *,
    earlier: int,
    trades: int,
    times: int,
) -> Report:
    """Measure on a cluster of its own: with so many `earlier` trades of the stream, then so many times `trades` of it.

    Raises:
        RecordingError: the stream is of a file that cannot be read.
        BenchError: something does not start, or candles are not made in time.
        StackError: something that the cluster is made of is missing.
    """
    console.print("starting Postgres, Kafka and Flink", style="dim")
    with cluster(settings) as on:
        console.print(f"making candles of {earlier:,} trades, so that nothing is cold", style="dim")
        written = _backlog.put(on.settings, islice(stream, earlier)).trades
        jobs = Jobs(on)
        jobs.counted(written)
        made: list[Made] = []
        for number in range(times):
            console.print(f"putting the trades that wait into Kafka, {number + 1} of {times}", style="dim")
            backlog = _backlog.put(on.settings, islice(stream, trades))
            written += backlog.trades
            before = Load.now()
            console.print("making candles of them", style="dim")
            made.append(Made(backlog, before, jobs.counted(written)))
        rows, state_mib = jobs.rows(), jobs.state_mib()
        jobs.cancel()
        console.print(f"reading them alone, {_READINGS} times", style="dim")
        best, last = max(made, key=lambda one: one.rate), made[-1].backlog
        read_rate = max(read(on, last.began, last.trades) for _ in range(_READINGS))
        return Report(
            host=Host.here(), before=best.before, after=best.counted.busy, trades=best.backlog.trades,
            seconds=round(best.seconds, 1), reconciled_seconds=round(best.reconciled_seconds, 1),
            read_rate=round(read_rate), rate=round(best.rate), rates=[round(one.rate) for one in made],
            share=round(best.rate / read_rate, 3),
            rows=rows, state_mib=state_mib,
        )  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(f"read and decoded only: {report.read_rate:,.0f} trades a second")
    console.print(
        f"to candles of all intervals in Postgres: {report.rate:,.0f} trades a second; {report.trades:,} trades in "
        f"{report.seconds:,.1f} s; side by side after {report.reconciled_seconds:,.1f} s"
    )
    console.print("each time: " + ", ".join(f"{rate:,.0f}" for rate in report.rates) + " trades a second")
    console.print("rows: " + ", ".join(f"{number:,} of {interval}" for interval, number in report.rows.items()))
    console.print("state: " + ", ".join(f"{name} {size:,.1f} MiB" for name, size in report.state_mib.items()))
    console.print(f"{report.host}")
    console.print(f"{how_busy(report.before, report.after)}.")
    console.print(
        f"[{'green' if report.kept else 'red'}]{report.share:.0%}[/] of the rate of reading; {TARGET:.0%} is wanted."
    )


def main(
    *,
    trades: Annotated[int, typer.Option(min=1000, help="how many trades wait")] = 2_000_000,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, on both venues")] = 20,
    rate: Annotated[float, typer.Option(min=1, help="trades a second of the market's time")] = 2_000.0,
    times: Annotated[int, typer.Option(min=1, max=20, help="how many times so many wait; the fastest counts")] = 3,
    of_candles: Annotated[
        Path | None, typer.Option("--candles", exists=True, help="the trades of a file of candles, all of them")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure the catch-up; exit 1 where it is slower than is wanted."""

    def run(settings: Settings, console: Console) -> Report:
        if of_candles is None:
            made_up, earlier = _backlog.trades(symbols, rate), min(2 * trades, _EARLIER)
            return measure(settings, made_up, console, earlier=earlier, trades=trades, times=times)
        try:
            recorded = _backlog.of_candles(of_candles)
            return measure(settings, recorded, console, earlier=_FIRST_OF_CANDLES, trades=sys.maxsize, times=1)
        except RecordingError as error:
            raise BenchError(str(error)) from error

    judge(run, show, as_json=as_json)


if __name__ == "__main__":
    # Times without a zone are UTC, also in the JVM that submits.
    os.environ["TZ"] = "UTC"
    typer.run(main)
