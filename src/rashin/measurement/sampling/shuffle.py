"""A random order of any number of rows that takes no memory: each place in the order is computed when needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shuffle"]

_ROUNDS = 8  # four rounds make a cipher indistinguishable from a random order (Luby and Rackoff); small sets need more


class Shuffle:
    """A random order of ``range(size)``, the same for the same seed.

    A Feistel cipher permutes the numbers with as many bits as the size; a result beyond the size is enciphered again
    until it is within.

    Parameters
    ----------
    size : number of rows, 1 to 2**62.
    seed : whole number >= 0.

    Examples
    --------
    >>> shuffle = Shuffle(10, seed=0)
    >>> shuffle.rows(0, 4)
    array([3, 1, 9, 4])
    >>> sorted(shuffle.rows(0, 10).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

    Reference: Luby and Rackoff (1988), How to construct pseudorandom permutations from pseudorandom functions; Black
    and Rogaway (2002), Ciphers with arbitrary finite domains.
    """

    def __init__(self, size: int, seed: int) -> None:
        bits = max((size - 1).bit_length(), 8)  # fewer bits would not mix
        self._size, self._low_bits = np.uint64(size), np.uint64(bits // 2)
        self._masks = [np.uint64((1 << half) - 1) for half in (bits // 2, bits - bits // 2)]
        self._keys = np.random.default_rng(seed).integers(0, 2**64, _ROUNDS, dtype=np.uint64)

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """The numbers at the places ``start`` to ``stop`` - 1 of the order."""
        x = self._enciphered(np.arange(start, stop, dtype=np.uint64))
        beyond = np.flatnonzero(x >= self._size)
        while beyond.size:
            x[beyond] = self._enciphered(x[beyond])
            beyond = beyond[x[beyond] >= self._size]
        return x.astype(np.int64)

    def _enciphered(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        halves = [x & self._masks[0], x >> self._low_bits]
        for turn, key in enumerate(self._keys):
            side = turn % 2
            halves[side] = halves[side] ^ (_mixed(halves[1 - side] + key) & self._masks[side])
        return halves[0] | (halves[1] << self._low_bits)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash whose bits all depend on every bit of x (Steele, Lea and Flood 2014, Fast splittable generators)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
