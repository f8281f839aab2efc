"""Classes as a loss wants them: as labels, or coded one-hot in the numbers that the loss takes as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["check_labels", "class_targets", "one_hot"]


def check_labels(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """The labels as an integer array of shape (n,).

    Raises
    ------
    ValueError : another shape, or a label that is not a whole number in [0, classes).
    """
    given = np.asarray(labels)
    if given.ndim != 1:
        raise ValueError(f"labels must have shape (n,); got {given.shape}")
    wrong = np.flatnonzero(~np.isin(given, np.arange(classes)))
    if wrong.size:
        raise ValueError(
            f"labels must be whole numbers from 0 to {classes - 1}; got {given[wrong[0]]} at index {wrong[0]}"
        )
    return given.astype(np.int64)


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
