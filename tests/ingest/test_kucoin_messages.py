import json
from typing import Any

import pytest

from ingest.venues import Codes, Control, Mapped
from ingest.venues.kucoin.messages import KucoinMapper
from market.records import Trade
from tests.data import MESSAGES, needs_shared
from tests.ingest.shapes import RECEIVED, codes, kucoin, rest_body, socket_messages

SHAPES = MESSAGES / "JKorf-Kucoin.Net"
MATCH = {
    "symbol": "BTC-USDT", "type": "match", "side": "buy", "price": "67523", "size": "0.003",
    "tradeId": "11067996711960577", "sequence": "11067996711960577", "takerOrderId": "671b", "makerOrderId": "671c",
    "time": "1729843222921000000",
}  # fmt: skip
TICKER = {
    "sequence": "23242050174", "price": "2667.64", "size": "0.002", "bestAsk": "2667.61", "bestAskSize": "10.590",
    "bestBid": "2667.6", "bestBidSize": "0.89", "time": 1790984011673,
}  # fmt: skip
DAY = {
    "symbol": "BTC-USDT", "symbolName": "BTC-USDT", "buy": "11328.9", "sell": "11329", "bestBidSize": "0.1",
    "bestAskSize": "1", "changeRate": "-0.0055", "changePrice": "-63.6", "high": "11610", "low": "11200",
    "vol": "2282.70993217", "volValue": "25984946.157790431", "last": "11328.9", "averagePrice": "11360.66065903",
}  # fmt: skip

mapper = KucoinMapper(codes(kucoin("BTC-USDT"), kucoin("ETH-USDT")))


def mapped(message: Any) -> Mapped:
    return mapper.map_frame(json.dumps(message).encode(), RECEIVED)


def match(data: Any) -> Mapped:
    return mapped({"topic": "/market/match:BTC-USDT", "type": "message", "subject": "trade.l3match", "data": data})


def ticker(data: Any, topic: str = "/market/ticker:BTC-USDT", subject: str = "trade.ticker") -> Mapped:
    return mapped({"data": data, "subject": subject, "topic": topic, "type": "message"})


def day(*tickers: Any) -> Mapped:
    body = {"code": "200000", "data": {"time": 1602832092060, "ticker": list(tickers)}}
    return mapper.map_day_figures(json.dumps(body).encode(), RECEIVED)


def test_a_match_is_a_trade_of_the_taker() -> None:
    expected = Trade(
        "kucoin", "BTC-USDT", "11067996711960577", 11067996711960577, 11067996711960577, 11067996711960577,
        "67523", "0.003", "202.569", "buy", 1_729_843_222_921_000, RECEIVED // 1000, "stream",
    )  # fmt: skip
    assert match(MATCH) == Mapped("match", (expected,))


def test_twenty_decimals_and_an_id_in_hexadecimal_are_what_old_messages_have() -> None:
    old = {
        "price": "0.08200000000000000000", "size": "0.01022222000000000000", "tradeId": "5c24c5da03aa673885cd67aa",
        "sequence": "1545896669145", "time": "1545913818099033203",
    }  # fmt: skip
    (trade,) = match(MATCH | old).trades
    assert (trade.price, trade.size, trade.quote) == ("0.082", "0.01022222", "0.00083822204")
    assert (trade.source_id, trade.first_id, trade.last_id) == (
        "5c24c5da03aa673885cd67aa",
        1545896669145,
        1545896669145,
    )
    assert trade.event_time == 1_545_913_818_099_033


@pytest.mark.parametrize(
    ("topic", "subject"), [("/market/ticker:BTC-USDT", "trade.ticker"), ("/market/ticker:all", "BTC-USDT")]
)
def test_a_ticker_tells_last_price_bid_and_ask(topic: str, subject: str) -> None:
    found = ticker(TICKER, topic, subject)
    (part,) = found.tickers
    assert part.symbol == "BTC-USDT"
    assert part.event_time == 1_790_984_011_673_000
    assert part.values == {
        "last_price": "2667.64", "last_size": "0.002", "bid_price": "2667.6", "bid_size": "0.89",
        "ask_price": "2667.61", "ask_size": "10.59",
    }  # fmt: skip
    assert found.whole_market == (subject != "trade.ticker")


