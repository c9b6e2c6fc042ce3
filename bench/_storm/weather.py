"""A storm over a whole stack that runs: the script is told to its market, and what is left of it is judged."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import psycopg

from bench._processes import BenchError
from bench._storm import database, judge
from bench._storm.facts import MINUTE, SECOND, Done, Finding
from bench._storm.figures import Counts, Recovery, count, kinds, recoveries, repeated
from bench._storm.market import Market
from bench._storm.truth import Truth
from market.settings import Settings
from replay.faults import DISCONNECTS, STORM, Kind, script
from stack.passwords import dsn
from stack.state import State

Say = Callable[[str], None]

OPEN = "gaps that are open"

_USUAL_MINUTES = 20.0
_HEARD_SECONDS = 180.0
_LEAD_SECONDS = 5.0
_STILL_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class Storm(msgspec.Struct, frozen=True):
    """What comes: `minutes` of market time with `counts` faults a kind, drawn by `seed`.

    `patience_seconds` is how long everything may take to settle afterwards.
    """

    seed: int
    minutes: float
    counts: Mapping[Kind, int]
    patience_seconds: float = 300.0

    @classmethod
    def of(cls, seed: int, minutes: float, patience_seconds: float) -> "Storm":
        """Return a storm that is as dense as that of twenty minutes, and has some of every kind."""
        counts = {kind: max(2, round(number * minutes / _USUAL_MINUTES)) for kind, number in STORM.items()}
        return cls(seed, minutes, counts, patience_seconds)


class Outcome(msgspec.Struct):
    """What a storm left. Times by the market's clock, microseconds; recoveries in seconds by the wall."""

    start: int
    end: int
    faults: dict[str, int]
    disconnects: int
    """How many of them ended live connections."""
    candles: int
    """Closed minutes that were judged, of both venues."""
    unequal: int
    """How many of them are not what the market says, though all may be excused by a gap."""
    gaps: int
    gaps_open: int
    counts: dict[str, Counts]
    passed_twice: dict[str, int]
    """Trades that the clean stream has more than once, by venue."""
    recoveries: dict[str, dict[str, Recovery]]
    findings: list[Finding]


def weather(settings: Settings, storm: Storm, say: Say = lambda text: None) -> Outcome:  # noqa: ARG005
    """Let the storm pass over the simulated stack of the settings, which must run, and judge what it leaves.

    Raises:
        BenchError: the stack does not answer, or the storm does not end.
    """
    market = Market(settings.ports.market)
    truth = Truth(settings.simulation, None if settings.symbols == "all" else settings.symbols)
    address = dsn(settings, State.for_settings(settings), "writer")
    try:
        with psycopg.connect(address, autocommit=True) as db:
            wait_until_heard(db, truth)
            start = begin(market)
            faults = _blow(market, storm, start, truth, say)
            # All that was touched lies in minutes that are closed by the time everything has settled.
            end = (market.now() // MINUTE + 1) * MINUTE
            say("the storm is over; waiting until gaps are closed, minutes checked and nothing moves")
            awaited = settle(db, market, truth, (start, end), storm.patience_seconds)
            say(f"still awaited: {awaited}" if awaited else "everything has settled")
            outcome = _judge(settings, db, truth, (start, end), faults)
    except psycopg.Error as error:
        raise BenchError(f"the database: {error}") from error
    # Which gaps may stay open is for the judge to say.
    left = [f"{what}: {number}" for what, number in awaited.items() if what != OPEN]
    outcome.findings += [Finding("not settled", "", "", what) for what in left]
    return outcome


def wait_until_heard(db: psycopg.Connection[Any], truth: Truth) -> None:
    """Return once every symbol of both venues has a candle.

    Raises:
        BenchError: some have none.
    """
    deadline = time.monotonic() + _HEARD_SECONDS
    while silent := set(truth.symbols) - database.heard(db, 0):
        if time.monotonic() > deadline:
            raise BenchError(f"no candle of {len(silent)} symbols within {_HEARD_SECONDS:g} s: {sorted(silent)[:3]} …")
        time.sleep(_LOOK_SECONDS)


def begin(market: Market) -> int:
    """Return when a storm that is about to be told may begin, by the market's clock."""
    clock = market.clock()
    return clock.market + round(_LEAD_SECONDS * clock.speed * SECOND)


def _blow(market: Market, storm: Storm, start: int, truth: Truth, say: Say) -> list[Done]:
    """Tell the market its script, and return what came of it once all is over."""
    end = start + round(storm.minutes * MINUTE)
    before = len(market.faults())
    planned = script(storm.seed, start, end, truth.names, storm.counts)
    market.tell(planned)
    seconds = storm.minutes * 60 / market.clock().speed
    say(f"{len(planned)} faults come within {storm.minutes:g} minutes of the market, {seconds:.0f} s")
    deadline = time.monotonic() + 2 * seconds + storm.patience_seconds
    while market.now() < end or market.waiting():
        if time.monotonic() > deadline:
            raise BenchError(f"the storm does not end: {market.waiting()} faults have not come, or are not over")
        time.sleep(_LOOK_SECONDS)
    return market.faults()[before:]


def settle(
    db: psycopg.Connection[Any], market: Market, truth: Truth, span: tuple[int, int], patience_seconds: float
) -> dict[str, int]:
    """Return nothing once nothing moves any more, or at the end of patience what is still awaited."""
    start, end = span
    deadline = time.monotonic() + patience_seconds
    last, still_since = -1, time.monotonic()
    while True:
        version, open_gaps = database.versions(db, start, end)
        if version != last:
            last, still_since = version, time.monotonic()
        counted = database.heard(db, end) if market.now() >= end else set()
        awaited = {
            "symbols whose next minute is not there": len(set(truth.symbols) - counted),
            OPEN: open_gaps,
            "symbols of KuCoin whose minutes are not checked": database.unchecked(db, end),
            "candles that move": int(time.monotonic() - still_since < _STILL_SECONDS),
        }
        if not any(awaited.values()) or time.monotonic() > deadline:
            return {what: number for what, number in awaited.items() if number}
        time.sleep(_LOOK_SECONDS)


def _judge(
    settings: Settings, db: psycopg.Connection[Any], truth: Truth, span: tuple[int, int], faults: list[Done]
) -> Outcome:
    wall = time.time_ns() // 1000
    held, sent = database.held(db, settings.kafka, *span), truth.sent(*span)
    candles = truth.candles(span[0] // MINUTE * MINUTE, span[1])
    counts, lost = count(sent, held.came, held.stands_in, held.gaps)
    twice = repeated(sent, held.passed)
    findings = [
        *judge.candles(candles, held.rows, held.gaps),
        *judge.gaps_explained(held.gaps, faults),
        *judge.open_gaps(held.gaps),
        *judge.lost(lost),
        *(Finding("passed twice", venue, "", f"{number} trades") for venue, number in twice.items() if number),
    ]
    return Outcome(
        start=span[0], end=span[1],
        faults=kinds(faults), disconnects=sum(fault.kind in DISCONNECTS and fault.connections > 0 for fault in faults),
        candles=len(candles), unequal=len(judge.unequal(candles, held.rows)),
        gaps=len(held.gaps), gaps_open=sum(gap.closed is None for gap in held.gaps),
        counts=counts, passed_twice=twice,
        recoveries=recoveries(faults, held.came, Market(settings.ports.market).clock(), wall), findings=findings,
    )  # fmt: skip
