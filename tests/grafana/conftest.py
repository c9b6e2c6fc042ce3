"""Two databases: an empty one, and one with days of made-up candles of both venues."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from market.settings import ROOT
from tests.ingest.postgres import Postgres, postgres

DAYS, SYMBOLS = 2, 6


def fill(database: Postgres, days: int, symbols: int) -> None:
    """Fill a database with minutes of both venues as the benchmark of questions has them, and with what goes with them.

    Everything ends now, since dashboards ask for ranges that do.
    """
    with database.connect("owner") as connection, connection.transaction():
        cursor = psycopg.ClientCursor(connection)
        minutes = (ROOT / "bench" / "sql" / "fill_reconciliation.sql").read_bytes()
        cursor.execute(minutes, {"days": days, "symbols": symbols})
        connection.execute((Path(__file__).parent / "fill_candles.sql").read_bytes())


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A reader's connection to a database without a row."""
    with postgres(tmp_path_factory.mktemp("empty")) as made, made.connect("reader") as connection:
        yield connection


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A reader's connection to a database with days of candles."""
    with postgres(tmp_path_factory.mktemp("filled")) as made:
        fill(made, DAYS, SYMBOLS)
        with made.connect("reader") as connection:
            yield connection
