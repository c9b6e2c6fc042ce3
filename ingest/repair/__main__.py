"""`python -m ingest.repair`: the service, until told to stop; with `backfill`, one range of one symbol's candles."""

import asyncio
import logging
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ingest.repair.backfill import BackfillError, Wanted, backfill, parse_time
from ingest.repair.service import Repair
from market.logs import configure
from market.records import VENUES, Venue
from market.settings import Settings, SettingsError, load

log = logging.getLogger("repair")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_INTERRUPTED = 130


class VenueName(StrEnum):
    """The venues."""

    binance = "binance"
    kucoin = "kucoin"


def _quiet() -> None:
    # It tells of every request that goes well.
    logging.getLogger("httpx2").setLevel(logging.WARNING)


async def _serve(settings: Settings) -> int:
    return await Repair(settings).run()


@app.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Repair what was missed, until told to stop."""
    if context.invoked_subcommand is not None:
        return
    try:
        settings = load()
    except SettingsError as error:
        configure()
        log.critical("%s", error)
        raise typer.Exit(1) from None
    configure(settings.log_format, settings.log_level)
    _quiet()
    raise typer.Exit(asyncio.run(_serve(settings)))


@app.command("backfill", help="Fetch a range of a symbol's 1-minute candles from the venues, and the coarser with it.")
def fill(
    symbol: Annotated[str, typer.Argument(help="such as BTC-USDT")],
    begin: Annotated[str, typer.Option("--from", help="first minute, such as 2026-01-31 or 2026-01-31T12:00; UTC")],
    end: Annotated[str | None, typer.Option("--to", help="end, not included; now where it is left out")] = None,
    venue: Annotated[VenueName | None, typer.Option(help="only this venue")] = None,
) -> None:
    """Run the command. It goes on where it was cut when it is run again."""
    console = Console(stderr=True)
    try:
        times = parse_time(begin), None if end is None else parse_time(end)
    except ValueError as error:
        console.print(f"{error}: give a day, or day and time, as in 2026-01-31T12:00.", highlight=False)
        raise typer.Exit(2) from None
    venues: tuple[Venue, ...] = VENUES if venue is None else (venue.value,)
    try:
        settings = load()
        configure(settings.log_format, "warning")
        stored = _with_bar(settings, Wanted(symbol.upper(), venues, *times), console)
    except (BackfillError, SettingsError) as error:
        console.print(f"{error} Run the same command again to go on.", highlight=False, markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("Stopped. Run the same command again to go on.")
        raise typer.Exit(_INTERRUPTED) from None
    for name, count in stored.items():
        typer.echo(f"{name} {symbol.upper()}: {count:,} candles")


def _with_bar(settings: Settings, wanted: Wanted, console: Console) -> dict[Venue, int]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("minutes"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks: dict[Venue, TaskID] = {}

        def show(venue: Venue, done: int, total: int) -> None:
            if venue not in tasks:
                tasks[venue] = bars.add_task(f"{venue} {wanted.symbol}", total=total)
            bars.update(tasks[venue], completed=done)

        return asyncio.run(backfill(settings, wanted, show))


if __name__ == "__main__":
    sys.exit(app())
