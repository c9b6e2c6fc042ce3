"""Every view gives the rows that are written beside it, in batch and as a changelog."""

from pathlib import Path

import pytest

from tests.flink_jobs import golden

VIEWS = ("second_candle", "minute_candle", "latest_ticker", "timed_feed_event", "timed_late_trade")


@pytest.mark.stack
@pytest.mark.parametrize("mode", ["batch", "changelog"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_query_gives_the_expected_rows(view: str, mode: str, tmp_path: Path, cluster: dict[str, str]) -> None:
    rows = golden.load(view)
    got = golden.run(view, rows, tmp_path, cluster, streaming=mode == "changelog")
    assert got == sorted(rows.expect, key=str)


def test_every_query_has_golden_rows() -> None:
    written = {path.stem for path in golden.FOLDER.glob("*.json")}
    used = {view for job in golden.JOBS for view in job.views}
    assert written == set(VIEWS)
    # What a tested view reads is tested with it.
    assert used - written == {"priced_trade"}
