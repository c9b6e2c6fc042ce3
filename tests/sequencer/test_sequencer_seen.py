"""The structures that hold what was seen, against plain sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sequencer.seen import Recent, Relation, Runs

ranges = st.tuples(st.integers(0, 60), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def relation_by_set(seen: set[int], first: int, last: int) -> Relation:
    ids = set(range(first, last + 1))
    if ids <= seen:
        return Relation.KNOWN
    return Relation.PARTLY if ids & seen else Relation.NEW


@given(st.lists(ranges), ranges)
def test_runs_answer_as_a_set_of_ids_would(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    runs, seen = Runs(), set[int]()
    for first, last in added:
        assert runs.relation(first, last) is relation_by_set(seen, first, last)
        runs.add(first, last)
        seen.update(range(first, last + 1))
    assert runs.relation(*asked) is relation_by_set(seen, *asked)


@given(st.lists(ranges))
def test_runs_are_sorted_and_a_hole_lies_between_any_two(added: list[tuple[int, int]]) -> None:
    runs = Runs()
    for first, last in added:
        runs.add(first, last)
    held = list(runs)
    assert all(first <= last for first, last in held)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(held))
    assert {i for first, last in held for i in range(first, last + 1)} == {
        i for first, last in added for i in range(first, last + 1)
    }


@given(st.lists(ranges), st.integers(1, 4))
def test_collapsed_runs_never_take_a_seen_id_for_a_new_one(added: list[tuple[int, int]], limit: int) -> None:
    runs, seen = Runs(limit), set[int]()
    for first, last in added:
        relation = runs.relation(first, last)
        if relation is Relation.NEW:
            assert relation_by_set(seen, first, last) is Relation.NEW
            runs.add(first, last)
            seen.update(range(first, last + 1))
        assert len(list(runs)) <= limit


def test_what_lies_below_the_collapsed_runs_is_forgotten() -> None:
    runs = Runs(limit=2)
    for first in (10, 20, 30):
        runs.add(first, first)
    assert list(runs) == [(20, 20), (30, 30)]
    assert runs.relation(10, 10) is Relation.FORGOTTEN
    assert runs.relation(5, 15) is Relation.FORGOTTEN
    assert runs.relation(11, 12) is Relation.NEW


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100))), st.integers(0, 120))
def test_recent_forgets_but_never_takes_a_seen_sequence_for_a_new_one(
    added: list[tuple[int, int]], before: int
) -> None:
    recent, seen = Recent(), set[int]()
    for sequence, time in added:
        assert recent.relation(sequence) is (Relation.KNOWN if sequence in seen else Relation.NEW)
        recent.add(sequence, time)
        seen.add(sequence)
    assert len(recent) == len(seen)
    recent.forget(before)
    for sequence in range(55):
        relation = recent.relation(sequence)
        if sequence in seen:
            assert relation in (Relation.KNOWN, Relation.FORGOTTEN)
        else:
            assert relation is (Relation.NEW if sequence > recent.floor else Relation.FORGOTTEN)


def test_recent_lets_go_of_the_old_prefix_alone() -> None:
    recent = Recent()
    for sequence, time in ((1, 10), (2, 20), (3, 30)):
        recent.add(sequence, time)
    recent.forget(20)
    assert (recent.floor, len(recent), recent.oldest()) == (1, 2, 20)
    recent.forget(99)
    assert (recent.floor, len(recent), recent.oldest()) == (3, 0, None)
