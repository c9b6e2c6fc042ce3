"""`python -m verify`: compares closed candles in Postgres with what DuckDB makes of the topics, and notes it there.

Exit codes: 0 all is as it should be, 1 something differs, 2 it could not be checked, or was ended before.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape

from market.settings import Settings, SettingsError, load
from verify import report
from verify.check import Verdict, check
from verify.ledger import Ledger
from verify.reading import CannotCheck, NothingToCheck
from verify.scope import WHOLE, Scope, recent

LEAST_PRIORITY = 19


class _End:
    """Tells whether somebody has ended the run, by SIGTERM or ctrl-C; then its scratch space is removed.

    Libraries make other errors of an exception that meets them inside ("Query interrupted", a module that is not
    found), or none at all: so it is also remembered, and looked at with each step.
    """

    def __init__(self) -> None:
        self.told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, *_: object) -> None:
        self.told = True
        self.look()

    def look(self) -> None:
        """Raise SystemExit if it was ended."""
        if self.told:
            sys.exit(2)


def main() -> int:
    """Run the check with the arguments of the command line; return the exit code."""
    end = _End()
    arguments = _parser().parse_args()
    errors = Console(stderr=True)
    try:
        return _run(load(), arguments, errors, end)
    except Exception as error:
        end.look()
        if not isinstance(error, SettingsError | CannotCheck | OSError):
            raise
        if arguments.json:
            sys.stdout.write(msgspec.json.encode({"clean": None, "error": str(error)}).decode() + "\n")
        errors.print(f"[bold red]Could not check:[/] {escape(str(error))}", highlight=False)
        return 2


def _run(settings: Settings, arguments: argparse.Namespace, errors: Console, end: _End) -> int:
    ledger = Ledger(settings)
    scope = WHOLE
    if arguments.recent:
        os.nice(LEAST_PRIORITY)
        scope = recent(settings, ledger.last_compared())
    verdict = _noted(lambda: _checked(settings, scope, arguments, errors, end), scope, ledger, errors, end)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report.as_json(verdict))).decode() + "\n")
    else:
        report.show(verdict, Console(width=None if sys.stdout.isatty() else 200))
    if not verdict.clean:
        return 1
    return 0 if verdict.venues_silent is None else 2


def _noted(run: Callable[[], Verdict], scope: Scope, ledger: Ledger, errors: Console, end: _End) -> Verdict:
    """Note in the database what came of a run, also where that is nothing. One that somebody ended is not noted."""
    began = datetime.now(UTC)
    try:
        verdict = run()
    except NothingToCheck:
        end.look()
        _note(lambda: ledger.nothing_closed(scope, began), errors)
        raise
    except Exception as error:
        end.look()
        reason = str(error) or type(error).__name__
        _note(lambda: ledger.failed(scope, began, reason), errors)
        raise
    _note(lambda: ledger.compared(scope, began, verdict), errors)
    return verdict


def _note(write: Callable[[], None], errors: Console) -> None:
    """Write a run down. Where that fails, what came of it is still shown."""
    try:
        write()
    except CannotCheck as error:
        errors.print(f"[yellow]Not noted:[/] {escape(str(error))}", highlight=False)


def _checked(settings: Settings, scope: Scope, arguments: argparse.Namespace, errors: Console, end: _End) -> Verdict:
    def progress(text: str) -> None:
        end.look()
        status.update(escape(text))

    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="verify-", dir=settings.state_dir) as folder,
        errors.status("starts") as status,
    ):
        return check(
            settings,
            Path(folder),
            scope,
            from_time=arguments.from_time,
            limit=arguments.limit,
            timeout=arguments.timeout,
            sample=arguments.venue_sample,
            progress=progress,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./pricebraid verify", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="differences that are shown, at most")
    parser.add_argument(
        "--recent",
        action="store_true",
        help="only what has settled since the last run, at the least priority, as the stack does by itself",
    )
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="how long the jobs may take to catch up"
    )
    parser.add_argument(
        "--venue-sample", type=int, default=0, metavar="N", help="compare N minutes a venue with its own candles, too"
    )
    parser.add_argument(
        "--from-time", type=int, default=0, metavar="MICROSECONDS", help="where the jobs' generation begins"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
