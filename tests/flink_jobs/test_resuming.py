"""Jobs that are stopped while their input flows, and go on at another parallelism, come to the same candles."""

import json
import random
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyflink.common import JobClient
from pyflink.java_gateway import get_gateway

from flink_jobs import candles, rollups
from flink_jobs.plan import Job, configuration, statements, values
from flink_jobs.submit import environment
from market.intervals import INTERVALS
from market.settings import Settings
from stack.environment import effective
from stack.passwords import with_password
from stack.state import State
from tests.flink_jobs import golden
from tests.stacks import PORTS, Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.long]

BOOTSTRAP = f"127.0.0.1:{PORTS['KAFKA']}"
TOPICS = ("trades", "gap_marks", "venue_candles", "candles_1m", "rollups")
SYMBOLS = ("RESUME-A", "RESUME-B", "RESUME-C")
MINUTE = 60_000_000
COUNT = 6_000
COLUMNS = (
    "venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, taker_buy_base_volume, trade_count,"
    " first_id, last_id, origin, complete, last_trade_time, known_time, generation, version"
)


def midnight(stack: Stack) -> int:
    """Return when the day before the market's own began, in microseconds: of older ones no seconds are kept."""
    ((day,),) = stack.query("select date_trunc('day', newest_trade_counted() at time zone 'UTC') - interval '1 day'")
    return golden.micros(day)


