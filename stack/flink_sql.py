"""Flink's SQL client on the running cluster, every topic a table: `python -m flink_jobs console` says how it begins."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from market.settings import ROOT, Settings
from stack import java
from stack.errors import StackError
from stack.flink import flink_environment
from stack.flink_home import class_path, home
from stack.jars import locked
from stack.state import State


def become_client(settings: Settings, statements: Sequence[str], arguments: Sequence[str]) -> None:
    """Replace this process by the client; where there are statements, it answers these and ends.

    Raises:
        StackError: it cannot be started.
    """
    state, found = State.for_settings(settings), java.find()
    environment = flink_environment(settings, state, found)
    try:
        given = ["--init", _kept(_beginning(environment)), *arguments]
        if statements:
            # The client sees the end of a statement by a semicolon at the end of a line.
            given += ["--file", _kept("".join(f"{one.rstrip().removesuffix(';')};\n" for one in statements))]
        if "TERM" in os.environ:
            environment["TERM"] = os.environ["TERM"]
        os.execve(found.executable, command(settings, state, found, given), environment)  # noqa: S606
    except OSError as error:
        raise StackError(f"Flink's SQL client cannot be started: {error}.") from error


def command(settings: Settings, state: State, found: java.Java, arguments: Sequence[str]) -> list[str]:
    """Return the client's command: what `flink` is told, where of two of a kind the last counts, and more jars."""
    # A whole distribution has more there: a second planner, for one, beside which the client refuses to work.
    needed = ("flink-python-*.jar", "flink-sql-*.jar")
    jars = [jar for name in needed for jar in sorted((home(settings, state) / "opt").glob(name))]
    if not settings.flink.home:
        jars += [jar.path(state.jars) for jar in locked() if jar.group == "sql"]
    return [
        str(found.executable),
        f"@{state.flink_conf / 'client.args'}",
        f"-Dlog.file={state.logs / 'flink-sql.log'}",
        *("-classpath", ":".join([class_path(settings, state), *map(str, jars)])),
        "org.apache.flink.table.client.SqlClient",
        *("--history", str(state.folder / "sql-history")),
        *arguments,
    ]


def _beginning(environment: dict[str, str]) -> str:
    asked = [sys.executable, "-m", "flink_jobs", "console"]
    return subprocess.run(asked, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _kept(text: str) -> str:
    """Return the path of a file that is there for as long as this process is, whatever it becomes."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        kept = os.dup(file.fileno())
    os.set_inheritable(kept, True)
    return f"/dev/fd/{kept}"
