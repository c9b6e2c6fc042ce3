"""Two databases: an empty one, and one with days of made-up candles of both venues."""

from collections.abc import Iterator

import psycopg
import pytest

from bench.dashboards import Size, fill
from tests.ingest.postgres import postgres

SIZE = Size(days=2, hours=1, symbols=6)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A reader's connection to a database without a row."""
    with postgres(tmp_path_factory.mktemp("empty")) as made, made.connect("reader") as connection:
        yield connection


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A reader's connection to a database with days of candles."""
    with postgres(tmp_path_factory.mktemp("filled")) as made:
        with made.connect("owner") as owner:
            fill(owner, SIZE)
        with made.connect("reader") as connection:
            yield connection
