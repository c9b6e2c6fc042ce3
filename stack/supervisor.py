"""The process that keeps the stack: `python -m stack.supervisor`, started by `./pricebraid up`.

It holds the state folder by a lock, brings everything up, keeps it up, and stops it in order on SIGTERM, SIGINT or
SIGHUP; a second signal makes it kill what is left. To whoever started it, it reports once through a pipe, as one JSON
line: `{"healthy": true}`, or `{"message": …, "remedy": …, "part": …, "lines": […]}` before it exits with 1.
"""

import argparse
import logging
import os
import shutil
import signal
import sys
import threading
import time
from typing import Any

import msgspec

from market.logs import configure
from market.settings import Settings, SettingsError, load
from stack import jars, preflight, running, status
from stack.board import Board
from stack.conductor import Conductor, Fault, stop_rank
from stack.errors import StackError
from stack.facts import Watch
from stack.process import Register, read_register, stop_leftovers, write_atomically
from stack.state import State
from stack.upkeep import Upkeep
from stack.verifying import Verifying
from stack.wiring import Wiring

log = logging.getLogger(__name__)


class Stopped(Exception):
    """A signal came while something was done that cannot be waited for."""


class Supervisor:
    """Brings one market's stack up and keeps it; `run` returns the exit code."""

    def __init__(self, settings: Settings, *, fresh: bool, report: int | None) -> None:
        self._settings = settings
        self._state = State.for_settings(settings)
        self._fresh = fresh
        self._report_to = report
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._phase = "starting"
        self._doing = ""
        self._board = Board()
        self._register = Register(running.register_path(self._state.root))
        self._conductor = Conductor(self._board, self._register, self._state.logs, str(self._state.root))
        self._watch = Watch(settings, self._state)

    def signalled(self, *_: Any) -> None:
        """Begin to stop; at the second time, stop by killing."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def run(self) -> int:
        """Run until a signal comes or the stack cannot come up."""
        try:
            lock = running.claim(self._state.root, self._settings, time.time())
        except StackError as error:
            self._report({"message": error.message, "remedy": error.remedy})
            return 1
        try:
            return self._run()
        finally:
            os.close(lock)

    def _run(self) -> int:
        writing = threading.Event()
        writer = threading.Thread(target=self._write_status, args=(writing,), name="status", daemon=True)
        fault: Fault | None = None
        wiring: Wiring | None = None
        upkeep: Upkeep | None = None
        verifying: Verifying | None = None
        try:
            self._state.create()
            writer.start()
            self._clear_the_ground()
            wiring = Wiring(self._settings, self._state, self._watch, fresh=self._fresh)
            wiring.build(self._conductor)
            upkeep = Upkeep(self._settings, self._state, wiring.market_now)
            self._watch.start()
            upkeep.start()
            self._conductor.start()
            fault = self._come_up()
            if fault is None and not self._stopping.is_set():
                verifying = Verifying(self._settings.verify, wiring.verification, self._register, self._state)
                verifying.start()
                self._phase = "running"
                log.info("everything is healthy")
                self._report({"healthy": True})
                self._stopping.wait()
        except Stopped:
            log.info("stopped before anything was started")
        except StackError as error:
            fault = Fault("", error.message, error.remedy, [])
        self._phase = "stopping"
        if verifying is not None:
            verifying.stop()
        if wiring is not None:
            wiring.client.abort()
            self._conductor.stop(self._state.savepoints, self._hurry, wiring.sequencer_drained)
        self._watch.stop()
        if upkeep is not None:
            upkeep.stop()
        self._phase = "stopped"
        writing.set()
        if writer.ident is not None:
            writer.join()
        if fault is not None:
            log.error("%s: %s", fault.name or "the stack", fault.message)
            self._report({"message": fault.message, "remedy": fault.remedy, "part": fault.name, "lines": fault.lines})
            return 1
        log.info("everything is stopped")
        return 0

    def _clear_the_ground(self) -> None:
        """Stop and delete what a killed supervisor left, then check ports and disk, then fetch the jars."""
        preflight.check_disk(self._state.root)
        record = running.register_path(self._state.root)
        self._doing = "looking for processes left over"
        stop_leftovers(read_register(record), stop_rank)
        record.unlink(missing_ok=True)
        for scratch in self._state.root.glob("verify-*"):
            shutil.rmtree(scratch, ignore_errors=True)
        preflight.check_ports(self._settings)

        def progress(done: int, total: int, name: str) -> None:
            self._doing = f"jar {done} of {total}: {name}"
            if self._stopping.is_set():
                raise Stopped

        jars.ensure(self._state.jars, progress)
        self._doing = ""

    def _come_up(self) -> Fault | None:
        while not self._stopping.is_set() and not self._conductor.healthy():
            fault = self._conductor.fault()
            if fault is not None:
                return fault
            self._stopping.wait(0.1)
        return None

    def _write_status(self, done: threading.Event) -> None:
        """Write the status each second, a last time at the end."""
        path = running.status_path(self._state)
        while True:
            last = done.wait(0.5 if self._phase != "running" else 1.0)
            content = status.compose(
                self._settings.market,
                self._phase,
                self._conductor.doing or self._doing,
                reports=self._board.read(),
                steps=self._conductor.step_names,
                facts=self._watch.facts,
            )
            try:
                write_atomically(path, msgspec.json.encode(content))
            except OSError as error:
                log.warning("the status cannot be written: %s", error)
            if last:
                return

    def _report(self, what: dict[str, Any]) -> None:
        if self._report_to is None:
            return
        try:
            os.write(self._report_to, msgspec.json.encode(what) + b"\n")
            os.close(self._report_to)
        except BrokenPipeError:
            log.info("nobody waits for the report any more")
        self._report_to = None


def main() -> int:
    """Run as a process of its own; the exit code is 0 after an orderly stop, else 1."""
    parser = argparse.ArgumentParser(prog="python -m stack.supervisor", description=__doc__)
    parser.add_argument("--fresh-state", action="store_true", help="let the jobs start over from the topics")
    parser.add_argument("--report-fd", type=int, help="descriptor of the pipe to report to")
    arguments = parser.parse_args()
    try:
        settings = load()
        configure(settings.log_format, settings.log_level)
        # Each question would be a line, several a second.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        supervisor = Supervisor(settings, fresh=arguments.fresh_state, report=arguments.report_fd)
    except (SettingsError, StackError):
        logging.getLogger(__name__).exception("cannot begin")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.signalled)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
