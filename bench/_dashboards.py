"""The dashboards as they lie in `grafana/dashboards`, and every query that they ask."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench._expansion import Shown, Value, expand, seconds
from market.settings import ROOT

FOLDER = ROOT / "grafana"
PATHS = sorted((FOLDER / "dashboards").glob("*.json"))
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_bytes()) for path in PATHS}
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "pricebraid-postgres"}
PROMETHEUS = {"type": "prometheus", "uid": "pricebraid-prometheus"}
POINTS = 500
"""How many points a panel has room for, by which Grafana chooses `$__interval`."""


@dataclass(frozen=True)
class Query:
    """One query of a dashboard to Postgres."""

    dashboard: str
    name: str
    kind: str
    """`variable`, `annotation` or the type of the panel."""
    form: str
    """`table` or `time_series`: what Grafana takes the rows for."""
    sql: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.name}"


@dataclass(frozen=True)
class Expression:
    """One query of a dashboard to Prometheus."""

    dashboard: str
    panel: str
    reference: str
    promql: str
    legend: str
    instant: bool
    """Whether its value at the range's end is asked for, instead of over the range."""
    minutely: bool
    """Whether its panel draws a point a minute at most, instead of as many as there is room for."""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.reference}"


def panels(name: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something: all but the headings of its rows."""
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def _targets(name: str, source: dict[str, str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for panel in panels(name):
        for target in panel["targets"]:
            if target["datasource"] == source:
                yield panel, target


def _queries(name: str, dashboard: dict[str, Any]) -> list[Query]:
    return [
        *(Query(name, item["name"], "variable", "table", item["query"]) for item in dashboard["templating"]["list"]),
        *(
            Query(name, f"{item['name']} {target['refId']}", "annotation", target["format"], target["rawSql"])
            for item in dashboard["annotations"]["list"]
            for target in [item["target"]]
        ),
        *(
            Query(name, f"{panel['title']} {target['refId']}", panel["type"], target["format"], target["rawSql"])
            for panel, target in _targets(name, SOURCE)
        ),
    ]


QUERIES = [query for name, dashboard in DASHBOARDS.items() for query in _queries(name, dashboard)]
VARIABLES = [query for query in QUERIES if query.kind == "variable"]
ASKED = [query for query in QUERIES if query.kind != "variable"]
EXPRESSIONS = [
    Expression(
        name,
        panel["title"],
        target["refId"],
        target["expr"],
        target["legendFormat"],
        target["instant"],
        panel.get("interval") == "1m",
    )
    for name in DASHBOARDS
    for panel, target in _targets(name, PROMETHEUS)
]


def default_hours(dashboard: str) -> float:
    """Return the length of the range that a dashboard opens with, in hours."""
    return seconds(DASHBOARDS[dashboard]["time"]["from"].removeprefix("now-")) / 3600


def ending(at: datetime, hours: float) -> Shown:
    """Return the range of so many hours up to a time, as a panel shows it."""
    length = timedelta(hours=hours)
    return Shown(at - length, at, max(timedelta(seconds=1), length / POINTS))


def options(connection: psycopg.Connection, query: Query, chosen: Mapping[str, Value], shown: Shown) -> list[Value]:
    """Return what can be chosen of a variable, given what was of those before it."""
    return [value for (value,) in connection.execute(expand(query.sql, chosen, shown).encode())]


def choose(
    connection: psycopg.Connection, dashboard: str, shown: Shown, fixed: Mapping[str, Value] = {}
) -> dict[str, Value]:
    """Return what is chosen of each variable: what is `fixed`, and of the others the first option, as Grafana does.

    Raises:
        LookupError: a variable has no option.
    """
    chosen: dict[str, Value] = {}
    for query in VARIABLES:
        if query.dashboard == dashboard:
            chosen[query.name] = fixed.get(query.name) or options(connection, query, chosen, shown)[0]
    return chosen
