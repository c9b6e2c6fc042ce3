"""Every query of a dashboard is answered by a whole stack: by its database, and by its Prometheus."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bench._dashboards import ASKED, EXPRESSIONS, Expression, Query, choose, ending
from tests.grafana.prometheus import Prometheus, ask_expression
from tests.grafana.rows import Rows, ask, check
from tests.stacks import PORTS, Stacks, eventually

pytestmark = pytest.mark.stack

HOURS = 6
SCRAPED = timedelta(seconds=5)
"""As deploy/prometheus/prometheus.yml says."""
SELDOM = ("Gaps", "Corrections", "Late trades", "Outages")
"""What does not happen while all is well."""


@pytest.fixture(scope="module")
def reader(stacks: Stacks) -> Iterator[psycopg.Connection]:
    with stacks.simulated().connect("reader") as connection:
        connection.autocommit = True
        candles = "select count(distinct (venue, symbol)) = 40 from candle_1d"
        eventually("there are symbols to choose", lambda: connection.execute(candles).fetchone() == (True,), 120)
        yield connection


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_a_panel_gets_rows_of_the_running_pipeline(reader: psycopg.Connection, query: Query) -> None:
    def asked() -> Rows:
        shown = ending(datetime.now(UTC), HOURS)
        rows = ask(reader, query, choose(reader, query.dashboard, shown), shown)
        if rows:
            check(query, rows, shown)
        return rows

    if query.name.startswith(SELDOM):
        asked()
    else:
        # The first verification is five minutes after the start.
        eventually("there are rows", asked, 400)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no prometheus on the PATH")
@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_a_panel_gets_numbers_of_every_part_that_runs(stacks: Stacks, expression: Expression) -> None:
    stacks.simulated()
    server = Prometheus(PORTS["PROMETHEUS"])
    eventually("every part is asked for its metrics", server.up)
    ask_expression(server, expression, SCRAPED, 60)
