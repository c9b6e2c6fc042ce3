import json
from typing import Any

import msgspec
import pytest

from ingest.venues import Codes, Control, Mapped
from ingest.venues.binance.messages import BinanceMapper
from market.records import Trade
from market.symbols import instrument
from tests.data import MESSAGES, needs_shared
from tests.ingest.shapes import RECEIVED, binance, codes, socket_messages

SHAPES = MESSAGES / "JKorf-Binance.Net" / "Subscriptions" / "Spot" / "ExchangeData"
AGGREGATE = {
    "e": "aggTrade", "E": 1672515782136, "s": "BNBBTC", "a": 12345, "p": "0.00100000", "q": "100.0",
    "f": 100, "l": 105, "T": 1672515782135, "m": True, "M": True,
}  # fmt: skip
TRADE = {
    "e": "trade", "E": 1672515782136, "s": "BNBBTC", "t": 12345, "p": "0.001", "q": "100", "b": 88, "a": 50,
    "T": 1672515782135, "m": False, "M": True,
}  # fmt: skip
BOOK = {"u": 400900217, "s": "BNBBTC", "b": "25.35190000", "B": "31.21", "a": "25.3652", "A": "40.66000000"}
MINI = {
    "e": "24hrMiniTicker", "E": 1672515782136, "s": "BNBBTC", "c": "0.0025", "o": "0.0010", "h": "0.0025",
    "l": "0.0010", "v": "10000", "q": "18",
}  # fmt: skip

aggregates = BinanceMapper(codes(binance("BNB-BTC"), binance("ETH-BTC")), "aggTrade")
trades = BinanceMapper(codes(binance("BNB-BTC"), binance("ETH-BTC")), "trade")


def mapped(message: Any, mapper: BinanceMapper = aggregates) -> Mapped:
    return mapper.map_frame(json.dumps(message).encode(), RECEIVED)


def wrapped(stream: str, data: Any, mapper: BinanceMapper = aggregates) -> Mapped:
    return mapped({"stream": stream, "data": data}, mapper)


def reason(found: Mapped) -> str:
    assert not found.trades
    assert not found.tickers
    assert len(found.unmapped) == 1
    return found.unmapped[0].reason


def test_an_aggregate_is_one_trade_with_its_range_of_ids() -> None:
    expected = Trade(
        "binance", "BNB-BTC", "12345", 100, 105, 105, "0.001", "100", "0.1", "sell",
        1_672_515_782_135_000, RECEIVED // 1000, "stream",
    )  # fmt: skip
    assert wrapped("bnbbtc@aggTrade", AGGREGATE) == Mapped("aggTrade", (expected,))


def test_a_frame_means_the_same_without_its_wrapping() -> None:
    assert mapped(AGGREGATE) == wrapped("bnbbtc@aggTrade", AGGREGATE)
    assert mapped(TRADE, trades) == wrapped("bnbbtc@trade", TRADE, trades)
    assert mapped(BOOK) == wrapped("bnbbtc@bookTicker", BOOK)
    assert mapped(MINI) == wrapped("bnbbtc@miniTicker", MINI)
    assert mapped([MINI]) == wrapped("!miniTicker@arr", [MINI])


def test_a_single_trade_may_still_have_the_old_order_ids() -> None:
    expected = Trade(
        "binance", "BNB-BTC", "12345", 12345, 12345, 12345, "0.001", "100", "0.1", "buy",
        1_672_515_782_135_000, RECEIVED // 1000, "stream",
    )  # fmt: skip
    assert wrapped("bnbbtc@trade", TRADE, trades).trades == (expected,)


def test_the_other_stream_of_trades_would_count_them_twice_and_is_ignored() -> None:
    assert wrapped("bnbbtc@trade", TRADE, aggregates) == Mapped("trade", ignored=True)
    assert wrapped("bnbbtc@aggTrade", AGGREGATE, trades) == Mapped("aggTrade", ignored=True)


def test_best_bid_and_ask_carry_the_receive_time_since_they_have_none() -> None:
    (part,) = wrapped("bnbbtc@bookTicker", BOOK).tickers
    assert part.values == {"bid_price": "25.3519", "bid_size": "31.21", "ask_price": "25.3652", "ask_size": "40.66"}
    assert part.event_time == part.receive_time == RECEIVED // 1000


