"""Digests of every sample, target and weight, to distinguish data sets."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rashin.learn.samples.samples import Samples, blocks

__all__ = ["fingerprint"]

Array = NDArray[Any]

_BYTES = 16  # of a digest: two data sets have the same one with probability 2^-128


def fingerprint(samples: Samples, held_out: Samples | None, dtype: DTypeLike) -> dict[str, str | None]:
    """Shape and digest of each part of the training data and the held-out set; None for missing parts.

    Digests depend on values, not on their storage: samples as the network takes them, in ``dtype``; targets and
    weights as whole numbers or doubles. Arrays in a file are read in chunks, so they may be larger than memory.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.learn.samples.samples import Samples
    >>> some = Samples(np.array([[0.5], [1.0]]), np.array([0, 1]), None, None)
    >>> fingerprint(some, None, np.float32)["training targets"]
    '2 of digest 844eff2a9399f540c125495c39f16618'
    """
    return {
        f"{name} {part}": None if array is None else _digest(array, kind)
        for name, each in (("training", samples), ("held-out", held_out))
        for part, array, kind in _parts(each, dtype)
    }


def _parts(samples: Samples | None, dtype: DTypeLike) -> list[tuple[str, Array | None, DTypeLike]]:
    x, target, _, weight = (None,) * 4 if samples is None else samples
    whole = target is not None and target.dtype.kind in "iu"
    return [
        ("samples", x, dtype),
        ("targets", target, np.int64 if whole else np.float64),
        ("weights", weight, np.float64),
    ]


def _digest(array: Array, dtype: DTypeLike) -> str:
    digest, rows = hashlib.blake2b(digest_size=_BYTES), array.reshape(len(array), -1)
    for chosen in blocks(rows):
        digest.update(np.ascontiguousarray(rows[chosen], np.dtype(dtype).newbyteorder("<")).data)
    return f"{' x '.join(map(str, array.shape))} of digest {digest.hexdigest()}"
