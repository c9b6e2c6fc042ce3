"""What the tests of the sequencer share."""

from collections.abc import Iterator

import pytest

from tests.sequencer.cluster import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        made.close()
