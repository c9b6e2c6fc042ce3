"""Every query that a dashboard asks of Postgres gives rows of a database that the whole stack has filled."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from bench._dashboards import ASKED, Query, choose, ending
from tests.grafana.rows import Rows, ask, check
from tests.stacks import Stacks, eventually

pytestmark = pytest.mark.stack

HOURS = 6
SELDOM = ("Corrections", "Late trades", "Outages")
"""What does not happen while all is well."""


@pytest.fixture(scope="module")
def reader(stacks: Stacks) -> Iterator[psycopg.Connection]:
    simulated = stacks.need("simulated", "--market", "simulated")
    with simulated.connect("reader") as connection:
        connection.autocommit = True
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
