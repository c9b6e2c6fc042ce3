"""Sequencer processes against a mock cluster: each trade is written once, whatever is repeated, broken or killed."""

import json
import signal
from collections import Counter
from contextlib import closing

from market.records import Origin, Trade, Venue, encode
from market.topics import DEAD_LETTERS, LATE_TRADES, TRADES, TRADES_IN
from tests.sequencer.cluster import Cluster, SequencerProcess, eventually

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
HOUR = 3600.0


def trade(venue: Venue, symbol: str, number: int, second: float, origin: Origin = "stream") -> Trade:
    time = START + int(second * SECOND)
    return Trade(venue, symbol, str(number), number, number, number, "1.5", "2", "3", "buy", time, time, origin)


def some_trades(count: int) -> list[Trade]:
    """Trades of both venues and eleven symbols, a hundred a second."""
    venues: tuple[Venue, ...] = ("binance", "kucoin")
    return [trade(venues[i % 2], f"S{i % 11}-USDT", i, i / 100) for i in range(count)]


def identity(item: Trade) -> tuple[Venue, str, int]:
    return item.venue, item.symbol, item.first_id


def wait_for_outcome(sequencer: SequencerProcess, outcome: str, count: int) -> None:
    def reached() -> bool:
        venues: dict[str, dict[str, int]] = sequencer.health().get("venues", {})
        return count <= sum(figures[outcome] for figures in venues.values())

    eventually(reached)


def test_doubles_are_dropped_and_the_rest_goes_to_the_same_partition_unchanged(cluster: Cluster) -> None:
    cluster.make_topics()
    trades = some_trades(500)
    cluster.send(*trades, *trades[::-1])
    sequencer = cluster.start()
    wait_for_outcome(sequencer, "doubles", 500)
    assert sequencer.stop() == 0

    came = {(key, value): partition for partition, key, value in cluster.read(TRADES_IN)}
    went = {(key, value): partition for partition, key, value in cluster.read(TRADES)}
    assert went == came
    assert len(cluster.read(TRADES)) == len(trades)
    assert len({partition for partition, _, _ in cluster.read(TRADES)}) > 1


def test_late_trades_are_set_aside_and_repairs_are_not(cluster: Cluster) -> None:
    cluster.make_topics()
    late = trade("binance", "A-USDT", 1, 0)
    repair = trade("binance", "A-USDT", 2, 1, "repair")
    newest = trade("binance", "A-USDT", 3, HOUR + 10)
    cluster.send(newest, late, repair)
    sequencer = cluster.start()
    wait_for_outcome(sequencer, "passed", 2)
    assert sequencer.health()["venues"]["binance"]["late"] == 1
    assert sequencer.health()["venues"]["binance"]["newest_event_time"] == newest.event_time
    assert sequencer.stop() == 0
    assert cluster.trades() == [newest, repair]
    assert [(key, value) for _, key, value in cluster.read(LATE_TRADES)] == [(b"A-USDT", encode(late))]


def test_what_no_reader_could_read_becomes_a_dead_letter_and_stops_nothing(cluster: Cluster) -> None:
    cluster.make_topics()
    good = trade("kucoin", "A-USDT", 1, 0)
    wide = Trade("binance", "A-USDT", "9", 1, 3, 3, "1", "1", "1", "buy", START, START)
    overlapping = Trade("binance", "A-USDT", "10", 3, 4, 4, "1", "1", "1", "buy", START, START)
    cluster.send_raw(b"A-USDT", b"nonsense")
    cluster.send_raw(b"A-USDT", encode(good).replace(b'"1.5"', b'"1e999"'))
    cluster.send_raw(b"A-USDT", None)
    cluster.send_raw(b"B-USDT", encode(good))
    cluster.send(wide, overlapping, good)
    sequencer = cluster.start()
    wait_for_outcome(sequencer, "passed", 2)
    eventually(lambda: bool(sequencer.health()["refused"] == 5))
    metrics = sequencer.get("/metrics")
    assert sequencer.stop() == 0

    assert sorted(map(identity, cluster.trades())) == [("binance", "A-USDT", 1), ("kucoin", "A-USDT", 1)]
    letters = [json.loads(value) for _, _, value in cluster.read(DEAD_LETTERS)]
    assert len(letters) == 5
    assert {letter["part"] for letter in letters} == {"sequencer"}
    reasons = " · ".join(letter["reason"] for letter in letters)
    for reason in ("not a trade", "price '1e999'", "has no value", "is not its symbol", "the ids 3 to 4"):
        assert reason in reasons
    assert "nonsense" in {letter["payload"] for letter in letters}
    assert "pricebraid_sequencer_refused_total 5.0" in metrics
    assert 'pricebraid_sequencer_trades_total{outcome="partly",venue="binance"} 1.0' in metrics