def test_the_time_may_be_spelt_as_in_the_documentation_or_be_absent() -> None:
    bare = {name: value for name, value in TICKER.items() if name != "time"}
    assert ticker(bare | {"Time": 1729172965609}).tickers[0].event_time == 1_729_172_965_609_000
    assert ticker(bare).tickers[0].event_time == RECEIVED // 1000


def test_an_empty_side_of_a_ticker_has_no_price() -> None:
    (part,) = ticker(TICKER | {"bestBid": None, "bestBidSize": None, "bestAsk": "0", "bestAskSize": "0"}).tickers
    assert [part.values[name] for name in ("bid_price", "bid_size", "ask_price", "ask_size")] == [None] * 4


def test_symbols_of_the_whole_market_that_nobody_follows_are_passed_over() -> None:
    for code in ("ETH-USDT", "NO-SUCH"):
        assert ticker(TICKER, "/market/ticker:all", code) == Mapped("ticker", whole_market=True)


def test_listed_symbols_that_nobody_follows_are_ignored() -> None:
    assert match(MATCH | {"symbol": "ETH-USDT"}).ignored
    assert ticker(TICKER, "/market/ticker:ETH-USDT").ignored


def test_day_figures_only_fill_in_what_the_socket_gives() -> None:
    found = day(DAY, DAY | {"symbol": "ETH-USDT"})
    (part,) = found.tickers
    assert part.event_time == 1_602_832_092_060_000
    assert part.values == {
        "open_24h": "11392.5", "high_24h": "11610", "low_24h": "11200", "base_volume_24h": "2282.70993217",
        "quote_volume_24h": "25984946.157790431",
    }  # fmt: skip
    assert part.fallback["last_price"] == "11328.9"
    assert not found.unmapped


def test_tickers_of_the_whole_market_are_taken_of_the_symbols_that_are_asked_for() -> None:
    listed = kucoin("BTC-USDT", "ETH-USDT", "LTC-USDT")
    wider = KucoinMapper(Codes.of(listed, listed[:1], listed[:2]))
    message = {"topic": "/market/ticker:all", "type": "message", "data": TICKER}
    for item in listed[:2]:
        (part,) = wider.map_frame(json.dumps(message | {"subject": item.code}).encode(), RECEIVED).tickers
        assert part.symbol == item.symbol
    other = wider.map_frame(json.dumps(message | {"subject": "LTC-USDT"}).encode(), RECEIVED)
    assert (other.tickers, other.whole_market) == ((), True)
    # A symbol's own topic is not subscribed where it is not followed.
    own = message | {"topic": "/market/ticker:ETH-USDT", "subject": "trade.ticker"}
    assert wider.map_frame(json.dumps(own).encode(), RECEIVED).ignored
    answer = {"data": {"time": 1602832092060, "ticker": [DAY | {"symbol": item.code} for item in listed]}}
    found = wider.map_day_figures(json.dumps(answer).encode(), RECEIVED)
    assert [part.symbol for part in found.tickers] == ["BTC-USDT", "ETH-USDT"]


def test_day_figures_may_be_null_and_bad_ones_spoil_no_others() -> None:
    empty = dict.fromkeys(DAY, None) | {"symbol": "BTC-USDT"}
    found = day(DAY | {"vol": 5}, empty, DAY)
    assert [part.values["high_24h"] for part in found.tickers] == [None, "11610"]
    assert found.tickers[0].values["open_24h"] is None
    assert len(found.unmapped) == 1
    assert "Expected `str" in found.unmapped[0].reason


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data":null}', b'{"data":{"time":1,"ticker":[]}}'])
def test_an_answer_of_another_shape_is_a_dead_letter(body: bytes) -> None:
    assert len(mapper.map_day_figures(body, RECEIVED).unmapped) == 1


