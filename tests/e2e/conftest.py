"""What the tests of whole stacks share."""

from pathlib import Path

import pytest

from tests.data import RECORDINGS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files of the recording."""
    path = tmp_path_factory.mktemp("btcusdt")
    for file in RECORDINGS.glob("binance-btcusdt-*.frames.gz"):
        (path / file.name).symlink_to(file)
    return path
