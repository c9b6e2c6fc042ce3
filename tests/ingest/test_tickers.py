import itertools

from hypothesis import given
from hypothesis import strategies as st

from ingest.tickers import TickerBoard
from ingest.venues import TickerPart
from market.records import Ticker


def part(symbol: str = "BTC-USDT", time: int = 10, received: int = 20, **values: str | None) -> TickerPart:
    return TickerPart(symbol, time, received, values)


def test_parts_of_several_messages_make_one_ticker() -> None:
    board = TickerBoard(0.2)
    board.merge("binance", part(last_price="5", open_24h="4"))
    board.merge("binance", part(time=11, received=21, bid_price="4.9", ask_price="5.1"))
    assert board.due(100.0) == [
        Ticker("binance", "BTC-USDT", 11, 21, last_price="5", bid_price="4.9", ask_price="5.1", open_24h="4")
    ]
    assert board.due(200.0) == []


def test_the_same_symbol_of_two_venues_is_two_tickers() -> None:
    board = TickerBoard(0.2)
    board.merge("binance", part(last_price="5"))
    board.merge("kucoin", part(last_price="6"))
    assert {(ticker.venue, ticker.last_price) for ticker in board.due(1.0)} == {("binance", "5"), ("kucoin", "6")}


def test_of_many_changes_the_first_comes_at_once_and_the_last_after_the_interval() -> None:
    board = TickerBoard(0.2)
    published = []
    for number in range(10):
        board.merge("kucoin", part(last_price=str(number)))
        published += [ticker.last_price for ticker in board.due(100 + number * 0.01)]
    assert published == ["0"]
    assert board.due(100.19) == []
    assert [ticker.last_price for ticker in board.due(100.21)] == ["9"]


def test_at_the_end_nothing_is_held_back() -> None:
    board = TickerBoard(60)
    board.merge("kucoin", part(last_price="1"))
    board.due(0.0)
    board.merge("kucoin", part(last_price="2"))
    assert [ticker.last_price for ticker in board.rest()] == ["2"]
    assert board.rest() == []


def test_event_time_never_goes_back() -> None:
    board = TickerBoard(0.1)
    board.merge("kucoin", part(time=50, received=60, last_price="1"))
    board.merge("kucoin", part(time=40, received=70, high_24h="2"))
    (ticker,) = board.due(0.0)
    assert (ticker.event_time, ticker.receive_time) == (50, 70)


def test_a_value_that_is_no_longer_known_becomes_null() -> None:
    board = TickerBoard(0.1)
    board.merge("binance", part(bid_price="1"))
    board.merge("binance", part(bid_price=None))
    assert board.due(0.0)[0].bid_price is None


def test_a_fallback_holds_until_a_message_gives_the_value() -> None:
    board = TickerBoard(0.0)
    for last in ("1", "2"):
        board.merge("kucoin", TickerPart("A-B", 1, 1, {}, {"last_price": last}))
    assert board.due(0.0)[0].last_price == "2"
    board.merge("kucoin", part("A-B", last_price="3"))
    board.merge("kucoin", TickerPart("A-B", 1, 1, {}, {"last_price": "4"}))
    assert board.due(1.0)[0].last_price == "3"


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 9), st.floats(0, 0.3)), min_size=1),
    st.floats(0.01, 0.5),
)
def test_no_symbol_comes_oftener_than_the_interval_and_the_last_value_always_comes(
    changes: list[tuple[str, int, float]], interval: float
) -> None:
    board, now, seen = TickerBoard(interval), 0.0, []
    for symbol, value, step in changes:
        now += step
        board.merge("binance", part(symbol, last_price=str(value)))
        seen += [(now, ticker.symbol, ticker.last_price) for ticker in board.due(now)]
    seen += [(now + interval, ticker.symbol, ticker.last_price) for ticker in board.due(now + interval)]
    for symbol in {symbol for symbol, _, _ in changes}:
        times = [time for time, name, _ in seen if name == symbol]
        assert all(later - earlier >= interval - 1e-9 for earlier, later in itertools.pairwise(times))
        assert [value for _, name, value in seen if name == symbol][-1] == str(
            [value for name, value, _ in changes if name == symbol][-1]
        )


def test_a_symbol_that_is_not_followed_is_published_less_often() -> None:
    board = TickerBoard(0.25, 1.0)
    board.follow("binance", ["BTC-USDT"])
    published: list[tuple[str, str]] = []
    for eighth in range(9):
        for symbol in ("BTC-USDT", "OTHER-USDT"):
            board.merge("binance", part(symbol, last_price=str(eighth)))
            board.merge("kucoin", part(symbol, last_price=str(eighth)))
        published += [(ticker.venue, ticker.symbol) for ticker in board.due(100 + eighth / 8)]
    counts = {key: published.count(key) for key in set(published)}
    assert counts.pop(("binance", "OTHER-USDT")) == 2
    # Of a venue of which nothing was said, all are followed.
    assert set(counts.values()) == {5}
