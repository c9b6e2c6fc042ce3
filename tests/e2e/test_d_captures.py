"""Old captures of both venues, with whatever was subscribed then, go through without a dead letter."""

import json

import pytest

from market import recordings
from market.topics import DEAD_LETTERS, TRADES
from tests.data import RECORDINGS, needs_shared
from tests.e2e.topics import count
from tests.stacks import Stack, Stacks, eventually

pytestmark = [pytest.mark.stack, needs_shared]


@pytest.fixture
def captured(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack that has played the captures of both venues."""
    if stacks.current is None or stacks.current.name != "captured":
        folder = tmp_path_factory.mktemp("captures")
        for file in RECORDINGS.glob("cryptofeed-*"):
            (folder / file.name).symlink_to(file)
        stacks.need("captured", "--market", str(folder), "--speed", "max").wait_until_played()
    assert stacks.current is not None
    return stacks.current


def test_no_trade_ticker_ack_or_welcome_is_a_dead_letter(captured: Stack) -> None:
    assert count(DEAD_LETTERS) == 0
    assert {name: venue["trades"] for name, venue in captured.status()["venues"].items()} == {
        "binance": 1_936,
        "kucoin": 30,
    }
    # A transaction's end takes an offset too.
    assert count(TRADES) >= 1_966


def aggregated() -> int:
    """Return how many trades Binance's captured aggregates stand for."""
    found = 0
    for path in RECORDINGS.glob("cryptofeed-BINANCE*.ws*"):
        for frame in recordings.read(path):
            data = json.loads(frame.text).get("data", {})
            if data.get("e") == "aggTrade":
                found += data["l"] - data["f"] + 1
    return found


def test_every_trade_of_every_symbol_is_counted_in_candles_of_all_intervals(captured: Stack) -> None:
    for interval in ("1s", "1m", "5m", "15m", "1h", "4h", "1d"):
        question = f"select venue, sum(trade_count) from candle where interval = '{interval}' group by 1 order by 1"
        expected = [["binance", str(aggregated())], ["kucoin", "30"]]
        eventually(f"all trades are in {interval} candles", lambda: captured.query(question) == expected)  # noqa: B023


def test_tickers_of_both_venues_arrive(captured: Stack) -> None:
    eventually(
        "tickers of every symbol that had one",
        lambda: (
            captured.query("select venue, count(bid_price) from ticker group by venue order by venue")
            == [["binance", "12"], ["kucoin", "19"]]
        ),
    )
