"""`python -m bench.freshness`: the time from a trade until a reader of Postgres sees it counted in its candles.

At 2,000 trades a second over 200 symbols on both venues, a process of its own listens to the market as any client does
and chooses 1 % of the trades at random over all symbols. From then on their rows of `candle` are read until `last_id`
says that the trade is counted: those of a second and a minute every 20 ms, the coarser ones every 60 ms. Open loop:
the market does not wait for anybody, and what stalls is seen.
Nothing of the pipeline is asked or told; a trade that is not seen within 30 s counts as 30 s.
"""

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bench._command import carry_out
from bench._host import Host, Load, how_busy
from bench._processes import BenchError, own_stack
from bench._reader import Measured, Reader
from bench._spread import Spread, histogram, spread
from bench._watcher import FINE
from market.intervals import INTERVALS
from market.settings import Settings, load
from stack.environment import effective

TARGETS = {interval: {"p50": 0.25, "p99": 0.6} if interval in FINE else {"most": 2.0} for interval in INTERVALS}
"""What is to be kept, in seconds, by interval."""
ENOUGH = 0.95
"""The least share of the trades asked for a second that must have come, or nothing was measured."""


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what. Times in seconds."""

    host: Host
    before: Load
    after: Load
    busiest_second_percent: float
    asked_per_second: float
    trades_per_second: float
    by_venue: dict[str, float]
    symbols_sampled: int
    seconds: float
    fresh: dict[str, Spread]
    """By interval, and by venue and interval: from the trade's time until a reader saw it counted."""
    unseen: dict[str, int]
    market: Spread
    """From the trade's time until a client of the market had it."""
    asking: Spread
    """How long a look at all rows that were waited for took the reader."""
    between: Spread
    """From one look to the next: no trade can be seen sooner."""
    missed: list[str]


def evaluate(measured: Measured, asked: float, before: Load, after: Load) -> Report:
    """Return the report: what was found, and which targets were missed.

    Raises:
        BenchError: nothing was sampled.
    """
    fresh: dict[str, list[float]] = {}
    unseen = dict.fromkeys(INTERVALS, 0)
    for outcome in measured.outcomes:
        unseen[outcome.interval] += outcome.seen is None
        seconds = outcome.seconds(measured.patience)
        fresh.setdefault(outcome.interval, []).append(seconds)
        fresh.setdefault(f"{outcome.sample.venue} {outcome.interval}", []).append(seconds)
    samples = {outcome.sample for outcome in measured.outcomes}
    market = spread([(sample.received - sample.event_time) / 1e6 for sample in samples])
    asking, between = spread(measured.asking), spread(measured.between)
    if market is None or asking is None or between is None:
        raise BenchError("no trade was sampled: the market is silent")
    spreads = {name: found for name in sorted(fresh) if (found := spread(fresh[name])) is not None}
    rate = sum(measured.trades.values()) / measured.seconds
    missed = [
        f"{interval} {name} {getattr(spreads[interval], name):.3f} s > {limit} s"
        for interval in INTERVALS
        for name, limit in TARGETS[interval].items()
        if getattr(spreads[interval], name) > limit
    ]
    if rate < ENOUGH * asked:
        missed.append(f"{rate:,.0f} trades a second came, {asked:,.0f} were asked for")
    return Report(
        host=Host.here(), before=before, after=after,
        busiest_second_percent=max(measured.cpu_percent, default=0.0),
        asked_per_second=asked, trades_per_second=round(rate, 1),
        by_venue={venue: round(count / measured.seconds, 1) for venue, count in sorted(measured.trades.items())},
        symbols_sampled=len({(sample.venue, sample.symbol) for sample in samples}),
        seconds=round(measured.seconds, 1), fresh=spreads, unseen=unseen,
        market=market, asking=asking, between=between, missed=missed,
    )  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report."""
    table = Table(title="Seconds from a trade until a reader of candle sees it counted")
    for heading in ("", "count", "p50", "p90", "p99", "most", "unseen"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    extra = {
        "trade to a client": report.market,
        "reader: a look": report.asking,
        "reader: look to look": report.between,
    }
    for group in (report.fresh, extra):
        for name, found in group.items():
            figures = [f"{value:.3f}" for value in (found.p50, found.p90, found.p99, found.most)]
            table.add_row(name, f"{found.count:,}", *figures, str(report.unseen.get(name, "")))
        table.add_section()
    console.print(table)
    for interval in FINE:
        console.print(f"\n{interval} rows", style="bold")
        console.print("\n".join(histogram(report.fresh[interval])), highlight=False)
    rates = ", ".join(f"{venue} {rate:,.0f}" for venue, rate in report.by_venue.items())
    console.print(
        f"\n{report.trades_per_second:,.0f} trades a second ({rates}; asked for {report.asked_per_second:,.0f}) "
        f"over {report.seconds:g} s; trades of {report.symbols_sampled} symbols and venues were sampled."
    )
    console.print(f"{report.host}")
    busy = how_busy(report.before, report.after)
    console.print(f"{busy}, {report.busiest_second_percent} % in the busiest second.")
    if report.missed:
        console.print("[red]Missed:[/red] " + "; ".join(report.missed))
    else:
        kept = (
            f"{name} {' and '.join(f'{what} ≤ {limit:g} s' for what, limit in limits.items())}"
            for name, limits in TARGETS.items()
        )
        console.print(f"[green]Kept:[/green] {', '.join(kept)}.")


def main(  # noqa: PLR0917
    seconds: Annotated[float, typer.Option(min=1, help="how long trades are sampled")] = 60.0,
    warm_up: Annotated[float, typer.Option(min=0, help="seconds before that")] = 120.0,
    rate: Annotated[float, typer.Option(min=1, help="trades a second of both venues together")] = 2_000.0,
    symbols: Annotated[int, typer.Option(min=1, max=1000, help="symbols, on both venues")] = 200,
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="share of the trades that is sampled")] = 0.01,
    seed: Annotated[int, typer.Option(help="seed of the choice")] = 1,
    attach: Annotated[
        bool, typer.Option("--attach", help="measure the simulated stack that runs with the settings at hand")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure freshness; exit 1 where a target is missed."""

    def measure(console: Console) -> Report:
        reader = Reader(share, seed, warm_up, seconds)
        if attach:
            return _measure(effective(load(market="simulated")), reader, console)
        console.print(f"starting a stack: {symbols} symbols, {rate:g} trades a second", style="dim")
        # A day of history for every symbol, fetched at first, is a load of its own.
        simulation = {"symbols": symbols, "trades_per_second": rate}
        with own_stack(simulation=simulation, repair={"backfill_hours": 0}) as settings:
            return _measure(settings, reader, console)

    report = carry_out(measure, show, as_json=as_json)
    raise typer.Exit(1 if report.missed else 0)


def _measure(settings: Settings, reader: Reader, console: Console) -> Report:
    before = Load.now()
    measured = reader.run(settings, console)
    return evaluate(measured, settings.simulation.trades_per_second, before, Load.now())


if __name__ == "__main__":
    typer.run(main)
