"""`FLINK_HOME`: the distribution that `apache-flink` (pip) brings, with our connectors, as a folder of our own."""

from importlib.util import find_spec
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from market.settings import Settings
from stack.errors import StackError
from stack.jars import locked
from stack.state import State

# Flink's own script starts a JVM more to read the configuration, and cannot live in a folder with a space in its name.
_FLINK = b"""#!/bin/sh
exec "$JAVA_HOME/bin/java" "@$FLINK_CONF_DIR/client.args" org.apache.flink.client.cli.CliFrontend "$@"
"""


def distribution() -> Path:
    """Return the folder of pip's Flink.

    Raises:
        StackError: it is not installed.
    """
    # Without importing it: that takes a second.
    wheel = find_spec("pyflink")
    folder = None if wheel is None or wheel.origin is None else Path(wheel.origin).parent
    if folder is None or not any(folder.glob("lib/flink-dist-*.jar")):
        raise StackError("Flink is not installed.", "Install `apache-flink` with pip, as requirements.lock has it.")
    return folder


def home(settings: Settings, state: State) -> Path:
    """Return `FLINK_HOME`: the one that the settings give, else the one that `make_home` makes."""
    return Path(settings.flink.home) if settings.flink.home else state.flink_home


def make_home(settings: Settings, state: State) -> None:
    """Make `FLINK_HOME`: copied scripts, and real folders `lib` and `opt` that link Flink's jars and ours.

    Of Flink's plugins there is the one that shows metrics to Prometheus; it does nothing unless configured.
    Where the settings give one, nothing is made.

    May be repeated, also while Flink runs: what is there and right is not touched.

    Raises:
        StackError: Flink is not installed, or the folder cannot be written.
    """
    if settings.flink.home:
        return
    flink = distribution()
    try:
        # Flink's scripts find their home by their own place, so they are copied, never linked.
        (state.flink_home / "bin").mkdir(parents=True, exist_ok=True)
        for script in (flink / "bin").iterdir():
            _put(state.flink_home / "bin" / script.name, _FLINK if script.name == "flink" else script.read_bytes())
        # A linked folder would not be searched for jars.
        _link(state.flink_home / "lib", _library(state))
        _link(state.flink_home / "opt", list((flink / "opt").glob("*.jar")))
        metrics = Path("plugins") / "metrics-prometheus"
        (state.flink_home / "plugins").mkdir(exist_ok=True)
        _link(state.flink_home / metrics, list((flink / metrics).glob("*.jar")))
    except OSError as error:
        raise StackError(
            f"Flink's folder {state.flink_home} cannot be made: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def _put(script: Path, content: bytes) -> None:
    if not script.is_file() or script.read_bytes() != content:
        fresh = script.with_name(f"{script.name}.new")
        fresh.write_bytes(content)
        fresh.chmod(0o755)
        fresh.replace(script)


def _link(folder: Path, files: list[Path]) -> None:
    folder.mkdir(exist_ok=True)
    wanted = {folder / file.name: file for file in files}
    for link in folder.iterdir():
        if link not in wanted or not link.is_symlink() or link.readlink() != wanted[link]:
            link.unlink()
    for link, file in wanted.items():
        if not link.is_symlink():
            link.symlink_to(file)


def _library(state: State) -> list[Path]:
    """Return what lies in `lib`: the distribution's jars and our connectors."""
    ours = [jar.path(state.jars) for jar in locked() if jar.group == "flink"]
    return [*sorted((distribution() / "lib").glob("*.jar")), *ours]


def class_path(settings: Settings, state: State) -> str:
    """Return the class path of Flink's processes: all of `lib` by name, Flink's core last, as Flink's scripts do."""
    folder = home(settings, state) / "lib"
    jars = folder.glob("*.jar") if settings.flink.home else _library(state)
    names = sorted((jar.name for jar in jars), key=lambda name: (name.startswith("flink-dist"), name))
    return ":".join(str(folder / name) for name in names)


def java_options() -> list[str]:
    """Return the options that every JVM of Flink gets: what the distribution asks for, and UTC.

    Raises:
        StackError: the distribution's configuration cannot be read.
    """
    path = distribution() / "conf" / "config.yaml"
    try:
        opened: str = YAML(typ="safe").load(path)["env"]["java"]["opts"]["all"]
    except (OSError, KeyError, TypeError, YAMLError) as error:
        raise StackError(
            f"{path} does not hold Flink's options for Java ({error}).", "Reinstall apache-flink."
        ) from error
    return [*opened.split(), "-Duser.timezone=UTC", "-XX:+ExitOnOutOfMemoryError"]
