"""Training as scikit-learn's multi-layer perceptrons do it, with the steps of ``Trainer``.

The estimators themselves are in ``sklearn.py``. Random numbers are drawn in the same order as in ``MLPClassifier``, so
that the same ``random_state`` gives the same initial weights and the same batches. With the same loss, training then
agrees up to rounding.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rashin.domain import LOGIT, NONNEGATIVE, POSITIVE, Domain
from rashin.learn.network.network import Network
from rashin.learn.network.outputs import output_for
from rashin.learn.samples.samples import Samples, blocks
from rashin.learn.training.optimizers import Adam, Momentum, Optimizer
from rashin.learn.training.trainer import Trainer, at_least_one
from rashin.loss import Loss
from rashin.registry import get

if TYPE_CHECKING:
    from numpy.random import RandomState

__all__ = [
    "Training",
    "check_settings",
    "glorot_start",
    "hidden_sizes",
    "loss_named",
    "network_of",
    "optimizer_for",
    "out_activation",
    "scores",
    "tells_yes_from_no",
]

Array = NDArray[Any]

_SHARE = Domain("share", "a number in [0, 1)", 0.0, 1 - 2**-53)
_ACTIVATIONS = {"logistic": "sigmoid", "relu": "relu", "tanh": "tanh", "identity": "identity"}
_CHOICES = {
    "activation": tuple(_ACTIVATIONS),
    "solver": ("sgd", "adam"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
}
_NUMBERS = {
    "alpha": NONNEGATIVE,
    "learning_rate_init": POSITIVE,
    "power_t": NONNEGATIVE,
    "tol": NONNEGATIVE,
    "momentum": _SHARE,
    "validation_fraction": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "epsilon": POSITIVE,
}

_SMALLEST_RATE = 1e-6  # below which "adaptive" does not divide by 5 again

# ------------------------------------------------------------------------------------------------- settings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for the first parameter of an estimator that is out of range, and name it."""
    if settings["solver"] == "lbfgs":
        raise ValueError("solver: got 'lbfgs', but training goes by mini-batches; expected 'sgd' or 'adam'")
    for name, accepted in _CHOICES.items():
        if settings[name] not in accepted:
            raise ValueError(f"{name}: got {settings[name]!r}; expected {' or '.join(map(repr, accepted))}")
    for name, domain in _NUMBERS.items():
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, Real) or not domain.contains(float(value)):
            raise ValueError(f"{name}: got {value!r}; expected {domain.description}")
    counts = {name: settings[name] for name in ("max_iter", "batch_size", "n_iter_no_change")}
    unset = {"batch_size": "auto", "n_iter_no_change": np.inf}
    at_least_one(**{name: value for name, value in counts.items() if value != unset.get(name)})
    hidden_sizes(settings["hidden_layer_sizes"])


def hidden_sizes(given: Any) -> tuple[int, ...]:
    """Units of the hidden layers, from a number or a sequence of numbers.

    >>> hidden_sizes(50), hidden_sizes([50, 20])
    ((50,), (50, 20))
    """
    sizes = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not all(isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 1 for size in sizes):
        raise ValueError(f"hidden_layer_sizes: got {given!r}; expected whole numbers >= 1, one for each layer")
    return tuple(int(size) for size in sizes)


def loss_named(given: Any) -> Loss:
    """A loss from a ``Loss``, a registered name, or ``"module:name"``."""
    if isinstance(given, Loss):
        return given
    if isinstance(given, str):
        return get(given)
    raise ValueError(f"loss: got {given!r}; expected a Loss, a name that `rashin losses` lists, or 'module:name'")


def optimizer_for(settings: Mapping[str, Any]) -> Optimizer:
    """A new optimizer for the solver."""
    rate = float(settings["learning_rate_init"])
    if settings["solver"] == "adam":
        return Adam(rate, *(float(settings[name]) for name in ("beta_1", "beta_2", "epsilon")), epsilon_hat=True)
    return Momentum(rate, float(settings["momentum"]), nesterov=settings["nesterovs_momentum"])


