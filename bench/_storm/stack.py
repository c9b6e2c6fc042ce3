"""A whole stack for a storm, started by the command itself."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._processes import BenchError, settings_for
from market.settings import ROOT, Settings, SimulationSettings
from stack.environment import base_environment, child_environment

_UP_SECONDS = 900.0


@contextmanager
def own_stack(simulation: SimulationSettings, speed: float) -> Iterator[Settings]:
    """Run a stack with the simulated market, state and ports of its own, within the block.

    It fetches no history: nobody looks at what was before the storm.

    Raises:
        BenchError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="pricebraid-storm-") as name:
        # Postgres may run as another user, who has to get through.
        Path(name).chmod(0o755)
        settings = settings_for(
            Path(name) / "state", symbols="all", speed=f"{speed:g}", repair={"backfill_hours": 0},
            simulation=simulation.model_dump(),
        )  # fmt: skip
        environment = base_environment() | child_environment(settings) | {"PYTHONPATH": str(ROOT)}

        def command(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "stack", *arguments],
                cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_UP_SECONDS, check=False,
            )  # fmt: skip

        try:
            up = command("up", "--market", "simulated", "--detach")
            if up.returncode:
                raise BenchError(f"the stack did not start:\n{up.stdout[-2_000:]}\n{up.stderr[-2_000:]}")
            yield settings
        finally:
            command("down")
