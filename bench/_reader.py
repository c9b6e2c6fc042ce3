"""The reader of the freshness measurement: takes sampled trades from the sampler, and looks for them in `candle`."""

import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psutil
import psycopg
from rich.console import Console

from bench._processes import BenchError
from bench._sampler import Sampled, Seen
from bench._watcher import FINE, Outcome, Watcher
from market.intervals import INTERVALS
from market.settings import ROOT, Settings
from stack.environment import base_environment, child_environment
from stack.passwords import dsn
from stack.state import State

_LOOK_SECONDS = 0.02
# What is made of minutes changes once a second, and is not looked at so often that looking makes it slow.
_COARSE_LOOKS = 3
_PATIENCE = 30_000_000
_FIRST_SECONDS = 60.0


class Measured(msgspec.Struct):
    """All that was seen. Times in seconds, but for `patience` and those of the outcomes: microseconds."""

    seconds: float
    trades: Counter[str]
    """All trades of the market in that time, by venue."""
    outcomes: list[Outcome]
    asking: list[float]
    between: list[float]
    cpu_percent: list[float]
    """Of all cores, a number a second."""
    patience: int = _PATIENCE


class Reader:
    """Samples for `seconds` after `warm_up` seconds, and waits for the last trade to be seen."""

    def __init__(self, share: float, seed: int, warm_up: float, seconds: float) -> None:
        self._share = share
        self._seed = seed
        self._warm_up = warm_up
        self._seconds = seconds
        self._fine = [Watcher(interval, _PATIENCE) for interval in FINE]
        self._coarse = [Watcher(interval, _PATIENCE) for interval in INTERVALS if interval not in FINE]
        self._watchers = [*self._fine, *self._coarse]
        self._asking: list[float] = []
        self._between: list[float] = []
        self._cpu_percent: list[float] = []

    def run(self, settings: Settings, console: Console) -> Measured:
        """Measure.

        Raises:
            BenchError: the sampler ended, the market is silent, or the database does not answer.
        """
        address = dsn(settings, State.for_settings(settings), "reader")
        try:
            with _sampling(settings, self._share, self._seed) as facts, psycopg.connect(address, autocommit=True) as db:
                return self._measure(facts, db, console)
        except psycopg.Error as error:
            raise BenchError(f"the database: {error}") from error

    def _measure(self, facts: "Facts", db: psycopg.Connection, console: Console) -> Measured:
        facts.wait_for_first(_FIRST_SECONDS)
        console.print(
            f"the market is heard; {self._warm_up:g} s to warm up, {self._seconds:g} s to measure", style="dim"
        )
        begin = time.time_ns() // 1000 + int(self._warm_up * 1e6)
        end = begin + int(self._seconds * 1e6)
        seen_at_begin: Seen | None = None
        seen_at_end: Seen | None = None
        psutil.cpu_percent()
        second, look, last = time.monotonic() + 1.0, time.monotonic(), None
        while (now := time.time_ns() // 1000) < end or any(watcher.pending for watcher in self._watchers):
            chosen = [sample for sample in facts.take() if begin <= sample.received < end]
            for watcher in self._watchers:
                watcher.add(chosen)
            if now >= begin and seen_at_begin is None:
                seen_at_begin = facts.seen
            if now >= end and seen_at_end is None:
                seen_at_end = facts.seen
            last = self._look(db, last)
            if begin <= now < end and time.monotonic() >= second:
                second = time.monotonic() + 1.0
                self._cpu_percent.append(psutil.cpu_percent())
            look = max(look + _LOOK_SECONDS, time.monotonic())
            time.sleep(max(0.0, look - time.monotonic()))
        before, after = seen_at_begin or facts.seen, seen_at_end or facts.seen
        trades = Counter(after.by_venue)
        trades.subtract(before.by_venue)
        outcomes = [outcome for watcher in self._watchers for outcome in watcher.outcomes]
        return Measured(self._seconds, trades, outcomes, self._asking, self._between, self._cpu_percent)

    def _look(self, db: psycopg.Connection, last: float | None) -> float:
        """Read what is waited for; return when, and note how long it took and how long the last look was ago."""
        began = time.monotonic()
        if last is not None:
            self._between.append(began - last)
        coarse = self._coarse if len(self._asking) % _COARSE_LOOKS == 0 else []
        for watcher in (*self._fine, *coarse):
            rows = watcher.ask(db)
            watcher.take(rows, time.time_ns() // 1000)
        self._asking.append(time.monotonic() - began)
        return began


class Facts:
    """What the sampler says, read by a thread of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._samples: queue.SimpleQueue[Sampled] = queue.SimpleQueue()
        self.seen = Seen(0, {})
        threading.Thread(target=self._read, name="sampler", daemon=True).start()

    def wait_for_first(self, seconds: float) -> None:
        """Return once trades come.

        Raises:
            BenchError: none came, or the sampler has ended.
        """
        deadline = time.monotonic() + seconds
        while self.seen.seen == 0:
            self.check()
            if time.monotonic() > deadline:
                raise BenchError(f"no trade within {seconds:g} s: the market is silent")
            time.sleep(0.1)

    def take(self) -> Iterator[Sampled]:
        """Yield the trades that were chosen since the last call.

        Raises:
            BenchError: the sampler has ended.
        """
        self.check()
        while not self._samples.empty():
            yield self._samples.get()

    def check(self) -> None:
        """See that the sampler runs.

        Raises:
            BenchError: it has ended.
        """
        if self._process.poll() is not None:
            raise BenchError(f"the sampler ended with code {self._process.returncode}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        decoder = msgspec.json.Decoder(dict[str, object])
        for line in self._process.stdout:
            found = decoder.decode(line)
            if "seen" in found:
                self.seen = msgspec.convert(found, Seen)
            else:
                self._samples.put(msgspec.convert(found, Sampled))


@contextmanager
def _sampling(settings: Settings, share: float, seed: int) -> Iterator[Facts]:
    environment = base_environment() | child_environment(settings) | {"PYTHONPATH": str(ROOT)}
    options = ["--probability", str(share), "--seed", str(seed)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench._sampler", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    try:
        yield Facts(process)
    finally:
        process.kill()
        process.wait()
