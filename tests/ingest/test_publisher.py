import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from ingest.publisher import Publisher, producer_config
from market.records import DeadLetter
from market.settings import load
from tests.ingest.kafka import eventually, read
from tests.mock_kafka import mock_kafka


def config(bootstrap: str, **ingest: int) -> dict[str, Any]:
    return producer_config(load(kafka={"bootstrap": bootstrap}, ingest=ingest))


class FakeMessage:
    def __init__(self, topic: str, value: bytes, key: str | None) -> None:
        self._parts = (topic, None if key is None else key.encode(), value)

    def topic(self) -> str:
        return self._parts[0]

    def key(self) -> bytes | None:
        return self._parts[1]

    def value(self) -> bytes:
        return self._parts[2]


class FakeProducer:
    """Takes records, and fails deliveries or whole calls as it is told."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.on_delivery: Callable[[KafkaError | None, FakeMessage], None] = settings["on_delivery"]
        self.on_error: Callable[[KafkaError], None] = settings["error_cb"]
        self.delivered: list[tuple[str, str | None, bytes]] = []
        self.failures: list[int] = []
        self.refusals: list[int] = []

    def produce(self, topic: str, value: bytes, key: str | None) -> None:
        if self.refusals:
            raise KafkaException(KafkaError(self.refusals.pop(0)))
        if self.failures:
            self.on_delivery(KafkaError(self.failures.pop(0)), FakeMessage(topic, value, key))
        else:
            self.delivered.append((topic, key, value))

    def poll(self, timeout: float) -> int:
        time.sleep(timeout)
        return 0

    def flush(self, timeout: float) -> int:
        return 0

    def __len__(self) -> int:
        return 0


def fake() -> tuple[Publisher, FakeProducer]:
    made: list[FakeProducer] = []

    def make(settings: dict[str, Any]) -> Producer:
        made.append(FakeProducer(settings))
        producer: Any = made[0]
        return producer  # type: ignore[no-any-return]

    publisher = Publisher({}, 100, make)
    return publisher, made[0]


async def test_records_arrive_each_once_and_in_their_keys_order() -> None:
    with mock_kafka() as bootstrap:
        publisher = Publisher(config(bootstrap), 100_000)
        for number in range(5000):
            publisher.send("trades_in", f"KEY-{number % 7}", str(number).encode())
        assert await publisher.close(20) == 0
        messages = read(bootstrap, "trades_in", 5000)
    by_key: dict[bytes, list[int]] = {}
    for message in messages:
        by_key.setdefault(message.key() or b"", []).append(int(message.value() or b""))
    assert sorted(number for numbers in by_key.values() for number in numbers) == list(range(5000))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert {len({m.partition() for m in messages if m.key() == key}) for key in by_key} == {1}


async def test_order_and_number_survive_a_queue_that_is_far_too_small() -> None:
    with mock_kafka() as bootstrap:
        publisher = Publisher(config(bootstrap, queue_records=10), 10)
        for number in range(500):
            publisher.send("trades_in", "KEY", str(number).encode())
        assert publisher.full
        await asyncio.wait_for(publisher.room(), 20)
        assert not publisher.full
        assert await publisher.close(20) == 0
        values = [int(message.value() or b"") for message in read(bootstrap, "trades_in", 500)]
    assert values == list(range(500))


async def test_without_a_broker_readers_wait_and_the_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher(config("127.0.0.1:1", queue_records=10), 10)
    for number in range(11):
        publisher.send("trades_in", "KEY", str(number).encode())
    assert publisher.full
    assert publisher.depth >= 11
    waiting = asyncio.create_task(publisher.room())
    longest, last = 0.0, time.monotonic()
    for _ in range(50):
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert not waiting.done()
    assert longest < 0.5
    waiting.cancel()
    with caplog.at_level(logging.ERROR):
        assert await publisher.close(0.3) >= 11
    assert "records unsent" in caplog.text


async def test_a_failed_delivery_is_counted_and_sent_again_before_what_waits() -> None:
    publisher, producer = fake()
    producer.failures = [KafkaError._MSG_TIMED_OUT] * 2
    for number in range(2):
        publisher.send("trades_in", "KEY", str(number).encode())
    await eventually(lambda: publisher.full)
    publisher.send("trades_in", "KEY", b"2")
    await asyncio.wait_for(publisher.room(), 20)
    assert publisher.delivery_errors == 2
    assert [value for _, _, value in producer.delivered] == [b"0", b"1", b"2"]
    assert {key for _, key, _ in producer.delivered} == {"KEY"}
    assert await publisher.close(1) == 0


async def test_a_record_that_is_refused_at_once_does_not_hold_up_the_loop() -> None:
    publisher, producer = fake()
    producer.refusals = [KafkaError._UNKNOWN_TOPIC] * 2
    publisher.send("no_topic", None, b"x")
    await asyncio.wait_for(publisher.room(), 20)
    assert publisher.delivery_errors == 2
    assert [value for _, _, value in producer.delivered] == [b"x"]
    assert await publisher.close(1) == 0


@pytest.mark.parametrize("how", ["failures", "refusals"])
async def test_a_record_that_is_too_large_becomes_a_dead_letter(how: str) -> None:
    publisher, producer = fake()
    setattr(producer, how, [KafkaError.MSG_SIZE_TOO_LARGE])
    publisher.send("binance_raw_data", "c", b"x" * 50_000)
    await eventually(lambda: bool(producer.delivered))
    ((topic, key, value),) = producer.delivered
    assert (topic, key) == ("dead_letters", None)
    letter = msgspec.json.decode(value, type=DeadLetter)
    assert "50000 bytes" in letter.reason
    assert letter.payload == "x" * 10_000
    assert await publisher.close(1) == 0


async def test_a_fatal_error_of_the_producer_is_told() -> None:
    publisher, producer = fake()
    producer.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    producer.on_error(KafkaError(KafkaError._FATAL, "fenced", fatal=True))
    assert "fenced" in await asyncio.wait_for(publisher.fatal, 20)
    await publisher.close(1)


async def test_stopping_says_how_much_was_flushed(caplog: pytest.LogCaptureFixture) -> None:
    with mock_kafka() as bootstrap, caplog.at_level(logging.INFO):
        publisher = Publisher(config(bootstrap), 1000)
        for _ in range(10):
            publisher.send("tickers", "KEY", b"x")
        await publisher.close(20)
    (record,) = (record for record in caplog.records if record.message == "flushed everything")
    assert vars(record)["flushed"] <= 10
    assert vars(record)["sent_in_all"] == 10
