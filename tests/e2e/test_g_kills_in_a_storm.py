"""Parts are killed, one or two at a time, while the market misbehaves: the candles stay those that the trades make."""

import json
import os
import random
import signal
import time
from itertools import combinations
from urllib.request import Request, urlopen

import pytest

from replay.faults import KINDS, encode, script
from tests.e2e.compared import uncompared
from tests.stacks import PORTS, Stack, Stacks, eventually

pytestmark = [pytest.mark.stack, pytest.mark.long]

PARTS = ("taskmanager-1", "jobmanager", "kafka", "postgres", "sequencer", "ingest")
# The first six kill each part alone; the others kill two at once.
ROUNDS = int(os.environ.get("KILL_ROUNDS", "7"))
SPEED = 4
# Of market time; at that speed a round takes some four minutes of it, and twice as long at most.
HOURS = max(1, ROUNDS * 8 / 60)


@pytest.fixture
def storm(stacks: Stacks) -> Stack:
    """A stack over a market in which something goes wrong every few seconds, on a machine that is not in UTC."""
    stack = stacks.need(
        "killed in a storm",
        "--market",
        "simulated",
        "--speed",
        str(SPEED),
        TZ="Asia/Kolkata",
        PRICEBRAID_SIMULATION__SYMBOLS="6",
        PRICEBRAID_SIMULATION__TRADES_PER_SECOND="40",
        PRICEBRAID_REPAIR__BACKFILL_HOURS="1",
    )
    now = stack.market()["clock"]
    symbols = [row[0] for row in stack.query("select distinct symbol from ticker")]
    faults = script(1, now, now + round(HOURS * 3_600_000_000), symbols, dict.fromkeys(KINDS, round(HOURS * 12)))
    post(f"http://127.0.0.1:{PORTS['MARKET']}/-/faults", encode(faults))
    return stack


def post(url: str, body: bytes) -> None:
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10) as answer:
        assert answer.status == 201


def victims(seed: int) -> list[tuple[str, ...]]:
    """Return what is killed in each round: every part alone, then pairs."""
    chance = random.Random(seed)
    pairs = list(combinations(PARTS, 2))
    chance.shuffle(pairs)
    rounds: list[tuple[str, ...]] = [(part,) for part in PARTS]
    return [*rounds, *pairs][:ROUNDS]


def sent(stack: Stack) -> int:
    """Return how many frames the market has sent so far."""
    frames: int = stack.market()["frames_sent"]
    return frames


def test_whatever_is_killed_in_a_storm_every_closed_candle_is_what_the_trades_make(storm: Stack) -> None:
    chance = random.Random(2)
    for number, names in enumerate(victims(1)):
        moment = sent(storm) + chance.randint(50, 400)
        eventually("trades flow", lambda: sent(storm) > moment)  # noqa: B023
        assert storm.market()["faults"]["planned"] > 0, "the storm is over too soon"
        pids = {name: storm.part(name)["pid"] for name in names}
        killed = time.monotonic()
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for name, pid in pids.items():
            eventually(f"{name} runs again", lambda: storm.part(name)["pid"] not in (None, pid), 60)  # noqa: B023
        eventually("all is healthy again", lambda: not storm.unhealthy(), 120)
        seconds = time.monotonic() - killed
        verified = storm.command("verify", "--json", check=False)
        print(f"round {number + 1}: {' and '.join(names)} killed, all healthy after {seconds:.1f} s")  # noqa: T201
        assert verified.returncode == 0, f"{names} were killed: {verified.stdout[-3000:]}{verified.stderr[-2000:]}"
        assert json.loads(verified.stdout)["compared"] > 0
        eventually("the venues are compared by what their candles say", lambda: not uncompared(storm), 60)
