import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.settings import load
from stack.errors import StackError
from stack.jobplan import (
    DAY,
    JobRecord,
    Retained,
    Run,
    check_fingerprint,
    disposable,
    first_whole_day,
    newest_checkpoint,
    newest_state,
    restore_path,
)
from stack.jobstore import JobStore
from stack.state import State


def run(job_id: str, restored_from: str | None = None, savepoint: str | None = None) -> Run:
    return Run(job_id, "print", 0.0, restored_from, savepoint)


def plan(record: JobRecord, left: dict[str, str] | None = None, gone: set[str] | None = None) -> str | None:
    return restore_path(record, (left or {}).get, lambda path: path not in (gone or set()))


def test_a_job_that_never_ran_begins_with_nothing() -> None:
    assert plan(JobRecord()) is None


def test_a_job_resumes_from_the_savepoint_of_its_orderly_stop() -> None:
    record = JobRecord(runs=(run("a", savepoint="/s/1"),))
    assert plan(record, {"a": "/c/a/chk-9"}) == "/s/1"


def test_after_a_crash_it_resumes_from_its_newest_checkpoint() -> None:
    record = JobRecord(runs=(run("a", savepoint="/s/1"), run("b", "/s/1")))
    assert plan(record, {"a": "/c/a/chk-9", "b": "/c/b/chk-2"}) == "/c/b/chk-2"


def test_a_run_that_kept_nothing_leaves_it_to_what_it_was_resumed_from() -> None:
    record = JobRecord(runs=(run("a", savepoint="/s/1"), run("b", "/s/1"), run("c", "/s/1")))
    assert plan(record) == "/s/1"


def test_a_run_that_began_with_nothing_and_kept_nothing_is_repeated_from_nothing() -> None:
    assert plan(JobRecord(runs=(run("a"), run("b")))) is None


def test_state_that_is_gone_is_never_replaced_by_nothing() -> None:
    record = JobRecord(runs=(run("b", "/s/1"),))
    with pytest.raises(StackError, match="/s/1") as error:
        plan(record, gone={"/s/1"})
    assert "--fresh-state" in error.value.remedy


def test_a_lost_savepoint_falls_back_to_the_checkpoint_of_its_run() -> None:
    record = JobRecord(runs=(run("a", savepoint="/s/1"),))
    assert plan(record, {"a": "/c/a/chk-9"}, {"/s/1"}) == "/c/a/chk-9"


def test_a_fresh_start_forgets_all_state_and_counts_up() -> None:
    record = JobRecord(3, 0, (run("a", savepoint="/s/1"),)).afresh(7 * DAY)
    assert record == JobRecord(4, 7 * DAY)
    assert plan(record) is None


def test_state_of_the_same_query_is_taken() -> None:
    check_fingerprint("candles", "/c/a/chk-1", "print", "print")


@pytest.mark.parametrize("written_by", ["another", None])
def test_state_of_another_query_is_refused(written_by: str | None) -> None:
    with pytest.raises(StackError, match="candles at /c/a/chk-1") as error:
        check_fingerprint("candles", "/c/a/chk-1", written_by, "print")
    assert "--fresh-state" in error.value.remedy
    assert "Undo" in error.value.remedy


def test_only_the_current_run_and_the_last_two_savepoints_of_each_job_are_kept() -> None:
    records = {
        "candles": JobRecord(
            runs=(run("a", savepoint="/s/1"), run("b", "/s/1", "/s/2"), run("c", "/s/2", "/s/3"), run("d", "/s/3"))
        ),
        "tickers": JobRecord(runs=(run("t"),)),
    }
    folders, savepoints = disposable(records, ["a", "b", "c", "d", "t", "x"], ["/s/1", "/s/2", "/s/3", "/s/orphan"])
    assert folders == ["a", "b", "c", "x"]
    assert savepoints == ["/s/1", "/s/orphan"]


def checkpoint(folder: Path, number: int, *, complete: bool = True, age: float = 0.0) -> Path:
    path = folder / f"chk-{number}"
    path.mkdir(parents=True)
    if complete:
        metadata = path / "_metadata"
        metadata.touch()
        os.utime(metadata, (1e9 - age, 1e9 - age))
    return path


