"""The alert rules: their files, and their queries asked of a real database with a reader's rights."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from ruamel.yaml import YAML

from bench._dashboards import FOLDER, SOURCE
from tests.ingest.postgres import Postgres, postgres

GROUPS = YAML(typ="safe").load(FOLDER / "provisioning" / "alerting" / "rules.yaml")["groups"]
RULES: dict[str, dict[str, Any]] = {
    rule["uid"].removeprefix("pricebraid-"): rule for group in GROUPS for rule in group["rules"]
}
SOURCES = {SOURCE["uid"], "pricebraid-prometheus"}
ASKED = {
    name: rule["data"][0]["model"]["rawSql"] for name, rule in RULES.items() if "rawSql" in rule["data"][0]["model"]
}
PLACEHOLDER = re.compile(r"\{\{ \$(labels|values)\.(\w+)(?:\.Value)?[^}]*\}\}")

each = pytest.mark.parametrize("name", RULES)


def seconds(text: str) -> float:
    number, unit = int(text[:-1]), {"s": 1, "m": 60}[text[-1]]
    return number * unit


def test_what_is_to_be_told_is_told() -> None:
    assert set(RULES) == {"feed-down", "freshness-lost", "gap-open", "job-restarting"}
    # With Prometheus away, three of four still work.
    assert set(ASKED) == set(RULES) - {"job-restarting"}


@each
def test_a_rule_asks_one_source_and_compares_with_one_threshold(name: str) -> None:
    query, threshold = RULES[name]["data"]
    assert query["datasourceUid"] in SOURCES
    assert (query["refId"], query["model"]["refId"]) == ("A", "A")
    assert threshold["datasourceUid"] == "__expr__"
    assert (threshold["model"]["type"], threshold["model"]["expression"]) == ("threshold", "A")
    assert threshold["refId"] == threshold["model"]["refId"] == RULES[name]["condition"] == "B"
    (condition,) = threshold["model"]["conditions"]
    assert condition["evaluator"]["type"] == "gt"


@each
def test_a_rule_says_what_is_wrong_and_what_to_do(name: str) -> None:
    told = RULES[name]["annotations"]
    assert told["summary"].endswith(".")
    assert "./pricebraid" in told["description"]
    assert RULES[name]["labels"]["severity"] in ("critical", "warning")
    assert RULES[name]["noDataState"] == "OK"
    # Who cannot ask Postgres should hear of it; Prometheus may be left out.
    assert RULES[name]["execErrState"] == ("Error" if name in ASKED else "OK")


def test_rules_are_looked_at_as_often_as_their_times_need() -> None:
    for group in GROUPS:
        assert group["folder"] == "Pricebraid alerts"
        for rule in group["rules"]:
            assert seconds(rule["for"]) % seconds(group["interval"]) == 0, rule["title"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("alerts")) as made:
        yield made


@pytest.fixture
def running(database: Postgres) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database that shows a market for an hour, where all is well."""
    with database.connect("owner") as owner:
        owner.execute("truncate market_shown, ticker, gap, candle")
        owner.execute("insert into market_shown values ('simulated', 'seed 1', now() - interval '1 hour')")
        ticker = "insert into ticker (venue, symbol, event_time, receive_time) values (%s, 'BTC-USDT', now(), now())"
        for venue in ("binance", "kucoin"):
            owner.execute(ticker, [venue])
        counted(owner, timedelta(seconds=1))
        yield owner


def counted(owner: psycopg.Connection, ago: timedelta) -> None:
    """Let the newest trade in a candle be so old."""
    owner.execute("truncate candle")
    owner.execute(
        """
        insert into candle (
            venue, symbol, interval, start_time, open, high, low, close, base_volume, quote_volume,
            last_trade_time, generation, version
        )
        values (
            'binance', 'BTC-USDT', '1s', date_trunc('second', now() - %(ago)s), 1, 1, 1, 1, 1, 1,
            now() - %(ago)s, 1, 1
        )
        """,
        {"ago": ago},
    )


