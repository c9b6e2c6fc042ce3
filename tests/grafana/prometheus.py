"""A real Prometheus that scrapes every second, where one is at hand."""

import math
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ruamel.yaml import YAML

from bench._dashboards import Expression
from bench._expansion import Shown, expand_promql
from stack.asking import NoAnswer, ask
from tests.stacks import eventually


class Prometheus:
    """What asks one over HTTP."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def up(self) -> bool:
        """Return whether every target was scraped."""
        try:
            active = ask(f"{self._url}/api/v1/targets")["data"]["activeTargets"]
        except NoAnswer:
            return False
        return bool(active) and all(target["health"] == "up" for target in active)

    def series(self, query: str, **at: float) -> list[dict[str, Any]]:
        """Return what a query gives: over `start`, `end` and `step` (seconds since the epoch, seconds), or at `time`.

        Raises:
            NoAnswer: it refuses the query, and says why.
        """
        kind = "query" if "time" in at else "query_range"
        answer = ask(f"{self._url}/api/v1/{kind}?{urlencode({'query': query, **at})}", 10)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


Series = list[dict[str, Any]]


def ask_expression(server: Prometheus, expression: Expression, scraped: timedelta, seconds: float) -> Series:
    """Return the series that Grafana gets of the last minute, as soon as each has a number that can be drawn.

    `scraped` is the time between two scrapes. Waits for at most so many `seconds`.
    """

    def drawn() -> Series | None:
        now = time.time()
        step = 60 if expression.minutely else 1
        start, end = (datetime.fromtimestamp(time_, UTC) for time_ in (now - 60, now))
        query = expand_promql(expression.promql, Shown(start, end, timedelta(seconds=step)), scraped)
        at = {"time": now} if expression.instant else {"start": now - 60, "end": now, "step": step}
        found = server.series(query, **at)
        return found if all(map(numbers, found)) else None

    # A rate needs two scrapes, and is of the time between them.
    return eventually(f"{expression} gives numbers", drawn, seconds)


def numbers(series: dict[str, Any]) -> list[float]:
    """Return what a series says that can be drawn."""
    points = series["values"] if "values" in series else [series["value"]]
    return [number for number in (float(text) for _, text in points) if math.isfinite(number)]


@contextmanager
def prometheus(binary: str, folder: Path, port: int, targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Run one that scrapes the ports of this machine, by the names of the jobs, until all are up."""
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
            for name, target in targets.items()
        ],
    }
    path = folder / "prometheus.yml"
    YAML().dump(configuration, path)
    command = [
        binary,
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log, cwd=folder) as server:
        try:
            made = Prometheus(port)
            eventually("Prometheus has scraped all", lambda: server.poll() is not None or made.up())
            assert server.returncode is None, (folder / "log").read_text()
            yield made
        finally:
            server.terminate()
