"""`./pricebraid doctor`: each thing that can be wrong, whether it is, and what to do about it."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
from rich.text import Text

from market.settings import Settings, SettingsError, load
from stack import grafana_api, jars, java, preflight, running
from stack.asking import NoAnswer, ask
from stack.errors import StackError
from stack.reach import times
from stack.state import State

Level = Literal["ok", "warn", "fail"]

PYTHONS = ((3, 11), (3, 12))
NEEDED_MEMORY = 4 << 30
LONGEST_OFFSET = 0.2
"""Seconds that this machine's clock may differ from an exchange's."""

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


class Check(NamedTuple):
    """What was looked at, how it stands, what was found, and what to do about it."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def shown(check: Check) -> Text:
    """Return the check as a line, with the remedy below it."""
    line = Text.assemble((f"{check.level:4}", _COLOURS[check.level]), f"  {check.name}: {check.found}")
    if check.remedy:
        line.append(f"\n      {check.remedy}", "bold")
    return line


def checks() -> Iterator[Check]:
    """Check one thing after the other. With wrong settings, the rest is checked by the defaults."""
    yield check_python(sys.version_info[:2])
    try:
        settings = load()
        yield Check("settings", "ok", "every setting is valid")
    except SettingsError as error:
        yield Check("settings", "fail", str(error), "Correct it in the environment or in pricebraid.toml.")
        settings = Settings.model_construct()
    root = settings.state_dir.resolve()
    yield check_folder(root)
    yield check_java()
    yield check_jars(root / "jars")
    yield from check_ports(settings, running.find(root))
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    yield check_disk(shutil.disk_usage(there).free, there)
    memory = psutil.virtual_memory()
    yield check_memory(memory.total, memory.available, runs=running.find(root) is not None)
    yield check_grafana(running.find(root))
    yield from check_exchanges(settings)


def check_python(version: tuple[int, ...]) -> Check:
    """Check that PyFlink takes this Python."""
    text = ".".join(map(str, version))
    if version in PYTHONS:
        return Check("Python", "ok", text)
    return Check("Python", "fail", f"{text} cannot run PyFlink", "Install Python 3.12 or 3.11 and delete .venv.")


def check_folder(root: Path) -> Check:
    """Check that the state folder, or the nearest folder above it, can be written to."""
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Check("state folder", "fail", f"{there}: {error}", "Set `state_dir` to a folder you may write to.")
    return Check("state folder", "ok", str(root))


def check_java() -> Check:
    """Check that there is a Java that the broker and Flink run on."""
    try:
        found = java.find()
    except StackError as error:
        return Check("Java", "fail", error.message, error.remedy)
    return Check("Java", "ok", f"{found.version} from {found.source}: {found.home}")


def check_jars(folder: Path) -> Check:
    """Check that the pinned jars are there and whole."""
    try:
        pinned = jars.locked()
        absent = jars.missing(folder, pinned)
    except StackError as error:
        return Check("jars", "fail", error.message, error.remedy)
    if absent:
        return Check("jars", "warn", f"{len(absent)} of {len(pinned)} are not here yet", "The next `up` fetches them.")
    return Check("jars", "ok", f"all {len(pinned)} are whole")


def check_ports(settings: Settings, ours: running.Running | None) -> Iterator[Check]:
    """Check each port: free, or held by the stack that runs."""
    wanted = preflight.ports(settings)
    held = {} if ours is None else ours.settings.get("ports", {})
    free = 0
    for name, port in wanted.items():
        if not preflight.taken(port):
            free += 1
        elif held.get(name) == port:
            yield Check(f"port {port}", "ok", f"held by our own {name}")
        else:
            yield Check(
                f"port {port}",
                "fail",
                f"taken{preflight.owner(port)}",
                f"Stop what has it, or choose another: PRICEBRAID_PORTS__{name.upper()}.",
            )
    if free:
        yield Check("ports", "ok", f"{free} of {len(wanted)} are free")


def check_disk(free: int, folder: Path) -> Check:
    """Check the room on the disk (bytes)."""
    found = f"{free / (1 << 30):.1f} GB free at {folder}"
    if free < preflight.LEAST_FREE:
        return Check("disk", "fail", found, "Make room, or set `state_dir` to a folder on another disk.")
    if free < 10 * preflight.LEAST_FREE:
        return Check("disk", "warn", found, "The topics alone may take that: see the settings under `kafka`.")
    return Check("disk", "ok", found)


def check_memory(total: int, available: int, *, runs: bool) -> Check:
    """Check the memory (bytes); what the running stack has is not missing."""
    found = f"{available / (1 << 30):.1f} of {total / (1 << 30):.1f} GB available"
    if total < NEEDED_MEMORY:
        return Check("memory", "fail", found, f"All parts together take up to {NEEDED_MEMORY >> 30} GB.")
    if available < NEEDED_MEMORY and not runs:
        return Check("memory", "warn", found, f"All parts may take {NEEDED_MEMORY >> 30} GB: close something.")
    return Check("memory", "ok", found)


def check_grafana(ours: running.Running | None) -> Check:
    """Check that the Grafana of the stack that runs has healthy data sources, and all dashboards."""
    settings = None if ours is None else ours.load_settings()
    if settings is None or not settings.grafana.enabled:
        return Check("Grafana", "ok", "no Grafana runs")
    try:
        seen = grafana_api.look(settings, State.for_settings(settings))
    except StackError as error:
        return Check("Grafana", "warn", error.message, error.remedy)
    faults = [f"the data source {uid} is not healthy: {why}" for uid, why in seen.sources.items() if why]
    faults += [f"the dashboard {title} is missing" for title in seen.missing]
    if faults:
        remedy = "See `./pricebraid status` for the parts that it asks, and `./pricebraid logs grafana`."
        return Check("Grafana", "warn", f"{seen.version}: {'; '.join(faults)}", remedy)
    return Check("Grafana", "ok", f"{seen.version} with {seen.dashboards} dashboards; its data sources are healthy")


def server_time(answer: Any) -> float:
    """Return the time that a venue's answer tells, in seconds: Binance's `serverTime`, KuCoin's `data`, both in ms."""
    return float(answer["serverTime"] if "serverTime" in answer else answer["data"]) / 1000


def check_exchanges(
    settings: Settings, asked: Callable[[str, float], Any] = ask, clock: Callable[[], float] = time.time
) -> Iterator[Check]:
    """Check that each exchange answers over REST, and how far its clock is from ours."""
    for venue, url in times(settings).items():
        before = clock()
        try:
            told = server_time(asked(url, 5.0))
        except (NoAnswer, KeyError, TypeError, ValueError) as error:
            yield Check(
                venue,
                "fail" if settings.market == "live" else "warn",
                f"cannot be reached: {error}",
                "Check network, proxy and DNS; without the exchanges, `up --market simulated` still works.",
            )
            continue
        after = clock()
        yield check_clock(venue, told - (before + after) / 2, (after - before) / 2)


def check_clock(venue: str, offset: float, uncertain: float) -> Check:
    """Check a venue's clock against ours (seconds; positive where the venue's is ahead), known to `uncertain`."""
    found = f"answers; its clock is {offset * 1000:+.0f} ms from ours (± {uncertain * 1000:.0f} ms)"
    if abs(offset) - uncertain > LONGEST_OFFSET:
        remedy = "Let the system keep the time (chrony, systemd-timesyncd): `timedatectl set-ntp true`."
        return Check(venue, "warn", found, remedy)
    return Check(venue, "ok", found)
