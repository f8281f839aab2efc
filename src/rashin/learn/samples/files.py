"""Your own data: samples and targets in an ``.npz`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rashin.learn.samples.batches import set_aside
from rashin.learn.samples.samples import check_finite
from rashin.storage import read_arrays

__all__ = ["read_samples"]

Array = NDArray[Any]
Data = tuple[Array, Array]

_SPLIT = ("x_train", "t_train", "x_test", "t_test")
_WHOLE = ("x", "t")


def read_samples(path: str | Path, share: float = 0.2, seed: int = 0) -> tuple[Data, Data]:
    """Training samples and held-out samples from an ``.npz`` file of arrays.

    Parameters
    ----------
    path : file with ``x_train, t_train, x_test, t_test``, or with ``x, t``, of which a part is then held out. Samples
        are (n, ...) and are returned as rows (n, inputs); targets are (n,) or (n, outputs), numbers or names of
        classes. Nothing is unpickled or scaled.
    share : share of ``x, t`` that is held out, in (0, 1).
    seed : seed for the draw of the held-out set.

    Returns
    -------
    ``(x_train, t_train), (x_test, t_test)``.

    Raises
    ------
    ValueError : the file does not contain such arrays, or the arrays do not fit together; the message names them.
    OSError : the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "data.npz"), x=np.zeros((10, 4, 4)), t=np.arange(10))
    ...     (x_train, t_train), (x_test, t_test) = read_samples(Path(folder, "data.npz"))
    >>> x_train.shape, x_test.shape
    ((8, 16), (2, 16))
    """
    arrays = read_arrays(path, "arrays of numbers")
    if all(name in arrays for name in _SPLIT):
        training, held_out = (_fitting(path, arrays, *names) for names in (_SPLIT[:2], _SPLIT[2:]))
        if training[0].shape[1] != held_out[0].shape[1]:
            raise ValueError(
                f"{path}, array 'x_test': got samples of {held_out[0].shape[1]} numbers; expected "
                f"{training[0].shape[1]}, as in x_train"
            )
        return training, held_out
    if all(name in arrays for name in _WHOLE):
        return _divided(path, *_fitting(path, arrays, *_WHOLE), share, seed)
    raise ValueError(
        f"{path}: got the arrays {', '.join(arrays) or '(none)'}; expected {', '.join(_SPLIT)}, or {', '.join(_WHOLE)}"
    )


def _fitting(path: str | Path, arrays: dict[str, Array], x_name: str, t_name: str) -> Data:
    x, t = arrays[x_name], arrays[t_name]
    for name, array, kinds in ((x_name, x, "fiub"), (t_name, t, "fiubUS")):
        if array.dtype.kind not in kinds:
            also = ", or text: names of classes" if array is t else ""
            raise ValueError(f"{path}, array {name!r}: got dtype {array.dtype}; expected real numbers{also}")
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(f"{path}, array {name!r}: got shape {array.shape}; expected at least one sample")
    if x.ndim < 2 or len(x) != len(t):
        raise ValueError(
            f"{path}, array {x_name!r}: got shape {x.shape} for {t_name} of {t.shape}; expected (n, ...), two axes or "
            f"more, for n targets"
        )
    for name, array in ((x_name, x), (t_name, t)):  # before the split: the row numbers are still those of the file
        check_finite(f"{path}, array {name!r}", array)
    return x.reshape(len(x), -1), t


def _divided(path: str | Path, x: Array, t: Array, share: float, seed: int) -> tuple[Data, Data]:
    if not 0.0 < share < 1.0:
        raise ValueError(f"share: got {share}; expected a share in (0, 1)")
    aside = max(1, round(share * len(x)))
    if aside == len(x):
        raise ValueError(f"{path}, array 'x': got {len(x)} sample; expected at least 2, to train on and to hold out")
    chosen, rest = set_aside(len(x), aside, seed)
    return (x[rest], t[rest]), (x[chosen], t[chosen])
