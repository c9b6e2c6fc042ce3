"""`python -m verify`: compares closed candles in Postgres with what DuckDB makes of the topics, and notes it there.

Exit codes: 0 all is as it should be, 1 something differs, 2 it could not be checked.
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


def main() -> int:
    """Run the check with the arguments of the command line; return the exit code."""
    # Whoever ends it has its scratch space removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    arguments = _parser().parse_args()
    errors = Console(stderr=True)
    try:
        return _run(load(), arguments, errors)
    except (SettingsError, CannotCheck, OSError) as error:
        if arguments.json:
            sys.stdout.write(msgspec.json.encode({"clean": None, "error": str(error)}).decode() + "\n")
        errors.print(f"[bold red]Could not check:[/] {escape(str(error))}", highlight=False)
        return 2


def _run(settings: Settings, arguments: argparse.Namespace, errors: Console) -> int:
    ledger = Ledger(settings)
    scope = WHOLE
    if arguments.recent:
        os.nice(LEAST_PRIORITY)
        scope = recent(settings, ledger.last_compared())
    verdict = _noted(settings, scope, ledger, arguments, errors)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report.as_json(verdict))).decode() + "\n")
    else:
        report.show(verdict, Console(width=None if sys.stdout.isatty() else 200))
    if not verdict.clean:
        return 1
    return 0 if verdict.venues_silent is None else 2


def _noted(settings: Settings, scope: Scope, ledger: Ledger, arguments: argparse.Namespace, errors: Console) -> Verdict:
    """Run the check, and note in the database what came of it, also where that is nothing."""
    began = datetime.now(UTC)
    try:
        verdict = _checked(settings, scope, arguments, errors)
    except NothingToCheck:
        _note(lambda: ledger.nothing_closed(scope, began), errors)
        raise
    except Exception as error:
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


def _checked(settings: Settings, scope: Scope, arguments: argparse.Namespace, errors: Console) -> Verdict:
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
            progress=lambda text: status.update(escape(text)),
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
