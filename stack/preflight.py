"""What must hold before anything is started: free ports, and room on the disk."""

import contextlib
import shutil
import socket
from pathlib import Path

import psutil

from market.sections import Ports
from market.settings import Settings
from stack.errors import StackError

LEAST_FREE = 2 << 30
"""Bytes that must be free on the state folder's disk."""


def ports(settings: Settings) -> dict[str, int]:
    """Return the ports that the stack takes for the market chosen, by the name of the setting."""
    unused = {
        "market": settings.market == "live",
        "ingest_2": settings.ingest.processes == 1,
        "sequencer_2": settings.sequencer.processes == 1,
        "grafana": not settings.grafana.enabled,
        "prometheus": not settings.prometheus.enabled,
        "flink_metrics": not settings.prometheus.enabled,
    }
    return {name: getattr(settings.ports, name) for name in Ports.model_fields if not unused.get(name, False)}


def taken(port: int) -> bool:
    """Tell whether somebody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        # Otherwise a port whose last connections are still being put away would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def owner(port: int) -> str:
    """Return who listens on the port, as text; empty where the system does not tell."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (process {process.pid})"
    return ""


def check_ports(settings: Settings) -> None:
    """Raise a StackError that names every taken port, its setting and who has it; also two settings of one port."""
    wanted = ports(settings)
    faults = []
    for name, port in wanted.items():
        same = [other for other, value in wanted.items() if value == port and other != name]
        if same:
            faults.append(f"ports.{name} and ports.{same[0]} are both {port}")
        elif taken(port):
            faults.append(f"port {port} (setting ports.{name}) is taken{owner(port)}")
    if faults:
        name = next(name for name in wanted if f"ports.{name}" in faults[0])
        raise StackError(
            "Not every port is free: " + "; ".join(faults) + ".",
            f"Stop what has it, or choose another, for example PRICEBRAID_PORTS__{name.upper()}={wanted[name] + 1000}.",
        )


def check_disk(folder: Path) -> None:
    """Raise a StackError where the folder's disk is nearly full. The folder exists."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise StackError(
            f"The disk of {folder} has {free / (1 << 30):.1f} GB free; {LEAST_FREE >> 30} GB are needed.",
            "Make room, or set `state_dir` to a folder on another disk.",
        )