def test_a_side_without_orders_has_no_price() -> None:
    (part,) = mapped(BOOK | {"b": "0.00000000", "B": "0.00000000"}).tickers
    assert part.values["bid_price"] is None
    assert part.values["bid_size"] is None
    assert part.values["ask_price"] == "25.3652"


def test_a_mini_ticker_gives_the_last_price_and_the_day() -> None:
    (part,) = wrapped("bnbbtc@miniTicker", MINI).tickers
    assert part.symbol == "BNB-BTC"
    assert part.event_time == 1_672_515_782_136_000
    assert part.values == {
        "last_price": "0.0025", "open_24h": "0.001", "high_24h": "0.0025", "low_24h": "0.001",
        "base_volume_24h": "10000", "quote_volume_24h": "18",
    }  # fmt: skip


def test_one_bad_element_of_an_array_does_not_spoil_the_others() -> None:
    found = wrapped("!miniTicker@arr", [MINI | {"c": 1}, MINI | {"s": "ETHBTC"}, 7, MINI])
    assert [part.symbol for part in found.tickers] == ["BNB-BTC"]
    assert [item.payload for item in found.unmapped] == [json.dumps(MINI | {"c": 1}), "7"]
    assert not found.ignored


def test_tickers_of_the_whole_market_are_taken_of_the_symbols_that_are_asked_for() -> None:
    listed = binance("BNB-BTC", "ETH-BTC", "LTC-BTC")
    mapper = BinanceMapper(Codes.of(listed, listed[:1], listed[:2]), "aggTrade")
    minis = [MINI | {"s": item.code} for item in listed]
    found = wrapped("!miniTicker@arr", minis, mapper)
    assert [part.symbol for part in found.tickers] == ["BNB-BTC", "ETH-BTC"]
    # The stream of best bid and ask is ahead of what REST says of a symbol that is followed.
    book = {"bidPrice": "25.35", "bidQty": "31.2", "askPrice": "0.00000000", "askQty": "0.00000000"}
    bad = book | {"symbol": "ETHBTC", "bidQty": "x"}
    found = mapper.map_books(json.dumps([book | {"symbol": item.code} for item in listed] + [bad]).encode(), RECEIVED)
    (part,) = found.tickers
    assert (part.symbol, part.event_time) == ("ETH-BTC", RECEIVED // 1000)
    assert part.values == {"bid_price": "25.35", "bid_size": "31.2", "ask_price": None, "ask_size": None}
    assert len(found.unmapped) == 1
    assert len(mapper.map_books(b'{"code":-1003,"msg":"Too many"}', RECEIVED).unmapped) == 1


def test_a_symbol_that_is_followed_has_its_ticker_by_the_code_that_is_followed() -> None:
    old, new = (instrument("binance", code, "A", "B", trading=True) for code in ("OLD", "NEW"))
    assert Codes.of([old, new], [old], [new]).tickers == {"OLD": "A-B"}


@pytest.mark.parametrize(
    ("frame", "channel"),
    [
        ({"stream": "btcusdt@depth@100ms", "data": {"e": "depthUpdate"}}, "depth"),
        ({"stream": "btcusdt@depth5", "data": {}}, "other"),
        ({"stream": "btcusdt@kline_1m@+08:00", "data": {}}, "kline"),
        ({"stream": "!ticker_1h@arr", "data": []}, "ticker"),
        ({"e": "depthUpdate", "u": 1, "s": "X", "b": [], "a": []}, "depth"),
        ({"e": "24hrTicker"}, "ticker"),
        ({"lastUpdateId": 1, "bids": [], "asks": []}, "depth"),
    ],
)
def test_channels_that_were_not_subscribed_are_ignored(frame: Any, channel: str) -> None:
    assert mapped(frame) == Mapped(channel, ignored=True)


def test_listed_symbols_that_nobody_follows_are_ignored() -> None:
    assert wrapped("ethbtc@aggTrade", AGGREGATE | {"s": "ETHBTC"}).ignored
    assert wrapped("ethbtc@bookTicker", BOOK | {"s": "ETHBTC"}).ignored


@pytest.mark.parametrize(
    ("frame", "control"),
    [
        ({"result": None, "id": 1}, Control("ack", "1")),
        ({"result": ["btcusdt@aggTrade"], "id": "a"}, Control("ack", "a")),
        ({"id": None, "result": True}, Control("ack", None)),
        ({"code": 2, "msg": "Invalid request: no", "id": 3}, Control("error", "3", 2, "Invalid request: no")),
        ({"error": {"code": 4, "msg": "Too many subscriptions"}}, Control("error", None, 4, "Too many subscriptions")),
        ({"error": {"code": 2, "msg": "x"}, "id": None}, Control("error", None, 2, "x")),
        ({"e": "serverShutdown", "E": 1770123456789}, Control("shutdown")),
        ({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}, Control("shutdown")),
    ],
)
def test_replies_are_bare_on_either_endpoint(frame: Any, control: Control) -> None:
    assert mapped(frame) == Mapped("control", control=control)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"p": "0"}, "above zero"),
        ({"p": "0.00000000", "q": "0.00000000", "f": 0, "l": 0}, "above zero"),
        ({"q": "-1"}, "above zero"),
        ({"p": "1e999999999"}, "more digits"),
        ({"p": "NaN"}, "finite"),
        ({"p": "x"}, "not a decimal"),
        ({"p": "0.0000000000000000001"}, "more digits"),
        ({"p": "123456789012345678901"}, "more digits"),
        ({"p": 1.5}, "Expected `str`"),
        ({"s": "NOSUCH"}, "unknown symbol 'NOSUCH'"),
        ({"T": 1672515782135000}, "expected unit"),
        ({"T": 1672515782}, "expected unit"),
        ({"T": "1672515782135"}, "Expected `int`"),
        ({"f": -1, "l": -1}, ">= 0"),
        ({"l": 99}, "after last id"),
        ({"l": 1 << 63}, "<= 9223372036854775807"),
        ({"m": "true"}, "Expected `bool`"),
        ({"e": "trade"}, "Invalid enum value"),
    ],
)
def test_what_does_not_fit_is_a_dead_letter_with_the_reason(change: dict[str, Any], told: str) -> None:
    found = wrapped("bnbbtc@aggTrade", AGGREGATE | change)
    assert found.channel == "aggTrade"
    assert told in reason(found)
    assert json.loads(found.unmapped[0].payload) == AGGREGATE | change


