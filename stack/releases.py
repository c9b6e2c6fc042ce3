"""Grafana and Prometheus as their makers release them: pinned in `releases.lock`, fetched once, verified.

Nothing of an archive is unpacked before the whole of it has the pinned sum.
"""

import hashlib
import platform
import shutil
import tarfile
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import httpx2

from stack.errors import StackError
from stack.part import Say

LOCK = Path(__file__).parent / "releases.lock"

FETCHING = "is fetched"
"""With what is said while a release is fetched, and before how far it is."""

FETCH_SECONDS = 1200.0
"""How long fetching one release may take in all; a connection, or one that stalls, has 10 s."""

_SYSTEMS = {"Linux": "linux", "Darwin": "macos"}
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Release:
    """One pinned release for this platform."""

    name: str
    """`grafana` or `prometheus`."""
    version: str
    program: str
    """The program's path within its folder."""
    url: str
    sha256: str

    def folder(self, programs: Path) -> Path:
        """Where it lies under the folder of all programs."""
        return programs / f"{self.name}-{self.version}"


def this_platform() -> str:
    """Return the name that `releases.lock` has for this platform, such as `linux-x86_64` or `macos-arm64`."""
    system, machine = platform.system(), platform.machine()
    return f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine, machine)}"


def pinned(name: str, on: str, lock: Path = LOCK) -> Release:
    """Return the release of a program for a platform.

    Raises:
        StackError: none is pinned for it.
    """
    known = tomllib.loads(lock.read_text())[name]
    if on not in known:
        raise StackError(f"There is no {name} on the PATH, and no release of it is pinned for {on}.", remedy(name))
    return Release(name, known["version"], known["program"], **known[on])


def remedy(name: str) -> str:
    """Return what to do where a program cannot be had."""
    return (
        f"Install {name}, on the PATH or named by the setting `{name}.binary`, and start again; "
        f"`{name}.enabled = false` does without it."
    )


def fetch(release: Release, programs: Path, say: Say, *, seconds: float = FETCH_SECONDS) -> None:
    """Put a release into its folder under `programs`, whole and verified or not at all; older ones are removed.

    Raises:
        StackError: it cannot be fetched within `seconds`, or is not what the lock file says.
    """
    programs.mkdir(parents=True, exist_ok=True)
    for left in programs.glob(f".{release.name}-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f".{release.name}-", dir=programs) as scratch:
        archive = Path(scratch) / "archive.tar.gz"
        found = _download(release, archive, say, time.monotonic() + seconds)
        if found != release.sha256:
            raise StackError(
                f"What was fetched as {release.name} {release.version} is not the pinned release: "
                f"sha256 expected {release.sha256}, found {found}.",
                f"Do not trust {release.url}, or the proxy before it. {remedy(release.name)}",
            )
        say("is unpacked")
        with tarfile.open(archive) as packed:
            packed.extractall(Path(scratch) / "unpacked", filter="data")
        # Everything lies in one folder, whose name differs from release to release.
        (unpacked,) = (Path(scratch) / "unpacked").iterdir()
        for old in programs.glob(f"{release.name}-*"):
            shutil.rmtree(old)
        unpacked.replace(release.folder(programs))


def _download(release: Release, target: Path, say: Say, deadline: float) -> str:
    """Write the archive to `target`; return its SHA-256 as hex digits."""
    digest = hashlib.sha256()
    done, told = 0, 0.0
    try:
        with (
            httpx2.stream(
                "GET", release.url, headers={"Accept-Encoding": "identity"}, follow_redirects=True, timeout=10.0
            ) as answer,
            target.open("wb") as file,
        ):
            answer.raise_for_status()
            size = int(answer.headers.get("Content-Length", 0))
            for piece in answer.iter_raw():
                file.write(piece)
                digest.update(piece)
                done += len(piece)
                now = time.monotonic()
                if now > deadline:
                    raise TimeoutError("it takes too long")
                if now - told > 0.3:
                    told = now
                    say(f"{FETCHING}: {done / 1e6:.0f} of {f'{size / 1e6:.0f}' if size else '?'} MB")
    except (httpx2.HTTPError, OSError) as error:
        raise StackError(
            f"{release.name} {release.version} cannot be fetched from {httpx2.URL(release.url).host}: "
            f"{str(error) or type(error).__name__}.",
            f"The next `up` tries again. {remedy(release.name)}",
        ) from error
    return digest.hexdigest()
