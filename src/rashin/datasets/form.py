"""The form in which every data set comes: pixels and labels as arrays, scaled, flattened and one-hot as wished."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "Parts", "Samples", "formed"]

Array = NDArray[Any]
Samples = tuple[Array, Array]
Parts = tuple[Samples, Samples]  # to train on, and held out

CLASSES = 10


def formed(
    images: Array, labels: Array, brightest: int, *, normalize: bool, flatten: bool, one_hot_label: bool
) -> Samples:
    """Images (n, rows, columns) of 0 to ``brightest`` and labels (n,), as ``load_digits`` and ``load_mnist`` say."""
    x = np.divide(images, np.float32(brightest), dtype=np.float32) if normalize else images.astype(np.uint8)
    pixels = x.shape[1:]
    x = x.reshape(len(x), *((math.prod(pixels),) if flatten else (1, *pixels)))
    t = np.eye(CLASSES, dtype=np.float32)[labels] if one_hot_label else labels.astype(np.int64)
    return x, t
