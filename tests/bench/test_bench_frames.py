"""The frames that load is made of are frames as Binance sends them."""

import time
from collections import defaultdict

import msgspec
import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from bench._frames import exchange_info, framed, frames, instruments
from ingest.venues import Codes
from ingest.venues.binance.messages import BinanceMapper
from ingest.venues.binance.rest import parse_instruments
from market.records import Trade


def mapped(texts: list[bytes], symbols: int) -> list[Trade]:
    listed = instruments(symbols)
    mapper = BinanceMapper(Codes.of(listed, listed), "aggTrade")
    return [trade for text in texts for trade in mapper.map_frame(text, time.time_ns()).trades]


def test_every_frame_maps_to_a_trade_and_ids_are_whole_over_several_lots() -> None:
    trades = mapped(frames(0, 500, 7), 7) + mapped(frames(500, 500, 7), 7)
    assert len(trades) == 1_000
    following: dict[str, int] = defaultdict(int)
    for trade in trades:
        assert trade.first_id == following[trade.symbol]
        following[trade.symbol] = trade.last_id + 1
    assert len(following) == 7


def test_the_list_of_symbols_is_read_as_the_venues_own() -> None:
    assert parse_instruments(exchange_info(7).encode()) == instruments(7)


def test_framed_texts_are_websocket_messages() -> None:
    texts = frames(0, 3, 2)
    reader = StreamReader()
    reader.feed_data(framed(texts))
    reader.feed_eof()
    found = []
    for _ in texts:
        parsing = Frame.parse(reader.read_exact, mask=False)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        frame: Frame = done.value.value
        assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
        found.append(bytes(frame.data))
    assert found == texts
    assert msgspec.json.decode(found[0])["stream"] == "b000usdt@aggTrade"
