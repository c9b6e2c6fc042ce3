"""The commands that ask what runs: psql, Flink's SQL client, verification, candles of the past.

`./pricebraid` has them for the stack of this machine; `python -m stack.tools` in a container, for the stack that its
environment leads to. Whoever runs them says how the settings of what runs are found: `run`.
"""

import logging
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.markup import escape

from market.settings import ROOT, Settings, SettingsError, config_file, load
from stack.environment import child_environment, effective
from stack.errors import StackError
from stack.flink_sql import become_client
from stack.jobstore import JobStore
from stack.passwords import dsn, with_password
from stack.postgres import psql_program
from stack.state import State


def command_line(about: str) -> typer.Typer:
    """Return a command line without commands yet; `about` is what its help says first."""
    return typer.Typer(
        help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


app = command_line("What can be asked of the containers that run.")
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
# What these tell of themselves is in their own help.
PASS_ON_ALL: dict[str, Any] = {**PASS_ON, "help_option_names": []}
HELP = {"--help", "-h"}

errors = Console(stderr=True)


class Role(StrEnum):
    """The roles of the database."""

    reader = "reader"
    writer = "writer"
    owner = "owner"


def run(commands: typer.Typer, name: str, settings: Callable[[], Settings]) -> int:
    """Run a command line; return the exit code: 0 done, 1 failed, 2 wrongly used.

    `name` is what it is called by; `settings` returns those of what runs, or raises a StackError where nothing does.
    """
    logging.basicConfig(level="WARNING", format="%(message)s")
    try:
        commands(prog_name=name, obj=settings)
    except StackError as error:
        errors.print(f"[bold red]{escape(error.message)}[/]")
        if error.remedy:
            errors.print(escape(error.remedy))
    except SettingsError as error:
        errors.print(f"[bold red]{escape(str(error))}[/]")
    return 1


@app.command(context_settings=PASS_ON)
def psql(
    context: typer.Context,
    role: Annotated[Role, typer.Option("--as", help="whose rights to use")] = Role.reader,
) -> None:
    """Open psql on the running database; what else is given goes to psql, such as -c SQL."""
    settings: Settings = context.obj()
    state = State.for_settings(settings)
    program = str(psql_program())
    try:
        os.execve(program, [program, *context.args], psql_environment(dsn(settings, state, role.value)))  # noqa: S606
    except OSError as error:
        raise StackError(f"psql cannot be started: {error}.") from error


def psql_environment(address: str) -> dict[str, str]:
    """Return an environment that leads psql to the address.

    The password goes that way, since all users can read the arguments of a process.
    """
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    given = {names[key]: str(value) for key, value in conninfo_to_dict(address).items() if key in names}
    return {**os.environ, "PGTZ": "UTC", **given}


@app.command(context_settings=PASS_ON)
def sql(
    context: typer.Context,
    statements: Annotated[list[str] | None, typer.Option("-c", help="answer this statement, and end")] = None,
) -> None:
    """Open Flink's SQL client with every topic as a table; what else is given goes to it, such as -f FILE."""
    become_client(context.obj(), statements or [], context.args)


@app.command(context_settings=PASS_ON_ALL)
def verify(context: typer.Context) -> None:
    """Recompute every closed candle from the trades and compare; exit 1 where one differs. See verify --help."""

    def judged(settings: Settings) -> list[str]:
        # What the jobs left out, because the topics no longer held it whole when they began, can't be judged.
        return ["--from-time", str(JobStore(State.for_settings(settings)).record("candles").from_time)]

    _hand_over("verify", context.args, context.obj, judged)


@app.command(context_settings=PASS_ON_ALL)
def backfill(context: typer.Context) -> None:
    """Fetch a range of a symbol's candles from the venues. See backfill --help."""
    _hand_over("ingest.repair", ["backfill", *context.args], context.obj)


def _hand_over(
    module: str,
    arguments: list[str],
    found: Callable[[], Settings],
    more: Callable[[Settings], list[str]] = lambda _: [],
) -> None:
    """Become a module of the project, run with the settings of what runs; its help needs nothing that runs.

    `more` gives the arguments that come of the settings.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if not HELP.intersection(arguments):
        settings = found()
        environment |= child_environment(effective(with_password(settings, State.for_settings(settings))))
        arguments = [*more(settings), *arguments]
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)  # noqa: S606


def _of_the_containers() -> Settings:
    if not config_file().is_file():
        raise StackError("Pricebraid was never started here.", "Start it with `docker compose up --detach`.")
    return load()


def main() -> int:
    """Run as the process of a container."""
    return run(app, "docker compose run --rm tools", _of_the_containers)


if __name__ == "__main__":
    sys.exit(main())
