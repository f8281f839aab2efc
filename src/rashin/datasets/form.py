"""The format of all data sets: pixels and labels as arrays, scaled, flattened and one-hot as requested."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.chunks import Box, boxes
from rashin.kernels import threads

__all__ = ["CLASSES", "Parts", "Samples", "formed"]

Array = NDArray[Any]
Samples = tuple[Array, Array]
Parts = tuple[Samples, Samples]  # training data, and held-out set

CLASSES = 10

_PIECE = 1 << 20  # pixels


def formed(
    images: Array, labels: Array, brightest: int, *, normalize: bool, flatten: bool, one_hot_label: bool
) -> Samples:
    """Images (n, rows, columns) from 0 to ``brightest`` and labels (n,), in the form that the options select."""
    x = _scaled(images, brightest) if normalize else images.astype(np.uint8)
    pixels = x.shape[1:]
    x = x.reshape(len(x), *((math.prod(pixels),) if flatten else (1, *pixels)))
    t = np.eye(CLASSES, dtype=np.float32)[labels] if one_hot_label else labels.astype(np.int64)
    return x, t


def _scaled(images: Array, brightest: int) -> Array:
    """Pixels in [0, 1]. Threads share the work; most of it is the system's allocation of new memory."""
    x = np.empty(images.shape, np.float32)

    def divide(chunks: Iterable[Box]) -> None:
        for box in chunks:
            np.divide(images[box], np.float32(brightest), out=x[box], dtype=np.float32)

    threads.share(divide, boxes(x.shape, _PIECE), threads.count() if x.size > _PIECE else 1)
    return x
