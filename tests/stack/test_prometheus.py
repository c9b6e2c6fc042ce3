"""Prometheus: what it is told to ask, and a real one that asks, where there is one."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client import CollectorRegistry, Counter
from ruamel.yaml import YAML

from market.service import serve
from market.settings import Settings, load
from stack import prometheus
from stack.probes import get_json
from stack.process import Child
from stack.state import State
from tests.ports import free_port
from tests.stacks import eventually

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus is installed here")


def test_every_process_is_asked_at_the_port_of_the_settings() -> None:
    ports = {"ingest": 1, "ingest_2": 2, "sequencer": 3, "sequencer_2": 4, "repair": 5, "flink_metrics": 6}
    settings = load(ports=ports, ingest={"processes": 2}, sequencer={"processes": 2}, flink={"taskmanagers": 2})
    assert prometheus.targets(settings) == {
        "ingest": {"ingest": 1, "ingest-2": 2},
        "sequencer": {"sequencer": 3, "sequencer-2": 4},
        "repair": {"repair": 5},
        "flink": {"jobmanager": 6, "taskmanager-1": 7, "taskmanager-2": 8},
    }


def test_a_second_process_is_asked_only_where_there_is_one() -> None:
    found = prometheus.targets(load())
    assert list(found["ingest"]) == ["ingest"]
    assert list(found["sequencer"]) == ["sequencer"]


def test_each_job_of_the_configuration_has_its_file(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    state = State.for_settings(settings)
    prometheus.prepare(settings, state)
    told = YAML(typ="safe").load(state.prometheus / "prometheus.yml")
    files = {job["job_name"]: found["files"] for job in told["scrape_configs"] for found in job["file_sd_configs"]}
    assert files == {job: [f"targets/{job}.json"] for job in prometheus.targets(settings)}
    assert told["global"]["scrape_interval"] == "5s"
    ingest = json.loads((state.prometheus / "targets" / "ingest.json").read_text())
    assert ingest == [{"targets": [f"127.0.0.1:{settings.ports.ingest}"], "labels": {"instance": "ingest"}}]


def test_what_is_kept_is_bounded_by_time_and_size(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path, prometheus={"keep_days": 3, "keep_megabytes": 100})
    command = prometheus.part(settings, State.for_settings(settings)).command
    assert "--storage.tsdb.retention.time=3d" in command
    assert "--storage.tsdb.retention.size=100MB" in command
    assert f"--web.listen-address=127.0.0.1:{settings.ports.prometheus}" in command


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Settings]:
    """A real Prometheus, as `up` runs it, that finds a real ingest's port answered by us."""
    ports = {name: free_port() for name in ("prometheus", "ingest", "sequencer", "repair", "flink_metrics")}
    settings = load(market="simulated", state_dir=tmp_path, ports=ports)
    state = State.for_settings(settings)
    state.create()
    registry = CollectorRegistry()
    Counter("pricebraid_ingest_trades", "Trades", ["venue"], registry=registry).labels("binance").inc(7)
    server = serve(settings.ports.ingest, dict, registry)
    part = prometheus.part(settings, state)
    part.obtain(lambda _: None)
    part.prepare()
    child = Child(part, "pricebraid-test-prometheus", state.logs / "prometheus.log", lambda: None)
    try:
        eventually("Prometheus answers", lambda: part.ready() is None)
        yield settings
    finally:
        assert child.stop(20, threading.Event())
        server.shutdown()
        server.server_close()


def asked(settings: Settings, query: str) -> list[Any]:
    found: list[Any] = get_json(settings.ports.prometheus, f"/api/v1/query?query={quote(query)}")["data"]["result"]
    return found


@needs_prometheus
def test_a_real_prometheus_asks_every_part_and_names_it(running: Settings) -> None:
    eventually("the metrics are there", lambda: asked(running, "pricebraid_ingest_trades_total"))
    (found,) = asked(running, "pricebraid_ingest_trades_total")
    assert found["value"][1] == "7"
    assert found["metric"] | {"job": "ingest", "instance": "ingest", "venue": "binance"} == found["metric"]
    eventually("every part was asked", lambda: len(asked(running, "up")) == 5)
    up = {series["metric"]["instance"]: series["value"][1] for series in asked(running, "up")}
    assert up == {"ingest": "1", "sequencer": "0", "repair": "0", "jobmanager": "0", "taskmanager-1": "0"}


@needs_prometheus
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed here")
def test_the_configuration_is_one_for_prometheus_own_tool(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    state = State.for_settings(settings)
    prometheus.prepare(settings, state)
    checked = subprocess.run(
        ["promtool", "check", "config", state.prometheus / "prometheus.yml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr
