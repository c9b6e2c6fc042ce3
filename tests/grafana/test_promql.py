"""Every query of the dashboards to Prometheus, asked of a real one that scrapes what the parts export."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from bench._dashboards import EXPRESSIONS, Expression
from market.service import serve
from stack.asking import NoAnswer
from tests.grafana.exporters import ALL
from tests.grafana.prometheus import Prometheus, Series, ask_expression, prometheus
from tests.ports import free_port

BINARY = shutil.which("prometheus")
SCRAPED = timedelta(seconds=1)

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(BINARY is None, reason="there is no prometheus on the PATH (Debian has it as a package)"),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the exporters of every part, each served as the parts serve it."""
    assert BINARY is not None
    with ExitStack() as stack:
        ports = {}
        for name, registry in ALL.items():
            server = serve(0, dict, registry())
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            ports[name] = server.server_port
        yield stack.enter_context(prometheus(BINARY, tmp_path_factory.mktemp("prometheus"), free_port(), ports))


def ask(server: Prometheus, expression: Expression) -> Series:
    """Return the series that Grafana gets."""
    return ask_expression(server, expression, SCRAPED, 20)


def named(expression: Expression, series: dict[str, Any]) -> str:
    """Return the name of a series in its panel."""
    name = expression.legend
    for label, value in series["metric"].items():
        name = name.replace(f"{{{{{label}}}}}", value)
    return name


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_a_query_gives_what_its_panel_draws(asked: Prometheus, expression: Expression) -> None:
    found = ask(asked, expression)
    assert len(found) == 1 or not expression.instant
    # What tells the lines of a panel apart is in their names.
    for label in {label for series in found for label in series["metric"]} - {"__name__"}:
        assert f"{{{{{label}}}}}" in expression.legend


def test_lines_of_one_panel_have_different_names(asked: Prometheus) -> None:
    panels: dict[str, list[str]] = {}
    for expression in EXPRESSIONS:
        panels.setdefault(expression.panel, []).extend(named(expression, found) for found in ask(asked, expression))
    assert {panel: names for panel, names in panels.items() if len(set(names)) != len(names)} == {}
    assert not any("{{" in name for names in panels.values() for name in names)


def test_what_is_no_promql_is_refused(asked: Prometheus) -> None:
    with pytest.raises(NoAnswer, match="parse error"):
        asked.series("sum by venue (up", time=time.time())
