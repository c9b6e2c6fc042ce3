"""Sequencer processes against a broker, a producer as ingest has it, and a reader of what they write."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from market.records import FeedMark, Gap, GapMark, Trade, decode_gap, decode_trade, encode
from market.topics import (
    DEAD_LETTERS,
    FEED_EVENTS,
    FEED_MARKS,
    GAP_MARKS,
    GAPS,
    LATE_TRADES,
    SEQUENCER_STATE,
    TRADES,
    TRADES_IN,
)
from sequencer.kafka import GROUP
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TWINS = (TRADES_IN, TRADES, FEED_MARKS, GAPS, GAP_MARKS, SEQUENCER_STATE)


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once the condition holds; fail when it still does not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


class SequencerProcess:
    """`python -m sequencer` with its own port. It has to be closed."""

    def __init__(self, bootstrap: str, instance: str, port: int | None = None) -> None:
        self._instance = instance
        self.port = free_port() if port is None else port
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PRICEBRAID_KAFKA__BOOTSTRAP": bootstrap,
            "PRICEBRAID_PORTS__SEQUENCER": str(self.port),
            "PRICEBRAID_SEQUENCER__INSTANCE": instance,
        }
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115  (`close` closes it)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sequencer"], cwd=ROOT, env=environment, stderr=self._log
        )

    @property
    def log(self) -> str:
        """What it has logged."""
        return Path(self._log.name).read_text()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def health(self) -> dict[str, Any]:
        """Return what `/health` says, or nothing while it does not answer."""
        try:
            found: dict[str, Any] = json.loads(self.get("/health"))
        except (urllib.error.URLError, ConnectionError):
            assert self.process.poll() is None, "the sequencer ended by itself"
            return {"ready": False, "partitions": []}
        return found

    def wait_ready(self) -> None:
        eventually(lambda: bool(self.health()["ready"]))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(timeout=30)

    def close(self) -> None:
        """Kill it if it runs, and tell what it said: pytest shows that where the test has failed."""
        health = "it has ended"
        try:
            if self.process.poll() is None:
                health = self.get("/health")
        except (OSError, HTTPException) as error:
            health = str(error)
        finally:
            self.stop(signal.SIGKILL)
            sys.stderr.write(f"Sequencer {self._instance}, /health: {health.strip()}\n{self.log}")
            self._log.close()


class Cluster:
    """A broker that runs, with a producer as ingest has it and a reader as Flink has it."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        # Of what is not compressed, the mock cluster keeps too little for a long test: 5 MB a partition.
        options = {"partitioner": "murmur2_random", "compression.type": "lz4", "linger.ms": 1, "log_level": 0}
        self.producer = Producer({"bootstrap.servers": bootstrap, **options})
        self.sequencers: list[SequencerProcess] = []

    def make_topics(self) -> None:
        """Ask for each topic: the mock cluster makes what is asked for."""
        for topic in (*TWINS, LATE_TRADES, DEAD_LETTERS, FEED_EVENTS):
            self.producer.list_topics(topic, timeout=10)

    def start(self, instance: str = "1") -> SequencerProcess:
        started = SequencerProcess(self.bootstrap, instance)
        self.sequencers.append(started)
        return started

    def send(self, *trades: Trade) -> None:
        for trade in trades:
            self.producer.produce(TRADES_IN, key=trade.symbol, value=encode(trade))
        self.producer.flush(10)

    def send_raw(self, key: bytes | None, value: bytes | None) -> None:
        self.producer.produce(TRADES_IN, key=key, value=value)
        self.producer.flush(10)

    def read(self, topic: str) -> list[tuple[int, bytes | None, bytes]]:
        """Return partition, key and value of all that is committed in the topic."""
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "test",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
        reader.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[tuple[int, bytes | None, bytes]] = []
        ended: set[int] = set()
        while len(ended) < len(partitions):
            for message in reader.consume(1_000, timeout=0.1):
                number = message.partition()
                error = message.error()
                assert isinstance(number, int)
                if error is None:
                    key, value = message.key(), message.value()
                    assert isinstance(value, bytes)
                    assert key is None or isinstance(key, bytes)
                    found.append((number, key, value))
                    ended.discard(number)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(number)
        reader.close()
        return found

    def committed(self, topic: str) -> int:
        """Return how many records of the topic the sequencers have taken in for good."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": GROUP, "log_level": 0})
        partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
        found = reader.committed([TopicPartition(topic, number) for number in partitions], timeout=10)
        reader.close()
        return sum(max(0, partition.offset) for partition in found)

    def mark(self, *marks: FeedMark) -> None:
        for mark in marks:
            self.producer.produce(FEED_MARKS, key=mark.symbol, value=encode(mark))
        self.producer.flush(10)

    def gaps(self) -> list[Gap]:
        """Return each version of each gap."""
        return [decode_gap(value) for _, _, value in self.read(GAPS)]

    def ledger(self) -> dict[str, Gap]:
        """Return each gap as it is."""
        return {gap.gap_id: gap for gap in self.gaps()}

    def gap_marks(self) -> list[GapMark]:
        return [msgspec.json.decode(value, type=GapMark) for _, _, value in self.read(GAP_MARKS)]

    def incomplete(self) -> Counter[tuple[str, str, int, int]]:
        """Return by venue, symbol, interval and start what the marks of each candle sum to, where that is not zero."""
        sums: Counter[tuple[str, str, int, int]] = Counter()
        for mark in self.gap_marks():
            sums[mark.venue, mark.symbol, mark.seconds, mark.start_time] += mark.change
        return Counter({candle: count for candle, count in sums.items() if count})

    def trades(self) -> list[Trade]:
        return [decode_trade(value) for _, _, value in self.read(TRADES)]

    def close(self) -> None:
        for sequencer in self.sequencers:
            sequencer.close()
