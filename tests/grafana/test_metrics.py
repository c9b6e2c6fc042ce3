"""Every metric that a part exports is documented and shown, and what is documented or asked for is exported."""

import re
import zipfile
from importlib.util import find_spec
from pathlib import Path
from struct import pack

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bench._dashboards import EXPRESSIONS, FOLDER
from market.settings import ROOT
from tests.grafana import flink
from tests.grafana.exporters import OURS

PAGE = (ROOT / "docs" / "metrics.md").read_text()
ALERTS = "".join(path.read_text() for path in sorted((FOLDER / "provisioning" / "alerting").glob("*.yaml")))
_CODE = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"\b(?:pricebraid_(?:ingest|sequencer|repair)|flink_(?:job|task)manager)_\w+")
_LABELS = re.compile(r"\bby \(([^)]*)\)")


class Metric(msgspec.Struct, frozen=True):
    """What is known of a metric: its type in Prometheus, and its labels in order."""

    type: str
    labels: tuple[str, ...]


class Documented(Metric, frozen=True):
    """What the page says of it besides."""

    unit: str
    meaning: str
    panels: tuple[str, ...]


def documented(job: str) -> dict[str, Documented]:
    """Return what the page says of the metrics of a scrape job, by their names."""
    section = PAGE.split(f"\n## {job}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    found = {}
    for line in lines[2:]:
        name, kind, labels, unit, meaning, panels = (cell.strip() for cell in line.strip("|").split("|"))
        titles = tuple(filter(None, panels.split(", ")))
        found[_CODE.findall(name)[0]] = Documented(kind, tuple(_CODE.findall(labels)), unit, meaning, titles)
    return found


def exported(registry: CollectorRegistry) -> dict[str, Metric]:
    """Return what a registry exports, by the names that queries begin with."""
    found = {}
    for family in registry.collect():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        suffix = "_total" if family.type == "counter" else ""
        found[family.name + suffix] = Metric(family.type, tuple(sorted(labels)))
    return found


def asks_for(text: str, name: str) -> bool:
    """Return whether a query, or any other text, has the metric or, of a histogram, one of its parts."""
    return re.search(rf"\b{name}(_bucket|_sum|_count)?\b", text) is not None


OF_OURS = {name: told for job in OURS for name, told in documented(job).items()}
OF_FLINK = documented("flink")


@pytest.mark.parametrize("job", OURS)
def test_what_a_part_exports_is_documented_with_its_type_and_labels(job: str) -> None:
    told = {name: Metric(metric.type, metric.labels) for name, metric in documented(job).items()}
    assert told == exported(OURS[job]())


@pytest.mark.parametrize("job", OURS)
def test_a_name_says_whose_metric_it_is(job: str) -> None:
    assert all(name.startswith(f"pricebraid_{job}_") for name in exported(OURS[job]()))


@pytest.mark.parametrize("name", OF_OURS | OF_FLINK)
def test_a_metric_has_unit_meaning_and_a_panel_or_an_alert(name: str) -> None:
    told = (OF_OURS | OF_FLINK)[name]
    assert told.unit
    assert told.meaning
    panels = [expression.panel for expression in EXPRESSIONS if asks_for(expression.promql, name)]
    assert sorted(told.panels) == sorted(set(panels))
    assert panels or asks_for(ALERTS, name)


def test_what_is_asked_for_is_documented() -> None:
    asked = {name for text in [*(item.promql for item in EXPRESSIONS), ALERTS] for name in _NAME.findall(text)}
    assert [name for name in asked if not any(asks_for(name, known) for known in OF_OURS | OF_FLINK)] == []


def test_what_is_asked_of_flink_is_in_its_documentation() -> None:
    assert OF_FLINK.keys() <= flink.METRICS.keys()
    for name, told in OF_FLINK.items():
        assert told.type == "gauge"
        assert set(told.labels) <= set(flink.METRICS[name])
    for expression in EXPRESSIONS:
        names = [name for name in _NAME.findall(expression.promql) if name.startswith("flink_")]
        labels = {label.strip() for found in _LABELS.findall(expression.promql) for label in found.split(",")}
        # Prometheus says by itself where a series was scraped.
        assert all(labels - {"instance"} == set(OF_FLINK[name].labels) or not labels for name in names), expression


def test_flink_has_the_names_that_were_recorded() -> None:
    wheel = find_spec("pyflink")
    assert wheel is not None
    assert wheel.submodule_search_locations
    (jar,) = (Path(wheel.submodule_search_locations[0]) / "lib").glob("flink-dist-*.jar")
    runtime = "org/apache/flink/runtime"
    with zipfile.ZipFile(jar) as classes:
        constants = b"".join(
            classes.read(f"{runtime}/{name}.class")
            for name in ("metrics/MetricNames", "metrics/util/MetricUtils", "checkpoint/DefaultCheckpointStatsTracker")
        )
    # How a class file has a text: its kind, its length, and then it.
    assert {name for name in flink.NAMES if pack(">BH", 1, len(name)) + name.encode() not in constants} == set()
