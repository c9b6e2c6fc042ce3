"""The stand-in for Grafana's own expansion of queries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench._expansion import ExpansionError, Shown, expand, expand_promql, quoted, variables

SHOWN = Shown(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC), timedelta(milliseconds=1500)
)
FROM, TO = "'2026-01-02T03:04:05.000000Z'", "'2026-01-02T04:04:05.000000Z'"


@pytest.mark.parametrize(
    ("query", "expanded"),
    [
        ("where $__timeFilter(start_time)", f"where start_time BETWEEN {FROM} AND {TO}"),
        ("$__timeFrom()::timestamptz, $__timeTo()", f"{FROM}::timestamptz, {TO}"),
        ("$__interval $__interval_ms ${__interval_ms}", "1500ms 1500 1500"),
        ("$__timeGroup(t, '5m')", "floor(extract(epoch from t)/300)*300"),
        ("$__timeGroupAlias(t, $__interval)", 'floor(extract(epoch from t)/1.5)*1.5 AS "time"'),
        ("$__time(t), $__timeEpoch(t)", 't AS "time", extract(epoch from t) as "time"'),
        ("$symbol '$symbol' ${symbol}", "O'' 'O''' O''"),
        ("${symbol:sqlstring} ${symbol:raw}", "'O''' O'"),
        ("in ($many) in (${many:sqlstring}) ${many:raw}", "in ('a','b''c') in ('a','b''c') a,b'c"),
    ],
)
def test_variables_and_macros(query: str, expanded: str) -> None:
    assert expand(query, {"symbol": "O'", "many": ["a", "b'c"]}, SHOWN) == expanded


@pytest.mark.parametrize(
    "query", ["$nothing", "${nothing}", "${symbol:lucene}", "$__timeFilter()", "$__from()", "$__timeGroup(t, 5)"]
)
def test_what_grafana_does_not_know_is_refused(query: str) -> None:
    with pytest.raises(ExpansionError):
        expand(query, {"symbol": "A"}, SHOWN)


@pytest.mark.parametrize(
    ("scraped", "expanded"), [(1, "rate(a[4s]) + rate(b[3600s]) + 2s"), (5, "rate(a[20s]) + rate(b[3600s]) + 2s")]
)
def test_a_rate_reaches_over_four_scrapes(scraped: int, expanded: str) -> None:
    query = "rate(a[$__rate_interval]) + rate(b[${__range}]) + $__interval"
    assert expand_promql(query, SHOWN, timedelta(seconds=scraped)) == expanded


def test_a_variable_in_promql_is_refused() -> None:
    with pytest.raises(ExpansionError):
        expand_promql('a{venue="$venue"}', SHOWN, timedelta(seconds=1))


def test_variables_that_a_text_uses() -> None:
    assert variables("$a at ${b:sqlstring}, ${__url_time_range} $__timeFilter(c) $__interval") == {"a", "b"}


@given(st.text())
def test_a_literal_holds_its_value(value: str) -> None:
    literal = quoted(value)
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "") == value.replace("'", "")
    assert literal.count("'") == 2 * value.count("'") + 2
