"""Functions of NumPy arrays: values, values with gradients, and objectives of XGBoost, LightGBM and CatBoost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Evaluation, Subject, Target, numpy_literal

__all__ = ["BoosterData", "catboost", "plain"]

Array = NDArray[Any]

_EMPTY = np.empty(0, np.float32)


class BoosterData:
    """What boosters pass to an objective: a ``DMatrix`` or ``Dataset`` with labels and weights alone.

    Without weights, ``get_weight`` of XGBoost returns an empty array and that of LightGBM None.
    """

    def __init__(self, label: Array, weight: Array | None = _EMPTY) -> None:
        self.label = label
        self.weight = weight

    def get_label(self) -> Array:
        """The targets."""
        return self.label

    def get_weight(self) -> Array | None:
        """The weights."""
        return self.weight

    def num_row(self) -> int:
        """The number of samples."""
        return len(self.label)

    num_data = num_row

    def get_group(self) -> None:
        """No groups."""

    def get_init_score(self) -> None:
        """No start."""

    get_base_margin = get_init_score


_BOOSTER_DATA = {"data", "dataset", "dmatrix", "dtrain", "lgb_train", "train", "train_data", "train_set", "xgb_train"}


def plain(target: Target, probe: tuple[Array, Array]) -> Subject:
    """A function of arrays, as what it returns for the probe says: one value, (value, gradient) or (gradient, Hessian).

    What the function raises passes through.
    """
    if any(name in _BOOSTER_DATA for name in target.parameters[:2]):
        return _of_data(target, probe)
    return _of_results(target, target, probe)


def _of_data(target: Target, probe: tuple[Array, Array]) -> Subject:
    """An objective of the native interface of a booster, whose way to have no weights is found out."""
    run = _with_data(target, _EMPTY)
    try:
        run(*(np.array(x) for x in probe))
    except Exception:
        run = _with_data(target, None)

    def written(z: Array, t: Array, weight: Array | None = None) -> str:
        given = numpy_literal(t) + ("" if weight is None else f", {numpy_literal(weight)}")
        pair = (numpy_literal(z), f"rashin.audit.BoosterData({given})")
        return f"{target.expression}({', '.join(reversed(pair) if _data_first(target) else pair)})"

    return replace(_of_results(target, run, probe), written=written, weights="weight")


def _with_data(target: Target, absent: Array | None) -> Callable[..., Any]:
    def run(z: Array, t: Array, weight: Array | None = absent) -> Any:
        pair = (z, BoosterData(t, weight))
        return target.f(*(reversed(pair) if _data_first(target) else pair))

    return run


def _of_results(target: Target, run: Callable[..., Any], probe: tuple[Array, Array]) -> Subject:
    """The subject of a call on copies: what is changed in place would be asked again."""

    def copied(z: Array, t: Array, **keywords: Any) -> Any:
        return run(np.array(z), np.array(t), **keywords)

    def leaves(z: Array, t: Array) -> tuple[Array, Array]:
        left = np.array(z), np.array(t)
        run(*left)
        return left

    found = copied(*probe)
    if not isinstance(found, tuple | list) or len(found) < 2 or _is_of_samples(found, len(probe[0])):
        return Subject(target, "numpy", _part(copied, None), leaves=leaves)
    if np.ndim(found[0]) == 0 or np.shape(found[0]) != np.shape(probe[0]):
        return Subject(target, "numpy", _part(copied, 0), {"gradient": _part(copied, 1)}, leaves=leaves)
    return Subject(target, "numpy", None, {"gradient": _part(copied, 0)}, _part(copied, 1), leaves=leaves)


def _is_of_samples(found: Sequence[Any], size: int) -> bool:
    """Whether a sequence is the values of samples: plain numbers, one for each."""
    return len(found) == size and all(np.ndim(one) == 0 for one in found)


def _data_first(target: Target) -> bool:
    return target.parameters[0] in _BOOSTER_DATA


def _part(run: Callable[..., Any], place: int | None) -> Evaluation:
    """One of the results, in the shape of the prediction if it has its size: boosters take rows flattened."""

    def evaluate(z: Array, t: Array, /, **keywords: Any) -> Array:
        found = run(z, t, **keywords)
        part = np.asarray(found if place is None else found[place])
        return part.reshape(z.shape) if place and part.size == z.size else part

    return evaluate


def catboost(target: Target) -> Subject:
    """An objective of CatBoost: ``calc_ders_range`` returns the derivatives of minus the loss."""

    def derivatives(z: Array, t: Array, weights: Array | None, place: int) -> Array:
        pairs = target.f.calc_ders_range(z.astype(np.float64), t.astype(np.float64), weights)
        return -np.asarray(pairs, np.float64).reshape(len(z), 2)[:, place]

    def gradient(z: Array, t: Array, /, **keywords: Any) -> Array:
        return derivatives(z, t, keywords.get("weights"), 0)

    def hessian(z: Array, t: Array, /, **keywords: Any) -> Array:
        return derivatives(z, t, keywords.get("weights"), 1)

    def written(z: Array, t: Array, weights: Array | None = None) -> str:
        given = "None" if weights is None else numpy_literal(weights)
        return f"{target.expression}.calc_ders_range({numpy_literal(z)}, {numpy_literal(t)}, {given})"

    return Subject(target, "catboost", None, {"gradient": gradient}, hessian, written, weights="weights")
