"""A backlog of trades for measurements: those of many symbols on both venues, as the sequencer writes them.

A few symbols have most of the trades and many have few (Zipf's law); trades come in bursts, as takers' orders eat
through several makers'. Real markets are like that: in the recording of 2021-04-04 eight trades on average
fell into the same second of a symbol.
"""

import itertools
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

from bench._processes import BenchError
from ingest.publisher import producer_config
from ingest.venues import Codes, Mapper
from ingest.venues.binance.messages import BinanceMapper
from ingest.venues.kucoin.messages import KucoinMapper
from market import recordings
from market.records import Venue, encode
from market.settings import Settings
from market.symbols import instrument
from market.topics import TRADES

SECOND = 1_000_000
"""Microseconds."""

_BURST = 3
"""Trades of one taker's order, on average."""

_TRANSACTION = {
    "transactional.id": "pricebraid-backlog",
    "transaction.timeout.ms": 900_000,
    "message.timeout.ms": 900_000,
}


def trades(symbols: int, rate: float, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Return trades without end in order of time, `rate` a second, each as symbol and JSON.

    They begin at a UTC midnight.
    """
    chance = random.Random(seed)
    series = [(venue, f"T{number:03d}-USDT") for number in range(symbols) for venue in ("binance", "kucoin")]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(series) + 1)))
    ids = [0] * len(series)
    prices = [10 ** chance.uniform(-4, 4) for _ in series]
    step = _BURST * SECOND / rate
    time = 1_735_689_600_000_000.0
    while True:
        time += chance.expovariate(1) * step
        which = chance.choices(range(len(series)), cum_weights=weights)[0]
        venue, symbol = series[which]
        side = "buy" if chance.random() < 0.5 else "sell"
        at = int(time) // 1000 * 1000
        for _ in range(1 + int(chance.expovariate(1 / (_BURST - 0.5)))):
            ids[which] += 1
            prices[which] *= 1 + chance.gauss(0, 0.0001)
            cents, lots = int(prices[which] * 1e8), chance.randrange(1, 10_000_000)
            number, product = ids[which], cents * lots
            yield (
                symbol,
                (
                    f'{{"venue":"{venue}","symbol":"{symbol}","source_id":"{number}","first_id":{number},"last_id":{number},'
                    f'"sequence":{number},"price":"{_plain(cents, 8)}","size":"{_plain(lots, 5)}",'
                    f'"quote":"{_plain(product, 13)}","side":"{side}","event_time":{at},"receive_time":{at + 5000},'
                    f'"origin":"stream"}}'
                ),
            )


def of_candles(path: Path) -> Iterator[tuple[str, bytes]]:
    """Return the trades that give a file's candles, in order of time, each as symbol and JSON, as ingest maps them.

    Raises:
        RecordingError: the file holds no candles, or cannot be read.
    """
    listed = {(frame.venue, frame.symbol) for frame in recordings.merged([path]) if frame.symbol is not None}
    mappers = {
        venue: _mapper(venue, [symbol for where, symbol in sorted(listed) if where == venue]) for venue, _ in listed
    }
    return (
        (trade.symbol, encode(trade))
        for frame in recordings.merged([path])
        for trade in mappers[frame.venue].map_frame(frame.text.encode(), frame.receive_time).trades
    )


def _mapper(venue: Venue, symbols: list[str]) -> Mapper:
    pairs = [(symbol if venue == "kucoin" else symbol.replace("-", ""), *symbol.split("-")) for symbol in symbols]
    followed = [instrument(venue, code, base, quote, trading=True) for code, base, quote in pairs]
    codes = Codes.of(followed, followed)
    return KucoinMapper(codes) if venue == "kucoin" else BinanceMapper(codes, "aggTrade")


def _plain(number: int, decimals: int) -> str:
    whole, part = divmod(number, 10**decimals)
    return f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".")


def send(producer: Producer, topic: str, records: Iterable[tuple[str, str | bytes]]) -> int:
    """Hand records, each a key and a value, to a producer as fast as it takes them; return how many."""
    sent = 0
    for key, value in records:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.01)
        sent += 1
    return sent


class Put(NamedTuple):
    """What was written to `trades`: how many, since when, and when all of them appeared (seconds since the epoch)."""

    trades: int
    began: float
    appeared: float


def put(settings: Settings, some: Iterable[tuple[str, str | bytes]]) -> Put:
    """Write trades to `trades`, each symbol to the partition that the sequencer would choose.

    They are written in one transaction, so whoever reads what is committed has all of them at once.

    Raises:
        BenchError: there are none, or the broker did not take all of them.
    """
    began = time.time()
    try:
        producer = Producer(producer_config(settings) | _TRANSACTION)
        producer.init_transactions()
        producer.begin_transaction()
        written = send(producer, TRADES, some)
        producer.flush()
        appeared = time.time()
        producer.commit_transaction()
    except KafkaException as error:
        raise BenchError(f"the broker: {error.args[0].str()}") from error
    if not written:
        raise BenchError("there are no trades that could wait: the file has too few")
    return Put(written, began, appeared)
