"""Held-out predictions as a table on disk: a column for each output, and the target."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin import checks
from rashin.extras import missing
from rashin.learn.samples.samples import blocks
from rashin.learn.samples.targets import class_targets
from rashin.measurement.table.recorded import note_about
from rashin.storage import check_folder, written_beside
from rashin.tables.notes import KEY

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["check_predictions_file", "write_predictions"]

Array = NDArray[Any]

_SUFFIXES = (".parquet", ".npz")


def check_predictions_file(path: Path) -> None:
    """Raise before the training, and not after it, if such a file cannot be written."""
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"predictions: got {str(path)!r}; expected a name that ends with {' or '.join(_SUFFIXES)}")
    check_folder(path)
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise missing("pyarrow", "parquet", f"{path}", instead="name an .npz file")


def write_predictions(
    path: str | Path,
    network: Network,
    x: ArrayLike,
    target: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    loss: Loss | None = None,
) -> None:
    """Write what ``network`` predicts for ``x``, (n, inputs), with the targets, to a ``.parquet`` or ``.npz`` file.

    The columns are ``p_0``, ``p_1``, ... if the outputs are probabilities, otherwise ``z_0``, ``z_1``, ...; and
    ``target``, or ``target_0``, ``target_1``, ... for targets (n, outputs). With ``classes``, the names of the outputs,
    they are ``p_cat``, ``p_dog``, ..., and the labels in ``target`` are written as these names.

    With ``loss``, the loss that the network was trained for, the file records it under the key ``rashin``, with its
    parameters and the kind of the prediction; ``rashin measure`` then measures that loss. A pointwise loss of several
    outputs is measured as the sum over them; classes are then also written one-hot, as the loss takes them. A loss of
    several numbers per sample names its columns: ``z_location``, ``z_log_scale``.

    Raises
    ------
    ValueError : the name has another ending.
    ImportError : pyarrow is not installed, and the name ends with ``.parquet``.
    OSError : the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from rashin.learn import Network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_predictions(Path(folder, "held-out.npz"), Network((3, 2)), np.zeros((4, 3)), [0, 1, 1, 0])
    ...     sorted(np.load(Path(folder, "held-out.npz")))
    ['target', 'z_0', 'z_1']
    """
    path = Path(path)
    check_predictions_file(path)
    labels = checks.array("target", target)
    named = loss.prediction.names if loss is not None and loss.prediction.names else classes
    columns = _columns(network, checks.array("x", x), labels, named, classes)
    coded = {} if loss is None else _coded(loss, network, labels, classes)
    columns |= coded
    several = coded or "target" not in columns
    note: dict[str, Any] = {} if loss is None else {KEY: note_about(loss, "target_*" if several else "target")}
    with written_beside(path) as part:
        if path.suffix == ".npz":
            with part.open("wb") as file:
                np.savez(file, **{**columns, **note})
        else:
            from pyarrow import parquet, table

            parquet.write_table(table(columns).replace_schema_metadata(note), part)


def _coded(loss: Loss, network: Network, target: Array, classes: Sequence[str] | None) -> dict[str, Any]:
    """Classes as a pointwise loss takes them, a number for each output."""
    outputs = network.sizes[-1]
    if loss.prediction.axes or target.ndim != 1 or outputs == 1:
        return {}
    names = range(outputs) if classes is None else classes
    codes = class_targets(loss, target, outputs).T
    return {f"target_{name}": column for name, column in zip(names, codes, strict=True)}


def _columns(
    network: Network, x: Array, target: Array, outputs: Sequence[str] | None, classes: Sequence[str] | None
) -> dict[str, Any]:
    prediction = np.concatenate([network.predict(x[rows]) for rows in blocks(x)])
    letter = "p" if network.output in ("softmax", "sigmoid") else "z"
    names = range(prediction.shape[1]) if outputs is None else outputs
    named = {f"{letter}_{name}": column for name, column in zip(names, prediction.T, strict=True)}
    if classes is not None:
        return {**named, "target": np.array(classes)[target]}
    if target.ndim == 1:
        return {**named, "target": target}
    return {**named, **{f"target_{k}": column for k, column in enumerate(target.T)}}
