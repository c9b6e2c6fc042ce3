"""`python -m verify`: compares every closed candle in Postgres with what DuckDB makes of the topics.

Exit codes: 0 all is as it should be, 1 something differs, 2 it could not be checked.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape

from market.settings import Settings, SettingsError, load
from verify import report
from verify.check import check
from verify.reading import CannotCheck


def main() -> int:
    """Run the check with the arguments of the command line; return the exit code."""
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
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="verify-", dir=settings.state_dir) as folder,
        errors.status("starts") as status,
    ):
        verdict = check(
            settings,
            Path(folder),
            from_time=arguments.from_time,
            limit=arguments.limit,
            timeout=arguments.timeout,
            sample=arguments.venue_sample,
            progress=lambda text: status.update(escape(text)),
        )
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report.as_json(verdict))).decode() + "\n")
    else:
        report.show(verdict, Console(width=None if sys.stdout.isatty() else 200))
    return 0 if verdict.clean else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./pricebraid verify", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="differences that are shown, at most")
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
