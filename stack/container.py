"""One part or step of the stack as the process of a container: `python -m stack.container ROLE`.

docker-compose.yml starts them, in order, and keeps them running; what they do is what `./pricebraid up` does. A part is
prepared, and then this process becomes it. The images of Kafka and Postgres run no code of ours: what they are
configured with is written first, into a folder that they share, and so is which market it is.
"""

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from market.logs import configure
from market.settings import Settings, SettingsError, load
from stack import kafka, postgres_cluster, running
from stack.board import Board
from stack.conductor import SAVEPOINT_SECONDS
from stack.errors import StackError
from stack.facts import Watch
from stack.flink import jobmanager_part, taskmanager_part
from stack.java import find
from stack.part import Part
from stack.passwords import with_password
from stack.process import Register
from stack.python_parts import ingest_parts, market_part, repair_part, sequencer_parts
from stack.state import State
from stack.upkeep import Upkeep
from stack.verifying import Verifying
from stack.wiring import Wiring

log = logging.getLogger(__name__)

CONFIGURATION = Path("/etc/pricebraid")
"""The folder of the configuration that containers share."""

KAFKA_DATA = Path("/var/lib/kafka/data")
"""Where the image of Kafka keeps the topics."""

_LOOK_SECONDS = 1.0
_SETTLED = "settled"

PARTS: dict[str, Callable[[Settings, State], Part]] = {
    "jobmanager": lambda settings, state: jobmanager_part(settings, state, find()),
    "taskmanager": lambda settings, state: taskmanager_part(1, settings, state, find()),
    "market": lambda settings, _: market_part(settings),
    "sequencer": lambda settings, _: sequencer_parts(settings)[0],
    "ingest": lambda settings, _: ingest_parts(settings)[0],
    "repair": lambda settings, state: repair_part(with_password(settings, state)),
}


