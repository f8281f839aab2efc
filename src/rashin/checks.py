"""The only place that raises for what the caller passed.

A message names the argument, what came, what is accepted, and what to do.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin.chunks import with_axis
from rashin.domain import BINARY, LABEL, LEVELS, LOGIT, PROBABILITY, SIGN, SWITCH, Domain, Sample
from rashin.refusal import Refusal, place_in_words
from rashin.rule import Rule, Setting

REDUCTIONS = ("mean", "sum", "none")
_NUMBERS = (Real, np.bool_)
_LARGEST = float(np.finfo(np.float64).max)
FOREIGN = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "tensorflow": "tensorflow", "cupy": "cupy"}
_OF_JAX = ("a jax array", "np.asarray({})", "a jax array")
_BESIDE = {"torch": ("a torch tensor", "{}.numpy()", "a tensor"), "jax": _OF_JAX, "jaxlib": _OF_JAX}

# ---------------------------------------------------------------------------------------------- arrays


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
    if package in FOREIGN:
        raise TypeError(
            f"{name}: got a {FOREIGN[package]} array, for which there is no backend yet; expected a NumPy array; fix: "
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
        _refuse_strange(name, values, _inside(strange, where, values, axis))
        values = np.where(strange, 0.0, values)
    try:
        return values.astype(np.float64)
    except OverflowError:  # of an integer or a fraction
        huge = _those(values, lambda value: _LARGEST < abs(value) < math.inf)
        _refuse_huge(name, _inside(huge, where, values, axis))
        return np.where(huge, 0.0, values).astype(np.float64)


def _those(values: NDArray[Any], condition: Callable[[Any], bool]) -> NDArray[np.bool_]:
    return np.fromiter(map(condition, values.flat), np.bool_, values.size).reshape(values.shape)


def _inside(chosen: NDArray[np.bool_], where: Any, values: NDArray[Any], axis: Any) -> NDArray[np.bool_]:
    return chosen if where is None else chosen & _spread(where, values, axis)


def _from_rows(name: str, values: NDArray[Any], where: Any, axis: Any) -> NDArray[Any]:
    """Lists or arrays in an array, as data frames hold them: each is a row, and so is what stands in a row's place."""
    _refuse_ragged(name, values)
    first, width = next((place, len(value)) for place, value in enumerate(values) if _is_row(value))
    lone = np.array([[not _is_row(value) and _is_number(value) and value == value] * width for value in values])
    refused = _inside(lone, where, lone, axis)
    if refused.any():
        place = _first(refused)[0]
        raise ValueError(
            f"{name}: got {values[place]!s} at index {place}; expected a row of length {width}, as at index {first}; "
            f"fix: pass a row there, or leave it out by where=..., a mask that is False there"
        )
    rows = [list(value) if _is_row(value) else [value] * width for value in values]
    return array(name, rows, where, axis)


def _spread(where: Any, values: NDArray[Any], number: Any) -> NDArray[np.bool_]:
    """The mask for each of the values: one of rows holds for every class along the axis."""
    chosen = mask(where)
    if chosen.ndim != values.ndim - 1:
        return selection(chosen, values.shape)
    rows = np.moveaxis(values, axis(values, number), -1).shape[:-1]
    return np.broadcast_to(np.expand_dims(selection(chosen, rows), axis(values, number)), values.shape)


def _refuse_strange(name: str, values: NDArray[Any], refused: NDArray[np.bool_]) -> None:
    if refused.any():
        index = _first(refused)
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
        expected, index = f"a real number up to {_LARGEST:.4g}", _first(refused)
        raise Refusal(name, "a number beyond the range of float64", expected, fix, index)


def same_shape(prediction: NDArray[Any], target: NDArray[Any], name: str = "target") -> None:
    """Shapes must be equal: broadcasting an (n, 1) against an (n,) has cost many people a model."""
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}: got shape {target.shape} for a prediction of shape {prediction.shape}; expected equal "
            f"shapes; fix: {_reshaping(prediction.shape, target.shape)}"
        )


def numbers(prediction: NDArray[Any], target: NDArray[Any] | None, axis: int, rule: Rule) -> tuple[int, ...]:
    """The shape of samples of several numbers, which the axis must hold and the targets must have."""
    names, samples = ", ".join(rule.prediction.names), prediction.shape[:axis] + prediction.shape[axis:][1:]
    count = prediction.shape[axis]
    if rule.columns and count != rule.columns:
        raise ValueError(
            f"prediction: got {count} numbers per sample; expected {rule.columns} ({names}) along `axis`; fix: pass "
            f"np.stack([{names}], axis=-1)"
        )
    levels = dict(rule.options).get("levels")
    if levels is not None and count != len(levels):
        raise ValueError(
            f"prediction: got {count} numbers per sample; expected {len(levels)} along `axis`, one for each of the "
            f"levels {levels}; fix: pass levels=..."
        )
    if target is not None and target.shape != samples:
        raise ValueError(
            f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected {samples}, one "
            f"target for each sample of {count} numbers{f' ({names})' if names else ''}"
        )
    return samples