def ask(database: Postgres, name: str) -> dict[str, float]:
    """Return the number of each thing that is watched, as the reader gets it."""
    with database.connect("reader") as reader:
        cursor = reader.execute(ASKED[name].encode())
        assert cursor.description is not None
        # Grafana makes labels of texts, and takes the one number: without a time, or another number.
        assert [column.type_display for column in cursor.description] == ["text", "float8"]
        labels = {"labels": {cursor.description[0].name}, "values": {"A"}}
        for kind, of in PLACEHOLDER.findall(" ".join(RULES[name]["annotations"].values())):
            assert of in labels[kind]
        return dict(cursor.fetchall())


def fires(database: Postgres, name: str) -> set[str]:
    """Return of what a rule would tell, once it has lasted."""
    least = RULES[name]["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0]
    return {label for label, number in ask(database, name).items() if number > least}


@pytest.mark.stack
@pytest.mark.parametrize("name", ASKED)
def test_nothing_is_told_where_all_is_well_or_nothing_runs_yet(
    database: Postgres, running: psycopg.Connection, name: str
) -> None:
    assert fires(database, name) == set()
    running.execute("truncate market_shown, ticker, gap, candle")
    assert fires(database, name) == set()


@pytest.mark.stack
def test_a_feed_that_is_silent_is_told_by_its_venue(database: Postgres, running: psycopg.Connection) -> None:
    running.execute("delete from ticker where venue = 'kucoin'")
    running.execute(
        """
        insert into ticker (venue, symbol, event_time, receive_time)
        values ('kucoin', 'BTC-USDT', now() - interval '50 seconds', now() - interval '40 seconds')
        """
    )
    assert fires(database, "feed-down") == {"kucoin"}


@pytest.mark.stack
def test_a_feed_that_never_came_is_told(database: Postgres, running: psycopg.Connection) -> None:
    running.execute("delete from ticker where venue = 'binance'")
    assert fires(database, "feed-down") == {"binance"}


@pytest.mark.stack
def test_candles_that_fall_behind_are_told(database: Postgres, running: psycopg.Connection) -> None:
    counted(running, timedelta(seconds=70))
    assert fires(database, "freshness-lost") == {"candles"}


@pytest.mark.stack
def test_only_gaps_that_stay_open_are_told(database: Postgres, running: psycopg.Connection) -> None:
    running.execute(
        """
        insert into gap (gap_id, venue, symbol, kind, reason, from_time, opened, closed, version)
        values
        ('a', 'binance', 'BTC-USDT', 'missed', 'ids', now(), now() - interval '20 minutes', null, 1),
        ('b', 'binance', 'ETH-USDT', 'missed', 'ids', now(), now() - interval '20 minutes', now(), 2),
        ('c', 'kucoin', 'BTC-USDT', 'suspected', 'disconnected', now(), now() - interval '14 minutes', null, 1)
        """
    )
    assert fires(database, "gap-open") == {"binance"}
    assert ask(database, "gap-open") == {"binance": 1, "kucoin": 0}


@pytest.mark.stack
@pytest.mark.parametrize("name", ASKED)
def test_what_was_of_an_earlier_run_is_not_told_at_once(
    database: Postgres, running: psycopg.Connection, name: str
) -> None:
    running.execute("truncate ticker")
    counted(running, timedelta(days=1))
    running.execute("update market_shown set started_at = now() - interval '5 seconds'")
    assert fires(database, name) == set()


@pytest.mark.stack
@pytest.mark.parametrize("name", ASKED)
def test_in_a_recording_nothing_is_late(database: Postgres, running: psycopg.Connection, name: str) -> None:
    running.execute("update market_shown set kind = 'recording'")
    running.execute("truncate ticker")
    counted(running, timedelta(days=1))
    running.execute(
        """
        insert into gap (gap_id, venue, symbol, kind, reason, from_time, opened, version)
        values ('a', 'binance', 'BTC-USDT', 'missed', 'ids', now(), now() - interval '20 minutes', 1)
        """
    )
    assert fires(database, name) == set()
