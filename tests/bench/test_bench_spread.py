"""Percentiles and histograms of the measurements."""

from hypothesis import given
from hypothesis import strategies as st

from bench._spread import EDGES, histogram, percentile, spread


def test_percentiles_are_numbers_that_occurred() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile(ordered, 1.0) == 100
    assert percentile([7.0], 0.001) == 7.0


def test_nothing_has_no_spread() -> None:
    assert spread([]) is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_every_number_is_in_one_class_and_percentiles_rise(numbers: list[float]) -> None:
    found = spread(numbers)
    assert found is not None
    assert found.count == sum(found.classes) == len(numbers)
    assert len(found.classes) == len(EDGES) + 1
    assert found.p50 <= found.p90 <= found.p99 <= found.p999 <= found.most
    assert len(histogram(found)) >= 1


def test_a_histogram_shows_the_empty_classes_between_the_full_ones() -> None:
    found = spread([0.04, 0.04, 0.21, 31.0])
    assert found is not None
    lines = histogram(found, width=10)
    assert lines[0] == "≤  0.05 s  ██████████  2"
    assert lines[1] == "≤  0.10 s              0"
    assert lines[-1] == "> 30.00 s  █████       1"
