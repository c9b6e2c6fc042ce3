"""A real Prometheus that scrapes every second, where one is at hand."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ruamel.yaml import YAML

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
