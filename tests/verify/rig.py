"""A broker and a database with what a test writes into them, and the command that checks it. No Flink: the test itself
writes the candles, and says how far the jobs are."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg.rows import dict_row

from bench._processes import broker, settings_for, wait_for
from market.records import GapMark, VenueCandle, encode
from market.sections import Ports
from market.settings import ROOT, Settings
from market.topics import CANDLES_1M, GAP_MARKS, TRADES, VENUE_CANDLES, topics
from stack import kafka_topics, postgres
from stack.accounts import as_user
from stack.environment import base_environment, child_environment
from stack.migrations import migrate
from stack.passwords import dsn, with_password
from stack.state import State
from tests.ports import free_port
from tests.verify.naive import Candle, Key, Passed
from verify.jobs import CANDLES_GROUP, ROLLUPS_GROUP
from verify.reading import NEWEST_HEADER

COLUMNS = ("venue", "symbol", "start_time", *Candle.__struct_fields__, "generation", "version")
TIMES = ("last_trade_time", "known_time")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def when(time: int) -> datetime:
    """Return a time in microseconds as Postgres takes it."""
    return _EPOCH + timedelta(microseconds=time)


class Rig:
    """The running parts. Topics and candles are emptied by `empty`."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap, "log_level": 0})
        self._transactions = itertools.count(1)

    def empty(self) -> None:
        """Let topics and candles be as at the first start."""
        read = [topic for topic in topics(self._settings.kafka) if topic.name in (*_READ, CANDLES_1M)]
        for future in self._admin.delete_topics([topic.name for topic in read]).values():
            future.result(30)
        wait_for(
            "the topics are gone", lambda: not {t.name for t in read} & self._admin.list_topics().topics.keys(), 30
        )
        kafka_topics.create_topics(self._settings.kafka.bootstrap, read)
        self.change("truncate candle, candle_revision, verification")

    def pass_trades(self, trades: Iterable[Passed], *, newest_before: int = -1, commit: bool = True) -> None:
        """Write trades as the sequencer does: in a transaction, that begins with what was the newest before."""
        producer = Producer(
            {
                "bootstrap.servers": self._settings.kafka.bootstrap,
                "transactional.id": f"test-{next(self._transactions)}",
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        producer.init_transactions(120)
        producer.begin_transaction()
        told: set[str] = set()
        for passed in trades:
            symbol = passed.trade.symbol
            headers: dict[str, str | bytes | None] = (
                {} if symbol in told else {NEWEST_HEADER: str(newest_before).encode()}
            )
            told.add(symbol)
            producer.produce(TRADES, key=symbol, value=passed.line(), headers=headers)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    def cut(self) -> None:
        """Delete what the topic of trades holds, as retention does."""
        consumer = Consumer({"bootstrap.servers": self._settings.kafka.bootstrap, "group.id": "cut", "log_level": 0})
        places = [TopicPartition(TRADES, number) for number in range(self._settings.kafka.partitions)]
        for place in places:
            place.offset = (consumer.get_watermark_offsets(place) or (0, 0))[1]
        consumer.close()
        for future in self._admin.delete_records(places).values():
            future.result(30)

    def write(self, records: Iterable[GapMark | VenueCandle]) -> None:
        """Write marks and venue candles, each to its topic."""
        producer = Producer(
            {
                "bootstrap.servers": self._settings.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        for record in records:
            topic = GAP_MARKS if isinstance(record, GapMark) else VENUE_CANDLES
            producer.produce(topic, key=record.symbol, value=encode(record))
        producer.flush(30)

    def catch_up(self) -> None:
        """Say for both jobs that they have read everything."""
        # A coordinator that has just begun to work refuses at first.
        for group, names in ((CANDLES_GROUP, _READ), (ROLLUPS_GROUP, (GAP_MARKS, CANDLES_1M))):
            wait_for(f"the offsets of {group} are committed", lambda g=group, n=names: self._committed(g, n), 60)  # type: ignore[misc]

    def _committed(self, group: str, names: Iterable[str]) -> bool:
        consumer = Consumer({"bootstrap.servers": self._settings.kafka.bootstrap, "group.id": group, "log_level": 0})
        try:
            places = [
                TopicPartition(name, number) for name in names for number in range(self._settings.kafka.partitions)
            ]
            for place in places:
                place.offset = (consumer.get_watermark_offsets(place) or (0, 0))[1]
            consumer.commit(offsets=places, asynchronous=False)
        except KafkaException:
            return False
        finally:
            consumer.close()
        return True

    def store(self, candles: Mapping[Key, Candle]) -> None:
        """Write candles as the jobs' sinks do."""
        rows: dict[str, list[list[object]]] = {}
        for (venue, symbol, interval, start), candle in candles.items():
            values = msgspec.structs.asdict(candle)
            for name in TIMES:
                values[name] = None if values[name] is None else when(values[name])
            rows.setdefault(interval, []).append([venue, symbol, when(start), *values.values(), 1, 1])
        with self._connect("writer") as connection, connection.cursor() as cursor:
            for interval, written in rows.items():
                cursor.executemany(
                    f"insert into candle_{interval} ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})",
                    written,
                )

    def change(self, sql: str, values: Iterable[object] = ()) -> int:
        """Change the database behind everybody's back; return how many rows it was."""
        with self._connect("owner") as connection:
            return connection.execute(sql, tuple(values)).rowcount

    def _connect(self, role: Any) -> psycopg.Connection:
        return psycopg.connect(dsn(self._settings, self._state, role))

    def verify(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the check; return its exit code and what it says."""
        done = self.run("--json", *arguments)
        return done.returncode, json.loads(done.stdout)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the check as people do."""
        with self.begin(*arguments) as process:
            said, complained = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the check, and return while it runs."""
        settings = with_password(self._settings, self._state)
        environment = base_environment() | child_environment(settings) | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", "verify", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def scratch(self) -> list[Path]:
        """Return the folders that checks keep while they run."""
        return list(self._settings.state_dir.glob("verify-*"))

    def noted(self) -> dict[str, Any]:
        """Return the newest run that is noted in the database."""
        with self._connect("reader") as connection:
            cursor = connection.cursor(row_factory=dict_row)
            found = cursor.execute("select * from verification order by id desc limit 1").fetchone()
        assert found is not None
        return found


_READ = (TRADES, GAP_MARKS, VENUE_CANDLES)


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """Run a broker and a database within the block."""
    settings = settings_for(folder, ports={name: free_port() for name in Ports.model_fields})
    state = State.for_settings(settings)
    try:
        with broker(settings), _database(settings, state):
            yield Rig(settings, state)
    finally:
        if state.postgres.is_symlink():
            shutil.rmtree(state.postgres.resolve().parent, ignore_errors=True)


@contextmanager
def _database(settings: Settings, state: State) -> Iterator[None]:
    part = postgres.part(settings, state)
    part.prepare()
    with (state.logs / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            part.command, cwd=part.cwd, env=part.env, stdout=log, stderr=log, **as_user(part.user)
        )
    try:
        wait_for("the database answers", lambda: part.ready() is None, 60)
        migrate(settings, state)
        yield
    finally:
        process.send_signal(part.stop_signal)
        process.wait(30)
