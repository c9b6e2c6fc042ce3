"""`python -m bench.questions`: how long the questions about two venues take to answer, over weeks of many symbols.

A database of its own holds 30 days of minutes of 100 symbols at both venues. Each question of `sql/questions` is asked
as a reader asks it, again and again; the plan of the slowest is printed.
"""

import time
from typing import Annotated

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from bench._cluster import connect, database, plan, run_scripts
from bench._command import judge
from bench._host import Host, Load
from bench._spread import Spread, spread
from market.settings import ROOT, Settings

TARGET = 0.1
"""The longest that 99 of 100 answers may take, in seconds."""
QUESTIONS = ROOT / "sql" / "questions"


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what. Times in seconds."""

    host: Host
    before: Load
    after: Load
    days: int
    symbols: int
    rows: int
    """Minutes that the database holds."""
    seconds: dict[str, Spread]
    """From a question to its whole answer."""
    slowest: str
    plan: str

    @property
    def kept(self) -> bool:
        """Whether every question is answered in time."""
        return self.seconds[self.slowest].p99 <= TARGET


def ask(reader: psycopg.Connection, times: int) -> dict[str, list[float]]:
    """Ask every question so many times, after once that is not counted; return the seconds that each answer took."""
    taken: dict[str, list[float]] = {}
    for path in sorted(QUESTIONS.glob("*.sql")):
        query = path.read_bytes()
        reader.execute(query)
        for _ in range(times):
            began = time.perf_counter()
            reader.execute(query).fetchall()
            taken.setdefault(path.stem, []).append(time.perf_counter() - began)
    return taken


def measure(settings: Settings, days: int, symbols: int, times: int, console: Console) -> Report:
    """Measure on a database of its own.

    Raises:
        BenchError: it does not start.
        StackError: something that it is made of is missing.
    """
    with database(settings), connect(settings, "reader") as reader:
        console.print(f"making {days} days of {symbols} symbols", style="dim")
        with connect(settings, "owner") as owner:
            run_scripts(owner, ("fill_reconciliation.sql", "list_symbols.sql"), {"days": days, "symbols": symbols})
            row = owner.execute("select count(*) from minute_fact").fetchone()
            assert row is not None
        console.print(f"asking {times} times", style="dim")
        before = Load.now()
        taken = ask(reader, times)
        after = Load.now()
        spreads = {name: found for name, seconds in taken.items() if (found := spread(seconds)) is not None}
        slowest = max(spreads, key=lambda name: spreads[name].p99)
        how = plan(reader, (QUESTIONS / f"{slowest}.sql").read_bytes())
    return Report(
        host=Host.here(), before=before, after=after, days=days, symbols=symbols, rows=int(row[0]), seconds=spreads,
        slowest=slowest, plan=how,
    )  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(f"{report.slowest}, the slowest:\n{report.plan}", style="dim", highlight=False, markup=False)
    table = Table(title=f"Seconds to answer, over {report.rows:,} minutes")
    for heading in ("", "p50", "p99", "most"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, found in report.seconds.items():
        table.add_row(name, *(f"{value:.4f}" for value in (found.p50, found.p99, found.most)))
    console.print(table)
    console.print(f"{report.host}")
    console.print(f"[{'green]Kept' if report.kept else 'red]Missed'}[/]: p99 ≤ {TARGET:g} s.")


def main(
    days: Annotated[int, typer.Option(min=1, max=400, help="days of minutes")] = 30,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, at both venues")] = 100,
    times: Annotated[int, typer.Option(min=1, help="how often each question is asked")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure the answers; exit 1 where one takes longer than is wanted."""
    judge(lambda settings, console: measure(settings, days, symbols, times, console), show, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
