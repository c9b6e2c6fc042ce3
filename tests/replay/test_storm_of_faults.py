"""A storm, weathered by a simple client: whatever it misses lies within a fault that the market owns up to."""

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from market.records import VENUES, Venue
from replay.clock import MarketClock, wall
from replay.faults import KINDS, Kind, script
from replay.history import History
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.replay_helpers import rest, until

MARKET = Market(3, 3, 60.0)
SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT"]
SECOND = 1_000_000
TOLERANCE = 5 * SECOND
COUNTS: dict[Kind, int] = dict.fromkeys(KINDS, 2)


class Client:
    """Connects to a venue anew whenever the connection ends or carries no trade for a while; notes what it got."""

    def __init__(self, server: Server, venue: Venue) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self._server = server
        self._venue = venue

    async def run(self) -> None:
        while True:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError, KeyError):
                await self._connected()
            await asyncio.sleep(0.05)

    async def _connected(self) -> None:
        async with connect(await self._url(), compression=None, ping_interval=None, proxy=None, close_timeout=0) as own:
            if self._venue == "kucoin":
                async with asyncio.timeout(1):
                    await own.recv()
                topic = f"/market/match:{','.join(SYMBOLS)}"
                await own.send(json.dumps({"id": 1, "type": "subscribe", "topic": topic}))
            while True:
                # `wait_for` of Python 3.11 may swallow the cancellation that ends the test.
                async with asyncio.timeout(1):
                    text = await own.recv()
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._take(json.loads(text)["data"])

    async def _url(self) -> str:
        if self._venue == "binance":
            streams = "/".join(f"{symbol.replace('-', '').lower()}@aggTrade" for symbol in SYMBOLS)
            return f"{self._server.ws_url}/stream?streams={streams}"
        async with rest(self._server) as client:
            data = (await client.post("/api/v1/bullet-public")).json()["data"]
        return f"{data['instanceServers'][0]['endpoint']}?token={data['token']}"

    def _take(self, data: dict[str, Any]) -> None:
        if self._venue == "binance":
            float(data["p"]), float(data["q"]), data["T"] + 1
            self.seen[data["s"], data["a"]] += 1
        else:
            float(data["price"]), float(data["size"]), int(data["time"] + "")
            self.seen[data["symbol"], int(data["sequence"])] += 1


def made(start: int, end: int) -> dict[tuple[Venue, str, int], int]:
    """Return the time of every trade that was made, by venue, code and number, microseconds."""
    history = History(MARKET)
    found: dict[tuple[Venue, str, int], int] = {}
    for (venue, code), series in MARKET.series.items():
        first, stop = (history.level_at(series.listing, time // 1000) for time in (start, end))
        for level in history.levels(series.listing, first, stop):
            for number in [level.number + 1] if venue == "binance" else level.ids:
                found[venue, code, number] = level.time_ms * 1000
    return found


async def status(client: httpx2.AsyncClient) -> Any:
    return (await client.get("/-/status")).json()


async def test_whatever_a_client_misses_lies_within_a_fault_that_the_market_tells_of() -> None:
    begun, speed = wall(), 20.0
    source = SimulatedMarket(MARKET, MarketClock(begun, begun, speed), speed=speed)
    async with running(source) as server, rest(server) as client:
        clients = {venue: Client(server, venue) for venue in VENUES}
        tasks = [asyncio.create_task(each.run()) for each in clients.values()]
        await until(lambda: all(len(each.seen) > 50 for each in clients.values()))
        start = source.now()
        end = start + 180 * SECOND
        plan = script(11, start, end, SYMBOLS, COUNTS)
        server.chaos.schedule(plan)
        async with asyncio.timeout(120):
            while source.now() < end or (await status(client))["faults"]["done"] < len(plan):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        end = source.now()
        counts = {venue: len(each.seen) for venue, each in clients.items()}
        await until(lambda: all(len(each.seen) > counts[venue] + 50 for venue, each in clients.items()))
        records = (await client.get("/-/faults")).json()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert Counter(record["kind"] for record in records) == Counter(fault.kind for fault in plan)
    assert all(record["from"] is not None and record["from"] <= record["to"] for record in records)
    missed = [
        (venue, code, number, time)
        for (venue, code, number), time in made(start, end).items()
        if (code, number) not in clients[venue].seen
    ]
    assert missed
    unexplained = [
        (venue, code, time)
        for venue, code, _, time in missed
        if not any(
            record["venue"] == venue
            and code.replace("-", "") in [symbol.replace("-", "") for symbol in record["symbols"]]
            and record["from"] - TOLERANCE <= time <= record["to"] + TOLERANCE
            for record in records
        )
    ]
    assert unexplained == []
    # Nothing is made up, and some came twice.
    everything = made(start - 3600 * SECOND, end + 3600 * SECOND)
    assert all((venue, *key) in everything for venue, each in clients.items() for key in each.seen)
    assert any(times > 1 for each in clients.values() for times in each.seen.values())
