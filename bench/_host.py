"""What a number was measured on: the machine, its load, the versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

_LIBRARIES = ("confluent-kafka", "msgspec", "websockets", "psycopg", "apache-flink")


class Load(msgspec.Struct, frozen=True):
    """How busy the whole machine was: load averages over one and five minutes, and CPU use in percent of all cores."""

    one_minute: float
    five_minutes: float
    cpu_percent: float

    @classmethod
    def now(cls) -> "Load":
        """Return the load; the CPU use is that since the last call in this process (0 at the first)."""
        one, five, _ = os.getloadavg()
        return cls(round(one, 2), round(five, 2), psutil.cpu_percent())


def how_busy(before: Load, after: Load) -> str:
    """Return what two loads tell of the time between them, as the beginning of a sentence."""
    return (
        f"Load average {before.one_minute} before and {after.one_minute} after; "
        f"all cores were {after.cpu_percent} % busy meanwhile"
    )


class Host(msgspec.Struct, frozen=True):
    """The machine and the versions."""

    processor: str
    cores: int
    memory_gib: float
    python: str
    libraries: dict[str, str]

    @classmethod
    def here(cls) -> "Host":
        """Return what this is."""
        return cls(
            _processor(),
            os.cpu_count() or 1,
            round(psutil.virtual_memory().total / (1 << 30), 1),
            platform.python_version(),
            {name: version(name) for name in _LIBRARIES},
        )

    def __str__(self) -> str:
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        return f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB; Python {self.python}, {libraries}"


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
