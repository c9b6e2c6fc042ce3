import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.venues import Control, Endpoint, Fact, Session, Shard
from ingest.venues.binance import session as binance_rules
from ingest.venues.binance.session import BinanceSession
from ingest.venues.kucoin import session as kucoin_rules
from ingest.venues.kucoin.session import KucoinSession
from ingest.venues.requests import Requests
from tests.ingest.shapes import binance, kucoin

ENDPOINT = Endpoint("ws://x", 18.0, 10.0)
PAIRS = [f"A{number}-USDT" for number in range(1000)]
MATCHES = Shard(1, ("/market/match:A-B", "/market/ticker:all"), ("A-B",))


def sent(session: Session, until: float, step: float = 0.05) -> list[tuple[float, str]]:
    """Return what the session sends up to a time, and when, if nobody answers."""
    times = [number * step for number in range(round(until / step) + 1)]
    return [(now, message) for now in times for message in session.due(now)]


def welcomed() -> KucoinSession:
    session = KucoinSession(MATCHES, ENDPOINT, 0.0)
    session.received(Control("welcome", "x"), 0.0)
    return session


def test_binance_connections_carry_every_stream_once_within_the_limit() -> None:
    shards = binance_rules.shards(binance(*PAIRS), "aggTrade", 200)
    streams = [name for shard in shards for name in shard.subscriptions]
    assert [shard.number for shard in shards] == list(range(1, 12))
    assert max(len(shard.subscriptions) for shard in shards) == 200
    assert streams[0] == "!miniTicker@arr"
    assert sorted(streams[1:]) == sorted(
        f"{pair.replace('-', '').lower()}@{channel}" for pair in PAIRS for channel in ("aggTrade", "bookTicker")
    )
    assert {symbol for shard in shards for symbol in shard.symbols} == set(PAIRS)


@pytest.mark.parametrize("channel", ["all", "symbols"])
def test_kucoin_connections_carry_every_topic_once_within_the_limits(channel: str) -> None:
    shards = kucoin_rules.shards(kucoin(*PAIRS), "all" if channel == "all" else "symbols", 300)
    seen = []
    for shard in shards:
        topics = 0
        for subscription in shard.subscriptions:
            prefix, _, codes = subscription.partition(":")
            assert len(codes.split(",")) <= 100
            topics += len(codes.split(","))
            seen += [f"{prefix}:{code}" for code in codes.split(",")]
        assert topics <= 300
    expected = [f"/market/match:{pair}" for pair in PAIRS]
    tickers = ["/market/ticker:all"] if channel == "all" else [f"/market/ticker:{pair}" for pair in PAIRS]
    assert sorted(seen) == sorted(expected + tickers)


def test_it_is_known_by_which_subscription_the_trades_of_which_symbols_come() -> None:
    first, second = binance_rules.shards(binance("A-USDT", "B-USDT", "C-USDT"), "aggTrade", 6)
    assert first.trades == {f"{code}usdt@aggTrade": (f"{code.upper()}-USDT",) for code in "abc"}
    assert (second.subscriptions, second.symbols, second.trades) == (("cusdt@bookTicker",), ("C-USDT",), {})
    (shard,) = kucoin_rules.shards(kucoin("A-USDT", "B-USDT"), "symbols", 300)
    assert shard.subscriptions == ("/market/match:A-USDT,B-USDT", "/market/ticker:A-USDT,B-USDT")
    assert shard.trades == {"/market/match:A-USDT,B-USDT": ("A-USDT", "B-USDT")}


def test_without_symbols_there_are_no_connections() -> None:
    assert binance_rules.shards([], "aggTrade", 200) == []
    assert kucoin_rules.shards([], "all", 300) == []


def test_binance_is_never_sent_more_than_five_messages_a_second() -> None:
    (shard,) = binance_rules.shards(binance(*PAIRS[:500]), "aggTrade", 1024)
    times = [now for now, _ in sent(BinanceSession(shard), 30)]
    assert len(times) == 11
    for start in times:
        # Two of the five are left for pongs and for what the network bunches up.
        assert sum(start <= now < start + 1 for now in times) <= 3


def test_binance_subscribes_streams_in_lower_case_with_ids_of_its_own() -> None:
    (shard,) = binance_rules.shards(binance("BTC-USDT"), "trade", 200)
    ((_, message),) = sent(BinanceSession(shard), 5)
    assert json.loads(message) == {
        "method": "SUBSCRIBE",
        "params": ["!miniTicker@arr", "btcusdt@trade", "btcusdt@bookTicker"],
        "id": 1,
    }


def test_an_acknowledgement_says_what_is_subscribed() -> None:
    session = BinanceSession(Shard(1, ("a@trade",), ("A-B",)))
    session.due(0.0)
    assert session.received(Control("ack", "1"), 0.1) == [Fact("subscribed", {"subscriptions": ("a@trade",)})]
    assert session.received(Control("ack", "1"), 0.2) == []
    assert session.ending(1000.0) is None


def test_a_subscription_that_is_never_acknowledged_ends_the_connection() -> None:
    session = BinanceSession(Shard(1, ("a@trade",), ("A-B",)))
    session.due(5.0)
    assert session.ending(14.9) is None
    assert "a@trade" in str(session.ending(15.0))


def test_time_in_which_nobody_read_does_not_count() -> None:
    session = BinanceSession(Shard(1, ("a@trade",), ("A-B",)))
    session.due(0.0)
    session.excuse(100.0)
    assert session.ending(109.0) is None
    assert session.ending(110.0) is not None


