"""What the commands of the benchmarks have in common: a measurement, its report, and how they end."""

from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

import msgspec
import typer
from rich.console import Console

from bench._processes import BenchError, own_folder, settings_for
from market.settings import Settings, SettingsError
from stack.errors import StackError


class Judged(Protocol):
    """A report that says whether what is wanted was kept."""

    @property
    def kept(self) -> bool:
        """Whether it was."""


R = TypeVar("R")
J = TypeVar("J", bound=Judged)


def tell(report: R, show: Callable[[R, Console], None], console: Console, *, as_json: bool) -> None:
    """Print the report: as `show` does on the console, or as JSON on the standard output."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report, console)


def carry_out(measure: Callable[[Console], R], show: Callable[[R, Console], None], *, as_json: bool) -> R:
    """Measure, print the report and return it.

    Raises:
        typer.Exit: with 1 where it could not be measured, which is told.
    """
    console = Console(stderr=as_json)
    try:
        report = measure(console)
    except (BenchError, StackError, SettingsError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    tell(report, show, console, as_json=as_json)
    return report


def judge(measure: Callable[[Settings, Console], J], show: Callable[[J, Console], None], *, as_json: bool) -> NoReturn:
    """Measure on a state of its own, print what came of it, and end the command: with 1 where that was not kept.

    Raises:
        typer.Exit: always.
    """

    def alone(console: Console) -> J:
        with own_folder() as folder:
            return measure(settings_for(folder), console)

    report = carry_out(alone, show, as_json=as_json)
    raise typer.Exit(0 if report.kept else 1)
