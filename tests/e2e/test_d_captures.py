"""Old captures of both venues, with whatever was subscribed then, go through without a dead letter."""

import pytest

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


def test_every_symbol_that_traded_has_candles(captured: Stack) -> None:
    eventually(
        "all trades are in candles",
        lambda: captured.query("select sum(version) from candle where interval = '1m'") == [["1966"]],
    )


def test_tickers_of_both_venues_arrive(captured: Stack) -> None:
    eventually(
        "tickers of every symbol that had one",
        lambda: (
            captured.query("select venue, count(bid_price) from ticker group by venue order by venue")
            == [["binance", "12"], ["kucoin", "19"]]
        ),
    )
