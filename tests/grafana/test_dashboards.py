"""The dashboards' files: what Grafana takes without a word, and shows wrongly or not at all."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from bench._dashboards import DASHBOARDS, EXPRESSIONS, FOLDER, PATHS, PROMETHEUS, SOURCE, panels
from bench._expansion import variables
from stack.shown import Kind

COLUMNS = 24

each = pytest.mark.parametrize("name", DASHBOARDS)


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def found(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key, however deep."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key:
                yield item
            yield from found(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from found(item, key)


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """Return the cells of the grid that a panel covers."""
    at = panel["gridPos"]
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}


def test_each_dashboard_has_an_address_of_its_own() -> None:
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(set(uids)) == len(uids)
    assert all(uid.startswith("pricebraid-") for uid in uids)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.stem))
def test_a_file_is_written_in_one_way_only(path: Any) -> None:
    text = path.read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


@each
def test_a_provisioned_dashboard_brings_no_number_of_a_database(name: str) -> None:
    assert DASHBOARDS[name]["id"] is None
    assert DASHBOARDS[name]["schemaVersion"] == 41
    assert DASHBOARDS[name]["timezone"] == "utc"


@each
def test_panels_are_told_apart_and_explained(name: str) -> None:
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)
    for panel in panels(name):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]


@each
def test_panels_lie_side_by_side_in_the_grid(name: str) -> None:
    laid = DASHBOARDS[name]["panels"]
    for one, other in combinations(laid, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    covered = set().union(*map(cells, laid))
    assert {x for x, _ in covered} == set(range(COLUMNS))
    # Grafana moves panels up into holes: then they lie otherwise than here.
    assert len(covered) == COLUMNS * (max(y for _, y in covered) + 1)


@each
def test_the_top_row_is_the_same_everywhere_and_says_which_market_is_shown_and_how_it_was_verified(name: str) -> None:
    # Grafana takes no library panels from files: the row is in each, and has to be changed in each.
    row, first = (
        [panel for panel in dashboard["panels"] if panel["gridPos"]["y"] == 0]
        for dashboard in (DASHBOARDS[name], DASHBOARDS["live-price"])
    )
    assert [panel["title"] for panel in row] == ["Market shown", "Last verified", "Candles compared", "Differences"]
    assert row == first
    (mapping,) = row[0]["fieldConfig"]["defaults"]["mappings"]
    colours = {kind: shown["color"] for kind, shown in mapping["options"].items()}
    assert colours.keys() == set(get_args(Kind))
    assert len(set(colours.values())) == 3


@each
def test_rows_have_a_name_and_are_open(name: str) -> None:
    for row in DASHBOARDS[name]["panels"]:
        if row["type"] == "row":
            assert row["title"]
            assert not row["collapsed"]
            assert row["panels"] == []
            assert (row["gridPos"]["w"], row["gridPos"]["h"]) == (COLUMNS, 1)


@each
def test_every_query_goes_to_a_data_source_that_is_there(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert all(source in (SOURCE, PROMETHEUS) for source in found(dashboard, "datasource"))
    for item in [*dashboard["templating"]["list"], *dashboard["annotations"]["list"]]:
        # Without a Prometheus, choosing a symbol has to work all the same.
        assert item["datasource"] == SOURCE
    for panel in panels(name):
        assert panel["targets"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"]), panel["title"]


def test_only_the_pipeline_asks_prometheus() -> None:
    assert {expression.dashboard for expression in EXPRESSIONS} == {"pipeline"}


def test_what_prometheus_is_asked_is_named_or_the_only_one_of_its_panel() -> None:
    for panel in panels("pipeline"):
        if panel["datasource"] == PROMETHEUS:
            for target in panel["targets"]:
                assert target["range"] is not target["instant"]
                assert target["instant"] is (panel["type"] == "stat")
                assert target["legendFormat"] or len(panel["targets"]) == 1, panel["title"]


def test_a_rate_reaches_over_some_scrapes_and_what_is_counted_in_steps_counts_once() -> None:
    for expression in EXPRESSIONS:
        windows = set(re.findall(r"\[(.+?)\]", expression.promql))
        # Windows of one step each neither overlap nor leave holes, if several scrapes are in each.
        counted = "$__range" if expression.instant else "$__interval"
        assert windows <= {counted if "increase(" in expression.promql else "$__rate_interval"}, expression
        assert expression.minutely is ("$__interval" in windows), expression


@each
def test_every_variable_that_is_used_is_there_and_the_other_way_round(name: str) -> None:
    defined = [item["name"] for item in DASHBOARDS[name]["templating"]["list"]]
    assert len(set(defined)) == len(defined)
    used = set().union(*map(variables, texts(DASHBOARDS[name])))
    assert used == set(defined)


@each
def test_a_variable_is_asked_after_those_that_it_needs(name: str) -> None:
    before: set[str] = set()
    for item in DASHBOARDS[name]["templating"]["list"]:
        assert variables(item["query"]) <= before, item["name"]
        assert item["query"] == item["definition"]
        before.add(item["name"])


@each
def test_links_lead_to_dashboards_and_take_variables_and_time_along(name: str) -> None:
    there = {dashboard["uid"]: stem for stem, dashboard in DASHBOARDS.items()}
    urls = list(found(DASHBOARDS[name], "url"))
    for url in urls:
        parts = re.fullmatch(r"/d/([\w-]+)/([\w-]+)(\?.*)?", url)
        assert parts is not None, url
        assert there[parts[1]] == parts[2]
        assert parts[3] is None or "${__url_time_range}" in parts[3]
    links = DASHBOARDS[name]["links"]
    assert all(link["includeVars"] and link["keepTime"] for link in links)
    assert {link["title"] for link in links} == {
        dashboard["title"] for stem, dashboard in DASHBOARDS.items() if stem != name
    }


def test_a_variable_of_one_name_means_the_same_everywhere() -> None:
    # Links take them along by their names.
    meanings: dict[str, set[str]] = {}
    for dashboard in DASHBOARDS.values():
        for item in dashboard["templating"]["list"]:
            meanings.setdefault(item["name"], set()).add(item["query"])
    assert all(len(queries) == 1 for queries in meanings.values()), meanings


def test_grafana_is_told_of_the_data_source_by_its_pinned_uid_and_without_secrets() -> None:
    told = YAML(typ="safe").load(FOLDER / "provisioning" / "datasources" / "postgres.yaml")
    (source,) = told["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == SOURCE
    assert source["editable"] is False
    given = {source["url"], source["user"], source["jsonData"]["database"], source["secureJsonData"]["password"]}
    assert {re.fullmatch(r"\$\{GRAFANA_POSTGRES_\w+\}", text) is not None for text in given} == {True}


def test_grafana_is_told_of_the_folder_and_changes_nothing_in_it() -> None:
    told = YAML(typ="safe").load(FOLDER / "provisioning" / "dashboards" / "pricebraid.yaml")
    (provider,) = told["providers"]
    assert provider["folder"] == "Pricebraid"
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"] == "${GRAFANA_DASHBOARDS}"
