"""The parts that are Python of our own: the market on localhost, the sequencer and ingest."""

import sys
from collections.abc import Callable

from market.settings import ROOT, Settings
from stack.environment import base_environment, child_environment, effective
from stack.part import Part
from stack.probes import get_json, unanswered

__all__ = ["child_environment", "ingest_part", "market_part", "sequencer_part"]


def market_part(settings: Settings) -> Part:
    """Return the market on localhost: simulated, or a recording that is played."""
    port = settings.ports.market
    return _part("market", "replay", settings, f"http://127.0.0.1:{port}", ready=lambda: unanswered(port, "/-/status"))


def sequencer_part(settings: Settings) -> Part:
    """Return the sequencer. It is ready when it has its partitions and has rebuilt its state."""
    port = settings.ports.sequencer
    return _part(
        "sequencer",
        "sequencer",
        settings,
        f"http://127.0.0.1:{port}/health",
        ready=lambda: _sequencer_not_ready(port),
        after=("kafka",),
    )


def ingest_part(settings: Settings) -> Part:
    """Return ingest. It is ready when it answers; whether venues are connected is told by its health."""
    port = settings.ports.ingest
    after = ("kafka", "sequencer") if settings.market == "live" else ("kafka", "sequencer", "market")
    return _part(
        "ingest",
        "ingest",
        settings,
        f"http://127.0.0.1:{port}/health",
        ready=lambda: unanswered(port, "/health"),
        after=after,
    )


def _part(
    name: str,
    package: str,
    settings: Settings,
    endpoint: str,
    *,
    ready: Callable[[], str | None],
    after: tuple[str, ...] = (),
) -> Part:
    return Part(
        name=name,
        command=[sys.executable, "-m", package],
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
