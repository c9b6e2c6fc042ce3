"""The parts that are Python of our own: the market on localhost, the sequencer, ingest and repair."""

import sys
from collections.abc import Callable
from typing import Literal

from market.settings import ROOT, Settings
from stack.environment import base_environment, child_environment, effective
from stack.part import Part
from stack.probes import get_json, unanswered

__all__ = ["ingest_parts", "market_part", "repair_part", "sequencer_parts", "verify_part"]

VERIFY_SECONDS = 600.0
"""How long verification waits for the jobs, which have the machine first."""


def market_part(settings: Settings) -> Part:
    """Return the market on localhost: simulated, or a recording that is played."""
    port = settings.ports.market
    return _part("market", "replay", settings, f"http://127.0.0.1:{port}", ready=lambda: unanswered(port, "/-/status"))


def sequencer_parts(settings: Settings) -> list[Part]:
    """Return the sequencers. One is ready when it has its partitions and has rebuilt its state."""
    return [_sequencer_part(name, own) for name, own in _processes(settings, "sequencer")]


def ingest_parts(settings: Settings) -> list[Part]:
    """Return the ingest processes. One is ready when it answers; whether venues are connected is told by its health."""
    return [_ingest_part(name, own) for name, own in _processes(settings, "ingest")]


def repair_part(settings: Settings) -> Part:
    """Return repair, which needs the writer's password in the settings. It is ready when it answers."""
    port = settings.ports.repair
    return _part(
        "repair",
        "ingest.repair",
        settings,
        f"http://127.0.0.1:{port}/health",
        ready=lambda: unanswered(port, "/health"),
        after=("kafka", "postgres", *_market(settings)),
    )


def verify_part(settings: Settings, from_time: int) -> Part:
    """Return one run of verification, which ends by itself. It needs the writer's password in the settings.

    `from_time` (µs, UTC) is where the jobs' generation begins.
    """
    arguments = ("--recent", "--from-time", str(from_time), "--timeout", str(VERIFY_SECONDS))
    sample = ("--venue-sample", str(settings.verify.venue_sample))
    return _part("verify", "verify", settings, "", *arguments, *sample, ready=lambda: None)


def _processes(settings: Settings, package: Literal["ingest", "sequencer"]) -> list[tuple[str, Settings]]:
    """Return name and settings of each process of a package: the second has an instance and a port of its own."""
    processes: list[tuple[str, Settings]] = [(package, settings)]
    section = getattr(settings, package)
    if section.processes == 2:
        port = getattr(settings.ports, f"{package}_2")
        second = {
            package: section.model_copy(update={"instance": f"{section.instance}-2"}),
            "ports": settings.ports.model_copy(update={package: port}),
        }
        processes.append((f"{package}-2", settings.model_copy(update=second)))
    return processes


def _market(settings: Settings) -> tuple[str, ...]:
    return () if settings.market == "live" else ("market",)


def _sequencer_part(name: str, settings: Settings) -> Part:
    port = settings.ports.sequencer
    return _part(
        name,
        "sequencer",
        settings,
        f"http://127.0.0.1:{port}/health",
        ready=lambda: _sequencer_not_ready(port),
        after=("kafka",),
    )


def _ingest_part(name: str, settings: Settings) -> Part:
    port = settings.ports.ingest
    return _part(
        name,
        "ingest",
        settings,
        f"http://127.0.0.1:{port}/health",
        ready=lambda: unanswered(port, "/health"),
        after=("kafka", "sequencer", *_market(settings)),
    )


def _part(
    name: str,
    package: str,
    settings: Settings,
    endpoint: str,
    *arguments: str,
    ready: Callable[[], str | None],
    after: tuple[str, ...] = (),
) -> Part:
    return Part(
        name=name,
        command=[sys.executable, "-m", package, *arguments],
        env={**base_environment(), **child_environment(effective(settings)), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        endpoint=endpoint,
        ready=ready,
        after=after,
    )


def _sequencer_not_ready(port: int) -> str | None:
    try:
        health = get_json(port, "/health")
    except ConnectionError as error:
        return str(error)
    ready = isinstance(health, dict) and health.get("ready") is True
    return None if ready else "it is still rebuilding its state from the topic"
