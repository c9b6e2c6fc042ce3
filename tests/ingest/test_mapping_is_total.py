"""Whatever comes on a socket, mapping returns; and what it returns can be sent on."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.venues import Codes, Mapped, Mapper
from ingest.venues.binance.messages import BinanceMapper
from ingest.venues.kucoin.messages import KucoinMapper
from market.records import DeadLetter, encode
from tests.ingest.shapes import RECEIVED, binance, codes, kucoin

BINANCE = BinanceMapper(Codes.of(binance("BTC-USDT"), (), binance("BTC-USDT")), "aggTrade")
KUCOIN = KucoinMapper(codes(kucoin("BTC-USDT")))
MAPPERS: list[Mapper] = [
    BINANCE,
    BinanceMapper(codes(binance("BTC-USDT")), "trade"),
    KUCOIN,
]
WORDS = [
    "stream", "data", "e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M", "t", "b", "B", "A", "u", "id",
    "result", "error", "code", "msg", "c", "o", "h", "v", "topic", "type", "subject", "symbol", "side", "price",
    "size", "tradeId", "sequence", "time", "bestBid", "bestAsk", "bestBidSize", "bestAskSize", "Time",
    "lastUpdateId", "ticker", "vol", "bidPrice", "bidQty", "askPrice", "askQty",
]  # fmt: skip
VALUES = [
    "aggTrade", "trade", "24hrMiniTicker", "message", "match", "welcome", "ack", "error", "buy", "sell",
    "BTCUSDT", "BTC-USDT", "btcusdt@aggTrade", "btcusdt@trade", "btcusdt@bookTicker", "!miniTicker@arr",
    "!serverShutdown", "serverShutdown", "/market/match:BTC-USDT", "/market/ticker:all",
    "/market/ticker:BTC-USDT", "1", "0.5", "1e9999999999", "-0", "NaN", "1723161254087896568", "\ud800", "٣",
]  # fmt: skip
LEAVES = st.one_of(
    st.sampled_from(VALUES), st.text(), st.integers(), st.floats(), st.booleans(), st.none(),
    st.integers(1_262_304_000_000, 4_102_444_799_999),
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=12),
    max_leaves=30,
)


def check(mapped: Mapped) -> None:
    assert mapped.trades or mapped.tickers or mapped.control or mapped.ignored or mapped.unmapped or mapped.whole_market
    for trade in mapped.trades:
        encode(trade)
    for item in mapped.unmapped:
        assert item.reason
        encode(DeadLetter("ingest", item.reason, item.payload, RECEIVED // 1000))


def look(frame: bytes) -> None:
    for mapper in MAPPERS:
        check(mapper.map_frame(frame, RECEIVED))
    for asked in (KUCOIN.map_day_figures(frame, RECEIVED), BINANCE.map_books(frame, RECEIVED)):
        assert all(item.reason for item in asked.unmapped)


@given(st.binary())
def test_arbitrary_bytes_are_a_dead_letter_at_worst(frame: bytes) -> None:
    look(frame)


@given(ANYTHING)
def test_arbitrary_json_is_a_dead_letter_at_worst(value: object) -> None:
    look(json.dumps(value).encode())


@given(
    st.fixed_dictionaries(
        {"e": st.just("aggTrade"), "s": st.just("BTCUSDT")}, optional=dict.fromkeys("afplqTm", LEAVES)
    )
)
def test_an_aggregate_with_any_fields_is_a_dead_letter_at_worst(data: dict[str, object]) -> None:
    look(json.dumps({"stream": "btcusdt@aggTrade", "data": data}).encode())


@given(
    st.fixed_dictionaries(
        {"type": st.just("match"), "symbol": st.just("BTC-USDT")},
        optional=dict.fromkeys(("side", "price", "size", "tradeId", "sequence", "time"), LEAVES),
    )
)
def test_a_match_with_any_fields_is_a_dead_letter_at_worst(data: dict[str, object]) -> None:
    look(json.dumps({"type": "message", "topic": "/market/match:BTC-USDT", "data": data}).encode())
