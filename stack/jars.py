"""The jars of Flink's connectors and SQL client, and of the broker: pinned in `jars.lock`, fetched with jgo, verified.

jgo reads Maven's repository in pure Python. It takes its repositories from the user's jgo settings (Maven Central where
there are none); what already lies in the local Maven repository (`M2_REPO`, `~/.m2/repository`) is taken from there.
"""

import argparse
import hashlib
import logging
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import truststore
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from market.settings import load
from stack.errors import StackError

LOCK = Path(__file__).parent / "jars.lock"

ROOTS: dict[str, dict[str, bool]] = {
    # The connectors come whole; what else their descriptions name is in Flink's own lib.
    "flink": {
        "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2": False,
        "org.apache.flink:flink-connector-jdbc-core:4.0.0-2.0": False,
        "org.apache.flink:flink-connector-jdbc-postgres:4.0.0-2.0": False,
        "org.postgresql:postgresql:42.7.14": False,
    },
    # Flink's SQL client is in pip's distribution, but not the part of it that it runs on. No other process needs it.
    "sql": {"org.apache.flink:flink-sql-gateway:2.2.1": False},
    # The broker names log4j itself, but leaves its binding to SLF4J to whoever runs it.
    "kafka": {
        "org.apache.kafka:kafka_2.13:4.1.2": True,
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3": False,
    },
}
"""What is wanted of each group, and whether with all that it needs at run time."""

_HEAD = """# Every jar by group, with its sha256. Written by `python -m stack.jars --relock`; do not edit by hand.
"""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with the jars done, the jars in all, and the name of the one just done; from the caller's thread."""


@dataclass(frozen=True)
class Jar:
    """One pinned jar. `coordinate` is `group:artifact:version`, with `:classifier` where it has one."""

    group: str
    """The folder it lies in: `flink`, `sql` or `kafka`."""
    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in Maven's repository, and here."""
        _, artifact, *rest = self.coordinate.split(":")
        return "-".join([artifact, *rest]) + ".jar"

    def path(self, folder: Path) -> Path:
        """Where it lies under the folder of all jars."""
        return folder / self.group / self.file_name


def silent(_done: int, _total: int, _name: str) -> None:
    """Show no progress."""


def locked(lock: Path = LOCK) -> list[Jar]:
    """Return the pinned jars in the order of the lock file.

    Raises:
        StackError: the lock file is missing or broken.
    """
    try:
        groups: dict[str, dict[str, str]] = tomllib.loads(lock.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"The list of jars cannot be read: {error}.", f"Restore {lock} from git.") from error
    return [Jar(group, coordinate, sha256) for group, jars in groups.items() for coordinate, sha256 in jars.items()]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(folder: Path, jars: Iterable[Jar]) -> list[Jar]:
    """Return those of the jars that are not there, and verify the others.

    Raises:
        StackError: one is not what the lock file says.
    """
    absent = []
    for jar in jars:
        path = jar.path(folder)
        if not path.is_file():
            absent.append(jar)
        else:
            _verify(jar, path)
    return absent


