"""What Flink's SQL client begins with: every topic as a table, asked without touching what the jobs do."""

import re

import pytest

from flink_jobs.console import preparation
from market.settings import Settings
from market.topics import topics

SETTINGS = Settings(kafka={"bootstrap": "elsewhere:9092"})
STATEMENTS = [one.strip() for one in preparation(SETTINGS).split(";\n") if one.strip()]


def made(kind: str) -> list[str]:
    """Return the tables' names in the statements of a kind, in order."""
    return re.findall(rf"^{kind} table (\w+)", preparation(SETTINGS), re.MULTILINE)


def test_every_topic_is_a_table_of_its_name() -> None:
    left = set(made("create")) - set(made("drop"))
    assert left == {topic.name for topic in topics(SETTINGS.kafka)}


def test_every_value_that_a_table_asks_for_is_filled_in() -> None:
    assert "${" not in preparation(SETTINGS)
    assert set(re.findall(r"'properties.bootstrap.servers' = '(.*)'", preparation(SETTINGS))) == {"elsewhere:9092"}


def test_no_table_keeps_the_consumer_group_of_a_job_or_is_read_without_end() -> None:
    assert made("alter") == made("create")
    for statement in STATEMENTS:
        if "alter table" in statement:
            assert "'properties.group.id' = 'pricebraid-sql'" in statement
            assert "'scan.bounded.mode' = 'latest-offset'" in statement


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text.splitlines()[0][:40])
def test_a_statement_ends_where_the_client_sees_its_end(statement: str) -> None:
    # It takes a semicolon at the end of a line for the end, also within a comment.
    assert not any(line.rstrip().endswith(";") for line in statement.splitlines())
    assert re.search(r"^(set|create table|alter table|drop table) ", statement, re.MULTILINE)
