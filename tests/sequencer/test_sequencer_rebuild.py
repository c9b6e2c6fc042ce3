"""The state of a partition, rebuilt from the tail of what was passed to it."""

from confluent_kafka import Producer

from market.records import Origin, Trade, Venue, encode
from market.settings import load
from market.topics import GAPS, SEQUENCER_STATE, TRADES
from sequencer.core import Judge, Verdict
from sequencer.kafka import NEWEST_HEADER, Complaints
from sequencer.rebuild import rebuild
from tests.sequencer.cluster import Cluster

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
PER_TRANSACTION = 500


def trade(number: int, second: float, origin: Origin = "stream", venue: Venue = "kucoin") -> Trade:
    time = START + int(second * SECOND)
    return Trade(venue, "A-USDT", str(number), number, number, number, "1", "1", "1", "buy", time, time, origin)


def write(cluster: Cluster, trades: list[Trade], compression: str = "lz4") -> None:
    """Write as the sequencer does: the first record of each transaction tells the newest time before it."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "compression.type": compression, "log_level": 0})
    newest = -1
    for number, item in enumerate(trades):
        headers: list[tuple[str, str | bytes | None]] = (
            [(NEWEST_HEADER, b"%d" % newest)] if number % PER_TRANSACTION == 0 else []
        )
        producer.produce(TRADES, encode(item), item.symbol, partition=0, headers=headers)
        newest = max(newest, item.event_time)
        if number % 10_000 == 0:
            producer.flush(10)
    assert producer.flush(30) == 0


def rebuilt(cluster: Cluster) -> Judge:
    settings = load(kafka={"bootstrap": cluster.bootstrap}, sequencer={"lateness_seconds": 100.0})
    work = rebuild(settings, Complaints(), 0, START)
    while True:
        try:
            next(work)
        except StopIteration as done:
            judge: Judge = done.value.judge
            return judge


def test_a_partition_that_was_never_written_to_knows_nothing_and_passes_all(cluster: Cluster) -> None:
    cluster.make_topics()
    judge = rebuilt(cluster)
    assert judge.newest == -1
    assert judge.judge(trade(1, 0)) is Verdict.PASSED


def test_the_caller_has_its_turn_with_each_topic_though_all_are_empty(cluster: Cluster) -> None:
    """It looks after the others, and tells the watchdog that nothing hangs: a busy broker takes its time each time."""
    cluster.make_topics()
    turns = list(rebuild(load(kafka={"bootstrap": cluster.bootstrap}), Complaints(), 0, START))
    # The trades are read three times: for the newest, for where the tail begins, and for the tail.
    assert len(turns) == len([SEQUENCER_STATE, TRADES, TRADES, TRADES, GAPS])


def test_a_short_partition_is_remembered_whole(cluster: Cluster) -> None:
    cluster.make_topics()
    write(cluster, [trade(2 * number, number) for number in range(2_000)])
    judge = rebuilt(cluster)
    assert judge.newest == START + 1_999 * SECOND
    assert judge.judge(trade(2 * 1_999, 1_999)) is Verdict.DOUBLE
    assert judge.judge(trade(2 * 1_500 + 1, 1_500.5, "repair")) is Verdict.PASSED


def test_of_a_long_partition_the_memory_is_read_and_nothing_older_passes(cluster: Cluster) -> None:
    """Ten trades a second for 6,000 s; the memory is 700 s, the lateness and the margin."""
    cluster.make_topics()
    trades = [trade(2 * number, number / 10) for number in range(60_000)]
    write(cluster, trades)
    judge = rebuilt(cluster)
    newest = trades[-1].event_time
    assert judge.newest == newest
    kept = [item for item in trades if item.event_time >= newest - 700 * SECOND]
    assert {judge.judge(item) for item in kept} == {Verdict.DOUBLE}
    assert {judge.judge(item) for item in trades[:1_000]} == {Verdict.LATE}
    assert judge.judge(trade(1, 0, "repair")) is Verdict.LATE
    assert judge.judge(trade(2 * 59_000 + 1, 5_900.05)) is Verdict.PASSED
    assert judge.judge(trade(2 * 60_000, 6_000)) is Verdict.PASSED


def test_of_consecutive_ids_too_none_older_than_the_tail_passes(cluster: Cluster) -> None:
    """Their runs forget nothing, so it is the tail's beginning alone that tells what can't be known."""
    cluster.make_topics()
    trades = [trade(number, number / 10, venue="binance") for number in range(60_000)]
    write(cluster, trades)
    judge = rebuilt(cluster)
    assert judge.judge(trade(1, 0.1, "repair", "binance")) is Verdict.LATE
    assert judge.judge(trade(59_000, 5_900, "repair", "binance")) is Verdict.DOUBLE
    assert judge.judge(trade(60_000, 6_000, "repair", "binance")) is Verdict.PASSED


def test_repairs_at_the_end_do_not_hide_the_stream_before_them(cluster: Cluster) -> None:
    """A long repair of an old gap is passed last: all its trades are old, though what came before it is not."""
    cluster.make_topics()
    repairs = [trade(2 * number + 1, number / 10, "repair") for number in range(30_000)]
    stream = [trade(2 * number, number / 10) for number in range(40_000)]
    write(cluster, stream + repairs)
    judge = rebuilt(cluster)
    assert judge.newest == stream[-1].event_time
    assert {judge.judge(item) for item in stream[-6_000:]} == {Verdict.DOUBLE}
    assert all(judge.judge(item) is not Verdict.PASSED for item in repairs)


def test_what_the_broker_has_deleted_is_not_passed_again(cluster: Cluster) -> None:
    """The mock cluster keeps 5 MB of a partition: here the repairs, and neither the stream nor its newest trade."""
    cluster.make_topics()
    repairs = [trade(2 * number + 1, number / 10, "repair") for number in range(30_000)]
    stream = [trade(2 * number, number / 10) for number in range(40_000)]
    write(cluster, stream + repairs, compression="none")
    judge = rebuilt(cluster)
    assert judge.newest == stream[-1].event_time
    assert all(judge.judge(item) is not Verdict.PASSED for item in stream + repairs)
    assert judge.judge(trade(80_000, 4_000)) is Verdict.PASSED
