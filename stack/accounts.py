"""The unprivileged system user that runs what refuses to be root, and what that user can reach."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TypedDict

from stack.errors import StackError


class RunAs(TypedDict, total=False):
    """The arguments of `subprocess` that name a user; empty where the caller's own is meant."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(name: str | None) -> RunAs:
    """Return the arguments of `subprocess` that run a process as `name`; none for None."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def ensure_user(name: str) -> None:
    """Make the system user, without home and login, where there is none. Needs to be root.

    Raises:
        StackError: it cannot be made.
    """
    try:
        pwd.getpwnam(name)
    except KeyError:
        remedy = f"Make a system user named {name}, or run as a user other than root."
        if shutil.which("useradd") is None:
            raise StackError(
                f"Postgres does not run as root, and there is no useradd to make the user {name}.", remedy
            ) from None
        made = subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise StackError(f"The user {name} cannot be made: {made.stderr.strip()}.", remedy) from None


def reachable(path: Path) -> bool:
    """Tell whether any user can walk to `path`, and read it where it is a file.

    A folder that does not exist yet counts as reachable where its parents are.
    """
    real = Path(os.path.realpath(path))
    if any(parent.exists() and not parent.stat().st_mode & stat.S_IXOTH for parent in real.parents):
        return False
    return not real.is_file() or bool(real.stat().st_mode & stat.S_IROTH)
