"""Arrays of real numbers and masks, of whatever the caller passed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin.checks.shapes import axis
from rashin.refusal import Refusal, place_in_words

__all__ = ["array", "first", "inside", "mask", "selection"]

_NUMBERS = (Real, np.bool_)
_LARGEST = float(np.finfo(np.float64).max)
_FOREIGN = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "tensorflow": "tensorflow", "cupy": "cupy"}
_OF_JAX = ("a jax array", "np.asarray({})", "a jax array")
_BESIDE = {"torch": ("a torch tensor", "{}.numpy()", "a tensor"), "jax": _OF_JAX, "jaxlib": _OF_JAX}


def array(name: str, values: Any, where: Any = None, axis: Any = -1) -> NDArray[Any]:
    """The array of real numbers that ``values`` is; lists, other numeric types and 0-d welcome.

    What is not a number, such as None, NA or text, may stand where ``where`` is False: there it becomes 0. The mask has
    the shape of the values, or that shape without ``axis``, and is read only if there are such entries.
    """
    if type(values) is not np.ndarray:
        values = _from_elsewhere(name, values)
    kind = values.dtype.kind
    if kind in "fiub" or values.dtype.name == "bfloat16":
        if values.dtype.itemsize > 8:
            raise TypeError(f"{name}: got dtype {values.dtype}; expected float64 at most; fix: use .astype(np.float64)")
        return values  # type: ignore[no-any-return]
    if kind in "OUS":
        return _from_objects(name, values.astype(object, copy=False), where, axis)
    raise TypeError(f"{name}: got dtype {values.dtype}; expected real numbers (floating, integer or bool)")


def _from_elsewhere(name: str, values: Any) -> NDArray[Any]:
    parts = values if isinstance(values, (list, tuple)) else (values,)
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise TypeError(f"{name}: got a masked array; expected a plain one; fix: {name}.filled(0) and where=~mask")
    package = type(values).__module__.partition(".")[0]
    if package in _BESIDE:
        got, fix, prediction = _BESIDE[package]
        raise TypeError(
            f"{name}: got {got} beside a prediction that is none; expected arrays of one library; "
            f"fix: pass {fix.format(name)}, or the prediction as {prediction}"
        )
    if package in _FOREIGN:
        raise TypeError(
            f"{name}: got a {_FOREIGN[package]} array, for which there is no backend yet; expected a NumPy array; fix: "
            f"convert it (for torch: tensor.detach().numpy())"
        )
    try:
        found = np.asarray(values)
    except (ValueError, TypeError) as error:
        if isinstance(values, (list, tuple)) and not all(map(_is_row, values)):
            return _objects(values)  # a missing row beside rows
        if isinstance(values, (list, tuple)):
            _refuse_ragged(name, values)
        raise ValueError(
            f"{name}: got what is not an array ({error}); expected a rectangular array of numbers"
        ) from None
    # A list of numbers and words is no array of words.
    return np.asarray(values, dtype=object) if found.dtype.kind in "US" and values is not found else found


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _is_number(value: Any) -> bool:
    if isinstance(value, Decimal):  # a float of one that is too large would be infinite
        return value.is_infinite() or (not value.is_nan() and math.isfinite(value))
    return isinstance(value, _NUMBERS)


def _refuse_ragged(name: str, values: Any) -> None:
    """Name the first row that is longer or shorter than the first one, if there is one."""
    lengths = [(place, len(value)) for place, value in enumerate(values) if _is_row(value)]
    for place, length in lengths:
        if length != lengths[0][1]:
            raise ValueError(
                f"{name}: got a row of length {length} at index {place}; expected length {lengths[0][1]}, as at index "
                f"{lengths[0][0]}; fix: make all rows equally long"
            )


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return found


def _from_objects(name: str, values: NDArray[Any], where: Any, axis: Any) -> NDArray[Any]:
    if values.ndim == 1 and any(map(_is_row, values)):
        return _from_rows(name, values, where, axis)
    strange = _those(values, lambda value: not _is_number(value))
    if strange.any():
        _refuse_strange(name, values, inside(strange, where, values, axis))
        values = np.where(strange, 0.0, values)
    try:
        return values.astype(np.float64)
    except OverflowError:  # of an integer or a fraction
        huge = _those(values, lambda value: _LARGEST < abs(value) < math.inf)
        _refuse_huge(name, inside(huge, where, values, axis))
        return np.where(huge, 0.0, values).astype(np.float64)


def _those(values: NDArray[Any], condition: Callable[[Any], bool]) -> NDArray[np.bool_]:
    return np.fromiter(map(condition, values.flat), np.bool_, values.size).reshape(values.shape)


def _from_rows(name: str, values: NDArray[Any], where: Any, axis: Any) -> NDArray[Any]:
    """Lists or arrays in an array, as data frames hold them: each is a row, and so is what stands in a row's place."""
    _refuse_ragged(name, values)
    start, width = next((place, len(value)) for place, value in enumerate(values) if _is_row(value))
    lone = np.array([[not _is_row(value) and _is_number(value) and value == value] * width for value in values])
    refused = inside(lone, where, lone, axis)
    if refused.any():
        place = first(refused)[0]
        raise ValueError(
            f"{name}: got {values[place]!s} at index {place}; expected a row of length {width}, as at index {start}; "
            f"fix: pass a row there, or leave it out by where=..., a mask that is False there"
        )
    rows = [list(value) if _is_row(value) else [value] * width for value in values]
    return array(name, rows, where, axis)


