"""The constant prediction with the smallest weighted mean loss: in closed form if there is one, or else by search.

Baselines compare with it, and boosting starts from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.domain import LOG_PROBABILITY, LOGIT, PROBABILITY
from rashin.loss import Loss
from rashin.searches import lowest_columns, lowest_number, lowest_row

__all__ = ["best_constant", "check_of_samples", "constant_for_classes", "constant_of", "shares"]

Array = NDArray[Any]

FEW = 2048  # classes up to which each class is one row of a target, if the loss is not linear in the target: 32 MiB
SOUGHT = 256  # classes up to which there is a search: a second


def best_constant(loss: Loss, target: Any, weight: Any = None, *, classes: int | None = None) -> Any:
    """The constant prediction with the smallest weighted mean loss.

    It is the loss's closed form, such as a mean, a quantile or log odds. Losses without one are minimised by their
    exact gradient, those of one number per sample to the last digits, others to about 1e-9. If a loss is not convex,
    the search begins at the best of 65 numbers and finds the minimum next to it.

    Parameters
    ----------
    loss : any loss.
    target : targets as the loss takes them, samples along the first axis. For a loss of single numbers, a table (n, k)
        has k constants, one for each column.
    weight : weights >= 0, (n,); all equal by default.
    classes : number of classes, if the labels do not contain the last one.

    Returns
    -------
    A float; an array (k,) for tables, (C,) for losses of classes and (K,) for quantiles; a tuple of floats for losses
    of several numbers, such as location and log-scale. An entry is infinite if the loss decreases forever, as the logit
    of a class does that does not occur.

    Raises
    ------
    ValueError : a target or weight is invalid, there is nothing to average, or no constant is best.

    Examples
    --------
    >>> import rashin
    >>> rashin.best_constant(rashin.huber, [1.0, 2.0, 6.0], weight=[1.0, 1.0, 2.0])
    3.75
    >>> rashin.best_constant(rashin.softmax_cross_entropy, [0, 1, 1, 1]).round(3)
    array([-1.386, -0.288])
    >>> rashin.best_constant(rashin.gaussian, [1.0, 3.0])
    (2.0, 0.0)
    """
    t = np.asarray(target)
    w = np.ones(t.shape[:1]) if weight is None else np.asarray(weight, np.float64)
    _check(loss, t, w, classes)
    found = _constant(loss, t, w, classes)
    if found is None:
        raise ValueError(
            f"target: got targets for which no constant is known to have the smallest {loss.name}; expected targets "
            "that differ, and a loss with a closed form or free predictions"
        )
    return found


def constant_for_classes(loss: Loss, weight: Array) -> Array | None:
    """The best constant row (C,) of a loss of classes, for class weights (C,), not all 0.

    It takes memory in proportion to C if the loss is linear in the target and has a closed form. Otherwise each class
    is one target. None if no row is best, or if there are more than 2,048 classes, or 256 without a closed form.
    """
    share = shares(weight)
    occurs = share > 0.0
    has_form = loss.facts.best_constant is not None
    if has_form and loss.facts.target_degree == 1:  # the mean of the targets replaces all of them
        found = constant_of(loss, share[None], np.ones(1))
    elif weight.size > (FEW if has_form else SOUGHT):
        return None
    elif has_form:
        found = constant_of(loss, np.eye(weight.size)[occurs], share[occurs])
    elif loss.prediction.entry() == LOGIT:  # the logit of a class that does not occur falls forever
        found = np.full(weight.size, -np.inf)
        found[occurs] = lowest_row(loss, np.arange(occurs.sum()), share[occurs], np.log(share[occurs]))
    else:
        found = lowest_row(loss, np.flatnonzero(occurs), share[occurs], np.zeros(weight.size))
    return None if found is None else np.asarray(found)


def constant_of(loss: Loss, target: Array, weight: Array) -> Any:
    """The best constant for targets (n,) or rows (n, C) in float64 and weights (n,) > 0; None if none is best.

    It is a number, an array with one for each class or column, or None also if the loss has no closed form and its
    predictions are confined to an interval, in which the search for several numbers cannot move.
    """
    find, sample = loss.facts.best_constant, loss.prediction
    if find is not None:
        with np.errstate(all="ignore"):  # values that are not finite are what the caller handles
            return find(target, weight, **loss.parameters)
    if sample.axes == 0:
        return lowest_number(loss, target, weight)
    if sample.columns:
        return lowest_columns(loss, target, weight)
    if target.ndim != 2:
        return None
    if loss.facts.target_degree == 1:  # the mean of the targets replaces all of them
        target, weight = np.average(target, axis=0, weights=weight)[None], np.ones(1)
    return lowest_row(loss, target, weight, np.zeros(target.shape[1]))


def _constant(loss: Loss, t: Array, w: Array, classes: int | None) -> Any:
    """The constant as ``best_constant`` returns it."""
    if loss.prediction.has_classes and t.ndim == 1:
        return constant_for_classes(loss, np.bincount(t.astype(np.int64), w, minlength=classes or 0))
    t, w = t[w > 0.0].astype(np.float64), w[w > 0.0]
    if loss.prediction.axes == 0:
        each = [constant_of(loss, column, w) for column in t.reshape(len(t), -1).T]
        return np.array(each, np.float64) if t.ndim == 2 else float(each[0])
    found = constant_of(loss, t, w)
    return tuple(map(float, found)) if found is not None and loss.prediction.columns else found


def check_of_samples(loss: Any) -> None:
    """Refuse what is not a loss of each sample, such as a loss of whole sets."""
    if not isinstance(loss, Loss):
        raise TypeError(f"loss: got {loss!r}; expected a loss of single samples")


def shares(weight: Array) -> Array:
    """Weights divided by their sum, which may overflow."""
    scaled = np.ldexp(weight, -np.frexp(weight.max())[1])
    return np.asarray(scaled / scaled.sum())


def _check(loss: Loss, t: Array, w: Array, classes: int | None) -> None:
    """Let the loss refuse targets and weights that it cannot take, and a batch without weight."""
    check_of_samples(loss)
    if not 1 <= t.ndim <= 2:
        raise ValueError(f"target: got an array of shape {t.shape}; expected samples along the first axis")
    is_table = loss.prediction.axes == 0 and t.ndim == 2
    loss(_anything(loss, t, classes), t, weight=np.broadcast_to(w[:, None], t.shape) if is_table else w)


def _anything(loss: Loss, t: Array, classes: int | None) -> Array:
    """Predictions that the loss takes, whatever the target."""
    sample, entry = loss.prediction, loss.prediction.entry()
    if sample.axes == 0:
        return np.broadcast_to(entry.harmless, t.shape)
    if sample.columns:
        return np.broadcast_to(sample.harmless, (len(t), sample.columns))
    if not sample.has_classes:
        return np.broadcast_to(entry.harmless, (len(t), len(loss.parameters.get("levels", (0.5,)))))
    count = t.shape[-1] if t.ndim == 2 else classes or int(np.max(t, initial=0)) + 1
    even = {PROBABILITY: 1.0 / count, LOG_PROBABILITY: -np.log(count)}
    return np.broadcast_to(even.get(entry, entry.harmless), (len(t), count))
