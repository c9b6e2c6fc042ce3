"""`python -m bench.dashboards`: how long every query of every dashboard takes, over weeks of many symbols.

A database of its own holds 30 days of 1-minute candles of 100 symbols at both venues, and all that goes with them.
Each query is asked as Grafana asks it, with the choices and ranges that people make, again and again; the plan of the
slowest is printed.
"""

import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench._cluster import connect, database, plan, run_scripts
from bench._command import judge
from bench._dashboards import DASHBOARDS, QUERIES, VARIABLES, Query, choose, default_hours, ending, options
from bench._expansion import Shown, Value, expand
from bench._host import Host, Load, how_busy
from bench._spread import percentile
from market.settings import Settings

TARGET = 0.1
"""Below this 95 of 100 answers must be, in seconds."""
HOURS = (6, 24, 24 * 7, 24 * 30)
"""The ranges that each query is asked for, besides the one that its dashboard opens with."""
SYMBOLS = ("T005-USDT", "T007-USDT", "T010-USDT", "T019-USDT")
"""One that is hardly traded, one always far apart, one often silent at KuCoin, one often near the threshold."""


class Size(msgspec.Struct, frozen=True):
    """How much a database holds: days of minutes, hours of seconds, of so many symbols at both venues."""

    days: int
    hours: int
    symbols: int


class Case(msgspec.Struct, frozen=True):
    """A query as it is asked in one way."""

    query: Query
    hours: float
    """The length of the range."""
    changed: dict[str, Value]
    """What is chosen otherwise than Grafana does first."""
    sql: str

    def __str__(self) -> str:
        return ", ".join(
            [f"{self.query}, {self.hours:g} h", *(f"{name} {value}" for name, value in self.changed.items())]
        )


class Answers(msgspec.Struct, frozen=True):
    """How long the answers to one case took. Times in seconds."""

    case: Case
    rows: int
    p50: float
    p95: float
    most: float


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what."""

    host: Host
    before: Load
    after: Load
    size: Size
    rows: int
    """1-minute candles that the database holds."""
    ways: int
    """In how many ways queries were asked."""
    answers: list[Answers]
    """Of every query, where it was slowest; the slowest comes first."""
    plan: str

    @property
    def kept(self) -> bool:
        """Whether every query is answered in time."""
        return self.answers[0].p95 < TARGET


def fill(connection: psycopg.Connection, size: Size) -> None:
    """Fill an empty database as its owner: made-up candles of both venues, up to now, and what goes with them.

    The connection must commit by itself.
    """
    run_scripts(connection, ("fill_reconciliation.sql", "fill_candles.sql"), msgspec.structs.asdict(size))


def cases(connection: psycopg.Connection, dashboard: str) -> Iterator[Case]:
    """Yield every query of a dashboard in every way that it is asked: each range, with one choice at a time changed.

    What does not depend on range or choice is asked in one way.
    """
    row = connection.execute("select newest_trade_counted()").fetchone()
    assert row is not None
    seen = set()
    for hours in dict.fromkeys((default_hours(dashboard), *HOURS)):
        shown = ending(row[0], hours)
        for fixed in _changes(connection, dashboard, shown):
            chosen = choose(connection, dashboard, shown, fixed)
            for query in QUERIES:
                if query.dashboard == dashboard:
                    case = Case(query, hours, fixed, expand(query.sql, chosen, shown))
                    if (query, case.sql) not in seen:
                        seen.add((query, case.sql))
                        yield case


def _changes(connection: psycopg.Connection, dashboard: str, shown: Shown) -> Iterator[dict[str, Value]]:
    yield {}
    first = choose(connection, dashboard, shown)
    for query in VARIABLES:
        if query.dashboard == dashboard:
            for value in options(connection, query, first, shown):
                if value != first[query.name] and (query.name != "symbol" or value in SYMBOLS):
                    yield {query.name: value}


def ask(connection: psycopg.Connection, case: Case, times: int) -> Answers:
    """Ask so many times, after once that is not counted."""
    query = case.sql.encode()
    rows = connection.execute(query).rowcount
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        # All rows have come when it returns; to make Python's values of them is not part of an answer.
        connection.execute(query)
        taken.append(time.perf_counter() - began)
    taken.sort()
    p50, p95 = (percentile(taken, share) for share in (0.5, 0.95))
    return Answers(case, rows, p50, p95, taken[-1])


def ask_all(connection: psycopg.Connection, times: int) -> tuple[list[Answers], int]:
    """Ask everything; return each query's slowest case, the slowest query first, and how many cases there were."""
    slowest: dict[Query, Answers] = {}
    # Before the first is asked: what can be chosen is asked for as well.
    asked = [case for dashboard in DASHBOARDS for case in cases(connection, dashboard)]
    for case in asked:
        answers = ask(connection, case, times)
        slowest[case.query] = max(answers, slowest.get(case.query, answers), key=lambda one: one.p95)
    return sorted(slowest.values(), key=lambda one: -one.p95), len(asked)


def measure(settings: Settings, size: Size, times: int, console: Console) -> Report:
    """Measure on a database of its own.

    Raises:
        BenchError: it does not start.
        StackError: something that it is made of is missing.
    """
    with database(settings), connect(settings, "reader") as reader:
        console.print(f"making {size.days} days of {size.symbols} symbols", style="dim")
        with connect(settings, "owner") as owner:
            fill(owner, size)
            row = owner.execute("select count(*) from candle_1m").fetchone()
            assert row is not None
        console.print(f"asking {len(QUERIES)} queries, each in many ways and {times} times", style="dim")
        before = Load.now()
        answers, ways = ask_all(reader, times)
        after = Load.now()
        how = plan(reader, answers[0].case.sql.encode())
    return Report(
        host=Host.here(), before=before, after=after, size=size, rows=int(row[0]), ways=ways,
        answers=answers, plan=how,
    )  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(f"{report.answers[0].case}, the slowest:\n{report.plan}", style="dim", highlight=False, markup=False)
    table = Table(title=f"Seconds to answer, over {report.rows:,} 1-minute candles, each query where it was slowest")
    for heading in ("", "rows", "p50", "p95", "most"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=bool(heading))
    for found in report.answers:
        times = (f"{value:.4f}" for value in (found.p50, found.p95, found.most))
        table.add_row(escape(str(found.case)), f"{found.rows:,}", *times)
    console.print(table)
    console.print(f"{len(report.answers)} queries in {report.ways} ways. {report.host}")
    console.print(f"{how_busy(report.before, report.after)}.")
    console.print(f"[{'green]Kept' if report.kept else 'red]Missed'}[/]: p95 < {TARGET:g} s.")


def main(
    days: Annotated[int, typer.Option(min=1, max=400, help="days of candles")] = 30,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, at both venues")] = 100,
    hours: Annotated[int, typer.Option(min=1, max=72, help="hours of 1-second candles")] = 2,
    times: Annotated[int, typer.Option(min=1, help="how often each query is asked in each way")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure the answers; exit 1 where one takes longer than is wanted."""
    size = Size(days, hours, symbols)
    judge(lambda settings, console: measure(settings, size, times, console), show, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
