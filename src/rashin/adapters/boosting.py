"""What XGBoost, LightGBM and CatBoost ask of a loss: derivatives of each sample, a start, and a link.

Nothing here needs these libraries.

Trees divide the sum of gradients in a leaf by the sum of Hessians. ``hessian`` names what is summed, for weight w:

=============  ==================================================================================================
``exact``      The true second derivative; for losses of several numbers or classes its diagonal.
``library``    What the library's own objective for the same loss takes, such as twice the diagonal for softmax.
``majorized``  A curvature h for which l(z) + l'(z) d + h d^2 / 2 is nowhere below l(z + d), if there is one: a Newton
               step then never raises the loss. It is l'(z) / (z - t) for losses of z - t that grow at most like its
               square, tanh(z / 2) / (2 z) for the logistic loss, 1/2 for softmax, and the largest curvature for the
               expectile loss, squared hinge loss and squared epsilon-insensitive loss.
``unit``       1: steps of the gradient.
``fisher``     The diagonal of the Fisher information, for losses of several numbers that are likelihoods.
=============  ==================================================================================================

All are multiplied by w once, and are at least w times ``floor``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.constant import best_constant, check_of_samples
from rashin.domain import LOGIT
from rashin.logits import sigmoid, softmax
from rashin.registry import get

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["FLOOR", "HESSIANS", "Derivatives", "boosted", "link_of", "linked", "overestimated", "start", "unit"]

Array = NDArray[Any]
Curvature: TypeAlias = Callable[["Loss", Array, Array, Any, Array, Array], Array]  # of loss, z, t, w, gradient, Hessian

HESSIANS = ("exact", "library", "majorized", "unit", "fisher")
FLOOR = 1e-16  # the least curvature that XGBoost gives the logistic loss
RAREST = np.log(1e-15)  # stands for the infinite logit or logarithm of what does not occur, as in LightGBM


def boosted(loss: Loss | str) -> Loss:
    """The loss, if trees can predict what it takes: any real numbers."""
    loss = get(loss) if isinstance(loss, str) else loss
    check_of_samples(loss)
    entries = [loss.prediction.entry(place) for place in range(max(1, loss.prediction.columns))]
    for entry in entries:
        if np.isfinite(entry.low) or np.isfinite(entry.high):
            raise ValueError(
                f"loss: got {loss.name}, which takes {entry.description} as a prediction; expected a loss of logits or "
                f"real numbers, as trees predict these; fix: use the form with logits, or transform the target"
            )
    return loss


def start(loss: Loss | str, target: Any, weight: Any = None, *, classes: int | None = None) -> Any:
    """The constant from which boosting starts: :func:`rashin.best_constant`, with finite numbers.

    A logit of a class that does not occur, and the logarithm of a mean of 0, are infinite. They become -34.54, the
    logarithm of 1e-15, or its opposite.

    Examples
    --------
    >>> import rashin
    >>> from rashin.adapters.boosting import start
    >>> start(rashin.poisson, [0.0, 2.0, 4.0]), start(rashin.poisson, [0.0, 0.0])
    (0.6931471805599453, -34.538776394910684)
    """
    found = best_constant(boosted(loss), target, weight, classes=classes)
    if isinstance(found, tuple):
        return tuple(float(x) for x in _finite(np.array(found)))
    return float(_finite(found)) if np.ndim(found) == 0 else _finite(found)


def _finite(x: Any) -> Any:
    return np.where(np.isinf(x), -np.sign(x) * RAREST, x)


def link_of(loss: Loss) -> str:
    """How predictions of trees become what is predicted: identity, log, logit or softmax.

    >>> import rashin
    >>> link_of(rashin.focal), link_of(rashin.tweedie), link_of(rashin.huber)
    ('softmax', 'log', 'identity')
    """
    if loss.prediction.entry() == LOGIT and not loss.prediction.columns:
        return "softmax" if loss.prediction.has_classes else "logit"
    return loss.facts.link if loss.prediction.axes == 0 else "identity"


def linked(loss: Loss, raw: Array) -> Array:
    """Means or probabilities from the raw predictions; these themselves if there is no link."""
    inverse: Mapping[str, Callable[[Array], Array]] = {"log": np.exp, "logit": sigmoid, "softmax": softmax}
    link = link_of(loss)
    return inverse[link](raw) if link in inverse else raw


class Derivatives:
    """Gradient and curvature of each sample, for one library.

    Parameters
    ----------
    loss : loss of real numbers or logits, or its name.
    hessian : one of :data:`HESSIANS`. None is ``"library"`` if the library has the loss, otherwise ``"exact"``.
    floor : least curvature of a sample of weight 1, >= 0.
    library : curvatures that the library uses, by name of the loss.

    Raises
    ------
    ValueError : the loss does not have that curvature.
    """

    def __init__(self, loss: Loss | str, hessian: str | None, floor: float, library: Mapping[str, Curvature]) -> None:
        self.loss = boosted(loss)
        self.hessian = hessian or ("library" if self.loss.name in library else "exact")
        checks.choice("hessian", self.hessian, HESSIANS)
        if not 0.0 <= floor < np.inf:
            raise ValueError(f"floor: got {floor!r}; expected a number >= 0")
        self.floor = float(floor)
        self.curvature = _curvature(self.loss, self.hessian, library)

    def __call__(self, prediction: Array, target: Array, weight: Array | None) -> tuple[Array, Array]:
        """The gradient and the curvature, weighted, in the shape of the prediction.

        Raises
        ------
        ValueError : a number is invalid, or the gradient is not finite.
        """
        w = _of_samples(weight, prediction, self.loss.prediction.axes)
        g, h = self.loss.gradient_and_hessian(prediction, target, weight=w, reduction="sum")
        h = self.curvature(self.loss, prediction, target, w, g, h)
        if self.floor:
            np.maximum(h, self.floor if w is None else self.floor * unit(self.loss, prediction, target, w, g, h), out=h)
        _refuse_infinite("gradient", g)
        _refuse_infinite("Hessian", h)
        return g, h


def _of_samples(weight: Array | None, prediction: Array, axes: int) -> Array | None:
    """Weights as the loss takes them: those of the rows of a table hold for all of its columns."""
    if weight is None or axes or weight.ndim == prediction.ndim:
        return weight
    return np.broadcast_to(weight[:, None], prediction.shape)


def _refuse_infinite(name: str, derivative: Array) -> None:
    if np.isfinite(derivative).all():
        return
    index = tuple(map(int, np.argwhere(~np.isfinite(derivative))[0]))
    raise ValueError(
        f"{name}: got {derivative[index]} at index {index[0] if len(index) == 1 else index}; expected finite numbers, "
        f"without which no tree can grow; fix: lower the learning rate, or begin with start(loss, target)"
    )


def _curvature(loss: Loss, hessian: str, library: Mapping[str, Curvature]) -> Curvature:
    choices: Mapping[str, Callable[[], Curvature | None]] = {
        "exact": lambda: None if _is_linear(loss) else exact,
        "library": lambda: library.get(loss.name),
        "majorized": lambda: majorized if _has_majorizer(loss) else None,
        "unit": lambda: unit,
        "fisher": lambda: fisher if loss.facts.fisher else None,
    }
    found = choices[hessian]()
    if found is None:
        others = [name for name in HESSIANS if choices[name]() is not None]
        raise ValueError(
            f"hessian: got {hessian!r} for {loss.name}, {_LACKING[hessian]}; expected one of {', '.join(others)}"
        )
    return found


_LACKING = {
    "exact": "whose curvature is 0",
    "library": "for which the library has no objective",
    "majorized": "for which no bound of the curvature is known",
    "fisher": "which has no Fisher information",
}


def _is_linear(loss: Loss) -> bool:
    """Whether the curvature is 0 almost everywhere."""
    rng, sample = np.random.default_rng(0), loss.prediction
    t = loss.target.draw(rng, 8) if not sample.has_classes else np.zeros(8, np.int64)
    if loss.target.axes:
        t = loss.target.draw(rng, 8, 3)
    z = sample.draw(rng, 8, len(loss.parameters.get("levels", (0, 0, 0))))
    return not np.any(loss.hessian(z, t, reduction="sum"))


# ------------------------------------------------------------------------------------------------ curvatures


def exact(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """The second derivative itself."""
    return h


def unit(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """1, times the weight."""
    if w is None:
        return np.ones_like(h)
    spread = w[..., None] if w.ndim < h.ndim else w
    return np.array(np.broadcast_to(spread, h.shape), h.dtype)


def overestimated(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """e^0.7 times the second derivative: the most it can be after a step of 0.7, which is as far as trees then go."""
    return np.asarray(h * h.dtype.type(np.exp(0.7)))


def fisher(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """The diagonal of the Fisher information."""
    matrices: Array = loss.fisher(z, weight=w, reduction="sum")
    diagonal: Array = np.diagonal(matrices, axis1=-2, axis2=-1)
    return diagonal.copy()


def majorized(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """A curvature with which a parabola through the loss is nowhere below it.

    Reference: de Leeuw and Lange (2009), Sharp quadratic majorization in one dimension; Böhning (1992), Multinomial
    logistic regression algorithm.
    """
    if loss.name in _OF_RESIDUALS:
        r = z - t
        return np.asarray(np.divide(g, r, out=np.array(h), where=r != 0.0))
    whole = unit(loss, z, t, w, g, h)
    if loss.name == "sigmoid_cross_entropy":
        half = 0.5 * np.where(np.abs(z) > 1e-8, z, 1e-8)  # tanh(x) / x is 1 there
        bound = 0.25 * np.tanh(half) / half * (1.0 + (loss.parameters["positive_weight"] - 1.0) * t)
    else:
        bound = np.asarray(_LARGEST[loss.name](loss))
    return np.asarray(whole * bound, h.dtype)


_OF_RESIDUALS = frozenset(
    {"half_squared_error", "squared_error", "huber", "pseudo_huber", "log_cosh", "fair", "robust"}
)
_LARGEST: Mapping[str, Callable[[Loss], float]] = {
    "expectile": lambda loss: 2.0 * max(loss.parameters["level"], 1.0 - loss.parameters["level"]),
    "squared_hinge": lambda loss: 2.0,
    "squared_epsilon_insensitive": lambda loss: 2.0,
    "softmax_cross_entropy": lambda loss: 0.5,
}


def _has_majorizer(loss: Loss) -> bool:
    if loss.name == "softmax_cross_entropy":
        return not loss.parameters["z_loss"] and loss.parameters["softcap"] is None
    return loss.name in _OF_RESIDUALS or loss.name in _LARGEST or loss.name == "sigmoid_cross_entropy"
