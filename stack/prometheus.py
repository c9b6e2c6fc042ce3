"""The Prometheus part: gathers the metrics of ingest, sequencer, repair and Flink, on 127.0.0.1 only."""

import json
import shutil
from functools import partial

from market.settings import ROOT, Settings
from stack.environment import base_environment
from stack.errors import StackError
from stack.part import Part
from stack.probes import unanswered
from stack.programs import Program, locate
from stack.state import State

CONFIGURATION = ROOT / "deploy" / "prometheus" / "prometheus.yml"


def part(settings: Settings, state: State) -> Part:
    """Return the Prometheus part; its program is looked for now, and fetched before it starts where there is none."""
    program = find(settings, state)
    port = settings.ports.prometheus
    return Part(
        name="prometheus",
        command=[
            str(program.path),
            f"--config.file={state.prometheus / CONFIGURATION.name}",
            f"--storage.tsdb.path={state.prometheus / 'data'}",
            f"--storage.tsdb.retention.time={settings.prometheus.keep_days}d",
            f"--storage.tsdb.retention.size={settings.prometheus.keep_megabytes}MB",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        env=base_environment(),
        cwd=state.folder,
        endpoint=f"http://127.0.0.1:{port}",
        # All of its API refuses until what was kept is read.
        ready=lambda: unanswered(port, "/api/v1/status/buildinfo"),
        obtain=partial(program.obtain, state),
        prepare=lambda: prepare(settings, state),
        # What others start with is theirs: candles are there sooner.
        after=("ingest",),
        optional=True,
    )


def find(settings: Settings, state: State) -> Program:
    """Return Prometheus' program; Debian 12's is the oldest that was tried."""
    return locate("prometheus", settings.prometheus.binary, 2, state)


def gathers(settings: Settings, state: State) -> bool:
    """Tell whether a Prometheus will ask for metrics, as far as is known before it is started."""
    return settings.prometheus.enabled and find(settings, state).problem is None


def flink_port(settings: Settings, name: str) -> int:
    """Return the port on which a process of Flink shows its metrics: `jobmanager`, or `taskmanager-<n>`."""
    return settings.ports.flink_metrics + int(name.partition("-")[2] or 0)


def targets(settings: Settings) -> dict[str, dict[str, int]]:
    """Return the port of each part that is asked, by job and by the part's name."""
    ports = settings.ports
    flink = ["jobmanager", *(f"taskmanager-{number + 1}" for number in range(settings.flink.taskmanagers))]
    found = {
        "ingest": {"ingest": ports.ingest, "ingest-2": ports.ingest_2},
        "sequencer": {"sequencer": ports.sequencer, "sequencer-2": ports.sequencer_2},
        "repair": {"repair": ports.repair},
        "flink": {name: flink_port(settings, name) for name in flink},
    }
    for job, processes in (("ingest", settings.ingest.processes), ("sequencer", settings.sequencer.processes)):
        if processes == 1:
            del found[job][f"{job}-2"]
    return found


def prepare(settings: Settings, state: State) -> None:
    """Write the configuration and, beside it, where each job is found; `instance` is a part's name.

    Raises:
        StackError: something cannot be written.
    """
    folder = state.prometheus / "targets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONFIGURATION, state.prometheus / CONFIGURATION.name)
        for job, ports in targets(settings).items():
            groups = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in ports.items()]
            (folder / f"{job}.json").write_text(json.dumps(groups, indent=2) + "\n")
    except OSError as error:
        raise StackError(
            f"Prometheus' folder {state.prometheus} cannot be prepared: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error