def _reshaping(wanted: tuple[int, ...], got: tuple[int, ...]) -> str:
    if math.prod(wanted) == math.prod(got):
        return f"use target.reshape({wanted})"
    try:
        np.broadcast_shapes(wanted, got)
    except ValueError:
        return "pass one target for each prediction"
    return f"use np.broadcast_to(target, {wanted}) if that is what you mean"


def axis(prediction: NDArray[Any], number: Any, name: str = "prediction") -> int:
    """The class axis, counted from the end."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise TypeError(f"axis: got {number!r}; expected a whole number")
    if prediction.ndim == 0:
        raise ValueError(f"{name}: got shape (); expected (..., C), with the classes along `axis`")
    if not -prediction.ndim <= number < prediction.ndim:
        raise ValueError(
            f"axis: got {number} for a {name} of shape {prediction.shape}; expected "
            f"{-prediction.ndim} to {prediction.ndim - 1}"
        )
    counted = int(number) % prediction.ndim
    if prediction.shape[counted] == 0:
        raise ValueError(
            f"{name}: got shape {prediction.shape} with no classes along axis {counted}; expected at least one class"
        )
    return counted - prediction.ndim


def holds_distributions(
    prediction: NDArray[Any], target: NDArray[Any], rows: tuple[int, ...], only_labels: bool
) -> bool:
    """Whether the target holds distributions (else labels); shape alone decides."""
    if target.shape == rows:
        return False
    if target.shape == prediction.shape and not only_labels:
        return True
    accepted = f"labels of shape {rows}" + ("" if only_labels else f" or distributions of shape {prediction.shape}")
    hint = ""
    if target.shape == (*rows, 1):
        hint = "; fix: use target[..., 0]"
    elif target.shape == prediction.shape:
        hint = "; fix: use target.argmax(-1), if the rows are one-hot"
    raise ValueError(
        f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected {accepted}{hint}"
    )


def holds_rows(prediction: NDArray[Any], target: NDArray[Any], rows: tuple[int, ...], of: Sample) -> bool:
    """Whether the target holds a row for each row of the prediction (else labels)."""
    if not of.axes:
        return holds_distributions(prediction, target, rows, of == LABEL)
    if target.shape != prediction.shape:
        raise ValueError(
            f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected logits of the "
            f"prediction's shape"
        )
    return True


def labels(target: NDArray[Any], where: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Labels as int64; whole floats are labels, 0.5 is not. What is no class is left to the sweep."""
    if target.dtype.kind in "bi" or (target.dtype.kind == "u" and target.dtype.itemsize < 8):
        return target.astype(np.int64, copy=False)
    numbers = target.astype(np.float64)
    wrong = (numbers != np.floor(numbers)) | ~np.isfinite(numbers)
    if where is not None:
        wrong &= where
    if wrong.any():
        index = _first(wrong)
        expected = "whole labels (distributions need the shape of the prediction)"
        raise Refusal("target", str(target[index]), expected, index=index)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < 2.0**62, numbers, -1.0).astype(np.int64)


def weights(weight: Any, shape: tuple[int, ...], where: Any = None) -> NDArray[Any]:
    """Weights of the given shape."""
    weight = array("weight", weight, where)
    if weight.shape != shape:
        raise ValueError(
            f"weight: got shape {weight.shape}; expected one weight per sample, shape {shape}; fix: "
            f"np.broadcast_to(weight, {shape}) if that is what you mean"
        )
    return weight  # type: ignore[no-any-return]


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def weights_fit(weight: NDArray[Any], where: NDArray[np.bool_] | None) -> None:
    """Weights are finite and not negative."""
    numbers = weight.astype(np.float64, copy=False)
    wrong = ~((numbers >= 0.0) & (numbers < np.inf))
    if where is not None:
        wrong &= where
    if wrong.any():
        index = _first(wrong)
        raise Refusal("weight", str(weight[index]), "finite weights >= 0", index=index)


