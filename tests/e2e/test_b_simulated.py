"""The simulated market fills the tables for every symbol of both venues, and keeps moving."""

from itertools import pairwise

import psutil
import pytest

from market.symbols import MAJORS
from tests.e2e.topics import read
from tests.stacks import Stack, Stacks, eventually

pytestmark = pytest.mark.stack


@pytest.fixture
def simulated(stacks: Stacks) -> Stack:
    return stacks.need("simulated", "--market", "simulated")


def test_every_symbol_of_both_venues_gets_candles(simulated: Stack) -> None:
    wanted = {
        (venue, symbol, interval) for venue in ("binance", "kucoin") for symbol in MAJORS for interval in ("1s", "1m")
    }

    def there() -> bool:
        return {tuple(row) for row in simulated.query("select distinct venue, symbol, interval from candle")} == wanted

    eventually("candles of all symbols", there, 120)


def test_every_symbol_of_both_venues_gets_a_whole_ticker(simulated: Stack) -> None:
    eventually(
        "tickers of all symbols",
        lambda: (
            simulated.query(
                "select count(*) from ticker where num_nulls(last_price, bid_price, ask_price, base_volume_24h) = 0"
            )
            == [[str(2 * len(MAJORS))]]
        ),
        60,
    )


def test_candles_move_while_one_looks(simulated: Stack) -> None:
    (before,) = simulated.query("select sum(version) from candle where interval = '1m'")
    eventually(
        "the sum moves",
        lambda: simulated.query("select sum(version) from candle where interval = '1m'") != [before],
        10,
    )


def test_connects_are_facts_in_the_database(simulated: Stack) -> None:
    venues = simulated.query("select distinct venue from feed_event where kind = 'connected'")
    assert sorted(venues) == [["binance"], ["kucoin"]]


def test_the_status_is_healthy_and_fresh(simulated: Stack) -> None:
    status = simulated.status()
    assert status["market"] == "simulated"
    assert {part["state"] for part in status["parts"].values()} == {"healthy"}
    assert {name: venue["connected"] for name, venue in status["venues"].items()} == {"binance": True, "kucoin": True}
    assert status["freshness_seconds"] < 10


def test_all_parts_together_hold_less_than_four_gigabytes(simulated: Stack) -> None:
    started = [psutil.Process(part["pid"]) for part in simulated.status()["parts"].values() if part["pid"]]
    everything = {*started, *(child for process in started for child in process.children(recursive=True))}
    assert len(everything) > 7
    assert sum(process.memory_info().rss for process in everything) < 4 << 30


def test_a_second_up_is_refused_and_says_what_to_do(simulated: Stack) -> None:
    again = simulated.command("up", "--detach", check=False)
    assert again.returncode == 1
    assert "down" in again.stdout + again.stderr


def test_the_minutes_reach_the_changelog_topic_at_most_once_a_second(simulated: Stack) -> None:
    seen = read("candles_1m", 100)
    assert {"venue", "symbol", "start_time"} == set(seen[0].key)
    times: dict[str, list[int]] = {}
    for message in seen:
        assert message.value is not None, "a minute was deleted"
        times.setdefault(str(message.key), []).append(message.timestamp)
    gaps = [later - earlier for stamps in times.values() for earlier, later in pairwise(stamps)]
    # A checkpoint flushes too, so now and then one follows sooner.
    assert sorted(gaps)[len(gaps) // 2] >= 900
