"""The dashboards as they lie in `grafana/dashboards`, and every query that they ask."""

import json
from dataclasses import dataclass
from typing import Any

from market.settings import ROOT

FOLDER = ROOT / "grafana"
PATHS = sorted((FOLDER / "dashboards").glob("*.json"))
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_bytes()) for path in PATHS}
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "pricebraid-postgres"}


@dataclass(frozen=True)
class Query:
    """One query of a dashboard."""

    dashboard: str
    name: str
    kind: str
    """`variable`, `annotation` or the type of the panel."""
    form: str
    """`table` or `time_series`: what Grafana takes the rows for."""
    sql: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.name}"


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
            for panel in dashboard["panels"]
            for target in panel["targets"]
        ),
    ]


QUERIES = [query for name, dashboard in DASHBOARDS.items() for query in _queries(name, dashboard)]
VARIABLES = [query for query in QUERIES if query.kind == "variable"]
ASKED = [query for query in QUERIES if query.kind != "variable"]
