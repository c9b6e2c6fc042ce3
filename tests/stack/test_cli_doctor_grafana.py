"""What `doctor` says of Grafana, asked of a server that answers as Grafana is documented to."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from market.settings import Settings, load
from stack import doctor, running
from stack.grafana import DASHBOARDS
from stack.passwords import grafana_password
from stack.state import State
from tests.stack.fake_grafana import Grafana, serving

ALL = [json.loads(path.read_bytes())["uid"] for path in DASHBOARDS.glob("*.json")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load(market="simulated", state_dir=tmp_path)
    State.for_settings(made).create()
    return made


@pytest.fixture
def grafana(settings: Settings) -> Iterator[tuple[Grafana, Settings]]:
    """A Grafana that has all it should, and the settings that lead to it."""
    made = Grafana(grafana_password(State.for_settings(settings)))
    made.dashboards = list(ALL)
    with serving(made) as port:
        ports = settings.ports.model_copy(update={"grafana": port})
        yield made, settings.model_copy(update={"ports": ports})


def check(settings: Settings, **changed: Any) -> doctor.Check:
    """Return what `doctor` says while a stack of these settings runs."""
    described = settings.model_copy(update=changed)
    os.close(running.claim(settings.state_dir, described, time.time()))
    return doctor.check_grafana(running.find(settings.state_dir))


def test_where_nothing_runs_there_is_nothing_to_say(settings: Settings) -> None:
    assert doctor.check_grafana(None) == doctor.Check("Grafana", "ok", "no Grafana runs")
    without = settings.grafana.model_copy(update={"enabled": False})
    assert check(settings, grafana=without).found == "no Grafana runs"


def test_all_is_well_where_sources_are_healthy_and_dashboards_there(grafana: tuple[Grafana, Settings]) -> None:
    found = check(grafana[1])
    assert found.level == "ok"
    assert found.found == f"12.4.2 with {len(ALL)} dashboards; its data sources are healthy"


def test_a_sick_data_source_is_named_with_what_grafana_says(grafana: tuple[Grafana, Settings]) -> None:
    grafana[0].sick["pricebraid-postgres"] = "connection refused"
    found = check(grafana[1])
    assert found.level == "warn"
    assert "pricebraid-postgres is not healthy: connection refused" in found.found
    assert "./pricebraid status" in found.remedy


def test_metrics_are_asked_for_only_where_prometheus_is_wanted(grafana: tuple[Grafana, Settings]) -> None:
    grafana[0].sick["pricebraid-prometheus"] = "connection refused"
    assert check(grafana[1]).level == "warn"
    assert check(grafana[1], prometheus=grafana[1].prometheus.model_copy(update={"enabled": False})).level == "ok"


def test_a_dashboard_that_is_missing_is_named(grafana: tuple[Grafana, Settings]) -> None:
    grafana[0].dashboards.remove("pricebraid-history")
    assert "the dashboard History is missing" in check(grafana[1]).found


@pytest.mark.parametrize("port", [None, 9])
def test_a_grafana_that_does_not_let_us_in_or_answer_is_told(
    grafana: tuple[Grafana, Settings], port: int | None
) -> None:
    grafana[0].password = "another"
    ports = grafana[1].ports.model_copy(update={"grafana": port or grafana[1].ports.grafana})
    found = check(grafana[1], ports=ports)
    assert found.level == "warn"
    assert "does not answer as it should" in found.found
    assert "./pricebraid logs grafana" in found.remedy
