"""Gaps at the edge: sequencer processes against a mock cluster open, mark and close them, in the same transactions."""

import json
import signal

import msgspec

from market.records import FeedEvent, Lost, Origin, Regained, Settled, Suspect, Trade, Venue, decode_trade, encode
from market.topics import DEAD_LETTERS, FEED_EVENTS, FEED_MARKS, GAPS, SEQUENCER_STATE, TRADES
from sequencer.state import State
from tests.sequencer.cluster import Cluster, SequencerProcess, eventually

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_767_225_600 * SECOND


def trade(number: int, second: float, origin: Origin = "stream", venue: Venue = "binance") -> Trade:
    time = START + int(second * SECOND)
    return Trade(venue, "A-USDT", str(number), number, number, number, "1.5", "2", "3", "buy", time, time, origin)


def open_gaps(sequencer: SequencerProcess, venue: Venue = "binance") -> int:
    venues = sequencer.health().get("venues", {})
    return venues[venue]["gaps_open"] if venues else -1


def test_ids_that_do_not_come_are_a_gap_without_another_trade_and_their_repair_closes_it(cluster: Cluster) -> None:
    cluster.make_topics()
    cluster.send(trade(1, 0), trade(2, 1), trade(5, 62))
    sequencer = cluster.start()
    eventually(lambda: open_gaps(sequencer) == 1)
    gap = cluster.ledger()["binance:A-USDT:3-4"]
    assert (gap.kind, gap.reason, gap.first_id, gap.last_id) == ("missed", "ids", 3, 4)
    assert (gap.from_time, gap.to_time) == (START + SECOND, START + 62 * SECOND)
    minutes = {start for _, _, seconds, start in cluster.incomplete() if seconds == 60}
    assert minutes == {START, START + MINUTE}
    assert sum(seconds == 1 for _, _, seconds, _ in cluster.incomplete()) == 62

    cluster.send(trade(4, 30, "repair"), trade(3, 20, "repair"))
    eventually(lambda: open_gaps(sequencer) == 0)
    metrics = sequencer.get("/metrics")
    assert sequencer.stop() == 0
    assert [(gap.version, gap.how) for gap in cluster.gaps()] == [(1, None), (2, "repair")]
    assert not cluster.incomplete()
    events = [msgspec.json.decode(value, type=FeedEvent) for _, _, value in cluster.read(FEED_EVENTS)]
    assert [event.kind for event in events] == ["gap_opened", "gap_repaired"]
    assert json.loads(events[1].detail or "")["how"] == "repair"
    assert 'pricebraid_sequencer_gaps_opened_total{venue="binance"} 1.0' in metrics
    assert 'pricebraid_sequencer_gaps_closed_total{venue="binance"} 1.0' in metrics
    assert 'pricebraid_sequencer_gaps_open{venue="binance"} 0.0' in metrics
    # All of a symbol lies in one partition.
    places = {partition for topic in (TRADES, GAPS, SEQUENCER_STATE) for partition, _, _ in cluster.read(topic)}
    assert len(places) == 1


def test_a_trade_far_behind_its_symbols_newest_says_how_far(cluster: Cluster) -> None:
    cluster.make_topics()
    cluster.send(trade(1, 0), trade(3, 10), trade(2, 7.5), trade(4, 9.5))
    sequencer = cluster.start()
    eventually(lambda: len(cluster.read(TRADES)) == 4)
    assert sequencer.stop() == 0
    told = {decode_trade(value).first_id: json.loads(value).get("behind") for _, _, value in cluster.read(TRADES)}
    assert told == {1: None, 3: None, 2: 2_500_000, 4: None}


def test_a_kucoin_feed_that_was_lost_is_suspected_until_it_is_settled(cluster: Cluster) -> None:
    cluster.make_topics()
    sequencer = cluster.start()
    cluster.mark(Regained("kucoin", "A-USDT", "1", START, "start"))
    eventually(lambda: "kucoin:A-USDT:start" in cluster.ledger())
    assert open_gaps(sequencer, "kucoin") == 0
    cluster.send(trade(1, 1, venue="kucoin"), trade(7, 2, venue="kucoin"))
    cluster.mark(Lost("kucoin", "A-USDT", "1", START + 3 * SECOND, "reset"))
    gap_id = f"kucoin:A-USDT:1:{START + 3 * SECOND}"
    eventually(lambda: gap_id in cluster.ledger())
    assert cluster.ledger()[gap_id].to_time is None
    cluster.mark(Regained("kucoin", "A-USDT", "1", START + 5 * SECOND, "reconnect"))
    eventually(lambda: cluster.ledger()[gap_id].to_time == START + 5 * SECOND)
    eventually(lambda: open_gaps(sequencer, "kucoin") == 1)
    cluster.mark(Settled("kucoin", "A-USDT", gap_id, "confirmed"))
    cluster.mark(Settled("kucoin", "A-USDT", "kucoin:A-USDT:start", "venue_candle"))
    eventually(lambda: not cluster.incomplete())
    eventually(lambda: open_gaps(sequencer, "kucoin") == 0)
    assert sequencer.stop() == 0


