"""A network for classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from rashin.learn import estimators
from rashin.learn.samples.targets import class_targets
from rashin.learn.sklearn.estimator import NetworkEstimator
from rashin.learn.sklearn.weights import weight_for_each
from rashin.logits import log_softmax, sigmoid, softmax
from rashin.loss import Loss
from rashin.losses import sigmoid_cross_entropy

__all__ = ["NetworkClassifier"]

Array = NDArray[Any]

_Method = TypeVar("_Method", bound=Callable[..., Any])


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


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
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
        return float(super().score(X, y, weight_for_each(sample_weight, y)))

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


def _log_sigmoid(scores: Array) -> Array:
    loss: Array = sigmoid_cross_entropy(scores, np.ones_like(scores), reduction="none")
    return -loss
