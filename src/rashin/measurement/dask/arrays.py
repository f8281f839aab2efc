"""Measuring Dask arrays and series."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from rashin.kernels.threads import only
from rashin.loss import Loss
from rashin.measurement.accumulate import Options
from rashin.measurement.dask.blocks import delayed, over_blocks, told
from rashin.measurement.dask.piece import Piece
from rashin.measurement.measurement import Measurement
from rashin.tables.frames import is_a

__all__ = ["measure_arrays", "of_dask"]


def of_dask(data: Any) -> bool:
    """True if the data are a Dask collection; Dask is not imported for this check."""
    return type(data).__module__.partition(".")[0] == "dask"


def measure_arrays(
    measure: Callable[..., Measurement], loss: Loss, options: Options, prediction: Any, beside: Mapping[str, Any]
) -> Measurement:
    """``measure`` over the blocks of a Dask array or series, and of the other arrays, which are given by name.

    Dask's settings decide where it is computed: by the active client, or in threads.

    Raises
    ------
    ValueError : an array has another length, or it is unknown which of its rows belong to which block.
    """
    given = {"prediction": prediction, **{name: values for name, values in beside.items() if values is not None}}
    for name, values in given.items():
        if of_dask(values) and not (_is_of_frames(values) or is_a(values, "dask", "Array")):
            raise TypeError(f"{name}: got a Dask {type(values).__name__}; expected a Dask array, series or data frame")
    measure_one = partial(_measured_block, measure, loss, options, tuple(given))
    frames = all(_is_of_frames(values) for values in given.values())
    return over_blocks(measure_one, delayed(_partitions_side_by_side(given) if frames else _blocks_side_by_side(given)))


def _is_of_frames(values: Any) -> bool:
    """True for a Dask data frame, series or index."""
    return any(is_a(values, "dask", name) for name in ("DataFrame", "Series", "Index"))


def _partitions_side_by_side(given: Mapping[str, Any]) -> Any:
    """A Dask series of the contents of the partitions of frames and series, matched by position and not by label.

    It is one collection, so that Dask plans for all of them together: for one column it may split Parquet files into
    other partitions than for ten.
    """
    import dask.dataframe

    wanted = given["prediction"].npartitions
    for name, values in given.items():
        if values.npartitions != wanted:
            raise ValueError(
                f"{name}: got {values.npartitions} partitions for a prediction of {wanted}; expected a partition of "
                "the same rows for each; fix: take all from one Dask data frame"
            )
    return dask.dataframe.map_partitions(_together, *given.values(), meta=("blocks", object), enforce_metadata=False)


def _blocks_side_by_side(given: Mapping[str, Any]) -> Any:
    """A Dask array of the contents of the blocks of arrays."""
    import dask.array

    z = _whole_samples(_as_array(given["prediction"]))
    arrays = [z, *(_beside(name, values, z) for name, values in given.items() if name != "prediction")]
    indexed = [part for array in arrays for part in (array, range(array.ndim))]
    return dask.array.blockwise(
        _together,
        range(min(z.ndim, 1)),
        *indexed,
        dtype=object,
        meta=np.empty(0, object),
        concatenate=True,
        align_arrays=False,
    )


def _together(*blocks: Any) -> tuple[Any, ...]:
    return blocks


def _as_array(values: Any) -> Any:
    """A Dask series or frame as a Dask array."""
    if not _is_of_frames(values):
        return values
    with warnings.catch_warnings():  # text becomes Python objects, which is fine for groups
        warnings.filterwarnings("ignore", "Dask currently has limited support for converting pandas", UserWarning)
        return values.to_dask_array()


def _whole_samples(z: Any) -> Any:
    """The array split along its first axis only, so that the samples of a block are contiguous in C order."""
    return z.rechunk(dict.fromkeys(range(1, z.ndim), -1)) if z.ndim > 1 else z


def _beside(name: str, values: Any, z: Any) -> Any:
    """An array split into the blocks of the prediction."""
    import dask.array

    values = _as_array(values) if of_dask(values) else dask.array.from_array(np.asanyarray(values))
    if values.ndim == 0 or z.ndim == 0:
        return values
    lengths, wanted = values.chunks[0], z.chunks[0]
    if math.isnan(sum(lengths)) or math.isnan(sum(wanted)):
        if not (len(lengths) == len(wanted) and math.isnan(sum(lengths)) and math.isnan(sum(wanted))):
            raise ValueError(
                f"{name}: got blocks of unknown length, which cannot be matched with those of the prediction; expected "
                "known lengths; fix: call compute_chunk_sizes() on the Dask arrays first, or "
                "to_dask_array(lengths=True) on a series"
            )
        return _whole_samples(values)
    if values.shape[0] != z.shape[0]:
        raise ValueError(
            f"{name}: got shape {values.shape} for a prediction of shape {z.shape}; expected equal lengths"
        )
    return _whole_samples(values).rechunk({0: wanted})


def _measured_block(
    measure: Callable[..., Measurement],
    loss: Loss,
    options: Options,
    names: Sequence[str],
    number: int,
    blocks: Sequence[Any],
) -> Piece:
    with only(1), told(f"block {number}"):
        found = measure(loss, **dict(zip(names, blocks, strict=True)), **options._asdict())
    return Piece(found, math.prod(loss.prediction.batch_shape(np.shape(blocks[0]))))
