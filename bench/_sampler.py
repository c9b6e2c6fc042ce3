"""Listens to the market's trades as any client does, and prints some of them, chosen at random, the moment they come.

A line a chosen trade: `{"venue", "symbol", "last_id", "event_time", "received"}`, times in microseconds. Ten times
a second a line `{"seen": trades so far, "by_venue": …}`. Its connections to what the settings name are its own.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from ingest.venues import Codes, Mapper, Session, Shard, Venue
from ingest.venues.adapters import adapters
from ingest.venues.kucoin.session import MATCH
from market.settings import Settings, load
from market.symbols import Instrument, listed_on_both

_STREAMS_PER_CONNECTION = 300
_NAMES_PER_TOPIC = 100


class Sampled(msgspec.Struct, frozen=True):
    """A trade that was chosen: what its candles must count, and when it happened and came here."""

    venue: str
    symbol: str
    last_id: int
    event_time: int
    received: int


class Seen(msgspec.Struct, frozen=True):
    """How many trades came so far, chosen or not."""

    seen: int
    by_venue: dict[str, int]


class Sampler:
    """Chooses each trade with the given probability, whatever its symbol."""

    def __init__(self, probability: float, seed: int) -> None:
        self._probability = probability
        self._random = random.Random(seed)
        self._seen: Counter[str] = Counter()

    async def listen(self, venue: Venue, shard: Shard, mapper: Mapper) -> None:
        """Stay on one connection for ever; an end of it is an error."""
        endpoint = await venue.endpoint()
        async with connect(endpoint.url, compression=None, ping_interval=None, max_queue=256) as socket:
            session = venue.session(shard, endpoint, time.monotonic())
            tending = asyncio.create_task(_tend(socket, session))
            try:
                while True:
                    frame = await socket.recv(decode=False)
                    self._take(frame, mapper, session)
            finally:
                tending.cancel()

    def _take(self, frame: bytes, mapper: Mapper, session: Session) -> None:
        now = time.time_ns()
        mapped = mapper.map_frame(frame, now)
        if mapped.control is not None:
            session.received(mapped.control, time.monotonic())
        for trade in mapped.trades:
            self._seen[trade.venue] += 1
            if self._random.random() < self._probability:
                _tell(Sampled(trade.venue, trade.symbol, trade.last_id, trade.event_time, now // 1000))

    async def count(self) -> None:
        """Tell ten times a second how much came."""
        while True:
            await asyncio.sleep(0.1)
            _tell(Seen(self._seen.total(), dict(self._seen)))


def _tell(fact: Sampled | Seen) -> None:
    sys.stdout.write(msgspec.json.encode(fact).decode() + "\n")
    sys.stdout.flush()


async def _tend(socket: ClientConnection, session: Session) -> None:
    while True:
        for message in session.due(time.monotonic()):
            await socket.send(message)
        await asyncio.sleep(0.05)


def trade_shards(venue: Venue, followed: list[Instrument]) -> list[Shard]:
    """Return the connections that carry the trades of the instruments and nothing else."""
    found = []
    for number, start in enumerate(range(0, len(followed), _STREAMS_PER_CONNECTION), start=1):
        part = followed[start : start + _STREAMS_PER_CONNECTION]
        codes = [item.code for item in part]
        if venue.name == "binance":
            names = [f"{code.lower()}@aggTrade" for code in codes]
        else:
            starts = range(0, len(codes), _NAMES_PER_TOPIC)
            names = [f"{MATCH}:{','.join(codes[at : at + _NAMES_PER_TOPIC])}" for at in starts]
        found.append(Shard(number, tuple(names), tuple(item.symbol for item in part)))
    return found


async def run(settings: Settings, sampler: Sampler) -> None:
    """Listen to all symbols that both venues list, until killed."""
    venues = adapters(settings)
    lists = {venue.name: await venue.instruments() for venue in venues}
    wanted = set(listed_on_both(item for listed in lists.values() for item in listed))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sampler.count())
        for venue in venues:
            followed = [item for item in lists[venue.name] if item.symbol in wanted]
            mapper: Any = venue.mapper(Codes.of(lists[venue.name], followed))
            for shard in trade_shards(venue, followed):
                tasks.create_task(sampler.listen(venue, shard, mapper))


def main() -> None:
    """Run with the settings of the environment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--probability", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    asyncio.run(run(load(), Sampler(asked.probability, asked.seed)))


if __name__ == "__main__":
    main()