def test_killed_in_mid_stream_it_comes_back_and_each_trade_is_written_once(cluster: Cluster) -> None:
    """The mock cluster keeps no offsets of transactions, so all is read again: only the rebuilt state can tell."""
    cluster.make_topics()
    trades = some_trades(6_000)
    cluster.send(*trades[:1_000])
    first = cluster.start()
    wait_for_outcome(first, "passed", 500)
    cluster.send(*trades[1_000:4_000])
    first.stop(signal.SIGKILL)
    cluster.send(*trades[3_000:])
    second = cluster.start()
    eventually(lambda: len(cluster.trades()) >= len(trades))
    second.wait_ready()
    eventually(lambda: second.health()["behind"] == 0)
    assert second.stop() == 0
    assert Counter(map(identity, cluster.trades())) == Counter(map(identity, trades))


def test_two_sequencers_share_the_partitions_and_each_trade_is_written_once(cluster: Cluster) -> None:
    cluster.make_topics()
    trades = some_trades(4_000)
    cluster.send(*trades[:2_000])
    one = cluster.start("one")
    wait_for_outcome(one, "passed", 2_000)
    two = cluster.start("two")

    def shared() -> bool:
        mine, others = one.health()["partitions"], two.health()["partitions"]
        return len(mine) == len(others) == 2 and sorted(mine + others) == [0, 1, 2, 3]

    eventually(shared)
    one.wait_ready()
    two.wait_ready()
    cluster.send(*trades[1_000:])
    eventually(lambda: len(cluster.trades()) >= len(trades))
    assert one.stop() == 0
    assert two.stop() == 0
    assert Counter(map(identity, cluster.trades())) == Counter(map(identity, trades))


def test_it_waits_for_its_topics_and_says_so(cluster: Cluster) -> None:
    sequencer = cluster.start()
    eventually(
        lambda: (
            "waiting for the topics trades_in, trades, feed_marks, gaps, gap_marks, sequencer_state, late_trades"
            in sequencer.log
        )
    )
    assert sequencer.health()["ready"] is False
    cluster.make_topics()
    cluster.send(trade("binance", "A-USDT", 1, 0))
    wait_for_outcome(sequencer, "passed", 1)
    assert sequencer.stop() == 0


def test_without_a_broker_it_keeps_trying_and_stops_when_told() -> None:
    with closing(SequencerProcess("127.0.0.1:1", "1")) as sequencer:
        eventually(lambda: "waiting for Kafka at 127.0.0.1:1" in sequencer.log)
        assert sequencer.health()["ready"] is False
        assert sequencer.stop() == 0


def test_a_taken_port_is_a_clear_error() -> None:
    with closing(SequencerProcess("127.0.0.1:1", "1")) as first:
        eventually(lambda: "venues" in first.health())
        with closing(SequencerProcess("127.0.0.1:1", "2", port=first.port)) as second:
            assert second.wait() == 1
            assert f"port {first.port} (ports.sequencer)" in second.log
