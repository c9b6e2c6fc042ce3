"""`python -m bench.questions`: how long the questions about two venues take to answer, over weeks of many symbols.

A database of its own holds 30 days of minutes of 100 symbols at both venues. Each question of `sql/questions` is asked
as a reader asks it, again and again; the plan of the slowest is printed.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from bench._cluster import database
from bench._host import Host, Load
from bench._processes import BenchError, own_folder, settings_for
from bench._spread import Spread, spread
from market.settings import ROOT, Settings, SettingsError
from stack.errors import StackError
from stack.passwords import dsn
from stack.state import State

TARGET = 0.1
"""The longest that 99 of 100 answers may take, in seconds."""
QUESTIONS = ROOT / "sql" / "questions"
_SQL = Path(__file__).parent / "sql"


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


def fill(settings: Settings, days: int, symbols: int) -> int:
    """Fill the database, and return how many minutes it holds then."""
    with psycopg.connect(dsn(settings, State.for_settings(settings), "owner")) as connection:
        cursor = psycopg.ClientCursor(connection)
        for name in ("fill_reconciliation.sql", "list_symbols.sql"):
            cursor.execute((_SQL / name).read_bytes(), {"days": days, "symbols": symbols})
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum analyze")
        row = connection.execute("select count(*) from minute_fact").fetchone()
    assert row is not None
    return int(row[0])


def ask(settings: Settings, times: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Ask every question so many times; return the seconds that each answer took, and each question's plan."""
    taken: dict[str, list[float]] = {}
    plans = {}
    with psycopg.connect(dsn(settings, State.for_settings(settings), "reader"), autocommit=True) as connection:
        for path in sorted(QUESTIONS.glob("*.sql")):
            query = path.read_bytes()
            connection.execute(query)
            for _ in range(times):
                began = time.perf_counter()
                connection.execute(query).fetchall()
                taken.setdefault(path.stem, []).append(time.perf_counter() - began)
            lines = connection.execute(b"explain (analyze, buffers) " + query).fetchall()
            plans[path.stem] = "\n".join(line for (line,) in lines)
    return taken, plans


def measure(settings: Settings, days: int, symbols: int, times: int, console: Console) -> Report:
    """Measure on a database of its own.

    Raises:
        BenchError: it does not start.
        StackError: something that it is made of is missing.
    """
    with ExitStack() as running:
        running.enter_context(database(settings))
        console.print(f"making {days} days of {symbols} symbols", style="dim")
        rows = fill(settings, days, symbols)
        console.print(f"asking {times} times", style="dim")
        before = Load.now()
        taken, plans = ask(settings, times)
    spreads = {name: found for name, seconds in taken.items() if (found := spread(seconds)) is not None}
    slowest = max(spreads, key=lambda name: spreads[name].p99)
    return Report(
        host=Host.here(), before=before, after=Load.now(), days=days, symbols=symbols, rows=rows, seconds=spreads,
        slowest=slowest, plan=plans[slowest],
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
    console = Console(stderr=as_json)
    with own_folder() as folder:
        try:
            report = measure(settings_for(folder), days, symbols, times, console)
        except (BenchError, StackError, SettingsError) as error:
            console.print(f"[red]{error}[/red]")
            raise typer.Exit(1) from error
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report, console)
    raise typer.Exit(0 if report.kept else 1)


if __name__ == "__main__":
    typer.run(main)
