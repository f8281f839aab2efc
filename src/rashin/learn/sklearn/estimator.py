"""What the networks for numbers and for classes share: settings, and the training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from rashin.learn import estimators
from rashin.learn.network.outputs import output_for
from rashin.learn.samples.samples import Samples, samples_for
from rashin.learn.sklearn.weights import checked_weight
from rashin.learn.training.trainer import Trainer
from rashin.loss import Loss

__all__ = ["NetworkEstimator"]

Array = NDArray[Any]


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
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
        weight = checked_weight(sample_weight, X.shape[0])
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
