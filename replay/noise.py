"""Pseudo-random numbers as pure functions of a key and a position.

They are made by a mixing function (the finaliser of SplitMix64, Steele, Lea and Flood 2014) and not by a generator
with state: any number can be had without those before it, and no library version changes them.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def key(*parts: str | int) -> int:
    """Return 64 bits that stand for `parts`."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def bits(seed: int | Bits, positions: Ints) -> Bits:
    """Return 64 random bits for each position, under one key or one for each row."""
    start = np.uint64(seed) if isinstance(seed, int) else seed
    with np.errstate(over="ignore"):
        value = start + positions.astype(np.uint64) * _GOLDEN
        value = (value ^ (value >> _30)) * _FIRST
        value = (value ^ (value >> _27)) * _SECOND
        mixed: Bits = value ^ (value >> _31)
    return mixed


def uniform(seed: int | Bits, positions: Ints) -> Floats:
    """Return a number in [0, 1) for each position."""
    numbers: Floats = (bits(seed, positions) >> _11) * 2.0**-53
    return numbers


def normal(seed: int, positions: Ints) -> Floats:
    """Return a standard normal number for each position (Box and Muller)."""
    first = uniform(seed, positions * 2)
    second = uniform(seed, positions * 2 + 1)
    numbers: Floats = np.sqrt(-2.0 * np.log(1.0 - first)) * np.cos(2.0 * np.pi * second)
    return numbers


class Waves:
    """A sum of smooth random waves over time: between lattice points a period apart, values are blended.

    With periods a factor of four apart and amplitudes as their square roots it moves as a random walk does, but its
    value at any time is had at once.
    """

    def __init__(self, name: int, periods: list[int], amplitudes: list[float]) -> None:
        self._waves = [
            (key(name, index), period, amplitude)
            for index, (period, amplitude) in enumerate(zip(periods, amplitudes, strict=True))
        ]
        self.bound = float(sum(amplitudes))
        """The value is never further from zero than this."""

    def at(self, times: Ints) -> Floats:
        """Return the value at each of `times` (integers of the periods' unit); it depends on no other of them."""
        values: Floats = np.zeros(len(times))
        if not len(times):
            return values
        earliest, latest = int(times.min()), int(times.max())
        # Waves are added in turn, and not by one sum over an array, which numpy rounds by the array's shape.
        for seed, period, amplitude in self._waves:
            cell = times // period
            part = (times - cell * period) / period
            blend = part * part * (3.0 - 2.0 * part)
            first = earliest // period
            points = latest // period - first + 2
            if points <= len(times):
                lattice = uniform(seed, np.arange(first, first + points))
                left, right = lattice[cell - first], lattice[cell - first + 1]
            else:
                left, right = uniform(seed, cell), uniform(seed, cell + 1)
            values += amplitude * (2.0 * (left + (right - left) * blend) - 1.0)
        return values