# --------------------------------------------------------------------------------- the scores of a network by loss


def out_activation(loss: Loss) -> str:
    """The function, by scikit-learn's name, that turns the scores of the last layer into probabilities or predictions.

    Examples
    --------
    >>> import rashin
    >>> [out_activation(loss) for loss in (rashin.focal, rashin.sigmoid_focal, rashin.poisson, rashin.hinge)]
    ['softmax', 'logistic', 'exp', 'identity']
    """
    is_probability = output_for(loss) != "identity" or loss.prediction.entry() == LOGIT
    if is_probability or loss.facts.link in ("logit", "softmax"):
        return "softmax" if loss.prediction.has_classes else "logistic"
    return "exp" if loss.facts.link == "log" else "identity"


def tells_yes_from_no(loss: Loss) -> bool:
    """True if the sign of one score decides between two classes: all targets are 0 and 1, or -1 and +1."""
    return not loss.prediction.has_classes and loss.target.entry().is_choice


# ---------------------------------------------------------------------------------------------- the network


def glorot_start(sizes: Sequence[int], activation: str, random: RandomState, dtype: DTypeLike) -> list[Array]:
    """Weights and biases of each layer, uniform within +-sqrt(6 / (inputs + units)); for logistic +-sqrt(2 / ...).

    Reference: X. Glorot, Y. Bengio (2010), Understanding the difficulty of training deep feedforward neural networks.
    """
    parameters: list[Array] = []
    for inputs, units in pairwise(sizes):
        bound = ((2.0 if activation == "logistic" else 6.0) / (inputs + units)) ** 0.5
        parameters += [random.uniform(-bound, bound, shape).astype(dtype) for shape in ((inputs, units), units)]
    return parameters


