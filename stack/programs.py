"""Programs that may be missing: from a setting, from the PATH, else an official release that is fetched."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from market.settings import ROOT
from stack.errors import StackError
from stack.part import Say
from stack.releases import Release, fetch, pinned, remedy, this_platform
from stack.state import State

# Where packages put servers, and where a user's PATH may not look.
_ALSO = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")

_VERSION = re.compile(r"version (\d+)\.\d+\S*")


@dataclass(frozen=True)
class Program:
    """Where a program lies, or will once its release was fetched; or why it cannot be had."""

    name: str
    path: Path
    least: int
    """The least major version that will do."""
    release: Release | None = None
    problem: StackError | None = None

    def obtain(self, state: State, say: Say) -> None:
        """Fetch the release where it is not there yet; see that another program is new enough.

        Raises:
            StackError: the program cannot be had, or is too old.
        """
        if self.problem is not None:
            raise self.problem
        if self.release is None:
            _refuse_old(self)
        elif not self.path.is_file():
            fetch(self.release, state.programs, say)


def locate(name: str, given: str, least: int, state: State) -> Program:
    """Return where the program of that name lies: `given` by a setting, on the PATH, or as a release.

    Nothing is fetched yet, and nothing raised: `obtain` does both.
    """
    if given:
        path = ROOT / given
        if os.access(path, os.X_OK) and path.is_file():
            return Program(name, path, least)
        problem = StackError(f"The setting `{name}.binary` names {given}, which is no program.", remedy(name))
        return Program(name, path, least, problem=problem)
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_ALSO)))
    if found is not None:
        return Program(name, Path(found), least)
    try:
        release = pinned(name, this_platform())
    except StackError as problem:
        return Program(name, Path(name), least, problem=problem)
    return Program(name, release.folder(state.programs) / release.program, least, release)


def _refuse_old(program: Program) -> None:
    try:
        done = subprocess.run([program.path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{program.path} does not tell its version: {error}.", remedy(program.name)) from error
    found = _VERSION.search(done.stdout + done.stderr)
    if found is None:
        raise StackError(f"{program.path} does not tell its version.", remedy(program.name))
    if int(found[1]) < program.least:
        raise StackError(
            f"{program.path} is of {found[0]}: {program.name} {program.least} or newer is needed.", remedy(program.name)
        )
