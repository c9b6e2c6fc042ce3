"""The simulated market with a clock that tests move, a broker, and `python -m ingest.repair` between them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
from confluent_kafka import Producer

from market.records import Gap, GapKind, Venue, encode
from market.topics import FEED_MARKS, GAPS, TRADES_IN, VENUE_CANDLES
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.ingest.kafka import read
from tests.mock_kafka import mock_kafka
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
MINUTE = 60_000_000
START = 29_000_000 * MINUTE
"""A whole minute in the simulated market's past, 2025-02-20 21:20 UTC."""


@dataclass
class Moved:
    """The market's time in microseconds: it stands still but when a test moves it."""

    micros: int = START + 60 * MINUTE

    def __call__(self) -> int:
        return self.micros


def simulated(clock: Moved) -> SimulatedMarket:
    return SimulatedMarket(Market(seed=3, symbols=2, trades_per_second=40.0), now=clock)


def gap(
    symbol: str,
    from_time: int,
    to_time: int | None,
    *,
    venue: Venue = "binance",
    kind: GapKind = "missed",
    ids: tuple[int | None, int | None] = (None, None),
    **changes: Any,
) -> Gap:
    """Return an open gap as the sequencer tells it."""
    name = f"{venue}:{symbol}:{from_time}:{ids[0]}"
    reason = "ids" if kind == "missed" else "start" if kind == "start" else "disconnected"
    made = Gap(name, venue, symbol, kind, reason, *ids, from_time, to_time, opened=1)
    return msgspec.structs.replace(made, **changes)


@dataclass
class Bench:
    """What a test of the service works with."""

    server: Server
    clock: Moved
    bootstrap: str
    port: int
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    log: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    def tell(self, *gaps: Gap) -> None:
        """Write gaps to the ledger."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for item in gaps:
            producer.produce(GAPS, encode(item), item.gap_id)
        assert producer.flush(20) == 0

    async def start(self, **environment: str) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest.repair", cwd=ROOT, env=os.environ | self.environment | environment,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read_log())

    async def _read_log(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def backfill(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command to its end; return its exit code and what it said on both channels."""
        process = await self.command("backfill", *arguments)
        said, errors = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, said.decode(), errors.decode()

    async def command(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start `python -m ingest.repair ARGUMENTS`."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest.repair", *arguments, cwd=ROOT, env=os.environ | self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def stop(self) -> int:
        """End the service in order and return its exit code."""
        assert self.process is not None
        assert self._reading is not None
        if self.process.returncode is None:
            self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), 30)
        await self._reading
        return code

    async def kill(self) -> None:
        assert self.process is not None
        assert self._reading is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    async def health(self) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                    found: dict[str, Any] = json.load(answer)
                    return found
            except OSError:
                return {}

        return await asyncio.to_thread(get)

    async def count(self, topic: str) -> int:
        return len(await self.records(topic, 0))

    async def records(self, topic: str, enough: int) -> list[dict[str, Any]]:
        """Return what a topic holds, once it holds as much as is asked for."""
        messages = await asyncio.to_thread(read, self.bootstrap, topic, enough)
        found = [json.loads(message.value() or b"") for message in messages]
        assert len(found) >= enough, f"{len(found)} of {enough} in {topic}; the log:\n{''.join(self.log)}"
        return found

    async def settled(self, count: int) -> dict[str, str]:
        """Return how gaps were settled, by their ids, once there are so many marks."""
        return {mark["gap_id"]: mark["how"] for mark in await self.records(FEED_MARKS, count)}


@asynccontextmanager
async def bench(**environment: str) -> AsyncIterator[Bench]:
    """Serve the market and a broker; the service is to be started by the test, and is ended after it."""
    clock = Moved()
    with mock_kafka() as bootstrap:
        async with running(simulated(clock)) as server:
            port = free_port()
            variables = {
                "PRICEBRAID_BINANCE__REST_URL": server.rest_url,
                "PRICEBRAID_BINANCE__WS_URL": server.ws_url,
                "PRICEBRAID_KUCOIN__REST_URL": server.rest_url,
                "PRICEBRAID_KAFKA__BOOTSTRAP": bootstrap,
                "PRICEBRAID_PORTS__REPAIR": str(port),
                "PRICEBRAID_PORTS__POSTGRES": "1",
                "PRICEBRAID_SYMBOLS": "BTC-USDT,ETH-USDT",
                "PRICEBRAID_LOG_FORMAT": "json",
                "PYTHONPATH": str(ROOT),
            } | environment
            made = Bench(server, clock, bootstrap, port, variables)
            for topic in (GAPS, FEED_MARKS, TRADES_IN, VENUE_CANDLES):
                Producer({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=20)
            try:
                yield made
            finally:
                if made.process is not None:
                    await made.kill()
