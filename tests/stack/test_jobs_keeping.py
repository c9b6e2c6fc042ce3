"""The jobs are kept against a cluster that is made up: it forgets, fails and restarts them when it is told to."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market.settings import load
from stack.asking import NoAnswer
from stack.board import Board, Report
from stack.errors import StackError
from stack.flinkrest import Checkpoints, FlinkRest, JobView
from stack.jobs import Jobs
from stack.jobstore import JobStore
from stack.keeper import Patience
from stack.state import State
from stack.submit import Definition, check_slots
from tests.stack.fake_parts import until

CANDLES = Definition("candles", "print")
TICKERS = Definition("tickers", "print")
PATIENCE = Patience(first_backoff=0.01, longest_backoff=0.05)


class Cluster(FlinkRest):
    """A cluster that is made up, and the `flink run` that submits to it."""

    def __init__(self, state: State) -> None:
        super().__init__("http://nowhere")
        self.state = state
        self.views: dict[str, JobView] = {}
        self.submissions: list[tuple[str, int, int, str | None]] = []
        self.refusals: list[StackError] = []
        self.refused_job = ""
        self.canceled: list[str] = []
        self.answers = True
        self.savepoints_fail = False
        self.restored: dict[str, Checkpoints] = {}

    def submit(self, job: Definition, generation: int, from_time: int, restore: str | None) -> str:
        self.submissions.append((job.name, generation, from_time, restore))
        if job.name == self.refused_job:
            raise StackError("no")
        if self.refusals:
            raise self.refusals.pop(0)
        job_id = f"{len(self.submissions):032x}"
        self.set(job_id, job.name, "RUNNING")
        return job_id

    def set(self, job_id: str, name: str, state: str, running: int = 2) -> None:
        self.views = {**self.views, job_id: JobView(job_id, name, state, running, 2)}

    def checkpointed(self, job_id: str, number: int) -> str:
        path = self.state.checkpoints / job_id / f"chk-{number}"
        path.mkdir(parents=True)
        (path / "_metadata").touch()
        return str(path)

    def jobs(self) -> dict[str, JobView]:
        if not self.answers:
            raise NoAnswer("down")
        return self.views

    def checkpoints(self, job_id: str) -> Checkpoints:
        return self.restored.get(job_id, Checkpoints(0, None, None))

    def why_failed(self, job_id: str) -> str:
        return "java.lang.Exception: boom"

    def cancel(self, job_id: str) -> None:
        self.canceled.append(job_id)
        self.views = {key: view for key, view in self.views.items() if key != job_id}

    def stop(self, job_id: str, savepoints: Path) -> str:
        if self.savepoints_fail:
            raise NoAnswer("no")
        return f"trigger-{job_id}"

    def stopped(self, job_id: str, trigger: str) -> str | None:
        assert trigger == f"trigger-{job_id}"
        path = self.state.savepoints / f"savepoint-{job_id[-6:]}-x"
        path.mkdir(exist_ok=True)
        (path / "_metadata").touch()
        return str(path)


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State.for_settings(load(market="simulated", state_dir=tmp_path))
    state.create()
    return state


@pytest.fixture
def cluster(state: State) -> Cluster:
    return Cluster(state)


class Kept:
    """Jobs that are kept, and the board that they report to."""

    def __init__(self, jobs: Jobs, board: Board, store: JobStore) -> None:
        self.jobs = jobs
        self.board = board
        self.store = store

    def report(self, name: str = "job-candles") -> Report | None:
        return self.board.read().get(name)

    def is_state(self, state: str, name: str = "job-candles") -> Callable[[], bool]:
        return lambda: (report := self.report(name)) is not None and report.state == state

    def stop(self, state: State) -> None:
        self.jobs.stop(state.savepoints, 5.0, threading.Event())


Keep = Callable[..., Kept]


@pytest.fixture
def keep(state: State, cluster: Cluster) -> Iterator[Keep]:
    made: list[Kept] = []

    def start(
        *definitions: Definition,
        fresh_from: Callable[[], int] | None = None,
        ready: bool = True,
        workers: tuple[str, ...] = (),
    ) -> Kept:
        board = Board()
        board.post("jobmanager", Report("healthy" if ready else "starting"))
        store = JobStore(state)
        jobs = Jobs(
            lambda: list(definitions or (CANDLES,)),
            ("jobmanager",),
            workers=workers,
            store=store,
            rest=cluster,
            submitter=cluster.submit,
            board=board,
            fresh_from=fresh_from,
            patience=PATIENCE,
            look_seconds=0.02,
        )
        kept = Kept(jobs, board, store)
        made.append(kept)
        jobs.start()
        return kept

    yield start
    for kept in made:
        kept.jobs.stop(state.savepoints, 0.0, threading.Event())


def test_every_job_is_submitted_in_order_and_shown(keep: Keep, cluster: Cluster) -> None:
    kept = keep(CANDLES, TICKERS)
    until("both are healthy", lambda: kept.is_state("healthy")() and kept.is_state("healthy", "job-tickers")())
    assert cluster.submissions == [("candles", 1, 0, None), ("tickers", 1, 0, None)]
    report = kept.report()
    assert report is not None
    assert report.facts["restored_from"] is None
    assert report.facts["generation"] == 1


def test_nothing_is_submitted_before_the_cluster_is_ready(keep: Keep, cluster: Cluster) -> None:
    kept = keep(ready=False)
    until("the job waits", kept.is_state("waiting"))
    assert cluster.submissions == []
    kept.board.post("jobmanager", Report("healthy"))
    until("it is healthy", kept.is_state("healthy"))


def test_a_job_that_the_jobmanager_forgot_resumes_from_its_newest_checkpoint(keep: Keep, cluster: Cluster) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    cluster.checkpointed(f"{1:032x}", 1)
    newest = cluster.checkpointed(f"{1:032x}", 2)
    cluster.answers = False
    until("that is seen", kept.is_state("restarting"))
    cluster.views = {}
    cluster.answers = True
    until("it was submitted again", lambda: len(cluster.submissions) == 2)
    until("it is healthy again", kept.is_state("healthy"))
    assert cluster.submissions[-1] == ("candles", 1, 0, newest)
    report = kept.report()
    assert report is not None
    assert report.facts["restored_from"] == newest
    assert report.restarts == 1


@pytest.mark.parametrize("ended", ["FAILED", "CANCELED"])
def test_a_job_that_ended_by_itself_is_submitted_again(keep: Keep, cluster: Cluster, ended: str) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    path = cluster.checkpointed(f"{1:032x}", 7)
    cluster.set(f"{1:032x}", "candles", ended, 0)
    until("it runs again", lambda: len(cluster.submissions) == 2 and kept.is_state("healthy")())
    assert cluster.submissions[-1] == ("candles", 1, 0, path)
    report = kept.report()
    assert report is not None
    assert ("boom" if ended == "FAILED" else "canceled") in (report.reason or "")


def test_flinks_own_restart_is_shown_and_left_to_flink(keep: Keep, cluster: Cluster) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    cluster.set(f"{1:032x}", "candles", "RESTARTING", 0)
    until("that is shown", kept.is_state("restarting"))
    cluster.restored[f"{1:032x}"] = Checkpoints(3, "file:/somewhere/chk-3", 1000)
    cluster.set(f"{1:032x}", "candles", "RUNNING")
    until("it is healthy again", kept.is_state("healthy"))
    until(
        "where Flink resumed it is shown",
        lambda: (report := kept.report()) and report.facts["restored_from"] == "/somewhere/chk-3",
    )
    assert len(cluster.submissions) == 1


def test_a_job_is_healthy_only_with_all_its_tasks(keep: Keep, cluster: Cluster) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    cluster.set(f"{1:032x}", "candles", "RUNNING", 1)
    until("it is not", kept.is_state("restarting"))


def test_a_run_that_an_earlier_keeper_left_is_taken_over(keep: Keep, cluster: Cluster, state: State) -> None:
    first = keep()
    until("it is healthy", first.is_state("healthy"))
    cluster.savepoints_fail = True
    first.stop(state)
    cluster.set("stray", "candles", "RUNNING")
    second = keep()
    until("it is healthy again", second.is_state("healthy"))
    report = second.report()
    assert report is not None
    assert report.facts["job_id"] == f"{1:032x}"
    assert len(cluster.submissions) == 1
    assert cluster.canceled == ["stray"]


def test_a_run_of_another_query_is_not_taken_over(keep: Keep, cluster: Cluster, state: State) -> None:
    first = keep()
    until("it is healthy", first.is_state("healthy"))
    cluster.savepoints_fail = True
    first.stop(state)
    second = keep(Definition("candles", "another"))
    until("it is healthy", second.is_state("healthy"))
    assert cluster.canceled == [f"{1:032x}"]
    assert len(cluster.submissions) == 2


def test_a_run_that_nobody_submitted_is_cancelled_first(keep: Keep, cluster: Cluster) -> None:
    cluster.set("stray", "candles", "RUNNING")
    cluster.set("a query of a person", "ad hoc", "RUNNING")
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    assert cluster.canceled == ["stray"]


def test_an_orderly_stop_leaves_a_savepoint_that_the_next_start_resumes_from(
    keep: Keep, cluster: Cluster, state: State
) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    kept.stop(state)
    cluster.views = {}
    again = keep()
    until("it is healthy", again.is_state("healthy"))
    assert cluster.submissions[-1] == ("candles", 1, 0, str(state.savepoints / "savepoint-000001-x"))


def test_a_stop_without_a_savepoint_leaves_the_newest_checkpoint(keep: Keep, cluster: Cluster, state: State) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    path = cluster.checkpointed(f"{1:032x}", 5)
    cluster.savepoints_fail = True
    kept.stop(state)
    assert kept.is_state("stopped")()
    cluster.views = {}
    again = keep()
    until("it is healthy", again.is_state("healthy"))
    assert cluster.submissions[-1] == ("candles", 1, 0, path)


def test_a_changed_query_is_refused_and_not_tried_again(keep: Keep, cluster: Cluster, state: State) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    kept.stop(state)
    cluster.views = {}
    changed = keep(Definition("candles", "another print"))
    until("that is refused", changed.is_state("failed"))
    report = changed.report()
    assert report is not None
    assert report.fatal
    assert "--fresh-state" in report.remedy
    assert len(cluster.submissions) == 1


def test_a_fresh_start_takes_a_changed_query_and_no_state(keep: Keep, cluster: Cluster, state: State) -> None:
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    kept.stop(state)
    cluster.views = {}
    again = keep(Definition("candles", "another print"), fresh_from=lambda: 86_400_000_000)
    until("it is healthy", again.is_state("healthy"))
    assert cluster.submissions[-1] == ("candles", 2, 86_400_000_000, None)


def test_a_submission_that_fails_is_tried_again(keep: Keep, cluster: Cluster) -> None:
    cluster.refusals = [StackError("`flink run` exited with code 1")]
    kept = keep()
    until("it is healthy", kept.is_state("healthy"))
    assert len(cluster.submissions) == 2


def test_a_job_that_never_comes_up_is_a_fault(keep: Keep, cluster: Cluster) -> None:
    cluster.refusals = [StackError("`flink run` exited with code 1")] * 100
    kept = keep()
    until("it is given up", lambda: (report := kept.report()) and report.fatal)


def test_jobs_that_cannot_be_listed_are_a_fault(state: State, cluster: Cluster) -> None:
    def refuse() -> list[Definition]:
        raise StackError("no such module")

    board = Board()
    jobs = Jobs(refuse, (), store=JobStore(state), rest=cluster, submitter=cluster.submit, board=board)
    jobs.start()
    until("that is told", lambda: board.read()["jobs"].fatal)
    assert board.read()["jobs"].reason == "no such module"


def test_a_cluster_with_too_few_slots_for_the_jobs_is_refused() -> None:
    jobs = [Definition("candles", "print", 3), Definition("rollups", "print", 2)]
    check_slots(jobs, load(flink={"slots": 5}).flink)
    check_slots(jobs, load(flink={"slots": 3, "taskmanagers": 2}).flink)
    with pytest.raises(StackError, match="parallelism at 3 the jobs need 5 slots, and the cluster has 4") as refusal:
        check_slots(jobs, load(flink={"slots": 2, "taskmanagers": 2, "parallelism": 3}).flink)
    assert "flink.slots to 3" in refusal.value.remedy


def test_after_the_loss_of_a_taskmanager_a_job_is_healthy_only_once_flink_has_resumed_it(
    keep: Keep, cluster: Cluster
) -> None:
    kept = keep(workers=("taskmanager-1",))
    kept.board.post("taskmanager-1", Report("healthy", pid=1))
    until("it is healthy", kept.is_state("healthy"))
    # Flink has not noticed yet, and says that all tasks run.
    kept.board.post("taskmanager-1", Report("healthy", pid=2))
    until("it is doubted", kept.is_state("restarting"))
    cluster.restored[f"{1:032x}"] = Checkpoints(3, "file:/somewhere/chk-3", 1000)
    until("it is healthy again", kept.is_state("healthy"))
    report = kept.report()
    assert report is not None
    assert report.facts["restored_from"] == "/somewhere/chk-3"


def test_after_the_jobmanager_forgot_all_the_first_job_is_submitted_before_the_others(
    keep: Keep, cluster: Cluster
) -> None:
    kept = keep(CANDLES, TICKERS)
    until("both are healthy", lambda: kept.is_state("healthy")() and kept.is_state("healthy", "job-tickers")())
    cluster.views = {}
    until("both were submitted again", lambda: len(cluster.submissions) == 4)
    assert [name for name, *_ in cluster.submissions] == ["candles", "tickers", "candles", "tickers"]


def test_a_first_job_that_fails_does_not_keep_the_others_from_running(keep: Keep, cluster: Cluster) -> None:
    cluster.refused_job = "candles"
    kept = keep(CANDLES, TICKERS)
    until("the second is healthy", kept.is_state("healthy", "job-tickers"))
    assert not kept.is_state("healthy")()
