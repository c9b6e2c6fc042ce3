"""How soon data flows again on the market on localhost, by kind of loss; the limits are those of the README."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from replay.faults import VENUES_OF, Fault, Kind
from replay.player import SimulatedMarket
from replay.server import Server, running
from replay.simulation import Market
from tests.ingest.watching import SYMBOLS, Watcher


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with running(SimulatedMarket(Market(1, 2, 400.0))) as found:
        yield found


async def seconds(watchers: list[Watcher], harm: Callable[[], object], times: int = 1) -> list[list[float]]:
    """Return how long it takes each watcher, after each harm, until data flows again."""
    found = []
    for number in range(times):
        # Only a connection that lives can be harmed: one that has been subscribed for half a second.
        await asyncio.sleep(0.6)
        start = asyncio.get_running_loop().time()
        harm()
        found.append([end - start for end in await asyncio.gather(*(each.regained(2 + number) for each in watchers))])
    return found


def harmed(server: Server, kind: Kind, **details: Any) -> Callable[[], object]:
    """Return what does the harm to both venues, or to the one that knows it."""
    return lambda: server.chaos.schedule([Fault(kind, venue, 0, **details) for venue in VENUES_OF[kind]])


@pytest.mark.parametrize("kind", ["reset", "close"])
async def test_data_flows_again_within_half_a_second_of_a_reset_or_a_close(server: Server, kind: Kind) -> None:
    async with Watcher(server, "binance") as binance, Watcher(server, "kucoin") as kucoin:
        found = await seconds([binance, kucoin], harmed(server, kind), times=3)
    for each in zip(*found, strict=True):
        assert statistics.median(each) < 0.5


async def test_data_flows_again_within_two_seconds_of_an_expired_token(server: Server) -> None:
    async with Watcher(server, "kucoin") as watcher:
        found = await seconds([watcher], harmed(server, "token_expired"))
        assert watcher.collected.events().count("token_renewed") == 2
    assert found[0][0] < 2


@pytest.mark.parametrize("kind", ["half_open", "mute"])
async def test_data_flows_again_within_fifteen_seconds_on_sockets_that_say_nothing(server: Server, kind: Kind) -> None:
    async with Watcher(server, "binance") as binance, Watcher(server, "kucoin") as kucoin:
        # The usual pace has to be known first.
        await asyncio.gather(binance.trades(500), kucoin.trades(500))
        found = await seconds([binance, kucoin], harmed(server, kind))
        for watcher in (binance, kucoin):
            assert "mute" in watcher.collected.events()
    assert max(found[0]) < 15


async def test_a_planned_replacement_on_a_busy_stream_loses_nothing(server: Server) -> None:
    age = 2 / 3600
    async with (
        Watcher(server, "binance", renew_hours=age) as binance,
        Watcher(server, "kucoin", renew_hours=age) as kucoin,
    ):
        for watcher in (binance, kucoin):
            await watcher.event("renewed")
            await watcher.trades(100)
            assert [mark["kind"] for mark in watcher.collected.of("feed_marks")] == ["regained", "regained"]
    for symbol in SYMBOLS.split(","):
        trades = [trade for trade in binance.collected.of("trades_in") if trade["symbol"] == symbol]
        ids = sorted({(trade["first_id"], trade["last_id"]) for trade in trades})
        assert all(after[0] == before[1] + 1 for before, after in pairwise(ids))
