"""Every real frame that was recorded is mapped, and the numbers agree with a count that knows nothing of ours."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.venues import Codes, Mapped, Mapper
from ingest.venues.binance.messages import BinanceMapper, TradeChannel
from ingest.venues.kucoin.messages import KucoinMapper
from market import recordings
from market.symbols import Instrument, instrument
from tests.data import RECORDINGS, needs_shared

pytestmark = needs_shared


def replay(mapper: Mapper, path: Path) -> list[tuple[dict[str, Any], Mapped]]:
    return [
        (json.loads(frame.text), mapper.map_frame(frame.text.encode(), frame.receive_time))
        for frame in recordings.read(path)
    ]


def everything(code: str) -> Instrument:
    # The assets don't matter here; a code that stands for itself is easy to compare.
    return instrument("binance", code, code, "X", trading=True)


def binance_kind(message: dict[str, Any]) -> str:
    return message["stream"].split("@")[1] if "stream" in message else "depth"


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("binance-btcusdt-20240808.frames.gz", "trade"),
        ("binance-btcusdt-20240809.frames.gz", "trade"),
        ("cryptofeed-BINANCE.20210404-btc-eth-dot.ws.gz", "aggTrade"),
        ("cryptofeed-BINANCE.20210417-10sym.ws.gz", "aggTrade"),
        ("cryptofeed-BINANCE.ws.1.0.gz", "aggTrade"),
    ],
)
def test_of_binance_every_trade_and_ticker_is_mapped_and_the_rest_ignored(name: str, channel: TradeChannel) -> None:
    path = RECORDINGS / name
    messages = [json.loads(frame.text) for frame in recordings.read(path)]
    found = {message["data"].get("s", "") for message in messages if "stream" in message}
    instruments = [everything(code) for code in sorted(found)]
    pairs = replay(BinanceMapper(Codes.of(instruments, instruments), channel), path)
    kinds = Counter(binance_kind(message) for message, _ in pairs)
    assert not [mapped.unmapped for _, mapped in pairs if mapped.unmapped]
    assert sum(len(mapped.trades) for _, mapped in pairs) == kinds[channel]
    assert sum(len(mapped.tickers) for _, mapped in pairs) == kinds["bookTicker"]
    assert sum(mapped.ignored for _, mapped in pairs) == sum(
        count for kind, count in kinds.items() if kind not in (channel, "bookTicker")
    )
    assert kinds[channel] > 0
    for message, mapped in pairs:
        for trade in mapped.trades:
            data = message["data"]
            assert (Decimal(trade.price), Decimal(trade.size)) == (Decimal(data["p"]), Decimal(data["q"]))
            assert Decimal(trade.quote) == Decimal(data["p"]) * Decimal(data["q"])
            assert (trade.event_time, trade.symbol) == (data["T"] * 1000, f"{data['s']}-X")
            assert trade.side == ("sell" if data["m"] else "buy")
            assert trade.sequence == data["l" if channel == "aggTrade" else "t"]


def test_the_trades_of_the_two_days_are_the_contiguous_ids_that_are_known() -> None:
    btc = [instrument("binance", "BTCUSDT", "BTC", "USDT", trading=True)]
    mapper = BinanceMapper(Codes.of(btc, btc), "trade")
    ids = [
        trade.first_id
        for day in ("20240808", "20240809")
        for _, mapped in replay(mapper, RECORDINGS / f"binance-btcusdt-{day}.frames.gz")
        for trade in mapped.trades
    ]
    assert ids == list(range(3735683259, 3735703162 + 1))


@pytest.mark.parametrize("name", ["cryptofeed-KUCOIN.ws.1.0.gz", "cryptofeed-KUCOIN.20210423-10sym.ws.gz"])
def test_of_kucoin_every_trade_ticker_ack_and_welcome_is_mapped_and_the_rest_ignored(name: str) -> None:
    path = RECORDINGS / name
    topics = {json.loads(frame.text).get("topic", "") for frame in recordings.read(path)}
    found = sorted(
        {topic.partition(":")[2] for topic in topics if topic.startswith(("/market/match", "/market/ticker"))}
    )
    instruments = [instrument("kucoin", code, *code.split("-"), trading=True) for code in found]
    pairs = replay(KucoinMapper(Codes.of(instruments, instruments)), path)
    kinds = Counter(message.get("topic", message["type"]).partition(":")[0] for message, _ in pairs)
    controls = Counter(mapped.control.kind for _, mapped in pairs if mapped.control is not None)
    assert not [mapped.unmapped for _, mapped in pairs if mapped.unmapped]
    assert sum(len(mapped.trades) for _, mapped in pairs) == kinds.pop("/market/match", 0)
    assert sum(len(mapped.tickers) for _, mapped in pairs) == kinds.pop("/market/ticker") > 0
    assert controls == {"ack": kinds.pop("ack"), "welcome": kinds.pop("welcome")}
    assert sum(mapped.ignored for _, mapped in pairs) == kinds.total()
    for message, mapped in pairs:
        for trade in mapped.trades:
            data = message["data"]
            assert Decimal(trade.price) == Decimal(data["price"])
            assert Decimal(trade.quote) == Decimal(data["price"]) * Decimal(data["size"])
            assert (trade.side, trade.source_id) == (data["side"], data["tradeId"])
            assert trade.sequence == int(data["sequence"])
            assert trade.event_time == int(data["time"]) // 1000