def test_the_newest_checkpoint_is_the_last_complete_one_by_number(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for number in (2, 9, 10):
        checkpoint(tmp_path, number)
    checkpoint(tmp_path, 11, complete=False)
    (tmp_path / "chk-other").mkdir()
    (tmp_path / "shared").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "chk-10"


def test_a_savepoint_that_nobody_recorded_counts_where_it_is_the_newest(tmp_path: Path) -> None:
    job_id = "7b1dc9668fa6d67f78029eeea467c333"
    assert newest_state(tmp_path / "c", tmp_path / "s", job_id) is None
    kept = checkpoint(tmp_path / "c" / job_id, 4, age=60)
    assert newest_state(tmp_path / "c", tmp_path / "s", job_id) == str(kept)
    for name in (f"savepoint-{job_id[:6]}-0123", "savepoint-ffffff-4567"):
        (tmp_path / "s" / name).mkdir(parents=True)
        (tmp_path / "s" / name / "_metadata").touch()
    assert newest_state(tmp_path / "c", tmp_path / "s", job_id) == str(tmp_path / "s" / f"savepoint-{job_id[:6]}-0123")


def test_a_topic_that_lost_nothing_is_counted_from_its_beginning() -> None:
    assert first_whole_day([Retained(0, None), Retained(0, None)], now=5 * DAY) == 0


def test_a_trimmed_topic_is_counted_from_the_first_midnight_that_all_partitions_hold() -> None:
    partitions = [Retained(10, 3 * DAY + 1), Retained(0, None), Retained(99, 2 * DAY)]
    assert first_whole_day(partitions, now=9 * DAY) == 4 * DAY


def test_a_midnight_itself_is_whole() -> None:
    assert first_whole_day([Retained(10, 3 * DAY)], now=9 * DAY) == 3 * DAY


def test_of_a_partition_that_lost_everything_only_what_comes_is_known() -> None:
    assert first_whole_day([Retained(10, None), Retained(1, 2 * DAY)], now=9 * DAY + 5) == 10 * DAY


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 10**16)), min_size=1, max_size=8),
    st.integers(0, 10**16),
)
def test_the_first_whole_day_begins_no_earlier_than_any_trimmed_partition(
    partitions: list[tuple[int, int | None]], now: int
) -> None:
    begin = first_whole_day([Retained(*part) for part in partitions], now)
    assert begin % DAY == 0
    bounds = [now if first is None else first for offset, first in partitions if offset > 0]
    assert all(begin >= bound for bound in bounds)
    assert not bounds or begin - max(bounds) < DAY


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State.for_settings(load(market="simulated", state_dir=tmp_path))
    state.create()
    return state


def savepoint(state: State, name: str) -> str:
    path = state.savepoints / name
    path.mkdir()
    (path / "_metadata").touch()
    return str(path)


def test_records_outlive_the_process(state: State) -> None:
    store = JobStore(state)
    store.submitted("candles", run("a"))
    store.stopped("candles", savepoint(state, "savepoint-a-1"))
    again = JobStore(state)
    assert again.records == store.records
    assert again.restore_path("candles", "print") == str(state.savepoints / "savepoint-a-1")


def test_the_fingerprint_lies_beside_checkpoints_and_savepoints(state: State) -> None:
    store = JobStore(state)
    store.submitted("candles", run("a"))
    assert (state.checkpoints / "a" / "fingerprint").read_text() == "print\n"
    path = savepoint(state, "savepoint-a-1")
    store.stopped("candles", path)
    assert (Path(path) / "fingerprint").read_text() == "print\n"


@pytest.mark.parametrize("kind", ["checkpoint", "savepoint"])
def test_a_changed_query_is_refused_by_what_lies_beside_its_state(state: State, kind: str) -> None:
    store = JobStore(state)
    store.submitted("candles", run("a"))
    checkpoint(state.checkpoints / "a", 1)
    if kind == "savepoint":
        store.stopped("candles", savepoint(state, "savepoint-a-1"))
    with pytest.raises(StackError, match="another query"):
        store.restore_path("candles", "changed")
    store.save("candles", store.record("candles").afresh(0))
    assert store.restore_path("candles", "changed") is None


def test_old_state_goes_only_when_every_new_run_has_a_checkpoint_of_its_own(state: State) -> None:
    store = JobStore(state)
    for job in ("candles", "tickers"):
        store.submitted(job, run(f"old-{job}"))
        checkpoint(state.checkpoints / f"old-{job}", 3)
        store.submitted(job, run(f"new-{job}", str(state.checkpoints / f"old-{job}" / "chk-3")))
    checkpoint(state.checkpoints / "new-candles", 1)
    store.clean(["candles", "tickers"])
    assert (state.checkpoints / "old-candles").is_dir()
    checkpoint(state.checkpoints / "new-tickers", 1)
    store.clean(["candles", "tickers"])
    assert sorted(path.name for path in state.checkpoints.iterdir()) == ["new-candles", "new-tickers"]


def test_a_damaged_record_is_told_with_the_way_out(state: State) -> None:
    (state.run / "jobs.json").write_text("{")
    with pytest.raises(StackError, match="damaged") as error:
        JobStore(state)
    assert "--fresh-state" in error.value.remedy
