"""How Flink plans the jobs: without the operators that would make them slow, or wrong after a restart."""

import re
from functools import cache

import pytest
from pyflink.table import ExplainDetail

from flink_jobs import candles, rollups
from flink_jobs.plan import Job, configuration, statements, values
from flink_jobs.submit import environment
from market.settings import Settings
from tests.flink_jobs.golden import JOBS

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("flink_home")]


@cache
def explained(name: str) -> str:
    """Return the plan of a job's statement set, with the kinds of change that each operator emits."""
    (job,) = (job for job in JOBS if job.name == name)
    settings = Settings()
    tables = environment(configuration(job, settings))
    *preparations, statement = statements(job, values(settings))
    for preparation in preparations:
        tables.execute_sql(preparation)
    inserts = re.search(r"\bbegin\b(.*)\bend\b", statement, re.DOTALL)
    assert inserts is not None
    together = tables.create_statement_set()
    for insert in inserts[1].split(";"):
        if insert.strip():
            together.add_insert_sql(insert)
    plan: str = together.explain(ExplainDetail.CHANGELOG_MODE)
    return plan


def physical(plan: str) -> str:
    """Return the part of a plan that shows each sink with all below it."""
    return plan.split("== Optimized Physical Plan ==")[1].split("== Optimized Execution Plan ==", maxsplit=1)[0]


def execution(plan: str) -> str:
    """Return the part of a plan that shows each operator once."""
    return plan.split("== Optimized Execution Plan ==")[1]


def modes(plan: str) -> set[str]:
    """Return all kinds of change that pass in a plan."""
    return set(re.findall(r"changelogMode=\[([^]]*)\]", physical(plan)))


@pytest.fixture(scope="module")
def candles_plan() -> str:
    return explained(candles.JOB.name)


@pytest.fixture(scope="module")
def rollups_plan() -> str:
    return explained(rollups.JOB.name)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_no_sink_stores_its_rows_again(job: Job) -> None:
    assert "upsertMaterialize" not in explained(job.name)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_nothing_is_joined_nor_stored_to_be_compared(job: Job) -> None:
    plan = explained(job.name)
    for operator in ("Correlate", "Join", "ChangelogNormalize", "Deduplicate", "Rank"):
        assert operator not in plan


def test_each_interval_has_one_aggregate_that_is_merged_from_local_ones(candles_plan: str) -> None:
    assert execution(candles_plan).count("LocalGroupAggregate(") == 2
    assert execution(candles_plan).count("GlobalGroupAggregate(") == 2


def test_trades_marks_and_venue_candles_are_read_and_made_numbers_once(candles_plan: str) -> None:
    assert execution(candles_plan).count("TableSourceScan(") == 1
    assert execution(candles_plan).count("AS ordered_price") == 1
    assert "Union" not in candles_plan


def test_the_sinks_of_candles_get_no_retractions(candles_plan: str) -> None:
    assert modes(candles_plan) == {"I", "I,UA", "NONE"}


def test_each_aggregate_keeps_its_state_as_long_as_the_settings_say(candles_plan: str) -> None:
    assert "26h" in candles_plan
    assert "120h" in candles_plan


def test_one_aggregate_makes_all_rollups_for_both_of_its_sinks(rollups_plan: str) -> None:
    assert execution(rollups_plan).count("GroupAggregate(") == 1


def test_a_rollup_takes_nothing_back(rollups_plan: str) -> None:
    # A maximum that can be taken back is found among all values, at every change.
    assert "RETRACT(" not in execution(rollups_plan)
    assert modes(rollups_plan) == {"I", "I,UA", "NONE"}


def test_rollups_gather_before_they_aggregate(rollups_plan: str) -> None:
    assert execution(rollups_plan).count("MiniBatchAssigner(") == execution(rollups_plan).count("TableSourceScan(") == 2