@pytest.mark.parametrize("frame", [b"", b"nonsense", b"\xff\xfe", b"{}", b"7", b"[" * 50_000, b'{"data":' * 50_000])
def test_what_is_no_message_at_all_is_a_dead_letter(frame: bytes) -> None:
    found = aggregates.map_frame(frame, RECEIVED)
    assert reason(found)
    assert found.unmapped[0].payload == frame.decode("utf-8", "replace")


@needs_shared
@pytest.mark.parametrize("name", ["AggregatedTrades", "Trades", "BookTicker", "MiniTicker"])
def test_every_documented_shape_that_is_subscribed_is_mapped(name: str) -> None:
    mapper = BinanceMapper(codes(binance("BNB-BTC", "BNB-USDT")), "trade" if name == "Trades" else "aggTrade")
    replies, pushed = socket_messages(SHAPES / f"{name}.txt")
    assert [mapper.map_frame(reply.encode(), RECEIVED).control for reply in replies] == [Control("ack", "1")]
    found = mapper.map_frame(pushed.encode(), RECEIVED)
    assert len(found.trades) + len(found.tickers) == 1
    assert not found.unmapped


@needs_shared
@pytest.mark.parametrize("name", ["Klines", "Ticker"])
def test_every_documented_shape_that_is_not_subscribed_is_ignored(name: str) -> None:
    _, pushed = socket_messages(SHAPES / f"{name}.txt")
    assert aggregates.map_frame(pushed.encode(), RECEIVED).ignored


def test_records_encode_to_what_kafka_holds() -> None:
    (trade,) = mapped(AGGREGATE).trades
    assert msgspec.json.decode(msgspec.json.encode(trade))["origin"] == "stream"
