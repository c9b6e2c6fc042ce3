"""A foreign feed as a child process, and what it has written down so far."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench._processes import BenchError
from bench._storm.facts import Delivery
from bench.foreign.environments import Feed, own_environment
from market.settings import ROOT, Settings

_STOP_SECONDS = 15.0


class Client:
    """A feed that runs and listens to the market of the settings."""

    def __init__(self, feed: Feed, process: subprocess.Popen[bytes], tape: Path, log: Path) -> None:
        self._feed = feed
        self._process = process
        self._tape = tape
        self._log = log

    def deliveries(self) -> list[Delivery]:
        """Return all trades that it has handed over so far."""
        if not self._tape.exists():
            return []
        lines = self._tape.read_bytes().split(b"\n")[:-1]
        decoder = msgspec.json.Decoder(tuple[str, str, int, int, int, int])
        return [Delivery(*decoder.decode(line)) for line in lines]

    def check(self) -> None:
        """See that it still runs.

        Raises:
            BenchError: it has ended.
        """
        if self._process.poll() is not None:
            tail = self._log.read_text(errors="replace")[-2_000:]
            raise BenchError(f"{self._feed.requirement} ended with code {self._process.returncode}:\n{tail}")

    def stop(self) -> None:
        """Stop it in order, or else kill it; what it wrote down stays."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def running(feed: Feed, python: Path, settings: Settings, symbols: list[str], folder: Path) -> Iterator[Client]:
    """Run the feed within the block; its files lie in `folder`, which must be there and hold none of it yet."""
    tape, log = folder / f"{feed.name}.tape", folder / f"{feed.name}.out"
    command = [
        str(python), "-m", feed.module, "--rest", settings.binance.rest_url, "--ws", settings.binance.ws_url,
        "--symbols", ",".join(symbols), "--out", str(tape),
    ]  # fmt: skip
    with log.open("ab") as writer:
        process = subprocess.Popen(
            command, cwd=folder, env=own_environment() | {"PYTHONPATH": str(ROOT)}, stdout=writer, stderr=writer
        )
    client = Client(feed, process, tape, log)
    try:
        yield client
    finally:
        client.stop()
