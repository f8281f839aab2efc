"""Targets as a loss takes them: labels, classes coded one-hot in the numbers of its domain, or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin import checks
from rashin.domain import LABEL, Domain
from rashin.refusal import Refusal

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["are_classes", "check_labels", "class_targets", "named_labels", "one_hot", "outputs_for", "targets_for"]


def check_labels(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """The labels as an integer array of shape (n,).

    Raises
    ------
    ValueError : the shape is another one, or a label is not a whole number in [0, classes).
    """
    return _labels(labels, classes, f"class labels from 0 to {classes - 1}, whole numbers")


def _labels(labels: ArrayLike, classes: int, expected: str) -> NDArray[np.int64]:
    given = _numeric(labels)
    if given.ndim != 1:
        raise ValueError(f"target: got shape {given.shape}; expected class labels of shape (n,){_flattened(given)}")
    with np.errstate(invalid="ignore"):  # NaN and infinity are refused below; the warning is not needed
        wrong = np.flatnonzero((given < 0) | (given >= classes) | (given != np.floor(given)))
    if wrong.size:
        raise ValueError(f"target: got {given[wrong[0]]} at index {wrong[0]}; expected {expected}")
    return given.astype(np.int64, copy=False)


def _numeric(target: ArrayLike) -> NDArray[Any]:
    """Numbers by position, from any container; text is refused."""
    if (names := _text(target)) is not None:
        raise ValueError(
            f"target: got {str(names.flat[0])!r} at index 0; expected numbers; fix: "
            "names, labels = np.unique(target, return_inverse=True) numbers the classes"
        )
    given: NDArray[Any] = checks.array("target", target)
    return given


def _flattened(given: NDArray[Any]) -> str:
    return "; fix: target[:, 0]" if given.ndim == 2 and given.shape[1] == 1 else ""


def named_labels(*targets: ArrayLike) -> tuple[list[ArrayLike], tuple[str, ...] | None]:
    """Text targets as labels, numbered by the sorted names in all of ``targets``, and these names.

    Targets that are not text are returned unchanged, with None instead of the names.

    Raises
    ------
    ValueError : some targets are text and others numbers, or text is not of shape (n,).

    Examples
    --------
    >>> named_labels(["dog", "cat", "dog"], ["eel"])
    ([array([1, 0, 1]), array([2])], ('cat', 'dog', 'eel'))
    """
    texts = [_text(target) for target in targets]
    found = [text for text in texts if text is not None]
    if not found:
        return list(targets), None
    if len(found) < len(texts):
        raise ValueError("target: got text in one part of the data and numbers in another; expected one of both")
    for text in found:
        if text.ndim != 1:
            raise ValueError(f"target: got text of shape {text.shape}; expected shape (n,){_flattened(text)}")
    names = np.unique(np.concatenate(found))
    return [np.searchsorted(names, text) for text in found], tuple(map(str, names))


def _text(target: ArrayLike) -> NDArray[np.str_] | None:
    """The target as an array of text, or None if its first entry is something else."""
    given = np.asarray(target)
    if given.dtype.kind in "UT" and not hasattr(
        target, "__array__"
    ):  # NumPy converts a list of words and numbers to text
        given = np.asarray(target, dtype=object)
    if given.size == 0 or not (given.dtype.kind in "UST" or isinstance(given.flat[0], str)):
        return None
    if given.dtype.kind == "O":
        for index, value in enumerate(given.flat):
            if not isinstance(value, str):
                raise ValueError(f"target: got {value!r} at index {index}; expected text, as at index 0")
    text: NDArray[np.str_] = (given.astype(object) if given.dtype.kind == "T" else given).astype(np.str_)
    return text


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
    """Targets for ``loss`` that are equivalent to ``labels``, of shape (n,).

    A row loss takes the labels themselves. A pointwise loss takes one number at a time and gets one-hot rows
    (n, classes): of 0 and 1, or of -1 and +1 if it takes only signs.

    Raises
    ------
    ValueError : the labels are wrong, or the target of the loss can be neither 0 and 1 nor -1 and +1.

    Examples
    --------
    >>> import rashin
    >>> class_targets(rashin.hinge, [1, 0], classes=2)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    checked = check_labels(labels, classes)
    _refuse_labels_for_logits(loss)
    if loss.prediction.has_classes:
        return checked
    codes, domain = one_hot(checked, classes), loss.target.entry()
    if domain.contains([0.0, 1.0]).all():
        return codes
    if domain.contains([-1.0, 1.0]).all():
        return 2 * codes - 1
    raise ValueError(
        f"loss: got {loss.name}, whose target is {domain.description}; expected a loss that takes labels, or 0 and 1, "
        "such as softmax_cross_entropy"
    )


def _refuse_labels_for_logits(loss: Loss) -> None:
    if loss.target.axes:
        raise ValueError(
            f"loss: got {loss.name}, whose target is rows of logits; expected a loss that takes labels, such as "
            f"softmax_cross_entropy"
        )


def are_classes(loss: Loss, classes: bool | None) -> bool:
    """True if targets are classes: as ``classes`` says, or for None if the loss takes labels.

    Raises
    ------
    ValueError : ``classes`` says that they are numbers, and the loss compares classes.
    """
    takes_labels = loss.prediction.has_classes
    if loss.prediction.columns and classes:
        raise ValueError(
            f"classes: got True for {loss.name}, whose predictions have several numbers per sample; expected a loss of "
            "classes, such as softmax_cross_entropy"
        )
    if takes_labels and classes is False:
        raise ValueError(
            f"classes: got False for {loss.name}, which compares classes; expected a loss of numbers, such as huber"
        )
    return takes_labels if classes is None else classes