def records(seed: int, midnight: int) -> list[tuple[str, list[Any]]]:
    """Return what is sent, as topic and values: forty minutes around midnight, out of order, with marks and candles."""
    chance = random.Random(seed)
    made: list[tuple[str, list[Any]]] = []
    for number in range(COUNT):
        venue, symbol = chance.choice(("binance", "kucoin")), chance.choice(SYMBOLS)
        at = midnight - 20 * MINUTE + (40 * MINUTE * number // COUNT) - chance.randrange(3 * MINUTE)
        start = at - at % MINUTE
        price, size = f"{chance.randrange(1, 10**9)}.{chance.randrange(10**8):08d}", f"0.{chance.randrange(1, 10**6)}"
        draw = chance.random()
        if draw < 0.02:
            change = chance.choice((1, -1))
            for length in INTERVALS.values():
                made.append(("gap_marks", [venue, symbol, length // 1_000_000, at - at % length, change, at]))
        elif draw < 0.03:
            whole: list[Any] = [price, price, price, price, size, size, None, None, None, None]
            made.append(("venue_candles", [venue, symbol, start, *whole, chance.random() < 0.5, at, at + number]))
        side = chance.choice(("buy", "sell"))
        trade = [venue, symbol, number, number + chance.randrange(3), number, price, size, size, side, at]
        made.append(("trades", [*trade, chance.randrange(MINUTE)] if draw > 0.9 else trade))
    return made


class Flow:
    """Sends the records to topics of this test, little by little, in a thread of its own.

    It sends no more than `allowed` of them, so that however long a restart takes some are left for after it.
    """

    def __init__(self, prefix: str, what: list[tuple[str, list[Any]]], allowed: int) -> None:
        self.sent = 0
        self.allowed = allowed
        self._prefix, self._what = prefix, what
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Flow":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.allowed = len(self._what)
        self._thread.join()

    @property
    def ended(self) -> bool:
        return self.sent == len(self._what)

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "partitioner": "murmur2_random"})
        for topic, cells in self._what:
            value = dict(zip(golden.RECORDS[topic], cells, strict=topic != "trades"))
            producer.produce(self._prefix + topic, json.dumps(value), cells[1])
            self.sent += 1
            while self.sent % 20 == 0 or self.sent >= self.allowed:
                producer.flush()
                # The pace of the input, not a wait for anything.
                time.sleep(0.1)
                if self.sent < self.allowed or self.ended:
                    break
        producer.flush()


@pytest.fixture
def prefix() -> Iterator[str]:
    """Topics of this test alone; this is what their names begin with."""
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    name = f"resume-{time.monotonic_ns()}-"
    for made in admin.create_topics([NewTopic(name + topic, 4, 1) for topic in TOPICS]).values():
        made.result()
    yield name
    for gone in admin.delete_topics([name + topic for topic in TOPICS]).values():
        gone.result()


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """The running stack's own settings, with the password that jobs write with."""
    told = effective(stack.settings())
    return with_password(told, State.for_settings(told))


def start(job: Job, settings: Settings, prefix: str, parallelism: int, savepoint: str | None) -> JobClient:
    """Start a job over this test's topics, in this process: the running stack's own jobs leave no slots."""
    options = configuration(job, settings) | {
        "execution.target": "local",
        "parallelism.default": str(parallelism),
        "state.backend.type": "rocksdb",
        "execution.checkpointing.interval": "1 s",
    }
    if savepoint is not None:
        options["execution.state-recovery.path"] = savepoint
    tables = environment(options)
    for statement in statements(job, values(settings)):
        own = re.sub(
            r"('topic' = ')([\w;]+)'",
            lambda found: found[1] + ";".join(prefix + topic for topic in found[2].split(";")) + "'",
            statement,
        )
        result = tables.execute_sql(own)
    client = result.get_job_client()
    assert client is not None
    return client


def stop(client: JobClient, folder: Path) -> str:
    """Stop a job with a savepoint, and return its path."""
    # PyFlink's own call does not know that Flink 2 asks for a format.
    formats = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType
    path = client._j_job_client.stopWithSavepoint(False, str(folder), formats.CANONICAL).get()
    return str(path)


def stored(stack: Stack, interval: str) -> list[list[Any]]:
    """Return the test's candles of an interval as golden rows."""
    with stack.connect("reader") as connection:
        rows = connection.execute(
            f"select {COLUMNS} from candle where interval = %s and symbol = any(%s)",
            (interval, list(SYMBOLS)),
        ).fetchall()
    plain = [
        [golden.plain(cell.replace(tzinfo=None) if hasattr(cell, "tzinfo") else cell) for cell in row] for row in rows
    ]
    return sorted(plain, key=str)


def priced(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the rows that a sink does not drop."""
    return [row for row in rows if row[3] is not None]


def part(row: list[Any]) -> list[Any]:
    """Return a stored candle as its record in a topic, of which late inputs are not asked."""
    last_trade, known = ((cell or "").replace("T", " ") or None for cell in row[15:17])
    return [*row[:2], row[2].replace("T", " "), *row[3:14], last_trade, known, 0, *row[17:]]


@pytest.mark.usefixtures("flink_home")
def test_jobs_stopped_with_a_savepoint_while_input_flows_and_resumed_with_other_parallelism_lose_nothing(
    stack: Stack, settings: Settings, prefix: str, tmp_path: Path
) -> None:
    what = records(1, midnight(stack))
    local = {"execution.target": "local"}
    savepoints = tmp_path / "savepoints"
    with Flow(prefix, what, COUNT // 3) as flow:
        first = [start(job, settings, prefix, 2, None) for job in (candles.JOB, rollups.JOB)]
        eventually("a day is there", lambda: stored(stack, "1d"))
        flow.allowed = 2 * COUNT // 3
        sent = flow.sent
        eventually("the input flows again", lambda: flow.sent > sent)
        sent = flow.sent
        paths = [stop(client, savepoints) for client in first]
        assert flow.sent > sent, "the input flowed while they stopped"
        again = [
            start(job, settings, prefix, parallelism, path)
            for job, parallelism, path in zip((candles.JOB, rollups.JOB), (3, 1), paths, strict=True)
        ]
        flow.allowed = len(what)
        eventually("all is sent", lambda: flow.ended, 120)

    given: dict[str, list[list[Any]]] = {}
    for topic, cells in what:
        given.setdefault(topic, []).append(cells)
    for interval, view in (("1s", "second_candle"), ("1m", "minute_candle")):
        asked = golden.Golden("", given, [])
        found = priced(golden.run(view, asked, tmp_path / view, local, streaming=False))
        wanted = [[*row[:17], *row[18:]] for row in found]
        eventually(f"the candles of {interval} are right", lambda i=interval, w=wanted: stored(stack, i) == w)  # type: ignore[misc]
    parts = {"candles_1m": [part(row) for row in stored(stack, "1m")], "rollups": []}
    for interval in list(rollups.MINUTES)[1:]:
        asked = golden.Golden("", {**parts, "gap_marks": given["gap_marks"]}, [])
        found = golden.run("rolled_candle", asked, tmp_path / interval, local, streaming=False)
        wanted = [[*row[:2], *row[3:18], *row[19:]] for row in found if row[2] == interval and row[4] is not None]
        eventually(f"the candles of {interval} are right", lambda i=interval, w=wanted: stored(stack, i) == w)  # type: ignore[misc]
        parts["rollups"] += [[interval, *part(row)] for row in stored(stack, interval)]
    for client in again:
        client.cancel().result()
    with stack.connect("owner") as connection:
        connection.execute("delete from candle where symbol = any(%s)", (list(SYMBOLS),))