def refuse_mean(samples: int, selected: bool, weighted: bool) -> NoReturn:
    """A mean needs something to divide by."""
    what = "`where` selects nothing" if selected else "the weights are all 0" if weighted else "there are no samples"
    raise ValueError(
        f"prediction: got {samples} samples with reduction='mean', but {what}; "
        f"expected a sample that counts; fix: reduction='sum', which gives 0"
    )


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


def output(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array that can take a derivative."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"{name}: got {type(out).__name__}; expected a NumPy array of shape {shape} and dtype {dtype}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"{name}: got shape {out.shape}, dtype {out.dtype}; expected shape {shape}, dtype {dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name}: got a read-only array; expected one that can be written")
    return out


def vector(vector: Any, prediction: NDArray[Any], where: Any = None, axis: Any = -1) -> NDArray[Any]:
    """Finite numbers, as many as predictions; those outside ``where`` may be anything."""
    found = array("vector", vector, where, axis)
    if found.shape != prediction.shape:
        raise ValueError(
            f"vector: got shape {found.shape}; expected the shape of the prediction, {prediction.shape}; "
            f"fix: pass one number for each number of the prediction"
        )
    wrong = ~np.isfinite(found.astype(np.float64))
    if wrong.any():
        wrong = _inside(wrong, where, found, axis)
    if wrong.any():
        place = _first(wrong)
        raise ValueError(
            f"vector: got {found[place]} at index {place[0] if len(place) == 1 else place}; expected finite numbers; "
            f"fix: replace it, or leave its sample out by where=..."
        )
    return found


def separate(out: NDArray[Any], hessian_out: NDArray[Any]) -> None:
    """Two outputs that share no element; columns of one array may lie side by side."""
    if np.shares_memory(out, hessian_out):
        raise ValueError(
            "hessian_out: got an array that overlaps out; expected two arrays that share no memory; fix: pass "
            "np.empty_like(out)"
        )


def products(rule: Rule) -> None:
    """The rule must have products of its Hessian with vectors."""
    if not rule.has_products:
        raise TypeError(
            f"{rule.formula.__name__}: has no hessian_vector_product: its formula of whole rows gives the diagonal of "
            f"the Hessian only; fix: use hessian, or make the loss with product=..., or with separable=True if it is a "
            f"sum over the classes"
        )


def matrix(rule: Rule) -> None:
    """The rule must have the whole Hessian of a sample."""
    if not rule.has_matrix:
        several_numbers(rule, "hessian_matrix")


def several_numbers(rule: Rule, method: str) -> None:
    """The rule must have several numbers per sample."""
    if not rule.columns:
        raise TypeError(
            f"{rule.formula.__name__}: got a call of {method}; expected a loss whose samples have several numbers of "
            f"different meaning; fix: use hessian, or hessian_vector_product"
        )


def fisher(rule: Rule) -> None:
    """The rule must have an expected Hessian."""
    several_numbers(rule, "fisher")
    if rule.fisher is None:
        raise TypeError(
            f"{rule.formula.__name__}: got a call of fisher; expected a loss with one in closed form; fix: use "
            f"hessian_matrix"
        )


# ------------------------------------------------------------------------------------- scalars and names