def test_what_is_no_mark_becomes_a_dead_letter_and_stops_nothing(cluster: Cluster) -> None:
    cluster.make_topics()
    sequencer = cluster.start()
    sequencer.wait_ready()
    for key, value in ((b"A-USDT", b"nonsense"), (b"B-USDT", encode(Suspect("kucoin", "A-USDT", START, START, "x")))):
        cluster.producer.produce(FEED_MARKS, key=key, value=value)
    cluster.mark(Suspect("kucoin", "A-USDT", 1, 2, "seconds"), Suspect("kucoin", "A-USDT", START, START, "dropped"))
    eventually(lambda: open_gaps(sequencer, "kucoin") == 1)
    assert sequencer.stop() == 0
    reasons = " · ".join(json.loads(value)["reason"] for _, _, value in cluster.read(DEAD_LETTERS))
    for reason in ("not a mark", "is not its symbol", "not one in microseconds"):
        assert reason in reasons


def test_killed_with_open_gaps_it_doubles_forgets_and_reopens_none(cluster: Cluster) -> None:
    """The mock cluster keeps no offsets of transactions, so that all trades and all marks come again as well."""
    cluster.make_topics()
    lost = START + 6 * SECOND
    cluster.send(trade(1, 0), trade(2, 1), trade(5, 2), trade(6, 3), trade(9, 4))
    cluster.send(trade(1, 0, venue="kucoin"))
    first = cluster.start()
    eventually(lambda: open_gaps(first) == 2)
    cluster.mark(Lost("kucoin", "A-USDT", "1", lost, "reset"))
    cluster.send(trade(3, 1, "repair"), trade(4, 1, "repair"))
    eventually(lambda: open_gaps(first) == 1)
    eventually(lambda: open_gaps(first, "kucoin") == 1)
    before, incomplete = cluster.gaps(), cluster.incomplete()
    first.stop(signal.SIGKILL)

    second = cluster.start()
    eventually(lambda: open_gaps(second) == 1)
    assert open_gaps(second, "kucoin") == 1
    cluster.send(trade(10, 5))
    eventually(lambda: any(item.first_id == 10 for item in cluster.trades()))
    assert cluster.gaps() == before
    assert cluster.incomplete() == incomplete
    cluster.send(trade(7, 3, "repair"), trade(8, 3, "repair"))
    cluster.mark(Regained("kucoin", "A-USDT", "1", lost + SECOND, "reconnect"))
    cluster.mark(Settled("kucoin", "A-USDT", f"kucoin:A-USDT:1:{lost}", "repair"))
    eventually(lambda: not cluster.incomplete())
    assert second.stop() == 0
    assert {gap.gap_id: gap.how for gap in cluster.ledger().values()} == {
        "binance:A-USDT:3-4": "repair",
        "binance:A-USDT:7-8": "repair",
        f"kucoin:A-USDT:1:{lost}": "repair",
    }
    assert sorted(item.first_id for item in cluster.trades() if item.venue == "binance") == list(range(1, 11))


def test_killed_while_a_hole_may_still_fill_it_misses_it_afterwards(cluster: Cluster) -> None:
    cluster.make_topics()
    cluster.send(trade(1, 0), trade(4, 2))
    first = cluster.start()
    eventually(lambda: len(cluster.read(TRADES)) == 2)
    first.stop(signal.SIGKILL)
    second = cluster.start()
    eventually(lambda: "binance:A-USDT:2-3" in cluster.ledger())
    assert second.stop() == 0
    assert len(cluster.gaps()) == 1


def test_a_repair_older_than_all_that_is_remembered_is_judged_right_after_a_restart(cluster: Cluster) -> None:
    """Trades of seven hours, of which a tail holds little more than one: what was seen before is written down."""
    cluster.make_topics()
    old = [trade(1, 0), trade(2, 1), trade(5, 2)]
    cluster.send(*old)
    first = cluster.start()
    eventually(lambda: open_gaps(first) == 1)
    cluster.send(*[trade(6 + number, 10 + number) for number in range(7 * 3600)])
    eventually(lambda: len(cluster.read(TRADES)) == 3 + 7 * 3600)
    first.stop(signal.SIGKILL)
    states = [msgspec.json.decode(value, type=State) for _, _, value in cluster.read(SEQUENCER_STATE)]
    assert states[-1].runs[0] == (1, 2)

    second = cluster.start()
    cluster.send(trade(2, 1, "repair"), trade(3, 1, "repair"), trade(4, 1, "repair"), trade(5, 2, "repair"))
    eventually(lambda: cluster.ledger()["binance:A-USDT:3-4"].how == "repair")
    eventually(lambda: second.health()["behind"] == 0)
    assert second.stop() == 0
    ids = [item.first_id for item in cluster.trades()]
    assert len(ids) == len(set(ids)) == 5 + 7 * 3600
    assert not cluster.incomplete()
