"""A market that does nothing by itself, a clock that stands still, and clients, for the tests of the replay server."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from market.records import Venue
from replay.connections import Client, Hub
from replay.history import History
from replay.limits import Rules
from replay.server import Server, running
from replay.source import DayFigures, Kind, Listing, Progress


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Still:
    """A market of two pairs in which nothing happens; tests publish through the server's hub."""

    kind: Kind = "simulated"
    micros: int = 1_700_000_000_123_456
    figures: DayFigures = field(default_factory=lambda: DayFigures(1, 2))
    asked: int = 0
    history: History | None = None
    speed: float = 1.0

    def listings(self, venue: Venue) -> list[Listing]:
        dash = "" if venue == "binance" else "-"
        return [
            Listing(venue, f"BTC{dash}USDT", "BTC-USDT", "BTC", "USDT", 2, 5),
            Listing(venue, f"BCHSV{dash}USDT", "BSV-USDT", "BSV", "USDT", 3, 4),
        ]

    def day(self, venue: Venue, code: str) -> DayFigures:
        self.asked += 1
        return self.figures

    def now(self) -> int:
        return self.micros

    def played(self) -> int:
        return self.micros

    def progress(self) -> Progress:
        return Progress(None, 0, 0, False, 7)

    async def run(self, hub: Hub) -> None:
        await asyncio.Event().wait()


class Listener(Client):
    """A client without a socket, which notes each payload and when it came."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.form = 0
        self.venue = "binance"
        self.subscribed_at = 0.0
        self.mutes = set()
        self.frozen = False
        self.name = "listener"
        self.channels = {}
        self.closing = False
        self.heard: list[tuple[int, Any]] = []
        self._now = now

    @property
    def backlog(self) -> int:
        return 0

    def queue(self, frame: bytes) -> None:
        self.heard.append((self._now(), json.loads(frame[frame.index(b"{") :])))

    def flush(self) -> None:
        pass


@contextlib.asynccontextmanager
async def still(rules: Rules | None = None) -> AsyncIterator[tuple[Server, Still]]:
    """Serve a market in which nothing happens."""
    market = Still()
    async with running(market, rules=rules) as server:
        yield server, market


@contextlib.asynccontextmanager
async def rest(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.rest_url, timeout=30) as client:
        yield client


def socket(url: str) -> connect:
    """Connect without compression, client pings or limits of our own; what is unread at the end is not waited for."""
    return connect(url, compression=None, ping_interval=None, max_size=None, proxy=None, close_timeout=0.2)


@contextlib.asynccontextmanager
async def kucoin(server: Server) -> AsyncIterator[ClientConnection]:
    """Connect to KuCoin's socket and take the welcome."""
    async with rest(server) as client:
        data = (await client.post("/api/v1/bullet-public")).json()["data"]
    url = f"{data['instanceServers'][0]['endpoint']}?token={data['token']}&connectId=me"
    async with socket(url) as opened:
        assert await receive(opened) == {"id": "me", "type": "welcome"}
        yield opened


async def receive(opened: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await opened.recv())


async def ask(opened: ClientConnection, message: Any) -> Any:
    await opened.send(message if isinstance(message, str) else json.dumps(message))
    return await receive(opened)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def write_recording(path: Path, frames: Sequence[tuple[int, Any]]) -> list[str]:
    """Write frames (nanoseconds, content) as a recording; return their texts."""
    texts = [content if isinstance(content, str) else json.dumps(content) for _, content in frames]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{time} {text}\n" for (time, _), text in zip(frames, texts, strict=True))
    return texts
