"""The simulated market fills the tables for every symbol of both venues, and keeps moving."""

import json
import re
from itertools import pairwise
from urllib.request import urlopen

import psutil
import pytest

from flink_jobs.__main__ import JOBS
from flink_jobs.plan import slots
from market.settings import load
from market.symbols import MAJORS
from market.topics import topics
from tests.e2e.compared import uncompared
from tests.e2e.topics import newest
from tests.stacks import PORTS, Stack, Stacks, eventually

pytestmark = pytest.mark.stack

INTERVALS = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")


@pytest.fixture
def simulated(stacks: Stacks) -> Stack:
    return stacks.simulated()


def test_charts_start_full(simulated: Stack) -> None:
    held = (
        "select venue, symbol, count(*) from candle where interval = '1m' and complete"
        " and start_time >= now() - interval '24 hours' group by 1, 2 having count(*) >= 1400"
    )
    eventually("a day of every symbol", lambda: len(simulated.query(held)) == 2 * len(MAJORS), 300)


def test_every_symbol_of_both_venues_gets_candles(simulated: Stack) -> None:
    wanted = {
        (venue, symbol, interval) for venue in ("binance", "kucoin") for symbol in MAJORS for interval in INTERVALS
    }

    def there() -> bool:
        return {tuple(row) for row in simulated.query("select distinct venue, symbol, interval from candle")} == wanted

    eventually("candles of all symbols", there, 120)


def test_verify_is_clean_until_a_candle_is_edited(simulated: Stack) -> None:
    def verified() -> bool:
        return simulated.command("verify", check=False).returncode == 0

    closed = (
        "select 1 from candle where interval = '1m' and origin = 'trades' and complete"
        " and start_time < now() - interval '65 seconds' limit 1"
    )
    eventually("there is a minute to be judged", lambda: simulated.query(closed), 240)
    eventually("every candle is what the trades make", verified, 240)
    edit = (
        "update candle_1m set close = close {sign} 1 where (venue, symbol, start_time) = (select venue, symbol,"
        " start_time from candle_1m where origin = 'trades' and complete"
        " and start_time < clock_timestamp() - interval '2 minutes' order by start_time, venue, symbol limit 1)"
    )
    with simulated.connect("owner") as connection:
        eventually("there is a candle to edit", lambda: connection.execute(edit.format(sign="+")).rowcount, 240)
    found = simulated.command("verify", "--json", check=False)
    with simulated.connect("owner") as connection:
        connection.execute(edit.format(sign="-"))
    assert found.returncode == 1
    assert [difference["column"] for difference in json.loads(found.stdout)["differences"]] == ["close"]


def test_the_jobs_take_as_many_slots_as_they_say(simulated: Stack) -> None:
    told = sum(slots(job, simulated.settings()) for job in JOBS)

    def taken() -> bool:
        with urlopen(f"http://127.0.0.1:{PORTS['FLINK']}/overview", timeout=5) as answer:
            cluster = json.load(answer)
        return bool(cluster["slots-total"] - cluster["slots-available"] == told)

    eventually("as many slots are taken", taken)


def test_the_database_says_that_its_prices_are_made_up(simulated: Stack) -> None:
    assert simulated.query("select kind, name from market_shown") == [["simulated", "seed 1, 20 symbols, 100 trades/s"]]


def test_what_has_settled_is_verified_noted_and_shown(simulated: Stack) -> None:
    (before,) = simulated.query("select coalesce(max(id), 0) from verification")

    def noted() -> list[list[str]]:
        # The stack does the same by itself every hour.
        simulated.command("verify", "--recent", "--venue-sample", "2", check=False)
        return simulated.query(
            "select candles, differences, doubled_trades, venue_compared, venue_differences, error from verification"
            f" where scope = 'recent' and candles > 0 and id > {before[0]} order by id limit 1"
        )

    # Until a minute has settled, there is nothing to be judged.
    ((candles, *found),) = eventually("minutes that have settled are verified", noted, 400)
    assert int(candles) > 0
    assert found == ["0", "0", "4", "0", ""]

    def told() -> bool:
        verified = simulated.seen()["verified"]
        return verified is not None and verified["candles"] is not None and verified["error"] is None

    eventually("the status tells of it", told)
    assert "verified   " in simulated.command("status").stdout


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


