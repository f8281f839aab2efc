"""Functions of NumPy arrays: values, values with gradients, and objectives of XGBoost, LightGBM and CatBoost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Evaluation, Subject, Target, numpy_literal

__all__ = ["BoosterData", "catboost", "plain"]

Array = NDArray[Any]


class BoosterData:
    """What boosters hand to an objective: a ``DMatrix`` or ``Dataset`` with labels alone."""

    def __init__(self, label: Array) -> None:
        self.label = label
        self.weight = None

    def get_label(self) -> Array:
        """The targets."""
        return self.label

    def get_weight(self) -> Array:
        """No weights, as XGBoost says it."""
        return np.empty(0, np.float32)

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
    takes_data = any(name in _BOOSTER_DATA for name in target.parameters[:2])
    run = _caller(target, takes_data)
    found = run(*probe)
    if not isinstance(found, tuple | list) or len(found) < 2:
        return Subject(target, "numpy", _part(run, None))
    if np.ndim(found[0]) == 0 or np.shape(found[0]) != np.shape(probe[0]):
        return Subject(target, "numpy", _part(run, 0), {"gradient": _part(run, 1)})
    written = (lambda z, t: _with_data(target, z, t)) if takes_data else None
    return Subject(target, "numpy", None, {"gradient": _part(run, 0)}, _part(run, 1), written)


def _caller(target: Target, takes_data: bool) -> Callable[..., Any]:
    """The call on copies: what is changed in place would be asked again."""
    if not takes_data:
        return lambda z, t, **keywords: target(np.array(z), np.array(t), **keywords)

    def run(z: Array, t: Array) -> Any:
        data = BoosterData(t)
        z = np.array(z)
        return target.f(data, z) if _data_first(target) else target.f(z, data)

    return run


def _data_first(target: Target) -> bool:
    return target.parameters[0] in _BOOSTER_DATA


def _part(run: Callable[..., Any], place: int | None) -> Evaluation:
    """One of the results, in the shape of the prediction if it has its size: boosters take rows flattened."""

    def evaluate(z: Array, t: Array, /, **keywords: Any) -> Array:
        found = run(z, t, **keywords)
        part = np.asarray(found if place is None else found[place])
        return part.reshape(z.shape) if place and part.size == z.size else part

    return evaluate


def _with_data(target: Target, z: Array, t: Array) -> str:
    label = f"data with get_label() = {numpy_literal(t)}"
    pair = (label, numpy_literal(z)) if _data_first(target) else (numpy_literal(z), label)
    return f"{target.name}({', '.join(pair)})"


def catboost(target: Target) -> Subject:
    """An objective of CatBoost: ``calc_ders_range`` returns the derivatives of minus the loss."""

    def derivatives(z: Array, t: Array, place: int) -> Array:
        pairs = target.f.calc_ders_range(z.astype(np.float64), t.astype(np.float64), None)
        return -np.asarray(pairs, np.float64).reshape(len(z), 2)[:, place]

    def gradient(z: Array, t: Array, /, **_: Any) -> Array:
        return derivatives(z, t, 0)

    def hessian(z: Array, t: Array, /, **_: Any) -> Array:
        return derivatives(z, t, 1)

    def written(z: Array, t: Array) -> str:
        return f"{target.name}.calc_ders_range({numpy_literal(z)}, {numpy_literal(t)}, None)"

    return Subject(target, "catboost", None, {"gradient": gradient}, hessian, written)
