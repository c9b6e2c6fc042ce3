"""Every view gives the rows that are written beside it, in batch and as a changelog."""

from pathlib import Path

import pytest

from tests.flink_jobs import golden

WRITTEN = sorted(path.stem for path in golden.FOLDER.glob("*.json"))


@pytest.mark.stack
@pytest.mark.parametrize("mode", ["batch", "changelog"])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_query_gives_the_expected_rows(name: str, mode: str, tmp_path: Path, cluster: dict[str, str]) -> None:
    rows = golden.load(name)
    got = golden.run(golden.view_of(name), rows, tmp_path, cluster, streaming=mode == "changelog")
    assert got == sorted(rows.expect, key=str)


def test_every_query_has_golden_rows() -> None:
    tested = {golden.view_of(name) for name in WRITTEN}
    used = set.union(*(golden.created(job, "view") for job in golden.JOBS))
    # What a tested view reads is tested with it.
    assert used == tested | {"candle_input", "rollup_part", "rollup_input"}
