"""The parts of ingest alone, each in a process of its own that prints what it took as JSON.

`receive` takes frames off a socket and does nothing with them; `map` makes encoded trades of frames in memory;
`produce` sends encoded trades to `trades_in` until the last is acknowledged.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from urllib.request import urlopen

import msgspec
from confluent_kafka import Producer
from websockets.asyncio.client import connect

from bench._backlog import send
from bench._frames import frames, instruments
from ingest.publisher import producer_config
from ingest.venues import Codes
from ingest.venues.binance.messages import BinanceMapper
from market.records import encode
from market.settings import Settings, load
from market.topics import TRADES_IN


class Took(msgspec.Struct, frozen=True):
    """What a measurement took: frames, seconds by the clock, and CPU seconds of the process, threads and kernel too."""

    frames: int
    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Measures from its making to `took`."""

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def took(self, count: int) -> Took:
        """Return what was used so far, for so many frames."""
        return Took(count, time.perf_counter() - self._clock, time.process_time() - self._cpu)


def receive(settings: Settings, first: int, count: int, symbols: int) -> Took:
    """Read the frames from the blaster's socket."""
    return asyncio.run(_receive(settings.binance.ws_url, first, count, symbols))


async def _receive(address: str, first: int, count: int, symbols: int) -> Took:
    control = address.replace("ws://", "http://")
    names = [f"{item.code.lower()}@aggTrade" for item in instruments(symbols)]
    async with connect(f"{address}/stream", compression=None, ping_interval=None, max_queue=256) as socket:
        await socket.send(msgspec.json.encode({"method": "SUBSCRIBE", "params": names, "id": 1}).decode())
        await socket.recv()
        await asyncio.to_thread(_get, f"{control}/-/make?first={first}&count={count}")
        watch = Stopwatch()
        await asyncio.to_thread(_get, f"{control}/-/go")
        for _ in range(count):
            await socket.recv(decode=False)
        return watch.took(count)


def _get(url: str) -> None:
    with urlopen(url, timeout=60) as answer:  # noqa: S310  (the blaster's address)
        answer.read()


def _mapper(symbols: int) -> BinanceMapper:
    followed = instruments(symbols)
    return BinanceMapper(Codes.of(followed, followed), "aggTrade")


def mapping(settings: Settings, first: int, count: int, symbols: int) -> Took:  # noqa: ARG001
    """Map frames to trades and encode these."""
    mapper, made = _mapper(symbols), frames(first, count, symbols)
    watch = Stopwatch()
    encoded = 0
    for frame in made:
        for trade in mapper.map_frame(frame, time.time_ns()).trades:
            encode(trade)
            encoded += 1
    assert encoded == count
    return watch.took(count)


def produce(settings: Settings, first: int, count: int, symbols: int) -> Took:
    """Send trades with ingest's own configuration of the producer, until all are acknowledged."""
    mapper = _mapper(symbols)
    now = time.time_ns()
    trades = [mapper.map_frame(frame, now).trades[0] for frame in frames(first, count, symbols)]
    records = [(trade.symbol, encode(trade)) for trade in trades]
    producer = Producer(producer_config(settings))
    producer.list_topics(TRADES_IN, timeout=10)
    watch = Stopwatch()
    send(producer, TRADES_IN, records)
    assert producer.flush(60) == 0
    return watch.took(count)


_PARTS: dict[str, Callable[[Settings, int, int, int], Took]] = {
    "receive": receive,
    "map": mapping,
    "produce": produce,
}


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=_PARTS)
    for name in ("first", "count", "symbols"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args()
    took = _PARTS[asked.part](load(), asked.first, asked.count, asked.symbols)
    print(msgspec.json.encode(took).decode())


if __name__ == "__main__":
    main()
