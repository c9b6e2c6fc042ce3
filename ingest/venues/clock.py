"""How far a venue's clock is from ours."""

import time
from collections.abc import Awaitable, Callable, Iterable

import msgspec

_QUESTIONS = 3


class ClockSample(msgspec.Struct, frozen=True):
    """One question for the venue's time. `asked` and `answered` are ours, `told` is the venue's; microseconds."""

    asked: int
    answered: int
    told: int


def offset(samples: Iterable[ClockSample]) -> int:
    """Return the venue's clock minus ours in microseconds, from the sample with the shortest round trip.

    The venue is taken to have looked at its clock halfway, which is wrong by half the round trip at most.

    Raises:
        ValueError: there is no sample.
    """
    best = min(samples, key=lambda sample: sample.answered - sample.asked)
    return best.told - (best.asked + best.answered) // 2


async def measure(told: Callable[[], Awaitable[int]]) -> int:
    """Return the venue's clock minus ours in microseconds, by asking `told`, the venue's time, a few times."""
    samples = []
    for _ in range(_QUESTIONS):
        asked = time.time_ns() // 1000
        answer = await told()
        samples.append(ClockSample(asked, time.time_ns() // 1000, answer))
    return offset(samples)
