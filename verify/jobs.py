"""Tells whether the Flink jobs have written what they made of all that was read.

A job commits the offsets of its sources once a checkpoint is complete, and its sinks write all they hold before it is.
So whatever lies before the committed offsets is in Postgres, or in the topic that the next job reads.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from confluent_kafka import Consumer, KafkaException, TopicPartition

from market.intervals import INTERVALS
from market.settings import Settings
from market.topics import CANDLES_1M, GAP_MARKS, ROLLUPS
from verify.reading import SECONDS, CannotCheck, Place, ends_of, partitions_of, silent_logger

CANDLES_GROUP = "pricebraid-candles"
ROLLUPS_GROUP = "pricebraid-rollups"
JOBS = {CANDLES_GROUP: "candles", ROLLUPS_GROUP: "rollups"}

_PAUSE = 0.25
_ASK_SECONDS = 1.0
_STEPS = sum(length > INTERVALS["5m"] for length in INTERVALS.values())
"""How many times the job reads what it wrote, until a minute has reached its day."""

log = logging.getLogger(__name__)


class Jobs:
    """The two jobs that make candles. `seconds` is how long they may take to catch up each time.

    `hurry` asks the one that makes the coarser ones for checkpoints, which costs it some of its time.
    """

    def __init__(self, settings: Settings, seconds: float, progress: Callable[[str], None], *, hurry: bool) -> None:
        self._bootstrap = settings.kafka.bootstrap
        self._flink = f"{settings.hosts.jobmanager}:{settings.ports.flink}"
        self._seconds = seconds
        self._progress = progress
        self._hurry = hurry

    def wait(self, required: Mapping[Place, int]) -> None:
        """Wait until both jobs have written what they make of the records before the offsets `required`.

        Raises:
            CannotCheck: they have not in time, or the broker does not answer.
        """
        deadline = time.monotonic() + self._seconds
        self._wait_for(CANDLES_GROUP, required, deadline)
        # What the first job has made of the records is in the topic by now.
        marks = {place: end for place, end in required.items() if place[0] == GAP_MARKS}
        self._wait_for(ROLLUPS_GROUP, marks | _ends(self._bootstrap, CANDLES_1M), deadline)
        # Each coarser candle is made of those that the job itself wrote to its topic.
        written = _ends(self._bootstrap, ROLLUPS)
        for _ in range(_STEPS):
            self._wait_for(ROLLUPS_GROUP, written, deadline)
            before, written = written, _ends(self._bootstrap, ROLLUPS)
            if written == before:
                break

    def _wait_for(self, group: str, required: Mapping[Place, int], deadline: float) -> None:
        job = JOBS[group]
        consumer = _consumer(self._bootstrap, group)
        asked = float("-inf")
        try:
            while (left := _left(consumer, required)) or _began_anew(self._flink, job):
                now = time.monotonic()
                if now > deadline:
                    behind = f"{left:,} records behind" if left else "without a checkpoint yet"
                    raise CannotCheck(f"The job {job} has not caught up in time: it is {behind}.")
                self._progress(f"waits for the job {job}" + (f": {left:,} records to go" if left else ""))
                # `candles` is not hurried: with each checkpoint it also writes minutes, of which the topic is to have a
                # new version at most once a second.
                if self._hurry and group == ROLLUPS_GROUP and now > asked + _ASK_SECONDS:
                    _hurry(self._flink, job)
                    asked = now
                time.sleep(_PAUSE)
        finally:
            consumer.close()


def _left(consumer: Consumer, required: Mapping[Place, int]) -> int:
    """Return how many offsets the group has yet to pass; all of them where the broker cannot tell yet."""
    if not required:
        return 0
    try:
        committed = consumer.committed([TopicPartition(*place) for place in required], timeout=SECONDS)
    except KafkaException as error:
        # A broker that has just started reads what was committed first; until then it answers so.
        log.info("the broker does not tell how far the jobs are: %s", error.args[0].str())
        return sum(required.values())
    reached = {(part.topic, part.partition): max(0, part.offset) for part in committed if part.error is None}
    return sum(max(0, end - reached.get(place, 0)) for place, end in required.items())


def _ends(bootstrap: str, topic: str) -> dict[Place, int]:
    """Return the offset behind the last record of each partition that holds any."""
    with closing(_consumer(bootstrap, ROLLUPS_GROUP)) as consumer:
        bounds = {(topic, number): ends_of(consumer, (topic, number)) for number in partitions_of(consumer, topic)}
    return {place: end for place, (first, end) in bounds.items() if first < end}


def _consumer(bootstrap: str, group: str) -> Consumer:
    """Return a client that asks for the group's offsets; it never becomes a member."""
    return Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0},
        logger=silent_logger(),
    )


def _hurry(flink: str, job: str) -> None:
    """Ask for a checkpoint now: with each, a job has written all that it made, and tells how far it has come."""
    with suppress(OSError, HTTPException, ValueError, LookupError):
        for run in _runs(flink, job):
            url = f"http://{flink}/jobs/{run}/checkpoints"
            asked = Request(url, b'{"checkpointType": "CONFIGURED"}', {"Content-Type": "application/json"})
            urlopen(asked, timeout=5).close()  # noqa: S310  (the cluster of the settings)


def _began_anew(flink: str, job: str) -> bool:
    """Tell whether the job's run began with nothing and has no checkpoint yet.

    Then the group's offsets are still those of an earlier run. A Flink that does not answer is believed by these.
    """
    with suppress(OSError, HTTPException, ValueError, LookupError):
        for run in _runs(flink, job):
            latest = _ask(flink, f"{run}/checkpoints")["latest"]
            if latest["completed"] is None and latest["restored"] is None:
                return True
    return False


def _runs(flink: str, job: str) -> list[str]:
    """Return the ids of the job's runs that have not ended."""
    overview = _ask(flink, "overview")
    return [run["jid"] for run in overview["jobs"] if run["name"] == job and run["end-time"] < 0]


def _ask(flink: str, what: str) -> Any:
    with urlopen(f"http://{flink}/jobs/{what}", timeout=5) as answer:
        return json.load(answer)
