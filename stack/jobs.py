"""Keeps the Flink jobs running: submits them, watches them over REST, resumes them, stops them with savepoints.

A session cluster's JobManager forgets its jobs when it restarts, so what runs is compared each second with what
should run, and a job that is missing or has failed is submitted again from its newest retained checkpoint.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stack.asking import NoAnswer
from stack.board import Board, Condition, Report
from stack.errors import StackError
from stack.flinkrest import ENDED, FlinkRest, JobView, local_path
from stack.jobplan import Run
from stack.jobstore import JobStore
from stack.keeper import Patience, backoff
from stack.submit import Definition
from stack.tracked import Tracked

log = logging.getLogger(__name__)

Submitter = Callable[[Definition, int, int, str | None], str]
"""Submits a job with generation, from_time (µs) and the path to resume from; returns the job id."""

CHECKPOINT_LOOKS = 2
"""At every so many looks, what became of the jobs' checkpoints is asked too."""

DOUBT_SECONDS = 15.0
"""How long after the loss of a TaskManager a job must show that it was resumed; then it had nothing there."""


class Jobs:
    """Keeps all jobs, in a thread of its own from `start` until `stop`. On the board they are `job-<name>`."""

    def __init__(
        self,
        definitions: Callable[[], list[Definition]],
        after: tuple[str, ...],
        *,
        workers: tuple[str, ...] = (),
        store: JobStore,
        rest: FlinkRest,
        submitter: Submitter,
        board: Board,
        fresh_from: Callable[[], int] | None = None,
        patience: Patience | None = None,
        look_seconds: float = 1.0,
    ) -> None:
        """Jobs are submitted when `after` is healthy; `workers` are the TaskManagers that they run in.

        `fresh_from` makes all jobs start over: it gives the time (µs) from which they count.
        """
        self._definitions = definitions
        self._after = after
        self._store = store
        self._rest = rest
        self._submitter = submitter
        self._board = board
        self._fresh_from = fresh_from
        self._patience = patience or Patience()
        self._look_seconds = look_seconds
        self._tracked: list[Tracked] = []
        self._looks = 0
        self._workers: dict[str, int | None] = dict.fromkeys(workers)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        board.post("jobs", Report("waiting"))

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._tracked = [Tracked(definition) for definition in self._definitions()]
            for job in self._tracked:
                self._post(job, "waiting", "waits for the cluster")
            if not self._board.wait_for(self._after, self._stopping):
                return
            if self._fresh_from is not None:
                from_time = self._fresh_from()
                for job in self._tracked:
                    name = job.definition.name
                    self._store.save(name, self._store.record(name).afresh(from_time))
            self._board.post("jobs", Report("healthy"))
        except Exception as problem:
            error = problem if isinstance(problem, StackError) else StackError(f"{problem!r}")
            log.exception("the jobs cannot be started")
            self._board.post("jobs", Report("failed", reason=error.message, remedy=error.remedy, fatal=True))
            return
        with ThreadPoolExecutor(1, "submit") as pool:
            while not self._stopping.is_set():
                self._look(pool)
                self._stopping.wait(self._look_seconds)

    def _look(self, pool: ThreadPoolExecutor) -> None:
        try:
            views = self._rest.jobs()
        except NoAnswer:
            for job in self._tracked:
                if job.submission is None:
                    self._post(job, "restarting" if job.was_healthy else "starting", "the JobManager does not answer")
            return
        self._notice_lost_workers()
        self._looks += 1
        look_deeper = self._looks % CHECKPOINT_LOOKS == 0
        for job in self._tracked:
            if job.submission is not None:
                if not job.submission.done():
                    continue
                job.submission = None
            try:
                self._judge(job, views, pool)
                if look_deeper and job.job_id in views:
                    self._look_at_checkpoints(job)
            except NoAnswer as problem:
                log.info("%s", problem)
        if look_deeper and all(job.healthy_since is not None for job in self._tracked):
            self._store.clean([job.definition.name for job in self._tracked])

    def _notice_lost_workers(self) -> None:
        """Doubt every job once a TaskManager has died: Flink says that all is well until it misses its heartbeats."""
        reports = self._board.read()
        pids = {name: reports[name].pid if name in reports else None for name in self._workers}
        if any(self._workers[name] not in (None, pid) for name, pid in pids.items()):
            for job in self._tracked:
                job.doubtful_until = time.monotonic() + DOUBT_SECONDS
        self._workers = pids

    def _judge(self, job: Tracked, views: dict[str, JobView], pool: ThreadPoolExecutor) -> None:
        view = views.get(job.job_id) if job.job_id else None
        if view is not None and view.state not in ENDED:
            self._judge_running(job, view)
            return
        if job.job_id is not None:
            self._lost(job, view)
        if self._may_submit(job) and not self._taken_over(job, views):
            self._post(job, "restarting" if job.was_healthy else "starting", "is submitted")
            job.submission = pool.submit(self._submit, job)

    def _judge_running(self, job: Tracked, view: JobView) -> None:
        if not view.healthy:
            again = view.state in ("RESTARTING", "FAILING") or job.was_healthy
            # Flink has noticed by itself whatever there was to doubt.
            job.healthy_since, job.doubtful_until = None, 0.0
            detail = f"Flink: {view.state.lower()}, {view.running} of {view.tasks} tasks run"
            self._post(job, "restarting" if again else "starting", detail)
            return
        if job.healthy_since is None or time.monotonic() < job.doubtful_until:
            self._look_at_checkpoints(job)
            if time.monotonic() < job.doubtful_until:
                self._post(job, "restarting", "a TaskManager was lost")
                return
        job.was_healthy = True
        if job.healthy_since is None:
            job.healthy_since = time.monotonic()
            log.info("job %s runs", job.definition.name, extra={"job_id": job.job_id})
        self._post(job, "healthy", job.reason)

    def _may_submit(self, job: Tracked) -> bool:
        if (job.error is not None and job.error.remedy) or time.monotonic() < job.not_before:
            return False
        # Candles come first, as soon as they can: two clients at once on two cores take each twice as long.
        first = self._tracked[0]
        in_turn = job is first or first.job_id is not None or first.failures > 0
        return in_turn and not self._board.missing(self._after)

    def _taken_over(self, job: Tracked, views: dict[str, JobView]) -> bool:
        """Take over the run that an earlier keeper submitted and left running; tell whether anything of the job runs.

        Any other run, as a submission that was cut off leaves it, is cancelled first.
        """
        runs = [view for view in views.values() if view.name == job.definition.name and view.state not in ENDED]
        last = self._store.open_run(job.definition)
        for run in runs:
            if last is None or run.job_id != last.job_id:
                log.warning("cancelling a run of %s that nobody submitted", run.name, extra={"job_id": run.job_id})
                self._rest.cancel(run.job_id)
                return True
        if runs and last is not None:
            job.job_id, job.restored_from = last.job_id, last.restored_from
            log.info("took over %s", job.definition.name, extra={"job_id": last.job_id})
        return bool(runs)

    def _lost(self, job: Tracked, view: JobView | None) -> None:
        """Note that the run which should be there has ended, and when to submit the next one."""
        why = "the JobManager does not know the job" if view is None else f"the job is {view.state.lower()}"
        if view is not None and view.state == "FAILED":
            why = f"the job failed: {self._rest.why_failed(view.job_id)}"
        # A forgotten job is no fault of its own; a failed one may fail again at once.
        self._failed(job, StackError(why), counts=view is not None)

    def _failed(self, job: Tracked, error: StackError, *, counts: bool = True) -> None:
        healthy_for = time.monotonic() - job.healthy_since if job.healthy_since else 0.0
        job.failures = (1 if healthy_for >= self._patience.calm else job.failures + 1) if counts else 0
        job.healthy_since, job.job_id = None, None
        job.restarts += 1
        job.reason, job.error = error.message, error
        pause = backoff(job.failures, self._patience) if counts else 0.0
        job.not_before = time.monotonic() + pause
        hopeless = bool(error.remedy) or (not job.was_healthy and job.failures >= self._patience.first_tries)
        log.warning("job %s: %s; submitting it again in %.1f s", job.definition.name, error.message, pause)
        self._post(job, "failed" if hopeless else "restarting", error.message, fatal=hopeless)

    def _submit(self, job: Tracked) -> None:
        """Submit one job; runs in the pool. Every end is noted on the job."""
        name, fingerprint = job.definition.name, job.definition.fingerprint
        try:
            with self._lock:
                path = self._store.restore_path(name, fingerprint)
                record = self._store.record(name)
            job_id = self._submitter(job.definition, record.generation, record.from_time, path)
            with self._lock:
                self._store.submitted(name, Run(job_id, fingerprint, time.time(), path))
        except StackError as error:
            self._failed(job, error)
            return
        except Exception as problem:
            log.exception("job %s could not be submitted", name)
            self._failed(job, StackError(f"could not be submitted: {problem!r}"))
            return
        job.job_id, job.error, job.doubtful_until = job_id, None, 0.0
        job.restored_from, job.restored_at = path, None
        log.info("%s", f"resumed {name} from {path}" if path else f"started {name} with no state")
        self._post(job, "restarting" if job.was_healthy else "starting", "was submitted")

    def _look_at_checkpoints(self, job: Tracked) -> None:
        """Notice where Flink itself resumed the job, after the loss of a TaskManager."""
        if job.job_id is None:
            return
        seen = self._rest.checkpoints(job.job_id)
        if seen.restored_from is None or seen.restored_at == job.restored_at:
            return
        first_sight, job.restored_at = job.restored_at is None, seen.restored_at
        path = local_path(seen.restored_from)
        if first_sight and path == job.restored_from:
            return
        job.restored_from, job.doubtful_until = path, 0.0
        log.info("resumed %s from %s", job.definition.name, path)

    def _post(self, job: Tracked, state: Condition, reason: str | None = None, *, fatal: bool = False) -> None:
        record = self._store.record(job.definition.name)
        facts: dict[str, Any] = {
            "job_id": job.job_id,
            "generation": record.generation,
            "restored_from": job.restored_from,
        }
        remedy = job.error.remedy if job.error else ""
        self._board.post(
            f"job-{job.definition.name}",
            Report(state, restarts=job.restarts, reason=reason, fatal=fatal, remedy=remedy, facts=facts),
        )

    def stop(self, savepoints: Path, seconds: float, hurry: threading.Event) -> None:
        """Stop all jobs with a savepoint each, waiting up to `seconds`; a job that cannot keeps its checkpoint."""
        self._stopping.set()
        self._board.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        triggers: dict[str, tuple[Tracked, str]] = {}
        for job in self._tracked:
            if job.job_id is None:
                continue
            try:
                triggers[job.job_id] = (job, self._rest.stop(job.job_id, savepoints))
            except NoAnswer as problem:
                log.warning("job %s stops without a savepoint: %s", job.definition.name, problem)
        deadline = time.monotonic() + seconds
        while triggers and time.monotonic() < deadline and not hurry.is_set():
            for job_id, (job, trigger) in list(triggers.items()):
                try:
                    path = self._rest.stopped(job_id, trigger)
                except NoAnswer as problem:
                    log.warning("job %s stops without a savepoint: %s", job.definition.name, problem)
                    del triggers[job_id]
                    continue
                if path is not None:
                    self._store.stopped(job.definition.name, path)
                    log.info("stopped %s with savepoint %s", job.definition.name, path)
                    del triggers[job_id]
            time.sleep(0.1)
        for job, _ in triggers.values():
            log.warning("job %s wrote no savepoint in time; its newest checkpoint stays", job.definition.name)
        for job in self._tracked:
            self._post(job, "stopped")
