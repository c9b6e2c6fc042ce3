"""Any part is killed while trades flow, and the candles still end equal to the exchange's own."""

import os
import signal
from pathlib import Path

import pytest

from tests.data import needs_shared
from tests.e2e.btcusdt import of_whole_minutes, official, ours
from tests.stacks import Stack, Stacks, eventually

pytestmark = [pytest.mark.stack, needs_shared]

PARTS = ("taskmanager-1", "jobmanager", "kafka", "postgres", "sequencer")


@pytest.fixture
def playing(stacks: Stacks, folder: Path) -> Stack:
    """A stack that plays the recording in some minutes, on a machine that is not in UTC."""
    return stacks.need("killed", "--market", str(folder), "--speed", "2.5", TZ="Asia/Kolkata")


def passed(stack: Stack) -> float:
    """Return the share of the recording's frames that have passed."""
    market = stack.market()
    share: float = market["frames_sent"] / market["frames_total"]
    return share


def wait_for_share(stack: Stack, share: float) -> None:
    eventually(f"{share:.0%} have passed", lambda: passed(stack) >= share, 120)


def test_every_part_may_be_killed_while_trades_flow(playing: Stack) -> None:
    killed_at = {}
    for position, name in enumerate(PARTS):
        share = 0.12 + 0.15 * position
        wait_for_share(playing, share)
        before = playing.part(name)
        os.kill(before["pid"], signal.SIGKILL)
        killed_at[name] = passed(playing)
        eventually(f"{name} runs again", lambda: playing.part(name)["pid"] not in (None, before["pid"]), 60)  # noqa: B023
        eventually("all is healthy again", lambda: not playing.unhealthy(), 90)
        assert playing.part(name)["restarts"] >= 1
        if name in ("taskmanager-1", "jobmanager"):
            assert "/chk-" in (playing.part("job-candles")["restored_from"] or "")
    assert all(0.1 < share < 0.9 for share in killed_at.values()), killed_at
    playing.wait_until_played(300)
    assert of_whole_minutes(ours(playing)) == official()
