"""Sequencers killed at a real broker, which keeps the offsets of transactions: nothing is doubled, nothing lost."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bench._processes import broker, settings_for
from market.intervals import INTERVALS
from market.records import FeedMark, Gap, Lost, Origin, Regained, Settled, Trade, Venue
from market.topics import FEED_MARKS, TRADES_IN
from sequencer.marked import HORIZON, standing
from tests.sequencer.cluster import Cluster, eventually

pytestmark = [pytest.mark.stack, pytest.mark.long]

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
SYMBOLS = tuple(f"S{number}-USDT" for number in range(8))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    settings = settings_for(tmp_path / "broker")
    with broker(settings):
        made = Cluster(settings.kafka.bootstrap)
        try:
            yield made
        finally:
            made.close()


def trade(venue: Venue, symbol: str, number: int, second: float, origin: Origin = "stream") -> Trade:
    time = START + int(second * SECOND)
    return Trade(venue, symbol, str(number), number, number, number, "1.5", "2", "3", "buy", time, time, origin)


def second(number: int) -> float:
    return number / 5


class Market:
    """A stream that loses a connection now and then, and what repair would do about it."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._random = Random(seed)
        self._number = 0
        self.sent: set[tuple[Venue, str, int]] = set()
        self._lost: list[tuple[str, int]] = []
        self.marks = 0
        self.trades = 0
        for symbol in SYMBOLS:
            self._mark(
                Regained("binance", symbol, "1", START, "start"), Regained("kucoin", symbol, "1", START, "start")
            )

    def flow(self, count: int) -> None:
        """Send so many trades of each venue and symbol, a tenth of them twice; every few a connection is lost."""
        batch: list[Trade] = []
        for _ in range(count):
            self._number += 1
            for symbol in SYMBOLS:
                for venue in ("binance", "kucoin"):
                    item = trade(venue, symbol, self._number, second(self._number))
                    batch += [item] * self._random.choice([1] * 9 + [2])
            if self._random.random() < 0.03:
                self._send(batch)
                batch = []
                self._lose(self._random.choice(SYMBOLS))
        self._send(batch)

    def repair(self) -> None:
        """Do for each gap what repair would have done."""
        for symbol, missed in self._lost:
            self._send([trade("binance", symbol, missed, second(missed), "repair")])
        self._lost.clear()
        for gap in self._cluster.ledger().values():
            if gap.closed is None and gap.to_time is not None and gap.kind != "missed":
                self._mark(Settled(gap.venue, gap.symbol, gap.gap_id, "confirmed"))

    def _lose(self, symbol: str) -> None:
        lost = START + int(second(self._number) * SECOND)
        regained = START + int(second(self._number + 2) * SECOND)
        for venue in ("binance", "kucoin"):
            self._mark(Lost(venue, symbol, "1", lost, "reset"), Regained(venue, symbol, "1", regained, "reconnect"))
        self._number += 1
        self._lost.append((symbol, self._number))
        rest = [trade("binance", other, self._number, second(self._number)) for other in SYMBOLS if other != symbol]
        self._send(rest)

    def _send(self, trades: list[Trade]) -> None:
        self._cluster.send(*trades)
        self.trades += len(trades)
        self.sent |= {(item.venue, item.symbol, item.first_id) for item in trades}

    def _mark(self, *marks: FeedMark) -> None:
        self._cluster.mark(*marks)
        self.marks += len(marks)


def incomplete(gaps: dict[str, Gap]) -> Counter[tuple[str, str, int, int]]:
    return Counter(
        (gap.venue, gap.symbol, length // 1_000_000, start)
        for gap in gaps.values()
        for length in INTERVALS.values()
        for start in standing(gap, length, HORIZON)
    )


def check(cluster: Cluster, market: Market) -> None:
    """Everything was counted once: trades, versions of gaps, marks of candles."""
    passed = Counter((item.venue, item.symbol, item.first_id) for item in cluster.trades())
    assert set(passed) == market.sent
    assert set(passed.values()) == {1}
    versions: dict[str, list[Gap]] = {}
    for gap in cluster.gaps():
        versions.setdefault(gap.gap_id, []).append(gap)
    for each in versions.values():
        assert [gap.version for gap in each] == list(range(1, len(each) + 1))
        assert all(gap.closed is None for gap in each[:-1])
    assert cluster.incomplete() == incomplete(cluster.ledger())


def test_killed_again_and_again_with_open_gaps_it_ends_as_if_it_never_was(cluster: Cluster) -> None:
    market = Market(cluster, 1)
    random = Random(2)
    sequencer = cluster.start()
    sequencer.wait_ready()
    for _ in range(6):
        market.flow(60)
        count = len(cluster.trades()) + random.randrange(400)
        market.flow(60)
        eventually(lambda count=count: len(cluster.trades()) >= count)  # type: ignore[misc]
        sequencer.stop(signal.SIGKILL)
        market.flow(30)
        sequencer = cluster.start()
        if random.random() < 0.5:
            market.repair()
    eventually(lambda: cluster.committed(TRADES_IN) == market.trades and cluster.committed(FEED_MARKS) == market.marks)

    def settled() -> bool:
        market.repair()
        return not any(sequencer.health()["venues"][venue]["gaps_open"] for venue in ("binance", "kucoin"))

    eventually(settled, 60)
    eventually(lambda: all(gap.closed is not None for gap in cluster.ledger().values()))
    assert sequencer.stop() == 0
    check(cluster, market)
    assert not cluster.incomplete()
    assert len(cluster.gaps()) > 100


def test_two_that_share_the_partitions_pass_gaps_on_when_one_is_killed(cluster: Cluster) -> None:
    market = Market(cluster, 3)
    one = cluster.start("one")
    one.wait_ready()
    market.flow(100)
    two = cluster.start("two")
    eventually(lambda: len(two.health()["partitions"]) == 2 and two.health()["ready"])
    market.flow(100)
    one.stop(signal.SIGKILL)
    market.flow(100)
    market.repair()
    eventually(lambda: len(two.health()["partitions"]) == 4 and two.health()["ready"])

    def settled() -> bool:
        market.repair()
        return not any(two.health()["venues"][venue]["gaps_open"] for venue in ("binance", "kucoin"))

    eventually(settled, 60)
    eventually(lambda: all(gap.closed is not None for gap in cluster.ledger().values()))
    assert two.stop() == 0
    check(cluster, market)
