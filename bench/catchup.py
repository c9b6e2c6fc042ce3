"""`python -m bench.catchup`: how fast the jobs work off what waits in Kafka, beside how fast it can be read at all.

Two million trades of both venues lie in `trades` before any job starts. On one cluster, one after the other: a job that
only reads and decodes them; then the jobs `candles` and `rollups` from nothing, until Postgres holds the candles of all
intervals with every trade in them. The first is done twice, and its second time counts, so that the machine code that
it needs is there.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer
from rich.console import Console

from bench import _backlog
from bench._cluster import Cluster, cluster
from bench._host import Host, Load
from bench._processes import BenchError, settings_for, wait_for
from flink_jobs import candles, rollups
from flink_jobs.plan import statements, values
from market.intervals import INTERVALS
from market.settings import Settings, SettingsError
from stack.errors import StackError
from stack.passwords import dsn
from stack.state import State

TARGET = 0.4
"""The least share of the rate of reading alone."""
_SQL = Path(__file__).parent / "sql"
_SECONDS = 900.0


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what. Rates in trades a second."""

    host: Host
    before: Load
    after: Load
    trades: int
    read_rate: float
    rate: float
    share: float
    rows: dict[str, int]
    """Candles in Postgres, by interval."""
    state_mib: dict[str, float]
    """Size of a job's checkpoint once all is counted."""


def read(on: Cluster, trades: int) -> float:
    """Read and decode all trades, and return the rate."""
    tables = on.tables(candles.JOB)
    source, *_ = statements(candles.JOB, values(on.settings))
    tables.execute_sql(source)
    tables.execute_sql((_SQL / "nowhere.sql").read_text())
    job_id = str(tables.execute_sql((_SQL / "read.sql").read_text()).get_job_client().get_job_id())
    ended = on.finished(job_id, _SECONDS)
    return trades / (ended - on.running_since(job_id))


def count(on: Cluster, trades: int) -> tuple[float, dict[str, int], dict[str, float]]:
    """Make candles of all trades; return the rate, and by interval and job what was made and kept."""
    jobs = {job.name: on.submit(job) for job in (rollups.JOB, candles.JOB)}
    began = on.running_since(jobs["candles"])
    with psycopg.connect(dsn(on.settings, State.for_settings(on.settings)), autocommit=True) as connection:

        def counted(interval: str) -> bool:
            row = connection.execute("select sum(trade_count) from candle where interval = %s", (interval,)).fetchone()
            return row is not None and row[0] == trades

        # The day is there last, and is the cheapest to be asked for.
        for interval in reversed(INTERVALS):
            wait_for(f"every trade is in the candles of {interval}", lambda i=interval: counted(i), _SECONDS, 0.2)  # type: ignore[misc]
        seconds = time.time() - began
        rows = {
            interval: int(number)
            for interval, number in connection.execute("select interval, count(*) from candle group by interval")
        }
    state = {name: round(on.state_bytes(job_id) / (1 << 20), 1) for name, job_id in jobs.items()}
    return trades / seconds, {interval: rows[interval] for interval in INTERVALS}, state


def measure(settings: Settings, trades: int, symbols: int, hours: float, console: Console) -> Report:
    """Measure on a cluster of its own.

    Raises:
        BenchError: something does not start, or candles are not made in time.
        StackError: something that the cluster is made of is missing.
    """
    console.print("starting Postgres, Kafka and Flink", style="dim")
    with cluster(settings) as on:
        console.print(f"putting {trades:,} trades into Kafka", style="dim")
        _backlog.put(on.settings, trades, symbols, hours)
        console.print("reading them alone, twice", style="dim")
        read(on, trades)
        before = Load.now()
        read_rate = read(on, trades)
        console.print("making candles of them", style="dim")
        rate, rows, state = count(on, trades)
        return Report(
            host=Host.here(), before=before, after=Load.now(), trades=trades, read_rate=round(read_rate),
            rate=round(rate), share=round(rate / read_rate, 3), rows=rows, state_mib=state,
        )  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(f"read and decoded only: {report.read_rate:,.0f} trades a second")
    console.print(f"to candles of all intervals in Postgres: {report.rate:,.0f} trades a second")
    console.print("rows: " + ", ".join(f"{number:,} of {interval}" for interval, number in report.rows.items()))
    console.print("state: " + ", ".join(f"{name} {size:,.1f} MiB" for name, size in report.state_mib.items()))
    console.print(f"{report.host}")
    console.print(
        f"Load average {report.before.one_minute} before and {report.after.one_minute} after; all cores were "
        f"{report.after.cpu_percent} % busy meanwhile."
    )
    kept = report.share >= TARGET
    console.print(
        f"[{'green' if kept else 'red'}]{report.share:.0%}[/] of the rate of reading; {TARGET:.0%} is wanted."
    )


def main(
    trades: Annotated[int, typer.Option(min=1000, help="how many trades wait")] = 2_000_000,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, on both venues")] = 120,
    hours: Annotated[float, typer.Option(min=0.01, max=24, help="hours that the trades span")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure the catch-up; exit 1 where it is slower than is wanted."""
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="pricebraid-bench-") as name:
        # Postgres may run as another user, who has to get through.
        Path(name).chmod(0o755)
        try:
            report = measure(settings_for(Path(name) / "state"), trades, symbols, hours, console)
        except (BenchError, StackError, SettingsError) as error:
            console.print(f"[red]{error}[/red]")
            raise typer.Exit(1) from error
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report, console)
    raise typer.Exit(0 if report.share >= TARGET else 1)


if __name__ == "__main__":
    # Times without a zone are UTC, also in the JVM that submits.
    os.environ["TZ"] = "UTC"
    typer.run(main)