def choice(name: str, value: Any, accepted: Iterable[str] = REDUCTIONS) -> None:
    """One of a few words."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name}: got {value!r}; expected {', '.join(map(repr, accepted))}")


def parameter(
    loss: str, name: str, value: Any, known_names: Iterable[str], domain: Domain | None, optional: bool
) -> Setting:
    """A parameter as a float in its domain, a bool if it is a switch, a tuple of levels, or None where allowed."""
    if name not in known_names:
        close = difflib.get_close_matches(name, known_names, 1)
        known, hint = ", ".join(known_names) or "none", f"; did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"{loss}: got the parameter {name!r}; expected {known}{hint}")
    if value is None and optional:
        return None
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if domain == SWITCH:
        return _switch(name, value)
    if domain == LEVELS:
        return _levels(name, value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: got {value!r}; expected one number")
    accepted = domain.description if domain else "a finite number"
    try:
        number = float(value) + 0.0  # no -0.0, which equals 0.0 and would print otherwise
    except OverflowError:
        raise ValueError(f"{name}: got a number beyond the range of float64; expected {accepted}") from None
    if not math.isfinite(number) or (domain and not domain.contains(number)):
        raise ValueError(f"{name}: got {value!r}; expected {accepted}")
    return number


def _levels(name: str, value: Any) -> tuple[float, ...]:
    """Increasing numbers in (0, 1)."""
    given = (value,) if isinstance(value, Real) else value
    try:
        found = tuple(float(level) for level in given)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got {value!r}; expected {LEVELS.description}, such as (0.1, 0.5, 0.9)") from None
    rises = all(low < high for low, high in pairwise(found))
    if not found or not rises or not LEVELS.contains(found).all():
        raise ValueError(f"{name}: got {value!r}; expected {LEVELS.description}, such as (0.1, 0.5, 0.9)")
    return found


def _switch(name: str, value: Any) -> bool:
    """True or False; 1 and 0 are what the command line has for them."""
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, Real) and value in (0, 1)):
        return bool(value)
    raise ValueError(f"{name}: got {value!r}; expected {SWITCH.description}")


# --------------------------------------------------------------- what the sweeps found, put into words


def refuse_prediction(value: Any, index: tuple[int, ...], domain: Domain, name: str = "prediction") -> NoReturn:
    raise Refusal(name, str(value), domain.description + (", not NaN" if math.isnan(value) else ""), index=index)


def refuse_threshold(row: NDArray[Any], column: int, index: tuple[int, ...]) -> NoReturn:
    """Words for a threshold below the one before."""
    raise Refusal(
        "prediction",
        f"the threshold {row[column]!s}",
        f"thresholds in order, here at least {row[column - 1]!s}, which stands before",
        "make them of a first one and steps, np.cumsum([first, *np.exp(log_steps)])",
        index,
    )


def row_in_words(row: NDArray[Any]) -> str:
    """A row on one line, a long one by its ends."""
    return np.array2string(row, threshold=8, max_line_width=4096)


def total_refusal(row: NDArray[Any], index: tuple[int, ...], of_logarithms: bool, columns: str = "") -> Refusal:
    """What is wrong with a row of predicted probabilities, or of their logarithms, that does not sum to 1."""
    shown, keep = row_in_words(row) + columns, "or normalized=False to take such rows as they are"
    if of_logarithms:
        expected = "log-probabilities, whose exponentials sum to 1"
        also = f"whose exponentials sum to {math.fsum(np.exp(row)):.8g}"
        return Refusal("prediction", shown, expected, f"pass rashin.log_softmax of logits, {keep}", index, also)
    fix = f"divide each row by its sum, pass rashin.softmax of logits, {keep}"
    also = f"which sums to {math.fsum(row):.8g}"
    return Refusal("prediction", shown, "probabilities, which sum to 1", fix, index, also)


def refuse_target(value: Any, index: tuple[int, ...], domain: Domain) -> NoReturn:
    raise Refusal("target", str(value), domain.description, recoding(value, domain), index)


def recoding(value: Any, domain: Domain) -> str:
    """The fix where a target seems to be of two classes in another code."""
    if domain == SIGN and value == 0:
        return "2 * target - 1 turns 0 and 1 into -1 and +1"
    if domain in (BINARY, PROBABILITY) and value == -1:
        return "(target + 1) / 2 turns -1 and +1 into 0 and 1"
    return ""


def refuse_label(label: Any, index: tuple[int, ...], classes: int) -> NoReturn:
    expected = f"a class label from 0 to {classes - 1} (the prediction has {classes} classes)"
    raise Refusal(
        "target", str(label), expected, f"leave it out by where=target != {label}" if label < 0 else "", index
    )


def refuse_distribution(row: NDArray[Any], index: tuple[int, ...], axis: int, tolerance: float) -> NoReturn:
    wrong = ~((row >= 0.0) & (row <= 1.0))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise Refusal("target", str(row[place]), "a probability in [0, 1]", index=with_axis(index, axis, place))
    raise Refusal(
        "target",
        row_in_words(row),
        f"a distribution, whose sum is 1 within {tolerance:.1e}",
        "divide by target.sum(-1, keepdims=True)",
        index,
        f"which sums to {row.astype(np.float64).sum()!s}",
    )


def refuse_logits(row: NDArray[Any], index: tuple[int, ...], axis: int) -> NoReturn:
    """Words for a target of logits that have no softmax."""
    wrong = np.isnan(row)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        refuse_prediction(row[place], with_axis(index, axis, place), LOGIT, "target")
    raise Refusal(
        "target", row_in_words(row), "at most one +inf, and not -inf alone", index=index, also="a row without a limit"
    )


def refuse_without_limit(prediction: Any, target: Any, index: tuple[int, ...]) -> NoReturn:
    raise Refusal(
        "prediction",
        f"{prediction} with target {target}",
        "a sample with a finite loss or a limit",
        "leave the sample out by where=..., or change the prediction",
        index,
        "where the loss has no limit",
    )


def refuse_row(name: str, row: NDArray[Any], index: tuple[int, ...]) -> NoReturn:
    raise Refusal(name, row_in_words(row), "at most one +inf", index=index, also="a row without a limit")


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
