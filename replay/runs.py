"""Things of many minutes laid end to end: of each minute its number of things is known."""

import numpy as np

from replay.noise import Ints


def sums(counts: Ints) -> Ints:
    """Return the sum of the counts before each, and at the end that of all."""
    found: Ints = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    return found


def spread_out(counts: Ints) -> tuple[Ints, Ints]:
    """Return for each of `counts[i]` things of each minute i: i, and the thing's number among them."""
    minute = np.repeat(np.arange(len(counts)), counts)
    return minute, np.arange(len(minute)) - sums(counts)[minute]
