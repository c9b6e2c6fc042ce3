"""What reaches `trades` can be read by everybody; what can't is refused with its reason."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.decimals import UnfitNumber, priced
from market.records import Trade, decode_trade, encode
from sequencer.validity import Checker, Refused

SYMBOL = "BTC-USDT"
TIME = 1_723_161_253_123_000
GOOD = Trade("binance", SYMBOL, "77", 100, 102, 102, "61234.5", "0.082", "5021.229", "sell", TIME, TIME + 5_000)


def changed(**fields: Any) -> bytes:
    return json.dumps({**msgspec.to_builtins(GOOD), **fields}).encode()


def test_a_good_trade_is_decoded_as_it_was() -> None:
    trade = Checker().check(SYMBOL.encode(), encode(GOOD))
    assert msgspec.to_builtins(trade) == msgspec.to_builtins(GOOD)
    assert trade.origin == "stream"


@pytest.mark.parametrize("symbol", ["BTC-USDT", "1000SATS-USDT", "币安人生-USDT"])
def test_symbols_of_the_venues_are_let_through(symbol: str) -> None:
    assert Checker().check(symbol.encode(), changed(symbol=symbol)).symbol == symbol


@given(
    st.decimals(min_value="0.000000000000000001", max_value="1e10", places=9).filter(lambda number: number > 0),
    st.decimals(min_value="0.000000000000000001", max_value="1e9", places=9).filter(lambda number: number > 0),
)
def test_every_number_that_the_venues_mapping_accepts_is_let_through(price: Any, size: Any) -> None:
    try:
        texts = priced(str(price), str(size))
    except UnfitNumber:
        return
    fields = dict(zip(("price", "size", "quote"), texts, strict=True))
    assert Checker().check(SYMBOL.encode(), changed(**fields)).quote == texts[2]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": "1e5"}, "price '1e5'"),
        ({"price": "-1"}, "price '-1'"),
        ({"price": "0"}, "price '0'"),
        ({"price": "0.000"}, "price '0.000'"),
        ({"price": ""}, "price ''"),
        ({"price": "NaN"}, "price 'NaN'"),
        ({"price": "1."}, "price '1.'"),
        ({"price": "007"}, "price '007'"),
        ({"price": "1 2"}, "price '1 2'"),
        ({"price": "1\n"}, "price '1\\n'"),
        ({"price": "٣"}, "price '٣'"),
        ({"size": "1" * 21}, "size '"),
        ({"quote": "0." + "1" * 19}, "quote '0.1"),
        ({"price": 61234.5}, "not a trade"),
        ({"price": None}, "not a trade"),
        ({"venue": "kraken"}, "not a trade"),
        ({"side": "both"}, "not a trade"),
        ({"origin": "rumour"}, "not a trade"),
        ({"first_id": -1}, "not a trade"),
        ({"last_id": 2**63}, "not a trade"),
        ({"sequence": 1.5}, "not a trade"),
        ({"first_id": 103}, "no range of an aggregate"),
        ({"last_id": 100 + 1_000_000}, "no range of an aggregate"),
        ({"event_time": TIME // 1000}, "not a trade"),
        ({"event_time": TIME * 1000}, "not a trade"),
        ({"receive_time": 0}, "not a trade"),
        ({"event_time": TIME + 2 * 86_400_000_000}, "ahead of the receive time"),
        ({"source_id": ""}, "source_id ''"),
        ({"source_id": "a b"}, "source_id 'a b'"),
        ({"source_id": "x" * 65}, "source_id 'xxx"),
        ({"surprise": 1}, "not a trade"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_with_its_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        Checker().check(SYMBOL.encode(), changed(**fields))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "-USDT", "BTC-", "A-B-C", "BTC -USDT", "BTC\x00-USDT", "B" * 33 + "-USDT"]
)
def test_a_symbol_that_is_none_is_refused(symbol: str) -> None:
    with pytest.raises(Refused, match="not of the form BASE-QUOTE"):
        Checker().check(symbol.encode(), changed(symbol=symbol))


@pytest.mark.parametrize("key", [None, b"", b"ETH-USDT"])
def test_a_key_that_is_not_the_symbol_is_refused_also_for_a_symbol_that_is_known(key: bytes | None) -> None:
    checker = Checker()
    for _ in range(2):
        with pytest.raises(Refused, match="is not its symbol"):
            checker.check(key, encode(GOOD))
        checker.check(SYMBOL.encode(), encode(GOOD))


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b"\xff\xfe", b"nonsense", b'{"venue":', b"[" * 100_000])
def test_what_is_no_trade_at_all_is_refused(value: bytes | None) -> None:
    with pytest.raises(Refused):
        Checker().check(SYMBOL.encode(), value)


def _surrogate(value: bytes) -> bytes:
    return value.replace(b"BTC", b"\\ud800")


def _latin(value: bytes) -> bytes:
    return value.replace(b"BTC", b"\xe9")


@pytest.mark.parametrize("damage", [_surrogate, _latin])
def test_text_that_is_no_unicode_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Refused, match="not a trade"):
        Checker().check(SYMBOL.encode(), damage(encode(GOOD)))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_check(value: bytes) -> None:
    with pytest.raises(Refused):
        Checker().check(SYMBOL.encode(), value)


def test_the_venue_of_a_refused_trade_is_told_where_it_can_be() -> None:
    with pytest.raises(Refused) as refused:
        Checker().check(SYMBOL.encode(), changed(price="0"))
    assert refused.value.venue == "binance"


def test_accepted_trades_are_read_by_the_common_decoder() -> None:
    assert (
        decode_trade(changed(origin="repair")).origin
        == Checker().check(SYMBOL.encode(), changed(origin="repair")).origin
    )
