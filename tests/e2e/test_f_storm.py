"""A short storm over the whole stack: every closed candle ends right or listed, and every gap comes of a fault.

In the long tests also with two ingest processes and two sequencers at once.
"""

import pytest

from bench._storm import tables
from bench._storm.weather import Storm, weather
from replay.faults import DISCONNECTS, KINDS
from stack.environment import effective
from tests.stacks import Stacks

pytestmark = pytest.mark.stack

SPEED = 4.0


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_every_candle_is_right_or_listed_after_a_storm(stacks: Stacks, processes: str) -> None:
    stack = stacks.need(
        f"storm over {processes}",
        *("--market", "simulated", "--speed", f"{SPEED:g}"),
        PRICEBRAID_REPAIR__BACKFILL_HOURS="0",
        PRICEBRAID_INGEST__PROCESSES=processes,
        PRICEBRAID_SEQUENCER__PROCESSES=processes,
    )
    settings = effective(stack.settings())
    counts = {kind: 5 if kind in ("close", "reset") else 2 for kind in KINDS}
    outcome = weather(settings, Storm(seed=4, minutes=4, counts=counts), print)
    assert not outcome.findings, f"{tables.findings(outcome)}\n{tables.summary(outcome)}"
    assert set(outcome.faults) == set(KINDS)
    assert outcome.disconnects >= sum(counts[kind] for kind in DISCONNECTS)
    assert outcome.candles >= 2 * 20 * 4
    assert sum(counts.seen for counts in outcome.counts.values()) > 10_000
