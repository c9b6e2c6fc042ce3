"""What the tests of the sequencer share."""

from collections.abc import Iterator

import pytest

from tests.mock_kafka import mock_kafka
from tests.sequencer.cluster import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with mock_kafka() as bootstrap:
        made = Cluster(bootstrap)
        try:
            yield made
        finally:
            made.close()
