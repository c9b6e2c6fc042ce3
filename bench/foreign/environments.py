"""Python environments for other people's feeds, made on first use."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench._processes import BenchError

_INSTALL_SECONDS = 600.0
_PYTHONS = ("python3.12", "python3.13", "python3.11", "python3")
_PYENV = "~/.pyenv"


@dataclass(frozen=True)
class Feed:
    """A feed: what is installed, the least Python that takes it, and the module that runs it."""

    name: str
    requirement: str
    python: tuple[int, int]
    module: str


FEEDS = {
    feed.name: feed
    for feed in (
        Feed("cryptofeed", "cryptofeed==2.5.0", (3, 12), "bench.foreign.with_cryptofeed"),
        Feed("ccxt", "ccxt==4.5.90", (3, 11), "bench.foreign.with_ccxt"),
    )
}


def own_environment() -> dict[str, str]:
    """Return the caller's environment without what would lead a foreign Python to ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PRICEBRAID_", "PYTHON"))}


def ensure(feed: Feed, folder: Path) -> Path:
    """Return the Python that has the feed, of an environment below `folder` that is made where it is not there.

    Raises:
        BenchError: there is no Python that is new enough, or pip failed.
    """
    place = folder / feed.requirement
    python = place / "bin" / "python"
    stamp = place / "installed"
    if stamp.exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    _run([_interpreter(feed), "-m", "venv", str(place)])
    _run([str(python), "-m", "pip", "install", "--quiet", feed.requirement])
    stamp.touch()
    return python


def _interpreter(feed: Feed) -> str:
    # A shim of pyenv exists for versions that are not in use, and fails only when it is run.
    kept = sorted(Path(os.environ.get("PYENV_ROOT", _PYENV)).expanduser().glob("versions/3.*/bin/python"))
    for name in (sys.executable, *_PYTHONS, *map(str, kept)):
        if _version(name) >= feed.python:
            return name
    wanted = ".".join(map(str, feed.python))
    raise BenchError(f"{feed.requirement} needs Python {wanted} or newer, and there is none: leave it out of --with")


def _version(name: str) -> tuple[int, ...]:
    """Return a Python's version, nothing where there is none of that name, or one that does not run."""
    ask = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([name, "-c", ask], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(map(int, done.stdout.split()))


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command, env=own_environment(), capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=True
        )
    except subprocess.CalledProcessError as error:
        raise BenchError(f"{' '.join(command)}\n{error.stdout[-1_000:]}\n{error.stderr[-2_000:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{' '.join(command)}: {error}") from error