def test_what_both_venues_list_is_there_for_readers(simulated: Stack) -> None:
    listed = "select count(*) from instrument where status = 'trading' and symbol = base || '-' || quote"
    eventually("all pairs", lambda: simulated.query(listed) == [[str(2 * len(MAJORS))]], 60)


def test_both_venues_are_set_against_each_other_as_they_move(simulated: Stack) -> None:
    settled = (
        "select count(*) from reconciliation where start_time >= newest_trade_counted() - interval '3 minutes'"
        " and quality = 'both' and state = 'agreed' having count(distinct symbol) > 0"
    )
    eventually("minutes are judged", lambda: bool(simulated.query(settled)), 240)
    eventually("they are compared by what their candles say", lambda: not uncompared(simulated), 120)
    live = (
        "select symbol from reconciliation_live where state = 'agreed' and mid_divergence_bps is not null"
        " and greatest(binance_age, kucoin_age) < interval '60 seconds'"
    )
    eventually("all symbols are compared now", lambda: {row[0] for row in simulated.query(live)} == set(MAJORS), 60)
    # What the live comparison is made of is written within a second of its receipt.
    slow = "select count(*) from ticker where updated_at - receive_time > interval '1 second'"
    eventually("tickers are written at once", lambda: simulated.query(slow) == [["0"]], 60)
    complete = "select distinct minutes_missing from completeness where start_time < now() - interval '2 hours'"
    eventually("no hour lacks anything", lambda: simulated.query(complete) == [["0"]], 60)


def test_prices_that_are_of_two_coins_are_told_of_loudly(simulated: Stack) -> None:
    with simulated.connect("owner") as connection:
        connection.execute(
            "insert into reconciliation_threshold (symbol, valid_from, diverged_bps, clash_factor)"
            " values ('BTC-USDT', '2000-01-01', 50, 1.00000000001)"
        )
    try:
        clashes = ["BTC-USDT"]
        eventually("the status says so", lambda: simulated.seen().get("suspected_clashes") == clashes, 60)
        assert "two coins of one name: BTC-USDT" in simulated.command("status").stdout
    finally:
        with simulated.connect("owner") as connection:
            connection.execute("delete from reconciliation_threshold where symbol = 'BTC-USDT'")


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
    seen = newest("candles_1m", 400)
    assert {"venue", "symbol", "start_time"} == set(seen[0].key)
    times: dict[str, list[int]] = {}
    for message in seen:
        assert message.value is not None, "a minute was deleted"
        times.setdefault(str(message.key), []).append(message.timestamp)
    gaps = [later - earlier for stamps in times.values() for earlier, later in pairwise(stamps)]
    # A checkpoint flushes too, so now and then one follows sooner.
    assert sorted(gaps)[len(gaps) // 2] >= 900


def test_every_topic_can_be_asked_with_flinks_sql(simulated: Stack) -> None:
    names = [topic.name for topic in topics(load().kafka)]
    counts = " union all ".join(f"select '{name}' as topic, count(*) as records from {name}" for name in names)
    said = simulated.command("sql", "-c", counts, "-c", "select symbol, price from trades limit 3").stdout
    found = {name: int(count) for name, count in re.findall(r"\|\s*(\w+)\s*\|\s*(\d+)\s*\|", said)}
    assert found.keys() == set(names)
    # There are not always gaps, say; of these there is something in any case.
    assert all(found[name] for name in ("trades_in", "trades", "tickers", "candles_1m", "rollups", "instruments"))
    assert "3 rows in set" in said
    assert not simulated.unhealthy()
