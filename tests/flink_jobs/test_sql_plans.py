"""How Flink plans the jobs: without the operators that would make them slow, or wrong after a restart."""

import re

import pytest
from pyflink.table import ExplainDetail

from flink_jobs.plan import Job, configuration, statements, values
from flink_jobs.submit import environment
from market.settings import Settings
from tests.flink_jobs.golden import JOBS

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("flink_home")]


def explained(job: Job) -> str:
    """Return the plan of a job's statement set, with the kinds of change that each operator emits."""
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


@pytest.fixture(scope="module")
def candles_plan() -> str:
    return explained(JOBS[0])


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_no_sink_stores_its_rows_again(job: Job) -> None:
    assert "upsertMaterialize" not in explained(job)


def test_trades_are_neither_joined_nor_kept(candles_plan: str) -> None:
    assert "Correlate" not in candles_plan
    assert "Join" not in candles_plan


def test_each_interval_has_one_aggregate_that_is_merged_from_local_ones(candles_plan: str) -> None:
    execution = candles_plan.split("== Optimized Execution Plan ==")[1]
    assert execution.count("LocalGroupAggregate(") == 2
    assert execution.count("GlobalGroupAggregate(") == 2
    assert execution.count("TableSourceScan(") == 1


def test_the_sinks_get_no_retractions(candles_plan: str) -> None:
    modes = set(re.findall(r"changelogMode=\[([^]]*)\]", candles_plan))
    assert modes == {"I", "I,UA", "NONE"}


def test_each_aggregate_keeps_its_state_as_long_as_the_settings_say(candles_plan: str) -> None:
    assert "26h" in candles_plan
    assert "120h" in candles_plan
