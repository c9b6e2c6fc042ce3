"""What the tests of ingest share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from ingest.feeds import Feed
from ingest.lists import Lists
from ingest.tickers import TickerBoard
from ingest.venues.adapters import adapters
from market.records import Venue
from market.settings import load
from tests.ingest.postgres import Postgres, postgres
from tests.ingest.scripted import Collected, Following, Market


@pytest_asyncio.fixture
async def market() -> AsyncIterator[Market]:
    server = Market()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as made:
        yield made


@pytest.fixture
def database(whole: Postgres) -> Postgres:
    """The database, empty."""
    whole.empty()
    return whole


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def following(market: Market, collected: Collected) -> Following:
    @asynccontextmanager
    async def follow(name: Venue, symbols: str = "BTC-USDT", **ingest: Any) -> AsyncIterator[Feed]:
        settings = load(**market.settings, symbols=symbols, ingest={"instance": "test"} | ingest)
        (venue,) = (venue for venue in adapters(settings) if venue.name == name)
        publisher: Any = collected
        lists = Lists(settings.symbols, [name])
        feed = Feed(venue, settings, lists=lists, publisher=publisher, board=TickerBoard(0.2))
        task = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.wait((task,))
            await venue.close()
            assert task.cancelled() or task.exception() is None

    return follow
