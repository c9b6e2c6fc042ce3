"""`python -m bench.ingest`: frames per second and core, from socket to acknowledged record, and through the sequencer.

Beside them, in the same run, what the parts alone do: taking frames off a socket, mapping them, sending records. All
are measured by the CPU time of the process that does the work, threads and kernel included, since the load and the
broker share the machine; `frames/s` is by the clock, and depends on what else runs.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bench._command import carry_out
from bench._host import Host, Load, how_busy
from bench._parts import Took
from bench._processes import BenchError, Process, broker, get, get_json, running, settings_for, wait_for
from market.settings import ROOT, Settings
from stack.environment import base_environment, child_environment

_PATIENCE_SECONDS = 300.0

PARTS = {"receive": "receive alone", "map": "map alone", "produce": "produce alone"}
WHOLES = {"ingest": "ingest", "sequencer": "sequencer", "both": "both"}
_MEANING = """receive: frames off a socket · map: frame to encoded trade · produce: trade to acknowledged record
ingest: socket to acknowledged record, raw frames kept as well · sequencer: trades_in to committed trades"""


class Result(msgspec.Struct, frozen=True):
    """All runs of one measurement."""

    name: str
    runs: list[Took]

    @property
    def per_second(self) -> float:
        """Frames per second by the clock, the median of the runs."""
        return statistics.median(run.frames / run.seconds for run in self.runs)

    @property
    def per_core(self) -> list[float]:
        """Frames per CPU second of each run, sorted."""
        return sorted(run.frames / run.cpu_seconds for run in self.runs)

    @property
    def cpu_micros(self) -> float:
        """CPU microseconds a frame, the median of the runs."""
        return statistics.median(1e6 * run.cpu_seconds / run.frames for run in self.runs)


class Report(msgspec.Struct, frozen=True):
    """What was measured, and on what."""

    host: Host
    before: Load
    after: Load
    frames: int
    symbols: int
    results: dict[str, Result]
    ingest_of_parts: float
    """The parts' CPU time a frame, added up, as a share of ingest's: 1 would be an ingest that costs nothing itself."""


class Bench:
    """One bench: a broker, a blaster, and the real processes between them."""

    def __init__(self, settings: Settings, folder: Path, frames: int, symbols: int) -> None:
        self._settings = settings
        self._folder = folder
        self._frames = frames
        self._symbols = symbols
        self._next = 0

    @contextmanager
    def blaster(self) -> Iterator[None]:
        """Run the market within the block."""
        port = self._settings.ports.market
        options = ("--port", str(port), "--symbols", str(self._symbols))
        with running("bench._blaster", self._settings, self._folder / "blaster.log", *options):
            wait_for("the blaster answers", lambda: bool(get_json(port, "/-/status")), 30)
            yield

    def part(self, name: str) -> Took:
        """Measure one part alone."""
        environment = base_environment() | child_environment(self._settings) | {"PYTHONPATH": str(ROOT)}
        options = ["--first", self._first(), "--count", str(self._frames), "--symbols", str(self._symbols)]
        done = subprocess.run(
            [sys.executable, "-m", "bench._parts", name, *options],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BenchError(f"{name}: {done.stderr[-2_000:]}")
        return msgspec.json.decode(done.stdout, type=Took)

    def ingest(self) -> Took:
        """Measure ingest alone: until every record is acknowledged."""
        with self._ingest() as ingest:
            began, cpu = self._go(), ingest.cpu_seconds()
            wait_for("all records are acknowledged", self._acknowledged, _PATIENCE_SECONDS)
            ingest.check()
            return Took(self._frames, time.perf_counter() - began, ingest.cpu_seconds() - cpu)

    def sequencer(self, backlog: int) -> Took:
        """Measure the sequencer alone, over the trades that the measurements before have left in `trades_in`."""
        with self._sequencer() as sequencer:
            wait_for("the sequencer is ready", lambda: self._sequenced("ready"), 60, 0.01)
            began, cpu, passed = time.perf_counter(), sequencer.cpu_seconds(), self._passed()
            wait_for("the backlog is sequenced", lambda: self._passed() >= backlog, _PATIENCE_SECONDS)
            return Took(backlog - passed, time.perf_counter() - began, sequencer.cpu_seconds() - cpu)

    def both(self) -> Took:
        """Measure ingest and sequencer together; the CPU time is that of both."""
        with self._sequencer() as sequencer:
            wait_for("the sequencer is ready", lambda: self._sequenced("ready"), 60)
            with self._ingest() as ingest:
                began, cpu = self._go(), ingest.cpu_seconds() + sequencer.cpu_seconds()
                wait_for("all trades are sequenced", lambda: self._passed() >= self._frames, _PATIENCE_SECONDS)
                seconds = time.perf_counter() - began
                return Took(self._frames, seconds, ingest.cpu_seconds() + sequencer.cpu_seconds() - cpu)

    @contextmanager
    def _ingest(self) -> Iterator[Process]:
        """Run ingest, subscribed to everything, within the block."""
        port = self._settings.ports.market
        with running("ingest", self._settings, self._folder / "ingest.log") as ingest:
            wait_for("ingest has subscribed", lambda: get_json(port, "/-/status")["subscribed"] == self._symbols, 60)
            yield ingest

    def _sequencer(self) -> AbstractContextManager[Process]:
        return running("sequencer", self._settings, self._folder / "sequencer.log")

    def _acknowledged(self) -> bool:
        health = get_json(self._settings.ports.ingest, "/health")
        if not health or health["delivery_errors"]:
            raise BenchError(f"ingest is not well: {health}")
        return bool(health["venues"]["binance"]["trades"] == self._frames and health["queue_depth"] == 0)

    def _sequenced(self, what: str) -> bool:
        return bool(get_json(self._settings.ports.sequencer, "/health").get(what))

    def _passed(self) -> int:
        venues = get_json(self._settings.ports.sequencer, "/health").get("venues", {})
        return sum(figures["passed"] for figures in venues.values())

    def _first(self) -> str:
        """Return the number of the next frames; none is ever sent twice, since the sequencer would drop it."""
        first, self._next = self._next, self._next + self._frames
        return str(first)

    def _go(self) -> float:
        port = self._settings.ports.market
        get(port, f"/-/make?first={self._first()}&count={self._frames}")
        began = time.perf_counter()
        get(port, "/-/go")
        return began


def measure(frames: int, symbols: int, runs: int, console: Console) -> Report:
    """Start what is needed, measure everything `runs` times in turn, and stop it.

    Raises:
        BenchError: something did not start, or did not come to its end.
        StackError: Java or its jars are missing.
    """
    results: dict[str, list[Took]] = {name: [] for name in (*PARTS, *WHOLES)}
    with tempfile.TemporaryDirectory(prefix="pricebraid-bench-") as name:
        folder = Path(name)
        settings = settings_for(
            folder / "state",
            symbols="all",
            # All trades on one connection, as one process takes them.
            binance={"streams_per_connection": 1024},
            kafka={"topic_bytes": 8 << 30},
        )
        bench = Bench(settings, folder, frames, symbols)
        with broker(settings), bench.blaster():
            before = Load.now()
            for run in range(runs):
                console.print(f"run {run + 1} of {runs}", style="dim")
                for what in PARTS:
                    results[what].append(bench.part(what))
                results["ingest"].append(bench.ingest())
                # What `produce` and `ingest` have sent waits in `trades_in`.
                results["sequencer"].append(bench.sequencer(2 * frames))
                results["both"].append(bench.both())
            after = Load.now()
    found = {name: Result((PARTS | WHOLES)[name], took) for name, took in results.items()}
    share = sum(found[part].cpu_micros for part in PARTS) / found["ingest"].cpu_micros
    return Report(Host.here(), before, after, frames, symbols, found, round(share, 3))


def show(report: Report, console: Console) -> None:
    """Print the report as a table."""
    table = Table(title=f"{report.frames:,} frames of {report.symbols} symbols, Binance aggTrade")
    for heading in ("", "by the clock", "CPU a frame", "per CPU second", "least", "most"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, result in report.results.items():
        if name == "ingest":
            table.add_section()
        per_core = result.per_core
        table.add_row(
            result.name,
            f"{result.per_second:,.0f}/s",
            f"{result.cpu_micros:.1f} µs",
            f"{statistics.median(per_core):,.0f}",
            f"{per_core[0]:,.0f}",
            f"{per_core[-1]:,.0f}",
        )
    console.print(table)
    console.print(_MEANING, highlight=False)
    console.print(f"The three parts alone take {report.ingest_of_parts:.0%} of the CPU time that ingest takes a frame.")
    console.print(f"{report.host}")
    console.print(f"{how_busy(report.before, report.after)}, load and broker included.")


def main(
    frames: Annotated[int, typer.Option(min=1_000, help="frames of each measurement")] = 300_000,
    symbols: Annotated[int, typer.Option(min=1, max=500, help="symbols that they are spread over")] = 200,
    runs: Annotated[int, typer.Option(min=1, help="how often everything is measured; the median counts")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Measure ingest and sequencer, beside their parts alone, on a broker of their own."""
    carry_out(lambda console: measure(frames, symbols, runs, console), show, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