def write_configuration(settings: Settings, folder: Path) -> None:
    """Write what containers read before they can ask anybody: the market, and what Kafka and Postgres begin with.

    Raises:
        StackError: the folder, and so the volumes beside it, belong to another market.
        OSError: it cannot be written.
    """
    settled = folder / _SETTLED
    settled.unlink(missing_ok=True)
    market = State.for_settings(settings).market
    holds = folder / "market"
    if holds.is_file() and holds.read_text() != market:
        raise StackError(
            f"The volumes of this project hold the market {holds.read_text()}, not {market}.",
            "Run it as a project of its own: `docker compose -p NAME --profile … up`. "
            "Or give up what they hold: `docker compose --profile '*' down --volumes`.",
        )
    for part in ("kafka", "postgres"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    holds.write_text(market)
    (folder / "pricebraid.toml").write_text(f"market = {json.dumps(settings.market)}\n")
    kafka.write_configuration(settings, folder / "kafka", KAFKA_DATA)
    options = kafka.java_options(folder / "kafka")
    (folder / "kafka" / "java.options").write_text("".join(f"{option}\n" for option in options))
    (folder / "postgres" / "postgresql.conf").write_text(postgres_cluster.configuration(settings))
    settled.touch()


def check_settled(folder: Path) -> None:
    """Raise a StackError where the configuration was not written, or refused, when that was last tried."""
    if not (folder / _SETTLED).is_file():
        raise StackError(
            "It is not settled which market this is.",
            "`docker compose logs settings-live settings-simulated` tells why. Where neither ran, name the market: "
            "`docker compose --profile live up`, or COMPOSE_PROFILES=live in .env.",
        )


def become(part: Part) -> None:
    """Prepare a part, and become it."""
    part.prepare()
    os.chdir(part.cwd)
    os.execve(part.command[0], part.command, part.env)  # noqa: S606


class Kept:
    """The jobs and what is looked after beside them, as the supervisor does it; only one process does at a time."""

    def __init__(self, settings: Settings, state: State, *, fresh: bool = False) -> None:
        self._state = state
        self._board = Board()
        self._watch = Watch(settings, state)
        self._watch.database_ready()
        self._wiring = Wiring(settings, state, self._watch, fresh=fresh)
        self._upkeep = Upkeep(settings, state, self._wiring.market_now)
        register = Register(running.register_path(state.root))
        self._verifying = Verifying(settings.verify, self._wiring.verification, register, state)
        self._jobs = self._wiring.jobs(self._board)

    def submit(self) -> None:
        """Submit the jobs, or take over those that run; return when all run.

        Raises:
            StackError: one cannot be run.
        """
        self._jobs.start()
        waiting = threading.Event()
        while not self._healthy():
            for report in self._board.read().values():
                if report.fatal:
                    raise StackError(report.reason or "A job failed.", report.remedy)
            waiting.wait(_LOOK_SECONDS)
        self._wiring.client.abort()

    def keep(self, stopping: threading.Event) -> None:
        """Keep everything until told to stop; then stop the jobs, with savepoints.

        The file `run/healthy` is touched while all jobs run.
        """
        healthy = self._state.run / "healthy"
        self._watch.start()
        self._upkeep.start()
        self._jobs.start()
        self._verifying.start()
        while not stopping.wait(_LOOK_SECONDS):
            if self._healthy():
                healthy.touch()
        self._verifying.stop()
        self._wiring.client.abort()
        self._jobs.stop(self._state.savepoints, SAVEPOINT_SECONDS, threading.Event())
        self._upkeep.stop()
        self._watch.stop()

    def _healthy(self) -> bool:
        return all(report.state == "healthy" for report in self._board.read().values())


def claim(state: State, *, wait: bool) -> bool:
    """Take the jobs for this process until it ends; False where another process has them and this does not `wait`."""
    state.create()
    descriptor = os.open(state.run / "jobs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def _submit(settings: Settings, state: State, *, fresh: bool) -> None:
    if claim(state, wait=False):
        Kept(settings, state, fresh=fresh).submit()
        return
    if fresh:
        raise StackError("The keeper has the jobs.", "Stop it first: `docker compose stop keeper`.")
    log.info("the keeper has the jobs already")


def _keep(settings: Settings, state: State) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    claim(state, wait=True)
    Kept(settings, state).keep(stopping)


def run(role: str, settings: Settings, *, fresh: bool = False, folder: Path = CONFIGURATION) -> None:
    """Do what a role is for.

    Raises:
        StackError: it cannot be done.
    """
    if role == "settings":
        write_configuration(settings, folder)
        return
    if role == "settled":
        check_settled(folder)
        return
    state = State.for_settings(settings)
    wiring = Wiring(settings, state, Watch(settings, state), fresh=False)
    if role == "topics":
        wiring.make_topics()
    elif role == "migrations":
        wiring.migrate()
    elif role == "jobs":
        _submit(settings, state, fresh=fresh)
    elif role == "keeper":
        _keep(settings, state)
    else:
        if role in ("ingest", "repair"):
            wiring.take_symbols()
        state.create()
        become(PARTS[role](wiring.settings, state))


def main() -> int:
    """Run as the process of a container; the exit code is 1 where it cannot do what it is for."""
    parser = argparse.ArgumentParser(prog="python -m stack.container", description=__doc__)
    parser.add_argument("role", choices=["settings", "settled", "topics", "migrations", "jobs", "keeper", *PARTS])
    parser.add_argument("--fresh-state", action="store_true", help="jobs: let them start over from the topics")
    parser.add_argument("--folder", type=Path, default=CONFIGURATION, help="settings, settled: the folder they use")
    arguments = parser.parse_args()
    try:
        settings = load()
        configure(settings.log_format, settings.log_level)
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        run(arguments.role, settings, fresh=arguments.fresh_state, folder=arguments.folder)
    except (SettingsError, StackError, OSError) as error:
        logging.getLogger(__name__).critical("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
