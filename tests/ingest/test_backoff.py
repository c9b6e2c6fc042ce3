from hypothesis import given
from hypothesis import strategies as st

from ingest.backoff import Backoff, Guard, delay

LONGEST = st.floats(1, 600)
DRAW = st.floats(0, 1, exclude_max=True)


@given(LONGEST, DRAW)
def test_the_first_try_after_a_loss_is_made_at_once(longest: float, draw: float) -> None:
    assert delay(0, longest, draw) == 0


@given(st.integers(1, 100_000), LONGEST, DRAW)
def test_waits_are_bounded_however_long_it_goes_on(failures: int, longest: float, draw: float) -> None:
    assert 0.5 <= delay(failures, longest, draw) <= longest


@given(st.integers(1, 50), LONGEST, DRAW)
def test_waits_never_shrink_for_equal_draws(failures: int, longest: float, draw: float) -> None:
    assert delay(failures + 1, longest, draw) >= delay(failures, longest, draw)


@given(st.integers(1, 50), LONGEST)
def test_the_draw_spreads_waits_over_half_their_range(failures: int, longest: float) -> None:
    assert delay(failures, longest, 0.0) * 2 >= delay(failures, longest, 0.999)


def test_waits_grow_until_reset_and_start_over() -> None:
    backoff = Backoff(60, lambda: 0.0)
    assert [backoff.next() for _ in range(8)] == [0, 0.5, 1, 2, 4, 8, 16, 30]
    backoff.reset()
    assert backoff.next() == 0


def test_what_the_venue_asked_for_is_the_least_wait() -> None:
    backoff = Backoff(60, lambda: 0.0)
    assert backoff.next(at_least=7) == 7
    assert backoff.next() == 0.5


def test_a_few_at_once_are_free_and_then_one_at_a_time() -> None:
    guard = Guard(1.0, 3)
    waits = []
    for _ in range(5):
        waits.append(guard.wait(100.0))
        guard.passed(100.0)
    assert waits == [0, 0, 0, 1, 2]
    assert guard.wait(110.0) == 0


@given(st.lists(st.floats(0, 3), max_size=100), st.floats(0.1, 5), st.integers(1, 5))
def test_whatever_is_asked_no_more_pass_than_are_allowed(steps: list[float], gap: float, burst: int) -> None:
    guard, now = Guard(gap, burst), 0.0
    passed: list[float] = []
    for step in steps:
        now += step
        now += guard.wait(now)
        guard.passed(now)
        passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) / gap + 1e-6
