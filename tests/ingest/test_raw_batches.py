from hypothesis import given
from hypothesis import strategies as st

from ingest.raw import RawBatch
from market.records import RawFrame, decode_raw


@given(st.lists(st.tuples(st.integers(0, 2**62), st.text())), st.integers(1, 10))
def test_every_frame_is_in_one_batch_verbatim_and_in_order(frames: list[RawFrame], most: int) -> None:
    batch = RawBatch(most)
    values = [value for frame in frames if (value := batch.add(*frame)) is not None]
    last = batch.take()
    decoded = [decode_raw(value) for value in (*values, *([last] if last else []))]
    assert [frame for part in decoded for frame in part] == frames
    assert all(len(part) == most for part in decoded[: len(values)])
    assert batch.take() is None


def test_a_batch_stays_below_what_a_broker_takes() -> None:
    batch = RawBatch(500)
    frame = '"' * 90_000
    values = [batch.add(number, frame) for number in range(50)]
    sizes = [len(value) for value in values if value is not None]
    assert sizes
    assert max(sizes) < 1_000_000
