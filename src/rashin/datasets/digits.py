"""The 1,797 handwritten digits that come with scikit-learn: 8 x 8 pixels, nothing to download."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.datasets.form import Parts, formed
from rashin.extras import needs

__all__ = ["load_digits"]

Array = NDArray[Any]

_HELD_OUT = 360  # a fifth
_BRIGHTEST = 16  # a pixel is the number of dark pixels in a 4 x 4 block of the scan


def load_digits(normalize: bool = True, flatten: bool = True, one_hot_label: bool = False) -> Parts:
    """Real handwritten digits, always split into the same 1,437 for training and 360 for the held-out set.

    Both parts contain the ten classes in equal shares.

    Parameters
    ----------
    normalize : switch; True gives float32 pixels in [0, 1], False uint8 from 0 to 16.
    flatten : switch; True gives images of shape (n, 64), False (n, 1, 8, 8).
    one_hot_label : switch; True gives labels as float32 rows (n, 10) of 0 and 1, False integers (n,).

    Returns
    -------
    ``(x_train, t_train), (x_test, t_test)``.

    Raises
    ------
    ImportError : scikit-learn is not installed; the message says how to get it.

    Examples
    --------
    >>> (x_train, t_train), (x_test, t_test) = load_digits()
    >>> x_train.shape, x_train.dtype, t_test.shape
    ((1437, 64), dtype('float32'), (360,))

    Reference: E. Alpaydin, C. Kaynak (1998), Optical recognition of handwritten digits, UCI Machine Learning
    Repository.
    """
    images, labels, training, held_out = _read_and_split()

    def part(rows: Array) -> tuple[Array, Array]:
        return formed(
            images[rows], labels[rows], _BRIGHTEST, normalize=normalize, flatten=flatten, one_hot_label=one_hot_label
        )

    return part(training), part(held_out)


def _read_and_split() -> tuple[Array, Array, Array, Array]:
    """Images, labels, and the indices of the two parts."""
    with needs("scikit-learn", "learn", "loading its digits"):
        from sklearn.datasets import load_digits as embedded_digits
        from sklearn.model_selection import train_test_split
    images, labels = embedded_digits(return_X_y=True)
    everyone = np.arange(len(labels))
    training, held_out = train_test_split(everyone, test_size=_HELD_OUT, stratify=labels, random_state=0)
    return images.reshape(-1, 8, 8), labels, training, held_out
