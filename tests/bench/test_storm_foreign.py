"""What a foreign feed hands over is written down as it comes, and read back as deliveries."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench._processes import BenchError
from bench._storm.facts import Delivery
from bench.foreign.client import Client
from bench.foreign.environments import FEEDS, Feed, ensure
from bench.foreign.tape import Tape, ids


def test_an_aggregate_stands_for_its_range_and_a_match_for_itself() -> None:
    assert ids({"e": "aggTrade", "a": 7, "f": 100, "l": 105}) == (100, 105)
    assert ids({"sequence": "11000000000002030", "tradeId": "x"}) == (11000000000002030, 11000000000002030)


@pytest.fixture
def ended(tmp_path: Path) -> Client:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    (tmp_path / "log").write_text("what went wrong")
    return Client(FEEDS["ccxt"], process, tmp_path / "tape", tmp_path / "log")


def test_trades_are_read_back_and_one_that_is_half_written_is_left(ended: Client, tmp_path: Path) -> None:
    assert ended.deliveries() == []
    with Tape(tmp_path / "tape") as tape:
        tape.write("binance", "BTC-USDT", 100, 105, 1_767_225_600_000_000)
    with (tmp_path / "tape").open("a") as file:
        file.write('["kucoin","BTC-U')
    (found,) = ended.deliveries()
    assert found == Delivery("binance", "BTC-USDT", 100, 105, 1_767_225_600_000_000, found.receive_time)
    assert found.receive_time > found.event_time


def test_a_feed_that_ended_is_an_error_that_says_why(ended: Client) -> None:
    with pytest.raises(BenchError, match=r"ended with code 3[\s\S]*what went wrong"):
        ended.check()


def test_a_feed_that_no_python_here_can_run_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"needs Python 9\.0 or newer.*--with"):
        ensure(Feed("future", "future==1", (9, 0), "bench.foreign.with_future"), tmp_path)
