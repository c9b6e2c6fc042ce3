"""A real Grafana, started as `up` starts it, where one is at hand: what it makes of the files, and of each query."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench._dashboards import ASKED, SOURCE, Query
from bench._expansion import Value, _with_variables
from bench.dashboards import fill
from market.settings import Settings, load
from stack import grafana, grafana_api
from stack.errors import StackError
from stack.part import Part
from stack.process import Child
from stack.programs import locate
from stack.state import State
from tests.grafana.conftest import SIZE
from tests.grafana.test_alerts import RULES
from tests.grafana.test_queries import CHOSEN, ending_now
from tests.ingest.postgres import postgres
from tests.ports import free_port
from tests.stacks import eventually


def missing() -> str:
    """Return why there is no Grafana to test with; empty where there is one."""
    program = locate("grafana", load().grafana.binary, grafana.LEAST_VERSION, State(Path("/nowhere"), "simulated"))
    if program.release is not None:
        return "no Grafana is installed here"
    with suppress(StackError):
        program.obtain(State(Path("/nowhere"), "simulated"), lambda _: None)
        return ""
    return "no Grafana 12 or newer is installed here"


pytestmark = [pytest.mark.stack, pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, State]]:
    """Settings and folders of a Grafana that runs on a database with days of candles."""
    folder = tmp_path_factory.mktemp("grafana")
    with postgres(folder / "database") as database:
        with database.connect("owner") as owner:
            fill(owner, SIZE)
        ports = {"postgres": database.settings.ports.postgres, "grafana": free_port()}
        settings = load(market="simulated", state_dir=folder, ports=ports, prometheus={"enabled": False})
        state = State.for_settings(settings)
        state.create()
        part: Part = grafana.part(settings, state)
        part.prepare()
        child = Child(part, "pricebraid-test-grafana", state.logs / "grafana.log", lambda: None)
        try:
            eventually("Grafana answers", lambda: part.ready() is None, 120)
            yield settings, state
        finally:
            child.stop(20, threading.Event())


def test_it_has_all_dashboards_and_reaches_the_database(running: tuple[Settings, State]) -> None:
    seen = eventually("the dashboards are there", lambda: complete(*running))
    assert seen.sources == {SOURCE["uid"]: ""}


def complete(settings: Settings, state: State) -> grafana_api.Seen | None:
    """Return what is seen once no dashboard is missing: they are read soon after it answers."""
    seen = grafana_api.look(settings, state)
    return None if seen.missing else seen


def test_it_has_all_alert_rules(running: tuple[Settings, State]) -> None:
    rules = grafana_api.connect(*running).alertingprovisioning.get_alertrules_all()
    assert {rule["uid"] for rule in rules} == {rule["uid"] for rule in RULES.values()}


def test_whoever_comes_may_look_and_change_nothing(running: tuple[Settings, State]) -> None:
    api = grafana_api.connect(*running)
    api.client.auth = None
    assert api.search.search_dashboards(type_="dash-db")
    with pytest.raises(Exception, match=r"40[13]|Unauthorized|Access denied"):
        api.client.POST("/folders", json={"title": "mine"})


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_it_answers_every_query(running: tuple[Settings, State], query: Query) -> None:
    shown = ending_now(6)
    values: dict[str, Value] = {**CHOSEN, "symbol": "T001-USDT"}
    # The browser puts in variables; macros are left to the server.
    asked = {
        "refId": "A",
        "datasource": SOURCE,
        "format": query.form,
        "rawSql": _with_variables(query.sql, values, shown),
        "intervalMs": round(shown.interval.total_seconds() * 1000),
        "maxDataPoints": 500,
    }
    body = {
        "queries": [asked],
        "from": str(round(shown.from_time.timestamp() * 1000)),
        "to": str(round(shown.to_time.timestamp() * 1000)),
    }
    answer: dict[str, Any] = grafana_api.connect(*running).client.POST("/ds/query", json=body)
    result = answer["results"]["A"]
    assert result["status"] == 200, json.dumps(result)[:500]
    assert "error" not in result
    assert result["frames"]
