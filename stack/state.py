"""Where everything that is kept lies: shared folders, and a folder for each market.

Live, simulated and each recording have their own folder, hence their own database, topics and job state, so simulated
or old prices never mix with real ones.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from market.sections import SimulationSettings
from market.settings import Settings
from stack.errors import StackError


@dataclass(frozen=True)
class State:
    """The folders of one market under the state folder `root`. Nothing exists until `create`."""

    root: Path
    market: str
    """`live`, `simulated` or `recording-<stem>-<8 hex digits of the path>`: the name of the market's folder."""

    @classmethod
    def for_settings(cls, settings: Settings) -> "State":
        """Return the folders of the market that the settings name.

        Raises:
            StackError: the market is still `auto`.
        """
        name = market_name(settings.market)
        if name == "simulated" and settings.simulation != SimulationSettings():
            # Another seed, size or rate is another market: its ids would be taken for doubles of the first one's.
            made = settings.simulation
            name = f"{name}-{made.seed}-{made.symbols}-{made.trades_per_second:g}"
        return cls(settings.state_dir.resolve(), name)

    @property
    def jars(self) -> Path:
        """The verified jars, shared by all markets."""
        return self.root / "jars"

    @property
    def flink_home(self) -> Path:
        """The `FLINK_HOME` of our own, shared by all markets."""
        return self.root / "flink"

    @property
    def programs(self) -> Path:
        """Grafana and Prometheus where they were fetched, shared by all markets."""
        return self.root / "programs"

    @property
    def folder(self) -> Path:
        """The market's own folder."""
        return self.root / self.market

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.folder / "postgres"

    @property
    def kafka(self) -> Path:
        """The broker's configuration and logs of topics."""
        return self.folder / "kafka"

    @property
    def flink(self) -> Path:
        """What Flink keeps for this market."""
        return self.folder / "flink"

    @property
    def flink_conf(self) -> Path:
        """`FLINK_CONF_DIR`."""
        return self.flink / "conf"

    @property
    def checkpoints(self) -> Path:
        """Retained checkpoints: `<job id>/chk-<n>`."""
        return self.flink / "checkpoints"

    @property
    def savepoints(self) -> Path:
        """Savepoints: `savepoint-<…>`."""
        return self.flink / "savepoints"

    @property
    def flink_tmp(self) -> Path:
        """Scratch space, a folder a part, emptied before each start."""
        return self.flink / "tmp"

    @property
    def grafana(self) -> Path:
        """What Grafana keeps: its own database, with users and the state of alerts."""
        return self.folder / "grafana"

    @property
    def prometheus(self) -> Path:
        """Prometheus' configuration, its targets, and the metrics that it keeps."""
        return self.folder / "prometheus"

    @property
    def logs(self) -> Path:
        """Log files of the parts."""
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """Pid files and what else is of one run only."""
        return self.folder / "run"

    @property
    def secrets(self) -> Path:
        """The passwords of this market's database, readable by the owner only."""
        return self.folder / "secrets.json"

    @property
    def grafana_password(self) -> Path:
        """The password of this market's Grafana administrator, readable by the owner only."""
        return self.folder / "grafana-password"

    def create(self) -> None:
        """Make the folders that are not there yet (`postgres` is made by its own preparation).

        Raises:
            StackError: one cannot be made.
        """
        try:
            for folder in (
                self.jars,
                self.kafka,
                self.flink_conf,
                self.checkpoints,
                self.savepoints,
                self.flink_tmp,
                self.logs,
                self.run,
            ):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(
                f"Cannot make the state folder {self.folder}: {error}.",
                "Give a folder that you may write to, with enough space, in the setting `state_dir`.",
            ) from error


def market_name(market: str) -> str:
    """Return the folder name of a market: `live`, `simulated`, or a recording's path.

    Raises:
        StackError: the market is still `auto`, which must be decided before anything is kept.
    """
    if market == "auto":
        raise StackError("The market is not chosen yet.", "Pass `--market live`, `simulated` or a recording's path.")
    if market in ("live", "simulated"):
        return market
    path = Path(market).resolve()
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.name.split(".", 1)[0] or path.name).strip("-.") or "unnamed"
    return f"recording-{stem[:40]}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
