"""Targets as a loss wants them: labels, classes coded one-hot in the numbers that the loss takes, or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.domain import LABEL, Domain

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["check_labels", "class_targets", "one_hot", "outputs_for", "targets_for"]


def check_labels(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """The labels as an integer array of shape (n,).

    Raises
    ------
    ValueError : another shape, or a label that is not a whole number in [0, classes).
    """
    given = np.asarray(labels)
    if given.ndim != 1:
        raise ValueError(f"labels must have shape (n,); got {given.shape}")
    if given.dtype.kind not in "fiub":
        raise ValueError(f"labels must be whole numbers from 0 to {classes - 1}; got dtype {given.dtype}")
    with np.errstate(invalid="ignore"):  # NaN and infinity are no labels, and need no warning
        wrong = np.flatnonzero((given < 0) | (given >= classes) | (given != np.floor(given)))
    if wrong.size:
        raise ValueError(
            f"labels must be whole numbers from 0 to {classes - 1}; got {given[wrong[0]]} at index {wrong[0]}"
        )
    return given.astype(np.int64, copy=False)


def one_hot(labels: ArrayLike, classes: int) -> NDArray[np.float32]:
    """Rows of zeros with a 1 at the label: (n,) labels become (n, classes) float32.

    Examples
    --------
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    checked = check_labels(labels, classes)
    rows = np.zeros((checked.size, classes), dtype=np.float32)
    rows[np.arange(checked.size), checked] = 1.0
    return rows


def class_targets(loss: Loss, labels: ArrayLike, classes: int) -> NDArray[Any]:
    """Targets for ``loss`` that say the same as ``labels``, of shape (n,).

    A row loss takes the labels themselves. A pointwise loss looks at one number at a time and gets one-hot rows
    (n, classes): of 0 and 1, or of -1 and +1 where it takes only signs.

    Raises
    ------
    ValueError : wrong labels, or a loss whose target can be neither 0 and 1 nor -1 and +1.

    Examples
    --------
    >>> import rashin
    >>> class_targets(rashin.hinge, [1, 0], classes=2)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    checked = check_labels(labels, classes)
    if loss.kind != "pointwise":
        return checked
    codes, domain = one_hot(checked, classes), loss.facts.target_domain(loss.parameters)
    if domain.contains([0.0, 1.0]).all():
        return codes
    if domain.contains([-1.0, 1.0]).all():
        return 2 * codes - 1
    raise ValueError(
        f"{loss.name} cannot tell classes: its target must be {domain.description}, and classes are coded as 0 and 1; "
        "choose a loss that takes these or labels, such as softmax_cross_entropy"
    )


def outputs_for(loss: Loss, target: ArrayLike) -> int:
    """How many outputs a network needs for this target: one per class or per number.

    Whole numbers (n,) by their type are classes. Floats (n,) are numbers where a pointwise loss looks at them.

    Examples
    --------
    >>> import rashin
    >>> outputs_for(rashin.huber, [0, 2, 1]), outputs_for(rashin.huber, [0.0, 2.0, 1.0])
    (3, 1)
    """
    given = np.asarray(target)
    if given.ndim == 2:
        return int(given.shape[1])
    if loss.kind == "pointwise" and given.dtype.kind == "f":
        return 1
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "fiub" or not np.isfinite(given).all():
        raise ValueError(
            f"the target must have shape (n,) or (n, outputs), with n > 0 finite numbers; got {given.shape}"
        )
    return max(int(given.max()) + 1, 1)


def targets_for(loss: Loss, target: ArrayLike, outputs: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Targets for a network with so many outputs, and the class of each sample where there are classes.

    ============  ==================================  ===============================================
    shape         a pointwise loss takes it as        a row loss takes it as
    ============  ==================================  ===============================================
    (n,)          labels, coded one-hot               labels
    (n,)          numbers, where there is one output  labels
    (n, outputs)  numbers                             distributions, whose class is the largest entry
    ============  ==================================  ===============================================

    One output that says yes or no, by targets 0 and 1 or -1 and +1, has two classes too.

    Raises
    ------
    ValueError : another shape, wrong labels, or numbers outside the target's domain.

    Examples
    --------
    >>> import rashin
    >>> targets_for(rashin.huber, [0.5, -2.0], outputs=1)
    (array([[ 0.5],
           [-2. ]]), None)
    """
    given, domain = np.asarray(target), loss.facts.target_domain(loss.parameters)
    is_table = given.ndim == 2 and given.shape[1] == outputs and (loss.kind == "pointwise" or domain is not LABEL)
    if loss.kind == "pointwise" and (is_table or (outputs == 1 and given.ndim == 1)):
        return _numbers(given.reshape(-1, outputs), domain, outputs)
    if is_table:
        return given, given.argmax(axis=1)
    if given.ndim != 1:
        raise ValueError(f"the target must have shape (n,) or (n, {outputs}) for {loss.name}; got {given.shape}")
    labels = check_labels(given, outputs)
    return class_targets(loss, labels, outputs), labels


def _numbers(given: NDArray[Any], domain: Domain, outputs: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    if given.dtype.kind not in "fiub":
        raise ValueError(f"the target must hold real numbers; got dtype {given.dtype}")
    wrong = ~domain.contains(given)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"the target must be {domain.description}; got {given[row, column]} at index {(row, column)}")
    finite = np.isfinite(given)
    if not finite.all():
        raise ValueError(f"the target must be finite; got {given[~finite][0]}")
    is_choice = outputs == 1 and np.isfinite(domain.low + domain.high) and domain.high <= 1.0
    return given, (given[:, 0] > (domain.low + domain.high) / 2).astype(np.int64) if is_choice else None