def network_of(parameters: Sequence[Array], activation: str, output: str) -> Network:
    """A network with these weights and biases; ``activation`` is scikit-learn's name."""
    words = {"activation": np.array(_ACTIVATIONS[activation]), "output": np.array(output)}
    names = [f"{kind}_{layer}" for layer in range(1, len(parameters) // 2 + 1) for kind in ("weight", "bias")]
    return Network.from_arrays({**words, **dict(zip(names, parameters, strict=True))})


def scores(parameters: Sequence[Array], activation: str, x: Any) -> Array:
    """The scores of the last layer, before any output function, (n, outputs), for dense or sparse x, (n, inputs)."""
    network = network_of(parameters, activation, "identity")
    return np.concatenate([network.predict(x[rows]) for rows in blocks(x)])


# ------------------------------------------------------------------------------------------------- training


@dataclass
class Training:
    """One call of ``fit`` or ``partial_fit``, which writes its results to the attributes of the estimator.

    Parameters
    ----------
    estimator : estimator with the settings, and the attributes of an earlier call to continue from.
    trainer : trainer of the network whose arrays are the estimator's ``coefs_`` and ``intercepts_``.
    samples : samples to train on.
    judge : function that scores the current network on the validation samples; None if the training loss decides.
    random : random state for the orders.
    """

    estimator: Any
    trainer: Trainer
    samples: Samples
    judge: Callable[[], float] | None
    random: RandomState

    def run(self, epochs: int) -> bool:
        """Train for at most so many epochs; True if training ended before that, with the network at its best."""
        if not self.samples.total:
            raise ValueError("sample_weight: got zero for all samples to train on; expected at least one weight > 0")
        self._open_record()
        best, order = self.trainer.parameters.copy(), np.arange(len(self.samples.target))
        try:
            return self._run(epochs, best, order)
        except KeyboardInterrupt:
            warnings.warn("training was interrupted; the estimator keeps what it has learnt", stacklevel=5)
            return True
        finally:
            if self.judge is not None:
                self.trainer.parameters[...] = best

    def _run(self, epochs: int, best: Array, order: Array) -> bool:
        model = self.estimator
        for model.n_iter_ in range(1, epochs + 1):
            order = order[self.random.permutation(len(order))] if model.shuffle else order
            model.loss_ = epoch(self.trainer, self.samples, order if model.shuffle else None, model.alpha)
            model.loss_curve_.append(model.loss_)
            model.t_ += len(order)
            self._say(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
            gain = self._gain()
            if gain > 0.0:
                best[...] = self.trainer.parameters
            if self._is_done(gain):
                return True
        return False

    def _open_record(self) -> None:
        """Take over the best score of an earlier call, if it was judged in the same way."""
        model = self.estimator
        if self.judge is None:
            model.best_loss_ = math.inf if model.best_loss_ is None else model.best_loss_
            model.validation_scores_ = model.best_validation_score_ = None
        elif model.validation_scores_ is None:
            model.best_loss_, model.validation_scores_, model.best_validation_score_ = None, [], -math.inf

    def _gain(self) -> float:
        """The gain of the epoch over the best one before it: in loss or, if samples are set aside, in score."""
        model = self.estimator
        if self.judge is None:
            gain = model.best_loss_ - model.loss_
            model.best_loss_ = min(model.best_loss_, model.loss_)
        else:
            score = self.judge()
            self._say(f"Validation score: {score:f}")
            model.validation_scores_.append(score)
            gain = score - model.best_validation_score_
            model.best_validation_score_ = max(model.best_validation_score_, score)
        return float(gain)

    def _is_done(self, gain: float) -> bool:
        """True if too many epochs have gained too little; also updates the learning rate."""
        model, optimizer = self.estimator, self.trainer.optimizer
        schedule = model.learning_rate if model.solver == "sgd" else "constant"
        if schedule == "invscaling":
            optimizer.learning_rate = model.learning_rate_init / (model.t_ + 1) ** model.power_t
        model._idle_epochs = 0 if gain >= model.tol else model._idle_epochs + 1
        if model._idle_epochs <= model.n_iter_no_change:
            return False
        is_last = schedule != "adaptive" or optimizer.learning_rate <= _SMALLEST_RATE
        what = f"No gain of tol={model.tol:g} for {model._idle_epochs} epochs"
        if not is_last:
            model._idle_epochs = 0
            optimizer.learning_rate /= 5.0
        self._say(f"{what}: stopping." if is_last else f"{what}: the learning rate is now {optimizer.learning_rate:g}.")
        return is_last

    def _say(self, line: str) -> None:
        if self.estimator.verbose:
            print(line)  # noqa: T201


def epoch(trainer: Trainer, samples: Samples, order: Array | None, alpha: float) -> float:
    """Train one pass over the samples; return its mean loss with the penalty, each batch measured before its step.

    Parameters
    ----------
    order : indices of all samples, which are split into batches; None keeps the order of the samples.
    alpha : factor of the penalty alpha / 2 sum(W^2), which is divided by the weight of the batch, as its loss is.
    """
    n, size = len(samples.target), trainer.batch_size
    losses = []
    for start in range(0, n, size):
        chosen = slice(start, min(start + size, n)) if order is None else order[start : start + size]
        batch = samples.rows(chosen)
        if batch.total:  # a batch of weight 0 gives no gradient
            losses.append(_step(trainer, batch, alpha))
    return math.fsum(losses) / samples.total


def _step(trainer: Trainer, batch: Samples, alpha: float) -> float:
    """Take one step; return the sum of the batch's weighted losses with the penalty, measured before the step."""
    weights, total = trainer.network.parameters[::2], batch.total
    penalty = 0.5 * alpha * sum(float(np.vdot(weight, weight)) for weight in weights) if alpha else 0.0
    trainer.weight_decay = alpha / total
    return trainer.step(batch).loss * total + penalty
