"""Nineteen days of two real venues, through everything: with Binance's outage of 2023-03-24 in the midst of them.

The expected rows are computed from the file by DuckDB, which knows nothing of ours.
"""

from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any

import duckdb
import pytest

from tests.data import KLINES, needs_shared
from tests.e2e.compared import uncompared
from tests.stacks import Stack, Stacks, eventually

pytestmark = [pytest.mark.stack, needs_shared]

FILE = KLINES / "both-venues-1m-eth-ada-20230316-20230404.csv.gz"
MINUTES = 53_430
"""Minutes of both symbols in which either venue traded: in this file, all from the first to the last."""

# The feed begins within the first minute of the file, so nobody can say that it is whole; the last has not closed, as
# nothing comes after it.
JUDGED = "start_time > '2023-03-16 22:15Z' and start_time < '2023-04-04 11:29Z'"
OUTAGE = "start_time >= '2023-03-24 11:28Z' and start_time < '2023-03-24 14:00Z'"


@pytest.fixture(scope="module")
def played(stacks: Stacks) -> Stack:
    """A stack that has played the whole file as fast as it could, and compared all of it."""
    stack = stacks.need("two venues", "--market", str(FILE), "--speed", "max")
    stack.wait_until_played()

    def compared() -> bool:
        counted = stack.query("select count(*), max(start_time) = '2023-04-04 11:29Z' from minute_fact", "owner")
        hours = stack.query("select sum(minutes_traded) from hour_fact", "owner")
        minutes = stack.query("select count(*) from candle_1m")
        # What lies between two minutes is filled in at once, so their number alone does not say that all have come.
        return counted == [[str(MINUTES), "t"]] and hours == minutes == [["106344"]] and not uncompared(stack)

    eventually("all minutes are compared", compared, 300)
    return stack


@pytest.fixture(scope="module")
def file() -> Iterator[duckdb.DuckDBPyConnection]:
    """The file's traded minutes as the table `minute`, both venues side by side as the table `pair`."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table minute as"
            " select exchange as venue, symbol, make_timestamp(open_time_ms * 1000) as start_time,"
            " * exclude (exchange, symbol, open_time_ms)"
            " from read_csv(?, types = {'open': 'decimal(38, 18)', 'high': 'decimal(38, 18)', 'low': 'decimal(38, 18)',"
            " 'close': 'decimal(38, 18)', 'volume': 'decimal(38, 18)'}) where volume > 0",
            [str(FILE)],
        )
        connection.execute(
            "create table pair as select symbol, start_time, b.close as binance, k.close as kucoin,"
            " 20000 * abs(b.close::double - k.close::double) / (b.close::double + k.close::double) as apart"
            " from (from minute where venue = 'binance') as b"
            " full join (from minute where venue = 'kucoin') as k using (symbol, start_time)"
        )
        yield connection


def plain(number: Any) -> str:
    """Return a decimal without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def differing(ours: list[list[str]], expected: list[list[str]]) -> list[tuple[Any, Any]]:
    """Return the first ten places at which two tables differ, ours first: of unequal lists pytest prints every row."""
    return list(islice((pair for pair in zip_longest(ours, expected) if pair[0] != pair[1]), 10))


def test_every_candle_is_the_file_s(played: Stack, file: duckdb.DuckDBPyConnection) -> None:
    rows = file.sql("select venue, symbol, start_time, open, high, low, close, volume from minute order by 1, 2, 3")
    expected = [[*row[:2], f"{row[2]:%Y-%m-%d %H:%M}", *map(plain, row[3:])] for row in rows.fetchall()]
    ours = played.query(
        "select venue, symbol, to_char(start_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), open, high, low, close,"
        " base_volume from candle where \"interval\" = '1m' order by 1, 2, 3"
    )
    assert not differing(ours, expected)


def test_only_the_minute_in_which_the_feeds_began_is_not_known_to_be_whole(played: Stack) -> None:
    # A feed is relied on from its first trade on, though at this speed hours pass until all it asks for is answered.
    begun = played.query("select venue, symbol, start_time = '2023-03-16 22:15Z' from candle_1m where not complete")
    assert sorted(begun) == [[venue, f"{coin}-USDT", "t"] for venue in ("binance", "kucoin") for coin in ("ADA", "ETH")]
    assert played.query("select * from gap") == []


