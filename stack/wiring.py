"""Pricebraid itself: which parts, steps and jobs there are for a market, and what each needs."""

import time
from functools import partial
from pathlib import Path

from market import topics
from market.settings import ROOT, Settings
from stack import jobplan
from stack.board import Board
from stack.conductor import Conductor
from stack.environment import base_environment, child_environment, effective
from stack.facts import Watch
from stack.flink import flink_environment
from stack.flinkrest import FlinkRest
from stack.java import find
from stack.jobs import Jobs
from stack.jobstore import JobStore
from stack.kafka_topics import create_topics
from stack.migrations import migrate
from stack.part import Part
from stack.parts import all_parts
from stack.passwords import with_password
from stack.probes import get_json
from stack.python_parts import ingest_parts, repair_part, verify_part
from stack.recorded import as_recorded, scan_path, symbols_listed
from stack.retained import retained
from stack.shown import show_market
from stack.state import State
from stack.submit import Client, Definition, check_slots, definitions
from stack.upkeep import maintain


class Wiring:
    """Adds everything to a conductor. `settings` become complete as the market tells its symbols."""

    def __init__(self, settings: Settings, state: State, watch: Watch, *, fresh: bool) -> None:
        self.settings = effective(settings)
        self.state = state
        self.client = Client()
        self._watch = watch
        self._fresh = fresh
        self._began: int | None = None
        self._recording = settings.market not in ("live", "simulated")
        if self._recording:
            recorded = scan_path(Path(settings.market))
            self.settings = as_recorded(self.settings, recorded)
            self._began = recorded.began
        # The market on localhost knows what it lists; only what was asked for by name goes before that.
        self._ask_symbols = self._recording or (
            settings.market == "simulated" and "symbols" not in settings.model_fields_set
        )

    def market_now(self) -> int | None:
        """Return the market's now, microseconds since the epoch, UTC; None while no trade was seen."""
        return self._watch.facts.market_now

    def verification(self) -> Part:
        """Return a run of verification, with what is known by now.

        Raises:
            StackError: the database has no passwords yet, or the jobs' record is damaged.
        """
        # What the jobs left out, because the topics no longer held it whole when they began, can't be judged.
        from_time = JobStore(self.state).record("candles").from_time
        return verify_part(with_password(self.settings, self.state), from_time)

    def sequencer_drained(self) -> bool:
        """Tell whether the sequencer has read everything; also when it does not answer."""
        try:
            ports = [self.settings.ports.sequencer, self.settings.ports.sequencer_2]
            ports = ports[: self.settings.sequencer.processes]
            return all(get_json(port, "/health").get("behind", 0) == 0 for port in ports)
        except ConnectionError:
            return True

    def build(self, conductor: Conductor) -> None:
        """Add all parts, steps and jobs.

        Raises:
            StackError: a part cannot be made on this machine.
        """
        parts = {part.name: part for part in all_parts(self.settings, self.state)}
        symbols = ("symbols",) if self._ask_symbols else ()
        needs = {"sequencer": ("topics",), "ingest": ("topics", *symbols), "repair": ("topics", "migrations", *symbols)}
        if self._ask_symbols:
            conductor.add_step("symbols", ("market",), self.take_symbols)
        for name, part in parts.items():
            conductor.add_part(partial(self._part, part), *needs.get(name.partition("-")[0], ()))
        conductor.add_step("topics", ("kafka",), self.make_topics)
        conductor.add_step("migrations", ("postgres",), self.migrate)
        # A job can be submitted before there is a TaskManager; it waits in the cluster for its slots.
        workers = tuple(name for name in parts if name.startswith("taskmanager-"))
        conductor.add_jobs(self.jobs(conductor.board, ("jobmanager", "topics", "migrations"), workers))

    def jobs(self, board: Board, after: tuple[str, ...] = (), workers: tuple[str, ...] = ()) -> Jobs:
        """Return what keeps the jobs, as `Jobs` describes."""
        return Jobs(
            self._definitions,
            after,
            workers=workers,
            store=JobStore(self.state),
            rest=FlinkRest(f"http://{self.settings.hosts.jobmanager}:{self.settings.ports.flink}"),
            submitter=self._submit,
            board=board,
            fresh_from=self._fresh_from if self._fresh else None,
        )

    def _part(self, first: Part) -> Part:
        """Return the part as the settings are by now: the market's symbols are known, and the database's password."""
        if first.name.startswith("ingest"):
            return next(part for part in ingest_parts(self.settings) if part.name == first.name)
        # The database makes the passwords; what needs one starts after it.
        if first.name == "repair" and self.state.secrets.exists():
            return repair_part(with_password(self.settings, self.state))
        return first

    def take_symbols(self) -> None:
        """Follow what the market on localhost lists, unless symbols were asked for by name.

        Raises:
            StackError: it does not tell.
        """
        if not self._ask_symbols:
            return
        market = f"http://{self.settings.hosts.market}:{self.settings.ports.market}"
        symbols = symbols_listed(market, both=not self._recording)
        self.settings = self.settings.model_copy(update={"symbols": symbols})

    def make_topics(self) -> None:
        """Make the topics that are missing.

        Raises:
            StackError: the broker refuses.
        """
        create_topics(self.settings.kafka.bootstrap, topics.topics(self.settings.kafka))

    def migrate(self) -> None:
        """Bring the database up to date.

        Raises:
            StackError: it refuses.
        """
        migrate(self.settings, self.state)
        show_market(self.settings, self.state)
        maintain(self.settings, self.state, self.market_now() or self._began or time.time_ns() // 1000)
        self._watch.database_ready()

    def _definitions(self) -> list[Definition]:
        jobs = definitions({**base_environment(), **child_environment(self.settings), "PYTHONPATH": str(ROOT)})
        check_slots(jobs, self.settings.flink)
        return jobs

    def _submit(self, job: Definition, generation: int, from_time: int, restore: str | None) -> str:
        request = {"name": job.name, "generation": generation, "from_time": from_time, "restore": restore}
        return self.client.submit(
            request, lambda: flink_environment(self.settings, self.state, find()), self.state.logs / "jobs.log"
        )

    def _fresh_from(self) -> int:
        return jobplan.first_whole_day(retained(self.settings.kafka.bootstrap, topics.TRADES), time.time_ns() // 1000)