def ensure(folder: Path, progress: Progress = silent, jars: list[Jar] | None = None) -> None:
    """Make `folder` hold exactly the pinned jars, fetching those that are missing and verifying all.

    Raises:
        StackError: one cannot be fetched, or is not what the lock file says.
    """
    wanted = locked() if jars is None else jars
    absent = missing(folder, wanted)
    if absent:
        _trust_the_system()
    done = len(wanted) - len(absent)
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="jars") as pool:
        running = {pool.submit(_fetch, jar, folder): jar for jar in absent}
        try:
            for future in as_completed(running):
                future.result()
                done += 1
                progress(done, len(wanted), running[future].file_name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _drop_others(folder, wanted)


def _trust_the_system() -> None:
    """Let jgo's connections trust what this machine trusts, as pip does: a proxy's authority is not in `certifi`."""
    truststore.inject_into_ssl()


def _drop_others(folder: Path, wanted: list[Jar]) -> None:
    """Remove jars that are no longer pinned: the broker's class path is its whole folder."""
    keep = {jar.path(folder) for jar in wanted}
    for group in {jar.group for jar in wanted}:
        for path in (folder / group).glob("*.jar"):
            if path not in keep:
                path.unlink()


def _verify(jar: Jar, path: Path) -> None:
    found = sha256_of(path)
    if found != jar.sha256:
        raise StackError(
            f"The jar {jar.file_name} is not the pinned one: sha256 expected {jar.sha256}, found {found}.",
            f"Delete {path} and try again.",
        )


def _context(repo_cache: Path, *, local: bool = True) -> MavenContext:
    settings = GlobalSettings.load()
    return MavenContext(
        repo_cache=repo_cache,
        local_repos=[settings.repo_cache] if local else [],
        remote_repos=settings.repositories or None,
        timeout=60,
    )


def _artifact(context: MavenContext, coordinate: str) -> Any:
    group, artifact, version, *classifier = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact(classifier[0] if classifier else "")


def _fetch(jar: Jar, folder: Path) -> None:
    """Put one jar in its place, whole and verified or not at all."""
    target = jar.path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        # A jar in the local Maven repository may be cut off or another build; then the remote one decides.
        local = _artifact(_context(Path(scratch)), jar.coordinate)
        found = local.context.local_repos[0] / local.component.path_prefix / local.filename
        if found.is_file() and sha256_of(found) == jar.sha256:
            whole = Path(scratch) / jar.file_name
            shutil.copyfile(found, whole)
        else:
            whole = _download(jar, Path(scratch))
        found_sum = sha256_of(whole)
        if found_sum != jar.sha256:
            raise StackError(
                f"The jar {jar.file_name} that was fetched is not the pinned one: "
                f"sha256 expected {jar.sha256}, found {found_sum}.",
                "Try again; if it stays so, the repository of jars is not to be trusted: "
                "check the [repositories] of your jgo settings, and any proxy.",
            )
        whole.replace(target)


def _download(jar: Jar, scratch: Path) -> Path:
    tries = 3
    for left in reversed(range(tries)):
        try:
            path: Path = _artifact(_context(scratch, local=False), jar.coordinate).resolve()
        except (OSError, RuntimeError) as error:  # requests' exceptions are OSErrors; jgo raises RuntimeError
            if not left:
                raise StackError(
                    f"The jar {jar.coordinate} cannot be fetched: {error}.",
                    "Check the connection to Maven Central, or name a mirror under [repositories] in "
                    "~/.config/jgo.conf (`name = https://…`), and try again.",
                ) from error
            _log.info("fetching %s again: %s", jar.file_name, error)
            shutil.rmtree(scratch, ignore_errors=True)
        else:
            return path
    raise AssertionError("unreachable")


def resolve() -> dict[str, list[str]]:
    """Return the coordinates of every group, resolved afresh, sorted, each jar once."""
    resolved = {}
    with tempfile.TemporaryDirectory(prefix="pricebraid-jars-") as scratch:
        context = _context(Path(scratch))
        for group, roots in ROOTS.items():
            found = set()
            for coordinate, transitive in roots.items():
                # Each alone: jgo lets what one root manages (log4j's parent: kafka-clients 3.9) decide for the others.
                wanted = [context.create_dependency(coordinate)]
                if transitive:
                    inputs, needed = context.resolver.resolve(wanted)
                    wanted = inputs + [dep for dep in needed if dep.scope in (None, "compile", "runtime")]
                found |= {
                    ":".join(part for part in (dep.groupId, dep.artifactId, dep.version, dep.classifier) if part)
                    for dep in wanted
                }
            resolved[group] = sorted(found)
    return resolved


def relock(folder: Path, lock: Path = LOCK) -> list[Jar]:
    """Resolve all groups afresh, fetch every jar into `folder`, write the lock file and return what is in it.

    Raises:
        StackError: a jar cannot be fetched, or two of a group would have the same file name.
    """
    _trust_the_system()
    jars: list[Jar] = []
    text = _HEAD
    for group, coordinates in resolve().items():
        text += f"\n[{group}]\n"
        for coordinate in coordinates:
            jar = Jar(group, coordinate, "")
            if jar.path(folder) in {other.path(folder) for other in jars}:
                raise StackError(f"Two jars of {group} are named {jar.file_name}.", "Give them folders of their own.")
            with tempfile.TemporaryDirectory(prefix="pricebraid-jars-") as scratch:
                whole = _download(jar, Path(scratch))
                jar = Jar(group, coordinate, sha256_of(whole))
                jar.path(folder).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(whole, jar.path(folder))
            jars.append(jar)
            text += f'"{coordinate}" = "{jar.sha256}"\n'
    lock.write_text(text)
    return jars


def main() -> int:
    """Run `python -m stack.jars`: fetch and verify the pinned jars, or with `--relock` pin them afresh."""
    parser = argparse.ArgumentParser(prog="python -m stack.jars", description=__doc__)
    parser.add_argument("--relock", action="store_true", help="resolve all jars afresh and rewrite jars.lock")
    parser.add_argument("--group", choices=list(ROOTS), help="fetch and verify only these")
    parser.add_argument("folder", nargs="?", type=Path, help="where to put them (default: the state folder's jars)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = arguments.folder or load().state_dir / "jars"
    try:
        if arguments.relock:
            _log.info("%d jars pinned in %s", len(relock(folder)), LOCK)
        else:
            wanted = [jar for jar in locked() if arguments.group in (None, jar.group)]
            ensure(folder, lambda done, total, name: _log.info("%d of %d: %s", done, total, name), wanted)
            _log.info("%d jars are whole in %s", len(wanted), folder)
    except StackError as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