def test_in_the_outage_binance_is_stale_and_the_price_is_kucoin_s(played: Stack) -> None:
    seen = played.query(
        "select symbol, state, quality, only_venue, count(*), count(consolidated_price), bool_and(consolidated_price ="
        f" kucoin_vwap) from reconciliation where {OUTAGE} group by 1, 2, 3, 4 order by 1"
    )
    minutes = str(152)
    assert seen == [
        [symbol, "stale", "single_venue", "kucoin", minutes, minutes, "t"] for symbol in ("ADA-USDT", "ETH-USDT")
    ]
    around = played.query(
        "select distinct quality from reconciliation where symbol = 'ETH-USDT' and start_time in"
        " ('2023-03-24 11:27Z', '2023-03-24 14:00Z', '2023-03-24 14:01Z')"
    )
    assert around == [["both"]]


def test_nothing_is_diverged_by_the_threshold_that_counts_by_itself(played: Stack) -> None:
    # The frozen close would have been 164 to 290 basis points off.
    assert played.query("select count(*) from reconciliation where state = 'diverged'") == [["0"]]


@pytest.mark.parametrize(("symbol", "median"), [("ETH-USDT", "0.71"), ("ADA-USDT", "1.82")])
def test_the_venues_are_as_far_apart_as_the_file_says(played: Stack, symbol: str, median: str) -> None:
    found = played.query(
        "select round(percentile_cont(0.5) within group (order by apart_bps)::numeric, 2) from reconciliation"
        f" where symbol = '{symbol}'"
    )
    assert found == [[median]]


def test_a_threshold_set_at_run_time_gives_the_states_that_the_file_gives(
    played: Stack, file: duckdb.DuckDBPyConnection
) -> None:
    with played.connect("owner") as owner:
        owner.execute("insert into reconciliation_threshold (valid_from, diverged_bps) values ('2000-01-01', 8)")
    beyond = f"select symbol, count(*) from reconciliation where apart_bps > 8 and {JUDGED} group by 1 order by 1"
    assert played.query(beyond) == [["ADA-USDT", "379"], ["ETH-USDT", "6"]]
    rows = file.sql(
        "with judged as"
        " (select *, case when apart > 8 then 'diverged' when apart < 4 then 'agreed' end as firm from pair)"
        " select symbol, start_time, case when apart is null then 'stale' else coalesce(last_value(firm ignore nulls)"
        " over (partition by symbol order by start_time), 'agreed') end from judged order by 1, 2"
    ).fetchall()
    expected = [[symbol, f"{start:%Y-%m-%d %H:%M}", state] for symbol, start, state in rows]
    ours = played.query(
        "select symbol, to_char(start_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), state from reconciliation"
        f" where {JUDGED} order by 1, 2"
    )
    ends = {"2023-03-16 22:15", "2023-04-04 11:29"}
    assert not differing(ours, [row for row in expected if row[1] not in ends])


def test_each_hour_tells_how_many_minutes_each_venue_traded_in(played: Stack, file: duckdb.DuckDBPyConnection) -> None:
    rows = file.sql(
        "select venue, symbol, date_trunc('hour', start_time) as hour, count(*) from minute group by all order by all"
    ).fetchall()
    expected = [[venue, symbol, f"{hour:%Y-%m-%d %H}", str(count)] for venue, symbol, hour, count in rows]
    ours = played.query(
        "select venue, symbol, to_char(start_time at time zone 'UTC', 'YYYY-MM-DD HH24'), minutes_traded"
        " from completeness where minutes_traded > 0 order by 1, 2, 3"
    )
    assert not differing(ours, expected)
    nothing = played.query(
        "select venue, symbol, minutes_expected, minutes_idle, minutes_missing from completeness"
        " where minutes_traded = 0 order by 1, 2, start_time"
    )
    assert nothing == [["binance", symbol, "60", "60", "0"] for symbol in ("ADA-USDT", "ETH-USDT") for _ in range(2)]


def test_the_symbols_of_both_venues_are_listed(played: Stack) -> None:
    listed = played.query("select venue, code, symbol, status from instrument order by 1, 2")
    assert listed == [
        ["binance", "ADAUSDT", "ADA-USDT", "trading"],
        ["binance", "ETHUSDT", "ETH-USDT", "trading"],
        ["kucoin", "ADA-USDT", "ADA-USDT", "trading"],
        ["kucoin", "ETH-USDT", "ETH-USDT", "trading"],
    ]