def test_a_refusal_is_told_and_no_longer_awaited() -> None:
    session = BinanceSession(Shard(1, ("a@trade",), ("A-B",)))
    session.due(0.0)
    (fact,) = session.received(Control("error", "1", 4, "Too many subscriptions"), 0.1)
    assert fact.kind == "refused"
    assert fact.detail == {"code": 4, "message": "Too many subscriptions", "subscriptions": ("a@trade",)}
    assert session.ending(1000.0) is None


def test_a_shutdown_notice_asks_for_a_replacement_while_the_connection_works_on() -> None:
    session = BinanceSession(Shard(1, (), ()))
    assert session.leaving is None
    assert session.received(Control("shutdown"), 1.0) == [Fact("shutdown_notice")]
    assert session.leaving == "the venue announced a shutdown"
    assert session.ending(1000.0) is None


def test_trades_are_relied_on_from_their_own_answer_on_whenever_that_of_tickers_comes() -> None:
    (shard,) = kucoin_rules.shards(kucoin("A-USDT"), "all", 300)
    session = KucoinSession(shard, ENDPOINT, 0.0)
    session.received(Control("welcome", "x"), 0.0)
    assert session.confirmed() is None
    sent(session, 0.01)
    session.received(Control("ack", "1"), 0.01)
    assert session.confirmed() == ["/market/match:A-USDT"]


def test_trades_of_several_requests_are_relied_on_once_the_last_of_them_is_answered() -> None:
    streams = tuple(f"a{number}@{channel}" for channel in ("trade", "bookTicker") for number in range(150))
    session = BinanceSession(Shard(1, streams, (), {name: (name,) for name in streams[:150]}))
    sent(session, 5.0)
    session.received(Control("ack", "2"), 5.0)
    assert session.confirmed() is None
    session.received(Control("ack", "1"), 5.0)
    assert set(session.confirmed() or ()) == set(streams[:200])


def test_without_trades_every_answer_is_awaited() -> None:
    session = welcomed()
    assert session.confirmed() is None
    sent(session, 1.0)
    session.received(Control("ack", "2"), 1.0)
    assert session.confirmed() is None
    session.received(Control("error", "1", 404, "topic does not exist"), 1.0)
    assert session.confirmed() == [MATCHES.subscriptions[1]]


def test_nothing_is_sent_to_kucoin_before_the_welcome() -> None:
    session = KucoinSession(MATCHES, ENDPOINT, 0.0)
    assert sent(session, 9.9) == []
    assert session.ending(9.9) is None
    assert session.ending(10.0) == "no welcome"


def test_kucoin_is_asked_for_acknowledgements() -> None:
    messages = [json.loads(message) for _, message in sent(welcomed(), 1)]
    assert messages == [
        {"id": str(number), "type": "subscribe", "topic": topic, "privateChannel": False, "response": True}
        for number, topic in enumerate(MATCHES.subscriptions, start=1)
    ]


def test_kucoin_is_pinged_at_its_interval_and_never_flooded() -> None:
    (shard,) = kucoin_rules.shards(kucoin(*PAIRS), "symbols", 2000)
    session = KucoinSession(shard, ENDPOINT, 0.0)
    session.received(Control("welcome"), 0.0)
    found = sent(session, 60)
    pings = [now for now, message in found if json.loads(message)["type"] == "ping"]
    assert pings == pytest.approx([18, 36, 54], abs=0.2)
    for start, _ in found:
        assert sum(start <= now < start + 10 for now, _ in found) <= 100


def test_a_ping_without_a_pong_ends_the_connection() -> None:
    session = welcomed()
    for number in ("1", "2"):
        session.due(float(number))
        session.received(Control("ack", number), 2.0)
    session.due(18.0)
    assert session.ending(27.9) is None
    assert session.ending(28.0) == "no answer to a ping"
    session.received(Control("pong", "ping-1"), 27.0)
    assert session.ending(28.0) is None


@pytest.mark.parametrize(
    "control",
    [Control("error", "1", 401, "token is expired"), Control("error", "ping-1", 400, "ping timeout")],
)
def test_an_error_about_the_connection_ends_it(control: Control) -> None:
    session = welcomed()
    session.due(0.0)
    assert [fact.kind for fact in session.received(control, 1.0)] == ["refused"]
    assert control.text in str(session.ending(1.0))


def test_a_refused_topic_leaves_the_others() -> None:
    session = welcomed()
    session.due(0.0)
    (fact,) = session.received(Control("error", "1", 404, "topic does not exist"), 1.0)
    assert fact.detail["subscriptions"] == (MATCHES.subscriptions[0],)
    assert session.ending(1.0) is None


def test_a_notice_of_the_venue_is_passed_on() -> None:
    assert welcomed().received(Control("notice", text="soon"), 0.0) == [Fact("notice", {"message": "soon"})]


@given(st.integers(1, 40), st.floats(0.05, 1), st.lists(st.floats(0, 0.3), max_size=300))
def test_requests_leave_in_order_each_once_and_never_closer_than_the_gap(
    count: int, gap: float, steps: list[float]
) -> None:
    requests = Requests(gap)
    for number in range(count):
        requests.add(str(number), str(number), (str(number),))
    now, found = 0.0, []
    for step in steps:
        now += step
        found += [(now, text) for text in requests.due(now)]
    assert [text for _, text in found] == [str(number) for number in range(len(found))]
    assert all(later - earlier >= gap - 1e-9 for (earlier, _), (later, _) in itertools.pairwise(found))
