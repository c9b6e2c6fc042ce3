"""What `./pricebraid sql` begins with: every topic as a table of its name. The columns are those of the jobs' tables.

Answers are of what the topics hold when they are asked for, so they end. Nothing of this touches the jobs: it has a
consumer group of its own, and keeps no state.
"""

import re

from flink_jobs.plan import Filled, statement, values
from market.settings import Settings

_OPTIONS = {
    "sql-client.execution.result-mode": "tableau",
    "execution.target": "remote",
    "execution.runtime-mode": "batch",
    # The slots are there for the jobs.
    "parallelism.default": "1",
    "pipeline.name": "sql",
    # A record that can't be read ends the question; it would be tried for ever.
    "restart-strategy.type": "none",
    # Of a query that is followed, rows come with each checkpoint, and nothing of it is to stay.
    "execution.checkpointing.interval": "1 s",
    "execution.checkpointing.externalized-checkpoint-retention": "DELETE_ON_CANCELLATION",
}

_READ = """'properties.group.id' = 'pricebraid-sql',
    'scan.bounded.mode' = 'latest-offset'"""

_JOBS_TABLES = ("rollup_parts", "tickers", "feed_events", "gaps", "gap_marks", "late_trades", "instruments")

_SHARED = {
    "trades": ("trades_in", "trades"),
    "candles": ("candles_1m", "rollups"),
    "values": ("binance_raw_data", "kucoin_raw_data", "sequencer_state"),
}
"""The topics that share a file below `sql/flink/console`. The others there have a file each."""

USES = (
    *(Filled(f"tables/{name}.sql", {}) for name in _JOBS_TABLES),
    *(Filled(f"console/{name}.sql", {"topic": topic}) for name, topics in _SHARED.items() for topic in topics),
    *(Filled(f"console/{name}.sql", {}) for name in ("venue_candles", "feed_marks", "dead_letters")),
)
"""The tables' files, in the order in which they are created."""

_NAME = re.compile(r"^create table (\w+)", re.MULTILINE)


def preparation(settings: Settings) -> str:
    """Return the statements with which Flink's SQL client begins a session."""
    begun = [f"set '{name}' = '{value}'" for name, value in _OPTIONS.items()]
    for use in USES:
        made = statement(use, values(settings))
        (name,) = _NAME.findall(made)
        begun += [made.rstrip(), f"alter table {name} set (\n    {_READ}\n)"]
    # The two that are made of it are what it is read as.
    begun.append("drop table rollup_parts")
    return "".join(f"{one};\n\n" for one in begun)
