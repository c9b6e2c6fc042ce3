"""The same faults over other people's feeds: a whole storm, or a kind of fault at a time. And ours, a kind at a time.

A foreign feed hears a market of its own: the same code, seed and script as ours. One that does not come back is waited
for no longer than patience lasts.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import psycopg

from bench._processes import BenchError, get_json, running, settings_for, wait_for
from bench._storm import database
from bench._storm.facts import MINUTE, SECOND, Clock, Delivery, Done
from bench._storm.figures import Counts, Recovery, count, kinds, recoveries, repeated
from bench._storm.market import Market
from bench._storm.truth import Truth
from bench._storm.weather import Say, Storm, begin, settle, wait_until_heard
from bench.foreign import client
from bench.foreign.environments import Feed
from market.records import Venue
from market.sections import SimulationSettings
from market.settings import Settings
from replay.faults import KINDS, MESSAGES, VENUES_OF, Fault, Kind, script
from stack.passwords import dsn
from stack.state import State

_LOOK_SECONDS = 0.2
_BETWEEN_SECONDS = 3.0
_UP_SECONDS = 60.0
_TAIL_SECONDS = 8.0
"""After the last fault so long is listened: what is late by the script must have had its time."""
_LASTING: dict[str, int] = {"shutdown": 5 * SECOND, "halt": 10 * SECOND, **dict.fromkeys(MESSAGES, 30 * SECOND)}
"""How long a fault may last that does not end by itself; a mute or half-open socket stays so for good."""


class Run(msgspec.Struct):
    """What one client made of a storm, or of one kind of fault; recoveries in seconds by the wall."""

    counts: dict[str, Counts]
    recoveries: dict[str, dict[str, Recovery]]
    faults: dict[str, int]


class Plan(msgspec.Struct, frozen=True):
    """Which kinds of faults come alone, how often each, and how long one that does not come back is waited for."""

    kinds: tuple[Kind, ...] = KINDS
    repeats: int = 5
    cap_seconds: float = 240.0
    seed: int = 1


class Trial(msgspec.Struct, frozen=True):
    """One kind of fault alone, some times: what took place, and from when to when (the market's clock, µs)."""

    kind: Kind
    start: int
    end: int
    faults: list[Done]
    end_wall: int


@contextmanager
def listening(
    feed: Feed, python: Path, simulation: SimulationSettings, options: Sequence[str], folder: Path
) -> Iterator[tuple[Market, client.Client, Truth]]:
    """Run a market and the feed that hears it within the block; it has been handed trades of both venues.

    Raises:
        BenchError: either does not start.
    """
    folder.mkdir(parents=True)
    settings = settings_for(folder / "state", symbols="all", simulation=simulation.model_dump())
    truth = Truth(settings.simulation)
    with running("replay", settings, folder / "market.log", *options) as process:
        wait_for("the market answers", lambda: bool(get_json(settings.ports.market, "/-/status")), _UP_SECONDS)
        with client.running(feed, python, settings, truth.names, folder) as listener:

            def heard() -> bool:
                process.check()
                listener.check()
                return len({item.venue for item in listener.deliveries()}) == 2

            wait_for(f"{feed.name} hands over trades of both venues", heard, _UP_SECONDS)
            yield Market(settings.ports.market), listener, truth


def storm_over(  # noqa: PLR0917
    feed: Feed, python: Path, simulation: SimulationSettings, storm: Storm, clock: tuple[int, float], folder: Path
) -> Run:
    """Let the storm of `weather` pass over a foreign feed, and count what it has got when patience is over.

    Its market's clock starts at the time, and runs at the speed, that `clock` gives.
    """
    first, speed = clock
    options = ["--speed", f"{speed:g}", "--start", str(first)]
    with listening(feed, python, simulation, options, folder) as (market, listener, truth):
        start = begin(market)
        end = start + round(storm.minutes * MINUTE)
        market.tell(script(storm.seed, start, end, truth.names, storm.counts))
        while market.now() < end:
            time.sleep(_LOOK_SECONDS)
        deadline = time.monotonic() + storm.patience_seconds
        while market.waiting() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return _run(truth, market.clock(), market.faults(), listener.deliveries(), (start, end), _wall())


def trial(
    market: Market,
    kind: Kind,
    plan: Plan,
    back: Callable[[list[Done]], bool] = lambda faults: True,  # noqa: ARG005
) -> Trial:
    """Let one kind of fault come to each venue that knows it, again and again, the next once the last is over.

    That is when the market says so, and then `back` of these faults.
    """
    before, start = len(market.faults()), market.now()
    for repeat in range(plan.repeats):
        known = len(market.faults())
        now = market.now()
        told = [fault for venue in VENUES_OF[kind] for fault in alone(kind, venue, now, plan.seed + repeat)]
        market.tell(told)
        deadline = time.monotonic() + plan.cap_seconds
        while not (over := _over(market.faults()[known:], len(told), back)) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        time.sleep(_BETWEEN_SECONDS)
        if not over:
            # What has not come back cannot be hit again.
            break
    time.sleep(_TAIL_SECONDS)
    # What has only just been made may still be on its way.
    end = market.now() - SECOND
    return Trial(kind, start, end, market.faults()[before:], _wall())


def alone(kind: Kind, venue: Venue, at: int, seed: int) -> list[Fault]:
    """Return one fault of the kind at its plainest: it hits all, and what can go on for good does.

    Of frames that cannot be read there is one. A reset goes with REST that refuses, which hurts nobody by itself.
    """
    rest, single = kind.startswith("rest_"), kind == "malformed"
    fault = Fault(
        kind, venue, at, duration=10 * SECOND if rest else _LASTING.get(kind, 0), seed=seed,
        symbols=("BTC-USDT",) if single else (), count=1 if single else 3, delay=5 * SECOND if kind == "late" else 0,
    )  # fmt: skip
    return [fault, Fault("reset", venue, at, seed=seed)] if rest else [fault]


def _over(faults: list[Done], told: int, back: Callable[[list[Done]], bool]) -> bool:
    return len(faults) == told and all(fault.until is not None for fault in faults) and back(faults)


def _flow_again(faults: list[Done], market: Market, listener: client.Client) -> bool:
    """Say whether the client was handed trades after each of the faults."""
    found = recoveries(faults, listener.deliveries(), market.clock(), _wall())
    return not any(recovery.never for by_venue in found.values() for recovery in by_venue.values())


def measured(truth: Truth, clock: Clock, found: Trial, deliveries: Sequence[Delivery]) -> Run:
    """Return what a client made of a trial."""
    run = _run(truth, clock, found.faults, deliveries, (found.start, found.end), found.end_wall)
    if found.kind.startswith("rest_"):
        run.recoveries = {found.kind: run.recoveries.get("reset", {})}
    return run


def isolated(  # noqa: PLR0917
    feed: Feed, python: Path, simulation: SimulationSettings, plan: Plan, folder: Path, say: Say
) -> dict[str, Run]:
    """Return what a foreign feed makes of each kind of fault alone; each time both the feed and its market are new."""
    found: dict[str, Run] = {}
    for kind in plan.kinds:
        options = ["--speed", "1"]
        with listening(feed, python, simulation, options, folder / kind) as (market, listener, truth):
            tried = trial(market, kind, plan, partial(_flow_again, market=market, listener=listener))
            found[kind] = measured(truth, market.clock(), tried, listener.deliveries())
        say(f"{feed.name}: {kind}: {shown(found[kind])}")
    return found


def own_isolated(settings: Settings, plan: Plan, say: Say) -> dict[str, Run]:
    """Return what our own system, which must run on the settings, makes of each kind of fault alone.

    What it hands over is the clean stream, so a trade is doubled where it is there twice.

    Raises:
        BenchError: the stack does not answer.
    """
    market, truth = Market(settings.ports.market), Truth(settings.simulation)
    address = dsn(settings, State.for_settings(settings), "writer")
    found: dict[str, Run] = {}
    try:
        with psycopg.connect(address, autocommit=True) as db:
            wait_until_heard(db, truth)
            trials = []
            for kind in plan.kinds:
                trials.append(trial(market, kind, plan))
                say(f"ours: {kind} is over")
            span = (trials[0].start, (trials[-1].end // MINUTE + 1) * MINUTE)
            awaited = settle(db, market, truth, span, plan.cap_seconds)
            say(f"settled, but for {awaited}" if awaited else "settled")
            held = database.held(db, settings.kafka, *span)
            for tried in trials:
                run = measured(truth, market.clock(), tried, held.came)
                sent = truth.sent(tried.start, tried.end)
                run.counts, _ = count(sent, held.came, held.stands_in, held.gaps)
                for venue, doubled in repeated(sent, held.passed).items():
                    run.counts[venue].doubled = doubled
                found[tried.kind] = run
                say(f"ours: {tried.kind}: {shown(run)}")
    except psycopg.Error as error:
        raise BenchError(f"the database: {error}") from error
    return found


def shown(run: Run) -> str:
    """Return in a few words what a client made of it."""
    parts = []
    for venue, counts in run.counts.items():
        backs = [(kind, by_venue[venue]) for kind, by_venue in run.recoveries.items() if venue in by_venue]
        back = "".join(f"back after {kind} {found} s, " for kind, found in backs)
        parts.append(f"{venue} {back}{counts.lost} of {counts.sent} lost, {counts.doubled} doubled")
    return "; ".join(parts)


def _run(  # noqa: PLR0917
    truth: Truth, clock: Clock, faults: list[Done], deliveries: Sequence[Delivery], span: tuple[int, int], wall: int
) -> Run:
    counts, _ = count(truth.sent(*span), deliveries)
    return Run(counts, recoveries(faults, deliveries, clock, wall), kinds(faults))


def _wall() -> int:
    return time.time_ns() // 1000