@pytest.mark.parametrize(
    ("frame", "control"),
    [
        ({"id": "NO5qHAIMc4", "type": "welcome"}, Control("welcome", "NO5qHAIMc4")),
        ({"id": "1", "type": "ack"}, Control("ack", "1")),
        ({"id": 1, "type": "ack"}, Control("ack", "1")),
        ({"id": "7", "type": "pong", "timestamp": 1790984011673123}, Control("pong", "7")),
        ({"id": "7", "type": "pong"}, Control("pong", "7")),
        (
            {"id": "2", "type": "error", "code": 401, "data": "token is expired"},
            Control("error", "2", 401, "token is expired"),
        ),
        ({"type": "error", "code": "404", "data": "no"}, Control("error", None, 404, "no")),
        (
            {"type": "notice", "topic": "", "subject": "maintenance", "data": "soon"},
            Control("notice", None, text="notice maintenance: soon"),
        ),
    ],
)
def test_messages_about_the_session_are_told_apart(frame: Any, control: Control) -> None:
    assert mapped(frame) == Mapped("control", control=control)


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        ("/market/level2:BTC-USDT", "level2"),
        ("/market/candles:BTC-USDT_1min", "candles"),
        ("/market/snapshot:BTC", "snapshot"),
        ("/callauction/level2Depth50:BTC-USDT", "other"),
        ("", "other"),
    ],
)
def test_channels_that_were_not_subscribed_are_ignored(topic: str, channel: str) -> None:
    assert mapped({"type": "message", "topic": topic, "data": {}}) == Mapped(channel, ignored=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"price": "0"}, "above zero"),
        ({"size": "1E+999999999"}, "more digits"),
        ({"size": 1}, "Expected `str`"),
        ({"symbol": "NO-SUCH"}, "unknown symbol 'NO-SUCH'"),
        ({"time": "1729843222921"}, "nanoseconds"),
        ({"time": 1729843222921000000}, "Expected `str`"),
        ({"time": "9729843222921000000"}, "between 2010 and 2100"),
        ({"sequence": "5c24"}, "not a number"),
        ({"sequence": "9" * 19}, "not a number"),
        ({"side": "BUY"}, "Invalid enum value"),
        ({"type": "received"}, "Invalid enum value"),
        ({"tradeId": ""}, "length"),
    ],
)
def test_what_does_not_fit_is_a_dead_letter_with_the_reason(change: dict[str, Any], told: str) -> None:
    found = match(MATCH | change)
    assert not found.trades
    assert told in found.unmapped[0].reason
    assert json.loads(found.unmapped[0].payload)["data"] == MATCH | change


@needs_shared
@pytest.mark.parametrize("name", ["Trades", "Ticker", "Tickers"])
def test_every_documented_shape_that_is_subscribed_is_mapped(name: str) -> None:
    replies, pushed = socket_messages(SHAPES / "Subscriptions" / "Spot" / f"{name}.txt")
    assert [mapper.map_frame(reply.encode(), RECEIVED).control for reply in replies] == [Control("ack", "1")]
    found = mapper.map_frame(pushed.encode(), RECEIVED)
    assert len(found.trades) + len(found.tickers) == 1
    assert not found.unmapped


@needs_shared
@pytest.mark.parametrize("name", ["Klines", "Snapshot"])
def test_every_documented_shape_that_is_not_subscribed_is_ignored(name: str) -> None:
    _, pushed = socket_messages(SHAPES / "Subscriptions" / "Spot" / f"{name}.txt")
    assert mapper.map_frame(pushed.encode(), RECEIVED).ignored


@needs_shared
def test_the_documented_answer_with_all_tickers_is_mapped() -> None:
    body = rest_body(SHAPES / "Endpoints" / "Spot" / "ExchangeData" / "GetTickers.txt")
    found = mapper.map_day_figures(body, RECEIVED)
    assert len(found.tickers) == 1
    assert not found.unmapped