def _refuse_strange(name: str, values: NDArray[Any], refused: NDArray[np.bool_]) -> None:
    if refused.any():
        index = first(refused)
        if not index:
            _refuse_no_array(name, values[index])
        convert = "convert the text to a number, or " if isinstance(values[index], (str, bytes)) else ""
        raise TypeError(
            f"{name}: got {values[index]!r}{place_in_words(index)}; expected a real number; fix: {convert}leave it "
            f"out by where=..., a mask that is False there"
        )


def _refuse_no_array(name: str, value: Any) -> NoReturn:
    got = (
        repr(value) if value is None or isinstance(value, (str, bytes)) else f"an object of type {type(value).__name__}"
    )
    raise TypeError(
        f"{name}: got {got}; expected an array of real numbers; fix: pass a NumPy array, a list, a series or a data "
        f"frame of numbers"
    )


def _refuse_huge(name: str, refused: NDArray[np.bool_]) -> None:
    if refused.any():
        fix = "scale the numbers, or leave it out by where=..., a mask that is False there"
        expected, index = f"a real number up to {_LARGEST:.4g}", first(refused)
        raise Refusal(name, "a number beyond the range of float64", expected, fix, index)


# ----------------------------------------------------------------------------------------------- masks


def selection(where: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A boolean mask of the given shape."""
    where = mask(where)
    if where.shape != shape:
        raise ValueError(f"where: got shape {where.shape}; expected one boolean per sample, shape {shape}")
    return where  # type: ignore[no-any-return]


def mask(where: Any) -> NDArray[np.bool_]:
    """A boolean mask of any shape; booleans may come as objects, as data frames hold them where some may be missing."""
    if type(where) is not np.ndarray:
        where = _from_elsewhere("where", where)
    if where.dtype.kind == "O":
        _refuse_undecided(where)
    elif where.dtype != np.bool_ and where.size:
        raise TypeError(f"where: got dtype {where.dtype}; expected a boolean array, such as target != -100")
    return where.astype(np.bool_, copy=False)  # type: ignore[no-any-return]


def _refuse_undecided(where: NDArray[Any]) -> None:
    for index, value in np.ndenumerate(where):
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(
                f"where: got {value!r}{place_in_words(index)}; expected True or False; fix: decide for it, such as "
                f"by where.fillna(False) in pandas, where.fill_null(False) in polars"
            )


def inside(chosen: NDArray[np.bool_], where: Any, values: NDArray[Any], axis: Any) -> NDArray[np.bool_]:
    """Those of the chosen values that ``where`` selects."""
    return chosen if where is None else chosen & _spread(where, values, axis)


def _spread(where: Any, values: NDArray[Any], number: Any) -> NDArray[np.bool_]:
    """The mask for each of the values: one of rows holds for every class along the axis."""
    chosen = mask(where)
    if chosen.ndim != values.ndim - 1:
        return selection(chosen, values.shape)
    rows = np.moveaxis(values, axis(values, number), -1).shape[:-1]
    return np.broadcast_to(np.expand_dims(selection(chosen, rows), axis(values, number)), values.shape)


def first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    """The index of the first that is True."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
