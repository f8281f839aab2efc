"""Estimators with scikit-learn's interface for any loss; ``rashin.learn`` imports them at their first use.

This is the file that needs scikit-learn.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from rashin.learn import estimators
from rashin.learn.network.outputs import output_for
from rashin.learn.samples.samples import Samples, samples_for
from rashin.learn.samples.targets import class_targets
from rashin.learn.training.trainer import Trainer
from rashin.logits import log_softmax, sigmoid, softmax
from rashin.loss import Loss
from rashin.losses import sigmoid_cross_entropy

__all__ = ["NetworkClassifier", "NetworkRegressor"]

Array = NDArray[Any]

_Method = TypeVar("_Method", bound=Callable[..., Any])


class _NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """The settings and the training that both estimators share."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        loss: str | Loss | None = None,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
    ) -> None:
        self.hidden_layer_sizes, self.activation, self.loss = hidden_layer_sizes, activation, loss
        self.solver, self.alpha, self.batch_size = solver, alpha, batch_size
        self.learning_rate, self.learning_rate_init, self.power_t = learning_rate, learning_rate_init, power_t
        self.max_iter, self.shuffle, self.random_state, self.tol = max_iter, shuffle, random_state, tol
        self.verbose, self.warm_start = verbose, warm_start
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Train on all samples; with ``warm_start``, continue from the last fit.

        Parameters
        ----------
        X : array, data frame or sparse array (n, features), finite. float32 is trained in float32, everything else in
            float64. A sparse array stays sparse.
        y : targets, (n,) or (n, outputs).
        sample_weight : weight of each sample, (n,), or one number for all, finite and >= 0; None weights all equally.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        ValueError : a parameter is out of range, or the loss cannot take the data or the targets.
        Diverged : the loss is no longer finite.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X: Any, y: Any, sample_weight: Any, classes: Array | None = None, once: bool = False) -> Any:
        settings = self.get_params(deep=False)
        estimators.check_settings(settings)
        if once and self.early_stopping:
            raise ValueError("early_stopping: got True; expected False for partial_fit, which takes one pass")
        is_new = not hasattr(self, "coefs_") or not (self.warm_start or once)
        X, y = self._validated(X, y, is_new)
        weight = _checked_weight(sample_weight, X.shape[0])
        loss, target, outputs = self._prepared(y, is_new, classes)
        random = check_random_state(self.random_state)
        if is_new:
            self._begin((X.shape[1], *estimators.hidden_sizes(self.hidden_layer_sizes), outputs), random, X.dtype)
        self._check_outputs(loss, outputs)
        if is_new or not once:
            self._optimizer = estimators.optimizer_for(settings)
        self.out_activation_ = estimators.out_activation(loss)
        trainer = self._trainer(loss, X.shape[0])
        nothing = np.broadcast_to(np.int8(0), X.shape)  # X is already checked, and may be sparse
        samples = samples_for(trainer.network, loss, nothing, target, weight)._replace(x=X)
        self._train(trainer, samples, y, random, once)
        return self

    def _validated(self, X: Any, y: Any, is_new: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=is_regressor(self),
            dtype=(np.float64, np.float32),
            reset=is_new,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _begin(self, sizes: tuple[int, ...], random: Any, dtype: Any) -> None:
        self._keep(estimators.glorot_start(sizes, self.activation, random, dtype))
        self.n_layers_, self.n_outputs_, self.t_ = len(sizes), sizes[-1], 0
        self.loss_curve_: list[float] = []
        self.best_loss_ = self.validation_scores_ = self.best_validation_score_ = None
        self._idle_epochs = 0

    def _check_outputs(self, loss: Loss, outputs: int) -> None:
        if outputs != self.n_outputs_:
            raise ValueError(
                f"y: got targets for {outputs} outputs with {loss.name}; expected {self.n_outputs_}, as the network to "
                "go on from has; fix: start a new one with warm_start=False"
            )

    def _keep(self, parameters: list[Array]) -> None:
        self.coefs_, self.intercepts_ = parameters[::2], parameters[1::2]

    @property
    def _parameters(self) -> list[Array]:
        return [array for layer in zip(self.coefs_, self.intercepts_, strict=True) for array in layer]

    def _trainer(self, loss: Loss, n: int) -> Trainer:
        """A trainer of the network with the arrays ``coefs_`` and ``intercepts_``."""
        network = estimators.network_of(self._parameters, self.activation, output_for(loss))
        size = min(200, n) if self.batch_size == "auto" else int(self.batch_size)
        trainer = Trainer(network, loss, self._optimizer, batch_size=size, rise=math.inf)
        self._keep(network.parameters)
        return trainer

    def _train(self, trainer: Trainer, samples: Samples, y: Array, random: Any, once: bool) -> None:
        judge = None
        if self.early_stopping:
            samples, judge = self._set_aside(samples, y, random)
        has_converged = estimators.Training(self, trainer, samples, judge, random).run(1 if once else self.max_iter)
        if not (has_converged or once):
            warnings.warn(
                f"max_iter={self.max_iter} epochs are over, and the training has not converged yet",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _set_aside(self, samples: Samples, y: Array, random: Any) -> tuple[Samples, Callable[[], float]]:
        """The samples to train on, and a function that scores the network on the others."""
        kept, aside = train_test_split(
            np.arange(len(y)),
            random_state=random,
            test_size=self.validation_fraction,
            stratify=y if self._sets_aside_by_class else None,
        )
        if len(aside) < 2:
            raise ValueError(
                f"validation_fraction: got {self.validation_fraction}, which sets {len(aside)} of {len(y)} samples "
                "aside; expected two or more"
            )
        judged, target = samples.rows(aside), y[aside]
        return samples.rows(kept), lambda: self._judged(judged.x, target, judged.weight)

    def _scores(self, X: Any) -> Array:
        check_is_fitted(self)
        return self._scores_of(validate_data(self, X, accept_sparse="csr", reset=False))

    def _scores_of(self, checked: Any) -> Array:
        return estimators.scores(self._parameters, self.activation, checked)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _gives_probabilities(estimator: Any) -> bool:
    """True if the scores are logits; the fit decides or, before it, the loss."""
    if hasattr(estimator, "out_activation_"):
        function = estimator.out_activation_
    else:
        loss = "softmax_cross_entropy" if estimator.loss is None else estimator.loss
        function = estimators.out_activation(estimators.loss_named(loss))
    if function in ("softmax", "logistic"):
        return True
    raise AttributeError(
        f"loss: got {estimator.loss!r}, which gives scores; expected a loss that gives probabilities, such as "
        "softmax_cross_entropy, focal or sigmoid_cross_entropy; fix: decision_function gives the scores"
    )


_where_it_gives_probabilities: Callable[[_Method], _Method] = available_if(_gives_probabilities)


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):  # type: ignore[misc]
    """A multi-layer perceptron for classes with a loss of your choice: ``MLPClassifier`` with ``loss=``.

    Parameters, attributes and methods have the names, defaults and meanings of scikit-learn's ``MLPClassifier``. With
    the same ``random_state`` and loss, training is the same up to rounding.

    Parameters
    ----------
    hidden_layer_sizes : units of the hidden layers: a whole number >= 1, or a sequence of them, which may be empty.
    activation : activation after each hidden layer: ``"relu"``, ``"logistic"``, ``"tanh"`` or ``"identity"``.
    loss : registered name, ``Loss``, or ``"module:name"``. None is the cross-entropy: ``softmax_cross_entropy`` for
        three or more classes, ``sigmoid_cross_entropy`` for two classes and for multilabel targets. A row loss has one
        output per class. A pointwise loss also has one output per class, with codes of 0 and 1 or of -1 and +1; for two
        classes it has one output if its target is always such a code, as that of ``hinge``. The class with the largest
        score is predicted.
    solver : ``"adam"``, or ``"sgd"`` with momentum. ``"lbfgs"`` is not available.
    alpha : factor >= 0 of the penalty alpha / 2 sum(W^2), which is divided by the weight of the samples of a batch.
    batch_size : samples per step; ``"auto"`` is 200, or all samples if there are fewer.
    learning_rate : schedule of ``"sgd"``: ``"constant"``; ``"invscaling"``, which divides by (samples seen + 1)^power_t
        after each epoch; or ``"adaptive"``, which divides by 5 instead of stopping, until 1e-6.
    learning_rate_init : learning rate, > 0.
    power_t : exponent >= 0 of ``"invscaling"``.
    max_iter : largest number of epochs; a ``ConvergenceWarning`` is issued if training has not converged by then.
    shuffle : switch; True draws a new order for each epoch.
    random_state : seed or random state for the initial weights, the orders, and the samples set aside.
    tol, n_iter_no_change : smallest gain, and number of epochs: training stops when the loss (with ``early_stopping``,
        the score on the samples set aside) has not gained ``tol`` for more than that number of epochs.
    verbose : switch; True prints a line for each epoch.
    warm_start : switch; True continues each ``fit`` from the last one.
    momentum, nesterovs_momentum : share in [0, 1), and switch that looks ahead, for ``"sgd"``.
    early_stopping, validation_fraction : switch that sets samples aside, compares epochs by them and keeps the best;
        and their share, in [0, 1).
    beta_1, beta_2, epsilon : two shares in [0, 1) and a number > 0, for ``"adam"``; see ``Adam`` with ``epsilon_hat``.

    Attributes
    ----------
    classes_ : classes; the column numbers if y is an indicator matrix.
    n_features_in_, feature_names_in_ : number and names of the columns of X; names only if X has them.
    coefs_, intercepts_ : weights (inputs, units) and biases (units,) of each layer.
    n_layers_, n_outputs_ : number of layers, including that of the inputs, and number of units of the last.
    out_activation_ : function that turns scores into probabilities: ``"softmax"``, ``"logistic"``, or ``"identity"``
        if there are none.
    loss_, best_loss_, loss_curve_ : mean loss with the penalty: of the last epoch, the lowest, and of all epochs.
    validation_scores_, best_validation_score_ : scores on the samples set aside, with ``early_stopping``; otherwise
        None.
    n_iter_, t_ : epochs of the last fit, and number of samples seen in total.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from rashin.learn import NetworkClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = NetworkClassifier((20,), loss="focal", learning_rate_init=0.01, tol=1e-3, random_state=0).fit(x, y)
    >>> model.predict([[5.1, 3.5, 1.4, 0.2]]), model.score(x, y) > 0.95
    (array([0]), True)

    Reference: D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), Learning representations by back-propagating
    errors; D. P. Kingma, J. Ba (2015), Adam: a method for stochastic optimization; X. Glorot, Y. Bengio (2010),
    Understanding the difficulty of training deep feedforward neural networks.
    """

    classes_: Array

    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Any:
        """Train one pass over these samples, continuing from the last call.

        Parameters
        ----------
        X, y, sample_weight : as in ``fit``.
        classes : all classes that will occur; the first call needs them.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        ValueError : as in ``fit``; or classes are missing in the first call or differ in a later one, or y contains
            another class.
        """
        is_first = not hasattr(self, "coefs_")
        if is_first and classes is None:
            raise ValueError(
                "classes: got None on the first call of partial_fit; expected all classes; fix: classes=np.unique(y)"
            )
        known: Array = self.classes_ if classes is None else unique_labels(classes)
        if not is_first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes: got {classes!r}; expected {self.classes_}, as in the last call")
        return self._fit(X, y, sample_weight, classes=known, once=True)

    def _prepared(self, y: Array, is_new: bool, classes: Array | None) -> tuple[Loss, Array, int]:
        """The loss, its targets for y, and the number of outputs that it needs."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(f"y: got several columns of classes, shape {y.shape}; expected classes (n,), or 0 and 1")
        self._is_multilabel = kind == "multilabel-indicator"
        self._learn_classes(np.arange(y.shape[1]) if self._is_multilabel else unique_labels(y), is_new, classes)
        loss = self._loss
        self._softcap = loss.parameters["softcap"] if "softcap" in loss.options else None
        has_signs = estimators.tells_yes_from_no(loss)
        if self._is_multilabel and not has_signs:
            raise ValueError(
                f"loss: got {loss.name} for several columns of y; expected a loss whose target is "
                "0 or 1, or -1 or +1, such as sigmoid_cross_entropy"
            )
        if not self._is_multilabel and not (has_signs and len(self.classes_) == 2):
            outputs = len(self.classes_)
            return loss, class_targets(loss, np.searchsorted(self.classes_, y), outputs), outputs
        is_true = y > 0 if self._is_multilabel else (y == self.classes_[1])[:, None]
        no, yes = class_targets(loss, [0, 1], 2)[:, 1]
        return loss, np.where(is_true, yes, no), is_true.shape[1]

    @property
    def _loss(self) -> Loss:
        if self.loss is not None:
            return estimators.loss_named(self.loss)
        is_choice = self._is_multilabel or len(self.classes_) == 2
        return estimators.loss_named("sigmoid_cross_entropy" if is_choice else "softmax_cross_entropy")

    def _learn_classes(self, found: Array, is_new: bool, classes: Array | None) -> None:
        known = classes if classes is not None else found if is_new else self.classes_
        if set(found) != set(known) and (classes is None or not set(found) <= set(known)):
            raise ValueError(f"y: got the classes {found}; expected {known}, for which the network was made")
        self.classes_ = known

    @property
    def _sets_aside_by_class(self) -> bool:
        return not self._is_multilabel and len(self.classes_) == 2

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The accuracy, weighted by ``sample_weight``, (n,) or one number for all."""
        return float(super().score(X, y, _for_each(sample_weight, y)))

    def predict(self, X: Any) -> Array:
        """The class with the largest score for each sample, (n,); 0 and 1, (n, labels), if y was such a matrix."""
        return self._told(self._scores(X))

    def _told(self, scores: Array) -> Array:
        if self._is_multilabel:
            return (scores > 0.0).astype(np.int64)
        winners = (scores[:, 0] > 0.0).astype(np.intp) if self._has_one_score(scores) else scores.argmax(axis=1)
        told: Array = self.classes_[winners]
        return told

    def _has_one_score(self, scores: Array) -> bool:
        """True if one score decides between two classes."""
        return scores.shape[1] == 1 and len(self.classes_) == 2

    def _judged(self, X: Any, y: Array, weight: Array | None) -> float:
        return float(accuracy_score(y, self._told(self._scores_of(X)), sample_weight=weight))

    def decision_function(self, X: Any) -> Array:
        """The scores: (n, classes); for two classes (n,), positive for the second."""
        scores = self._scores(X)
        if self._is_multilabel or len(self.classes_) > 2:
            return scores
        return scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]

    @_where_it_gives_probabilities
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n, classes), or of each label for multilabel targets.

        If a two-class loss was trained for each of several classes, the probabilities are scaled to sum to 1.
        """
        scores = self._scores(X)
        probabilities: Array = sigmoid(scores) if self._is_multilabel else softmax(self._logits(scores))
        return probabilities

    @_where_it_gives_probabilities
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of ``predict_proba``, without underflow."""
        scores = self._scores(X)
        logarithms: Array = _log_sigmoid(scores) if self._is_multilabel else log_softmax(self._logits(scores))
        return logarithms

    def _logits(self, scores: Array) -> Array:
        """Logits whose softmax gives the probabilities of the classes."""
        if self.out_activation_ == "softmax":
            return scores if self._softcap is None else self._softcap * np.tanh(scores / self._softcap)
        return np.hstack([np.zeros_like(scores), scores]) if self._has_one_score(scores) else _log_sigmoid(scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetworkRegressor(RegressorMixin, _NetworkEstimator):  # type: ignore[misc]
    """A multi-layer perceptron for numbers with a loss of your choice: ``MLPRegressor`` with any ``loss=``.

    Parameters, attributes and methods have the names, defaults and meanings of scikit-learn's ``MLPRegressor``. With
    the same ``random_state`` and loss, training is the same up to rounding. Those that differ from
    ``NetworkClassifier`` are listed here.

    Parameters
    ----------
    loss : pointwise loss: a registered name such as ``"huber"``, ``"quantile"`` or ``"poisson"``, a ``Loss``, or
        ``"module:name"``. None is ``half_squared_error``, which scikit-learn calls ``squared_error``; rashin's
        ``squared_error`` is twice as large. The loss is summed over the outputs.

    Attributes
    ----------
    out_activation_ : function that turns scores into predictions: ``"identity"``; ``"exp"`` for losses with a log link,
        whose predictions are means > 0; ``"logistic"`` for losses of probabilities.

    Examples
    --------
    The upper decile of y, not its mean:

    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import NetworkRegressor
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1.0, 1.0, (500, 1))
    >>> y = x[:, 0] + rng.exponential(size=500)
    >>> model = NetworkRegressor((20,), loss=rashin.quantile.replace(quantile=0.9), learning_rate_init=0.01,
    ...                          max_iter=500, random_state=0).fit(x, y)
    >>> 0.87 < np.mean(y <= model.predict(x)) < 0.93
    np.True_

    Reference: D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), Learning representations by back-propagating
    errors; D. P. Kingma, J. Ba (2015), Adam: a method for stochastic optimization; X. Glorot, Y. Bengio (2010),
    Understanding the difficulty of training deep feedforward neural networks.
    """

    _sets_aside_by_class = False

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Train one pass over these samples, continuing from the last call; the arguments are those of ``fit``."""
        return self._fit(X, y, sample_weight, once=True)

    def _prepared(self, y: Array, is_new: bool, classes: Array | None) -> tuple[Loss, Array, int]:
        loss = estimators.loss_named("half_squared_error" if self.loss is None else self.loss)
        if loss.prediction.axes:
            what = "compares rows of classes" if loss.prediction.has_classes else "takes several numbers per sample"
            raise ValueError(
                f"loss: got {loss.name}, which {what}; expected a loss of single numbers, such as "
                "half_squared_error, huber, quantile or poisson"
            )
        target = y.reshape(len(y), -1)
        return loss, target, target.shape[1]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The coefficient of determination R^2, weighted by ``sample_weight``, (n,) or one number for all."""
        return float(super().score(X, y, _for_each(sample_weight, y)))

    def predict(self, X: Any) -> Array:
        """The predictions, (n,) or (n, outputs)."""
        return self._told(self._scores(X))

    def _told(self, scores: Array) -> Array:
        told: Array = _INVERSE_LINKS[self.out_activation_](scores)
        return told[:, 0] if told.shape[1] == 1 else told

    def _judged(self, X: Any, y: Array, weight: Array | None) -> float:
        told = self._told(self._scores_of(X))
        return float(r2_score(y, told, sample_weight=weight)) if np.isfinite(told).all() else math.nan

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


_INVERSE_LINKS: dict[str, Callable[[Array], Array]] = {"identity": np.asarray, "exp": np.exp, "logistic": sigmoid}


def _log_sigmoid(scores: Array) -> Array:
    loss: Array = sigmoid_cross_entropy(scores, np.ones_like(scores), reduction="none")
    return -loss


def _for_each(weight: ArrayLike | None, y: Any) -> ArrayLike | None:
    """A single number as one weight per target, as scikit-learn's own estimators do."""
    if not _is_one_number(weight):
        return weight
    return _checked_weight(weight, y.shape[0] if hasattr(y, "shape") else len(y))


def _is_one_number(weight: Any) -> bool:
    return isinstance(weight, Real) or (isinstance(weight, np.ndarray) and weight.ndim == 0)


def _checked_weight(weight: ArrayLike | None, n: int) -> Array | None:
    if weight is None:
        return None
    weight = np.full(n, weight) if _is_one_number(weight) else weight
    checked: Array = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if checked.shape != (n,):
        raise ValueError(f"sample_weight: got shape {checked.shape}; expected one weight per sample, shape ({n},)")
    if checked.min() < 0.0:
        raise ValueError(f"sample_weight: got {checked.min()}; expected finite weights >= 0")
    if not checked.any():
        raise ValueError("sample_weight: got zero for all samples; expected at least one weight > 0")
    return checked
