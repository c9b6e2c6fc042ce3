"""The command line: `./pricebraid COMMAND`, which is `python -m stack COMMAND` in the project's environment."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from market.settings import ROOT, Settings, load
from stack import attach, doctor, logfiles, running, status, tools
from stack.conductor import stop_rank
from stack.errors import StackError
from stack.process import read_register, stop_leftovers
from stack.reach import choose
from stack.record import record as record_frames
from stack.state import State
from stack.tools import PASS_ON, errors

app = tools.command_line("Live prices of Binance and KuCoin, braided into candles that people can trust.")
app.add_typer(tools.app)

WHOLE = (
    "tests/e2e",
    "tests/flink_jobs",
    "tests/stack/test_machine.py",
    "tests/verify/test_against_kafka_and_postgres.py",
)
"""The tests that start a real broker, most with Flink: two of them at once would be too much for a small machine."""
# The others mostly wait, so that two cores take three of them at once; those of a file share what they start.
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")

# Where nobody resizes a window, lines are wide enough for what stands in them.
console = Console(width=None if sys.stdout.isatty() else 200)


def _root() -> Path:
    return load().state_dir.resolve()


def _running() -> running.Running:
    """Return what runs, or raise a StackError that says how to start it."""
    found = running.find(_root())
    if found is None:
        raise StackError("Pricebraid does not run.", "Start it with `./pricebraid up`.")
    return found


@app.command()
def up(
    market: Annotated[
        str | None,
        typer.Option(help="live, simulated, auto, or the path of a recording or of candles (file or folder)"),
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="pace of a recording or of the simulated market: a factor, or max")
    ] = None,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="return as soon as everything is healthy")] = False,
    fresh_state: Annotated[
        bool, typer.Option("--fresh-state", help="let the jobs forget their state and start over from the topics")
    ] = False,
) -> None:
    """Start everything, wait until it is healthy, then follow it until ctrl-C."""
    asked = {name: value for name, value in (("market", market), ("speed", speed)) if value is not None}
    settings = load(**asked)
    running.refuse_second(settings.state_dir.resolve())
    choice = choose(settings)
    if choice.said is not None:
        errors.print(f"[bold yellow]{escape(choice.said)}[/]")
    settings = settings.model_copy(update={"market": choice.market})
    with attach.interruptible():
        try:
            supervisor, pipe = attach.spawn(settings, fresh=fresh_state)
        except attach.Interrupted:
            raise typer.Exit(1) from None
        healthy = False
        try:
            attach.come_up(supervisor, pipe, console)
            healthy = True
            console.print(_endpoints(supervisor, settings))
            if detach:
                return
            attach.follow(supervisor, console)
        except attach.Interrupted:
            attach.stop(supervisor, console)
            raise typer.Exit(0 if healthy else 1) from None
    raise StackError("The supervisor has ended.", "See `./pricebraid logs supervisor`.")


def _endpoints(supervisor: attach.Supervisor, settings: Settings) -> str:
    parts = supervisor.status()["parts"]
    width = max((len(name) for name in parts), default=0)
    lines = [f"market {settings.market} is up"]
    for name, part in parts.items():
        if part["state"] == "failed":
            what_to_do = part["remedy"] or f"See `./pricebraid logs {name}`."
            lines.append(f"  {name:{width}}  does not run: {part['reason']} {what_to_do}")
        elif part.get("endpoint"):
            lines.append(f"  {name:{width}}  {part['endpoint']}")
    lines.append("  See `./pricebraid status`, `./pricebraid psql`; stop with `./pricebraid down`.")
    return escape("\n".join(lines))


@app.command()
def down() -> None:
    """Stop everything in order; the jobs stop with a savepoint, from which the next `up` resumes."""
    root = _root()
    found = running.find(root)
    if found is not None:
        attach.stop(attach.Supervisor(found.pid, found.create_time, State.for_settings(found.load_settings())), console)
        return
    stopped = stop_leftovers(read_register(running.register_path(root)), stop_rank)
    console.print(f"stopped what a killed supervisor left: {', '.join(stopped)}" if stopped else "nothing runs")


@app.command("status")
def show_status(*, as_json: Annotated[bool, typer.Option("--json", help="print the status as JSON")] = False) -> None:
    """Show what runs, how fresh the candles are, and how long the disk lasts; exit 1 where nothing runs."""
    root = _root()
    now = status.read(root)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(now or status.NOTHING)).decode() + "\n")
    elif now is not None:
        console.print(status.shown(now))
    else:
        left = running.leftovers(root)
        console.print(
            f"The supervisor was killed; its parts still run: {', '.join(left)}. `up` or `down` clears them up."
            if left
            else "Pricebraid does not run. Start it with `./pricebraid up`."
        )
    if now is None:
        raise typer.Exit(1)


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="a part as `status` names it, or supervisor")],
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on as the log grows")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="how many lines from the end")] = 50,
) -> None:
    """Show the log of a part of the market that runs, or ran last."""
    described = running.last(_root())
    if described is None:
        raise StackError("Nothing ever ran here, so there are no logs.", "Start with `./pricebraid up`.")
    folder = State.for_settings(described.load_settings()).logs
    path = folder / f"{part}.log"
    if "/" in part or not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none"
        raise typer.BadParameter(f"there is no log of {part!r}; there are: {there}")
    for line in logfiles.last_lines(path, lines):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    if follow:
        with attach.interruptible():
            try:
                for text in logfiles.follow(path):
                    sys.stdout.write(text)
                    sys.stdout.flush()
            except attach.Interrupted:
                return


@app.command(context_settings=PASS_ON)
def test(context: typer.Context) -> None:
    """Run the tests; what is given goes to pytest. Without it, those that need no whole stack run side by side."""
    runs = [context.args] if context.args else [[*SIDE_BY_SIDE, *(f"--ignore={path}" for path in WHOLE)], [*WHOLE]]
    codes = [subprocess.run([sys.executable, "-m", "pytest", *run], cwd=ROOT, check=False).returncode for run in runs]
    raise typer.Exit(next(filter(None, codes), 0))


@app.command(context_settings=PASS_ON)
def bench(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="which benchmark; none lists them")] = None,
) -> None:
    """Run a benchmark; what else is given goes to it."""
    there = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_"))
    if name is None:
        console.print("\n".join(there) or "there are no benchmarks")
        return
    if name not in there:
        raise typer.BadParameter(f"there is no benchmark {name!r}; there are: {', '.join(there) or 'none'}")
    raise typer.Exit(
        subprocess.run([sys.executable, "-m", f"bench.{name}", *context.args], cwd=ROOT, check=False).returncode
    )


@app.command("doctor")
def run_doctor() -> None:
    """Check each thing that can be wrong, and name the remedy; exit 1 if something is."""
    wrong = False
    for check in doctor.checks():
        console.print(doctor.shown(check))
        wrong = wrong or check.level == "fail"
    if wrong:
        raise typer.Exit(1)


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to write; must not hold a recording yet")],
    seconds: Annotated[float | None, typer.Option(min=0.1, help="how long; without it until ctrl-C")] = None,
    start: Annotated[
        str, typer.Option("--from", help="now, start (the oldest frame kept), or a time such as 2026-01-31T12:00Z")
    ] = "now",
) -> None:
    """Write the frames that the running stack receives into a recording, which `up --market DIR` plays."""
    settings = _running().load_settings()
    with attach.interruptible():
        record_frames(settings, folder, seconds=seconds, start=start, console=console)


def main() -> int:
    """Run the command line; return the exit code: 0 done, 1 failed, 2 wrongly used."""
    return tools.run(app, "./pricebraid", lambda: _running().load_settings())