def outputs_for(loss: Loss, target: ArrayLike, classes: bool | None = None) -> int:
    """The number of outputs that a network needs for this target: one per class, or per number of a prediction.

    Parameters
    ----------
    loss : loss, which decides if ``classes`` is None: a row loss takes classes, a pointwise loss numbers.
    target : labels (n,), numbers (n,) or (n, outputs), or distributions (n, outputs). Their dtype does not matter.
    classes : True for classes, False for numbers, None to let the loss decide.

    Raises
    ------
    ValueError : the shape is another one, labels are not whole numbers >= 0, or labels have wide gaps.

    Examples
    --------
    >>> import rashin
    >>> outputs_for(rashin.poisson, [0, 2, 1]), outputs_for(rashin.softmax_cross_entropy, [0, 2, 1])
    (1, 3)
    >>> outputs_for(rashin.half_squared_error, [0, 2, 1], classes=True)
    3
    """
    given, coded = _numeric(target), are_classes(loss, classes)
    if given.size == 0 or given.ndim not in (1, 2):
        raise ValueError(f"target: got shape {given.shape}; expected (n,) or (n, outputs), with n > 0")
    if loss.prediction.columns:
        return loss.prediction.columns
    if coded and (given.ndim == 1 or given.shape[1] == 1 or not loss.prediction.has_classes):
        return _classes_of(given)
    return 1 if given.ndim == 1 else int(given.shape[1])


_NUMBERED = (
    "class labels 0, 1, 2, ...; fix: np.unique(target, return_inverse=True)[1] numbers classes, and numbers "
    "need a loss such as squared_error"
)
_MANY = 10_000  # number of classes from which most of them must occur in the data


def _classes_of(given: NDArray[Any]) -> int:
    """The number of classes in the labels."""
    labels = _labels(given, 2**31, _NUMBERED)
    count, found = int(labels.max()) + 1, len(np.unique(labels))
    if count > _MANY and found < count / 10:
        raise ValueError(
            f"target: got label {count - 1} at index {int(labels.argmax())}, which makes {count:,} classes, of which "
            f"{found:,} occur; expected {_NUMBERED}"
        )
    return count


def targets_for(loss: Loss, target: ArrayLike, outputs: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Targets for a network with ``outputs`` outputs, and the class of each sample if there are classes.

    ============  ==================================  ===============================================
    shape         a pointwise loss takes it as        a row loss takes it as
    ============  ==================================  ===============================================
    (n,)          numbers, where there is one output  labels
    (n,)          labels, coded one-hot, where more   labels
    (n, outputs)  numbers                             distributions, whose class is the largest entry
    ============  ==================================  ===============================================

    One output with targets 0 and 1, or -1 and +1, has two classes too. A loss of several numbers per sample takes one
    number (n,) for all outputs.

    Raises
    ------
    ValueError : the shape is another one, labels are wrong, or numbers are outside the domain of the target.

    Examples
    --------
    >>> import rashin
    >>> targets_for(rashin.huber, [0.5, -2.0], outputs=1)
    (array([[ 0.5],
           [-2. ]]), None)
    """
    given, of_classes = _numeric(target), loss.prediction.has_classes
    if loss.prediction.columns and given.ndim == 1:  # one target for all outputs
        return _numbers(given[:, None], loss.target.entry(), 1)[0][:, 0], None
    takes_table = not loss.prediction.columns and (not of_classes or (loss.target != LABEL and outputs > 1))
    is_table = given.ndim == 2 and given.shape[1] == outputs and takes_table
    if not loss.prediction.axes and (is_table or (outputs == 1 and given.ndim == 1)):
        return _numbers(given.reshape(-1, outputs), loss.target.entry(), outputs)
    if is_table:
        return given, given.argmax(axis=1)
    if given.ndim != 1:
        expected = f"(n,) or (n, {outputs})" if takes_table else "(n,)"
        raise ValueError(
            f"target: got shape {given.shape}; expected {expected}, as {loss.name} takes it{_flattened(given)}"
        )
    labels = check_labels(given, outputs)
    _refuse_labels_for_logits(loss)
    return class_targets(loss, labels, outputs), labels


def _numbers(given: NDArray[Any], domain: Domain, outputs: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    wrong = ~(domain.contains(given) & np.isfinite(given))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value, place = given[row, column], (row,) if outputs == 1 else (row, column)
        expected = domain.description + (", finite" if np.isinf(domain.high) else "")
        fix = checks.recoding(value, domain) or _coding(given)
        raise Refusal("target", str(value), expected, fix, place)
    if outputs > 1 or not domain.is_choice:
        return given, None
    return given, (given[:, 0] > (domain.low + domain.high) / 2).astype(np.int64)


def _coding(given: NDArray[Any]) -> str:
    """The advice if these numbers may be meant as labels."""
    if given.shape[1] > 1 or given.dtype.kind not in "iub" or given.min() < 0:
        return ""
    return (
        "if these are classes, learn an output for each, by --classes on the command line, classes=True in "
        "run_training, or NetworkClassifier"
    )
