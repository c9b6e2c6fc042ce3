"""What a job consists of: complete SQL, and a fingerprint that changes with what its state depends on."""

import itertools
import os
import subprocess
import sys
from string import Template

import msgspec
import pytest

from flink_jobs import console, plan, rollups
from flink_jobs.plan import Job, fingerprint, statements, values
from market.settings import ROOT, Settings
from market.topics import topics
from tests.flink_jobs.golden import JOBS


def settings(**changes: object) -> Settings:
    return Settings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_value_that_a_statement_asks_for_is_filled_in(job: Job) -> None:
    assert all("${" not in statement for statement in statements(job, values(settings())))


def test_every_file_belongs_to_a_job_or_to_the_console() -> None:
    used = {use.name for job in JOBS for use in job.uses()} | {use.name for use in console.USES}
    there = {str(path.relative_to(plan.SQL)) for path in plan.SQL.rglob("*.sql")}
    assert used == there


def test_every_topic_that_a_table_names_is_created() -> None:
    created = {topic.name for topic in topics(settings().kafka)}
    for path in (plan.SQL / "tables").glob("*.sql"):
        for line in path.read_text().splitlines():
            if "'topic' = " in line:
                assert set(line.split("'")[3].split(";")) <= created, path


@pytest.mark.parametrize(
    "changed",
    [
        {"ports": {"kafka": 1, "postgres": 2}},
        {"postgres": {"writer_password": "other"}},
        {"flink": {"flush_ms": 7, "parallelism": 3, "mini_batch_ms": 9}},
        {"kafka": {"bootstrap": "elsewhere:9092"}},
    ],
)
def test_where_and_how_fast_a_job_runs_leaves_its_fingerprint_alone(changed: dict[str, object]) -> None:
    for job in JOBS:
        assert fingerprint(job, settings(**changed)) == fingerprint(job, settings())


@pytest.mark.parametrize(
    ("gather_ms", "setting", "latency"), [(None, 50, "50 ms"), (1000, 50, "1000 ms"), (9, 50, "9 ms")]
)
def test_a_job_gathers_as_long_as_it_asks_for_or_the_settings_do(
    gather_ms: int | None, setting: int, latency: str
) -> None:
    job = Job(name="j", tables=(), views=(), gather_ms=gather_ms)
    made = plan.configuration(job, settings(flink={"mini_batch_ms": setting}))
    assert made["table.exec.mini-batch.allow-latency"] == latency


def test_how_long_state_is_kept_changes_the_fingerprint() -> None:
    candles = JOBS[0]
    assert fingerprint(candles, settings(flink={"state_hours": 1})) != fingerprint(candles, settings())


def test_a_changed_query_changes_the_fingerprint_and_a_comment_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    job = Job(name="j", tables=(), views=())
    folder = ROOT.__class__(str(tmp_path))
    (folder / "jobs").mkdir()
    monkeypatch.setattr(plan, "SQL", folder)
    prints = []
    for text in ("select a from t", "-- why\n  select a\n    from t\n", "select b from t"):
        (folder / "jobs" / "j.sql").write_text(text)
        prints.append(fingerprint(job, settings()))
    assert prints[0] == prints[1] != prints[2]


def test_a_file_that_is_used_twice_is_filled_with_each_uses_own_values() -> None:
    filled = statements(JOBS[0], values(settings(flink={"second_state_hours": 2})))
    views = [statement for statement in filled if "create view" in statement and "group by" in statement]
    assert ["create view second_candle" in view for view in views] == [True, False]
    assert ["create view minute_candle" in view for view in views] == [False, True]
    assert "'2h'" in views[0]
    assert "'120h'" in views[1]


def test_a_jobs_own_options_change_its_fingerprint() -> None:
    job = JOBS[0]
    other = msgspec.structs.replace(job, options={})
    assert fingerprint(job, settings()) != fingerprint(other, settings())


def test_each_rollup_is_made_of_whole_candles_of_the_finer_one() -> None:
    minutes = list(rollups.MINUTES.values())
    assert all(coarser % finer == 0 for finer, coarser in itertools.pairwise(minutes))


def test_a_value_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(KeyError, match="missing"):
        Template("${missing}").substitute(values(settings()))


def test_the_list_names_each_job_with_its_fingerprint_and_how_many_slots_it_takes() -> None:
    environment = os.environ | {"PRICEBRAID_FLINK__PARALLELISM": "3"}
    answer = subprocess.run(
        [sys.executable, "-m", "flink_jobs", "list"], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    listed = msgspec.json.decode(answer.stdout)
    assert [item["name"] for item in listed] == ["candles", "rollups", "reconciliation", "tickers", "feed"]
    assert all(len(item["fingerprint"]) == 64 for item in listed)
    # Two connections write the rollups, however many tasks the others are spread over.
    assert [item["slots"] for item in listed] == [3, 2, 1, 3, 1]
