"""Whether the jobs have caught up: asked of a mock broker, without any job."""

import pytest
from confluent_kafka import Producer

from market.settings import load
from market.topics import CANDLES_1M, ROLLUPS
from tests.mock_kafka import mock_kafka
from verify.jobs import Jobs
from verify.reading import CannotCheck, silent


def jobs(bootstrap: str) -> Jobs:
    # No Flink answers, so the offsets alone tell.
    return Jobs(load(kafka={"bootstrap": bootstrap}, ports={"flink": 1}), 0.5, silent, hurry=True)


def make(bootstrap: str, topic: str, *values: str) -> None:
    """Ask for a topic, which makes it, and write records to it."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    producer.list_topics(topic, timeout=10)
    for value in values:
        producer.produce(topic, value)
    producer.flush(10)


def test_jobs_have_caught_up_with_topics_that_hold_nothing() -> None:
    with mock_kafka() as bootstrap:
        make(bootstrap, CANDLES_1M)
        make(bootstrap, ROLLUPS)
        jobs(bootstrap).wait({})


def test_a_job_that_has_read_nothing_of_a_topic_has_not_caught_up() -> None:
    with mock_kafka() as bootstrap:
        make(bootstrap, CANDLES_1M, "one", "two")
        make(bootstrap, ROLLUPS)
        with pytest.raises(CannotCheck, match=r"rollups has not caught up in time: it is 2 records behind"):
            jobs(bootstrap).wait({})


@pytest.mark.parametrize("there", [ROLLUPS, CANDLES_1M])
def test_a_topic_that_is_missing_is_told_with_what_to_do(there: str) -> None:
    (missing,) = {CANDLES_1M, ROLLUPS} - {there}
    with mock_kafka() as bootstrap:
        make(bootstrap, there)
        with pytest.raises(CannotCheck, match=rf"topic {missing} cannot be read: .* The next start makes"):
            jobs(bootstrap).wait({})
