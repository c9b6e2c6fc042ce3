"""Faults as plans, and what becomes of messages under them: pure."""

import json
import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.records import Venue
from replay import faults
from replay.bends import Bend, spoiled
from replay.faults import DISCONNECTS, KINDS, LISTS, STORM, VENUES_OF, Fault, Kind, script
from replay.recorded import traded
from replay.wire import Message, binance

SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "ADA-USDT"]
HOUR = 3_600_000_000


@given(st.integers(), st.dictionaries(st.sampled_from(KINDS), st.integers(0, 9)))
def test_the_same_seed_is_the_same_script(seed: int, counts: dict[Kind, int]) -> None:
    plan = script(seed, HOUR, 2 * HOUR, SYMBOLS, counts)
    assert plan == script(seed, HOUR, 2 * HOUR, SYMBOLS, counts)
    assert Counter(fault.kind for fault in plan) == Counter(counts)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(HOUR <= fault.at < 2 * HOUR for fault in plan)
    assert all(fault.venue in VENUES_OF[fault.kind] for fault in plan)
    assert all(set(fault.symbols) <= set(SYMBOLS) for fault in plan)
    assert faults.decode(faults.encode(plan), 0) == plan


@given(st.integers(), st.integers(0, 9))
def test_what_is_drawn_for_one_kind_does_not_depend_on_the_others(seed: int, count: int) -> None:
    alone = script(seed, 0, HOUR, SYMBOLS, {"late": 5})
    beside = script(seed, 0, HOUR, SYMBOLS, {"late": 5, "close": count, "halt": count})
    assert [fault for fault in beside if fault.kind == "late"] == alone


def test_another_seed_is_another_script() -> None:
    assert script(1, 0, HOUR, SYMBOLS) != script(2, 0, HOUR, SYMBOLS)


def test_a_storm_has_every_kind_at_every_venue_and_over_a_hundred_disconnects() -> None:
    plan = script(7, 0, HOUR, SYMBOLS)
    assert sum(fault.kind in DISCONNECTS for fault in plan) >= 100
    found = {(fault.kind, fault.venue) for fault in plan}
    assert found == {(kind, venue) for kind in KINDS for venue in VENUES_OF[kind]}
    assert set(STORM) == set(KINDS)


def test_a_list_changes_only_where_that_is_asked_for() -> None:
    assert not LISTS & set(KINDS)
    text = '{"kind":"renamed","venue":"kucoin","symbols":["A-USDT"],"base":"B"}'
    assert faults.decode(text, 7) == [Fault("renamed", "kucoin", 7, symbols=("A-USDT",), base="B")]


def test_a_fault_may_come_at_a_time_or_after_a_while_or_now() -> None:
    given = [
        {"kind": "close", "venue": "kucoin", "at": 5},
        {"kind": "close", "venue": "kucoin", "in": 7},
        {"kind": "close", "venue": "kucoin"},
    ]
    assert [fault.at for fault in faults.decode(json.dumps(given), 100)] == [5, 107, 100]
    assert faults.decode(json.dumps(given[0]), 100) == [Fault("close", "kucoin", 5)]


@pytest.mark.parametrize(
    "given",
    [
        "no json",
        "[1]",
        '{"kind":"close"}',
        '{"kind":"none","venue":"binance"}',
        '{"kind":"shutdown","venue":"kucoin"}',
        '{"kind":"close","venue":"binance","share":0}',
        '{"kind":"close","venue":"binance","count":0}',
        '{"kind":"close","venue":"binance","in":"soon"}',
        '{"kind":"close","venue":"binance","at":-1}',
        '{"kind":"close","venue":"binance","when":1}',
        '{"kind":"close","venue":"binance","base":"X"}',
        '{"kind":"delisted","venue":"binance"}',
        '{"kind":"renamed","venue":"kucoin","symbols":["BTC-USDT"]}',
        '{"kind":"renamed","venue":"binance","symbols":["BTC-USDT"],"base":"X"}',
    ],
)
def test_a_wrong_fault_is_refused_with_a_reason(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        faults.decode(given, 0)


def bent(kind: Kind, items: int, count: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Return what comes at once of items one second apart, and what comes once all is due."""
    bend = Bend[int](Fault(kind, "binance", 0, count=count, seed=seed, delay=HOUR), "channel", lambda item, _: -item)
    sent = [each for item in range(items) for each in bend.take(item, item * 1_000_000)]
    return sent, bend.due(10 * HOUR)


@given(st.integers(0, 30), st.integers(1, 10), st.integers())
def test_skipped_items_are_lost_and_the_rest_come_in_order(items: int, count: int, seed: int) -> None:
    assert bent("skipped", items, count, seed) == (list(range(count, items)), [])


@given(st.integers(12, 30), st.integers(1, 8), st.integers())
def test_repeated_items_come_twice_and_soon(items: int, count: int, seed: int) -> None:
    sent, held = bent("repeated", items, count, seed)
    assert held == []
    assert Counter(sent) == Counter([*range(items), *range(count)])
    firsts = [item for index, item in enumerate(sent) if item not in sent[:index]]
    assert firsts == list(range(items))


@given(st.integers(0, 30), st.integers(1, 10), st.integers())
def test_reordered_items_all_come_in_another_order(items: int, count: int, seed: int) -> None:
    sent, held = bent("reordered", items, count, seed)
    count = max(2, count)
    assert sorted(sent + held) == list(range(items))
    if items >= count:
        assert sent[:count] != list(range(count))
        assert sent[count:] == list(range(count, items))


@given(st.integers(1, 30), st.integers(1, 10))
def test_late_items_come_later_in_their_order(items: int, count: int) -> None:
    assert bent("late", items, count) == (list(range(count, items)), list(range(min(items, count))))


def test_a_late_item_comes_after_its_delay_and_not_before() -> None:
    bend = Bend[int](Fault("late", "binance", 0, count=2, delay=50), "channel", lambda item, _: item)
    assert bend.take(1, 100) == bend.take(2, 120) == []
    assert bend.due(149) == []
    assert bend.due(150) == [1]
    assert not bend.idle
    assert bend.due(170) == [2]
    assert bend.idle


AGGREGATE = binance(
    "btcusdt@aggTrade",
    b'{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1.0","q":"2.0","f":1,"l":2,"T":1600000000000,"m":true,"M":true}',
)
MATCH = Message(
    "/market/match:BTC-USDT",
    b'{"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match","data":{"symbol":"BTC-USDT",'
    b'"price":"1","size":"2","sequence":"7","time":"1600000000000000000"}}',
)


@given(st.sampled_from([AGGREGATE, MATCH]), st.integers(0, 500))
def test_a_spoiled_message_holds_no_trade(message: Message, seed: int) -> None:
    broken = spoiled(message, random.Random(seed))
    assert broken.channel == message.channel
    assert broken.whole != message.whole
    try:
        whole = msgspec.json.decode(broken.whole)
    except msgspec.DecodeError:
        return
    venue: Venue = "binance" if message is AGGREGATE else "kucoin"
    data = whole["data"] if isinstance(whole, dict) else None
    assert traded(venue, msgspec.json.encode(data)) is None
