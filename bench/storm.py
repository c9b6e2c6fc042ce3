"""`python -m bench.storm`: a storm of faults over the simulated market, and what is left of every candle afterwards.

The market breaks its connections and its messages by a script, made of a seed. When all is over and has settled, every
closed candle must be what the market itself says or be touched by a gap, every gap must come of a fault of the script,
and Binance must have no gap left. Exit 1 where anything is unexplained. The same storm, or each kind of fault by
itself, goes over other people's trade feeds for comparison.
"""

import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from bench._command import tell
from bench._host import Host, Load
from bench._processes import BenchError, own_stack
from bench._storm import tables
from bench._storm.contest import Plan, Run, isolated, own_isolated, shown, storm_over
from bench._storm.facts import MINUTE
from bench._storm.tables import OURS
from bench._storm.weather import Outcome, Say, Storm, weather
from bench.foreign.environments import FEEDS, Feed, ensure
from market.sections import SimulationSettings
from market.settings import Settings, SettingsError, load
from replay.faults import KINDS
from stack.environment import effective
from stack.errors import StackError


class Report(msgspec.Struct):
    """What came of it, and on what. `outcome` is ours; the others are by client, and by kind of fault."""

    host: Host
    before: Load
    seed: int
    minutes: float
    speed: float
    outcome: Outcome | None = None
    storms: dict[str, Run] = {}
    alone: dict[str, dict[str, Run]] = {}


class Bench:
    """Lets the storm, or with a plan each kind of fault alone, pass over one client after another."""

    def __init__(self, report: Report, storm: Storm, plan: Plan | None, say: Say) -> None:
        self._report = report
        self._storm = storm
        self._plan = plan
        self._say = say

    def ours(self, settings: Settings) -> None:
        """Measure the stack that runs on the settings."""
        if self._plan is not None:
            self._report.alone[OURS] = own_isolated(settings, self._plan, self._say)
            return
        outcome = weather(settings, self._storm, self._say)
        self._report.outcome = outcome
        # What is handed over is the clean stream: a trade is doubled where it is there twice.
        counts = {
            venue: msgspec.structs.replace(found, doubled=outcome.passed_twice[venue])
            for venue, found in outcome.counts.items()
        }
        self._report.storms[OURS] = Run(counts, outcome.recoveries, outcome.faults)

    def theirs(self, feed: Feed, simulation: SimulationSettings, folder: Path) -> None:
        """Measure a foreign feed; it hears the very trades that ours did, where ours was measured before."""
        self._say(f"{feed.requirement}: making its environment, where it is not there yet")
        python = ensure(feed, load().state_dir / "bench")
        if self._plan is not None:
            place = folder / feed.name
            self._report.alone[feed.name] = isolated(feed, python, simulation, self._plan, place, self._say)
            return
        outcome = self._report.outcome
        begin = time.time_ns() // 1000 if outcome is None else outcome.start - MINUTE
        self._say(f"{feed.requirement}: the same storm")
        self._report.storms[feed.name] = storm_over(
            feed, python, simulation, self._storm, (begin, self._report.speed), folder / feed.name
        )
        self._say(f"{feed.name}: {shown(self._report.storms[feed.name])}")


def show(report: Report, console: Console) -> None:
    """Print the report: tables as Markdown, so that they can be shown elsewhere as they are."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if report.outcome is not None:
        say(tables.summary(report.outcome))
        say(f"\n{tables.trades(report.outcome.counts)}")
    if report.storms:
        say(f"\n{tables.recovered({name: run.recoveries for name, run in report.storms.items()})}")
        say(f"\n{tables.compared(report.storms)}")
    if report.alone:
        say(f"\n{tables.by_kind(report.alone)}")
    say(f"\n{report.host}. Load average {report.before.one_minute} before.")
    if report.outcome is not None and report.outcome.findings:
        console.print("\n[red]Unexplained:[/red]")
        say(tables.findings(report.outcome))
    elif report.outcome is not None:
        console.print("\n[green]Kept:[/green]")
        say("every candle is right or listed, every gap is explained, and none is open at Binance.")


@contextmanager
def _running(simulation: SimulationSettings, speed: float, console: Console, *, attach: bool) -> Iterator[Settings]:
    """Give the settings of a stack that runs: the one at hand, or one that is started."""
    if attach:
        yield effective(load(market="simulated"))
        return
    console.print(f"starting a stack: {simulation.symbols} symbols at {speed:g} times the pace", style="dim")
    # Nobody looks at what was before the storm.
    with own_stack(speed=f"{speed:g}", simulation=simulation.model_dump(), repair={"backfill_hours": 0}) as settings:
        yield settings


def _chosen(text: str, known: Collection[str], option: str) -> set[str]:
    names = {part.strip() for part in text.split(",") if part.strip()}
    if "all" in names:
        return set(known)
    if unknown := names - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; there are: {', '.join(known)}", param_hint=option)
    return names


def main(  # noqa: PLR0917
    minutes: Annotated[float, typer.Option(min=1, help="minutes of market time that the storm lasts")] = 20.0,
    speed: Annotated[float, typer.Option(min=0.1, help="how many times as fast as the wall the market runs")] = 4.0,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, on both venues")] = 20,
    rate: Annotated[float, typer.Option(min=1, help="trades a second of both venues, by the market's clock")] = 100.0,
    seed: Annotated[int, typer.Option(help="seed of the market and of the storm")] = 1,
    clients: Annotated[
        str, typer.Option("--with", help=f"who goes through it, of: ours, {', '.join(FEEDS)}; separated by commas")
    ] = "ours",
    isolate: Annotated[
        bool, typer.Option("--isolate", help="no storm: each kind of fault alone on a quiet market, at its own pace")
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="how often each kind comes, with --isolate")] = 5,
    kinds: Annotated[str, typer.Option(help="which kinds come, with --isolate; separated by commas")] = "all",
    patience: Annotated[float, typer.Option(min=1, help="seconds that a client is waited for to come back")] = 240.0,
    attach: Annotated[
        bool, typer.Option("--attach", help="use the simulated stack that runs with the settings at hand")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Let a storm pass; exit 1 where anything is unexplained afterwards."""
    console = Console(stderr=as_json)
    chosen = _chosen(clients, {"ours", *FEEDS}, "--with")
    plan = Plan(tuple(kind for kind in KINDS if kind in _chosen(kinds, set(KINDS), "--kinds")), repeats, patience, seed)
    pace = 1.0 if isolate else speed
    report = Report(Host.here(), Load.now(), seed, minutes, pace)

    def say(text: str) -> None:
        console.print(text, style="dim", highlight=False, soft_wrap=True)

    simulation = SimulationSettings(symbols=symbols, trades_per_second=rate, seed=seed)
    bench = Bench(report, Storm.of(seed, minutes, patience), plan if isolate else None, say)
    unfinished = False
    try:
        if "ours" in chosen:
            with _running(simulation, pace, console, attach=attach) as settings:
                bench.ours(settings)
        with tempfile.TemporaryDirectory(prefix="pricebraid-storm-") as name:
            for feed in (FEEDS[client] for client in FEEDS if client in chosen):
                bench.theirs(feed, simulation, Path(name))
    except (BenchError, StackError, SettingsError) as error:
        # What was measured before is shown all the same.
        unfinished = True
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False)
    tell(report, show, console, as_json=as_json)
    raise typer.Exit(1 if unfinished or (report.outcome is not None and report.outcome.findings) else 0)


if __name__ == "__main__":
    typer.run(main)
