"""The class of losses: the values and derivatives of one formula. Decorators make losses, the registry keeps them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from rashin import checks
from rashin.backends import found, matrices
from rashin.parametric import Parametric
from rashin.rule import Setting

__all__ = ["Loss"]


class Loss(Parametric):
    """A loss function with its exact derivatives.

    A call returns the reduced value. ``gradient`` and ``hessian`` return the derivative of the reduced value with
    respect to the prediction and the diagonal of its Hessian, with the shape and dtype of the prediction.
    ``value_and_gradient``, ``gradient_and_hessian`` and ``value_gradient_and_hessian`` return two or all three from one
    pass over the data.

    Parameters of every method
    --------------------------
    prediction : array of real numbers. Row losses take (..., C), with the C classes along ``axis``. Losses of several
        numbers per sample take (..., P), or a tuple of P arrays (...); derivatives are then tuples too.
    target : array of the same shape; row losses take integer labels (...) or, if they accept them, distributions
        (..., C).
    weight : non-negative weights, one per sample: the shape of the prediction, or (...) for row losses.
    where : boolean mask of the same shape as ``weight``, also as objects or nullable booleans. Samples outside it are
        treated as deleted, even if they contain NaN, None, NA, text or a label that is not a class.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample.
    axis : axis of the classes of row losses, and of the numbers of losses of several numbers per sample.
    **parameters : parameters of the loss, such as ``delta``.

    Raises
    ------
    TypeError : an argument is not an array of real numbers, or a parameter is unknown.
    ValueError : shapes differ, a number lies outside its domain, or there is no sample to average.

    Examples
    --------
    >>> import rashin
    >>> rashin.huber([0.0, 3.0], [0.0, 0.0], delta=2.0)
    2.0
    >>> rashin.huber.gradient([0.0, 3.0], [0.0, 0.0], delta=2.0)
    array([0., 1.])
    """

    def __call__(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The reduced loss: a float, or an array with the loss of each sample for ``reduction="none"``."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _VALUE).value

    def gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> Any:
        """The gradient of the reduced loss, written to ``out`` if given."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _GRADIENT, out).gradient

    def hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The exact diagonal of the Hessian of the reduced loss, not a surrogate."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _HESSIAN).hessian

    def value_and_gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any]:
        """The reduced loss and its gradient, in one pass over the data."""
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _VALUE_AND_GRADIENT, out
        )
        return answer.value, answer.gradient

    def gradient_and_hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        hessian_out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any]:
        """The gradient of the reduced loss and the diagonal of its Hessian, in one pass: what tree boosting asks for.

        They are written to ``out`` and ``hessian_out`` if these are given, as ``value_gradient_and_hessian`` does.

        >>> import rashin
        >>> rashin.huber.gradient_and_hessian([0.5, 3.0], [0.0, 0.0], reduction="sum")
        (array([0.5, 1. ]), array([1., 0.]))
        """
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _GRADIENT_AND_HESSIAN, out, hessian_out
        )
        return answer.gradient, answer.hessian

    def value_gradient_and_hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        hessian_out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any, Any]:
        """The reduced loss, its gradient and the diagonal of its Hessian, in one pass over the data.

        The three have the bits that a call, ``gradient`` and ``hessian`` return. The gradient is written to ``out`` and
        the diagonal to ``hessian_out`` if these are given; each may be the prediction itself or a column of a larger
        array, but they must not overlap each other.

        >>> import numpy as np, rashin
        >>> pairs = np.empty((2, 2))
        >>> value, gradient, hessian = rashin.huber.value_gradient_and_hessian(
        ...     [0.5, 3.0], [0.0, 0.0], reduction="sum", out=pairs[:, 0], hessian_out=pairs[:, 1]
        ... )
        >>> value, pairs
        (2.625, array([[0.5, 1. ],
               [1. , 0. ]]))
        """
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _ALL_THREE, out, hessian_out
        )
        return answer.value, answer.gradient, answer.hessian

    def hessian_matrix(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The Hessian of the reduced loss by the P numbers of each sample, (..., P, P), in the prediction's dtype.

        Losses of numbers of different meaning have it, and formulas of whole rows that state their ``product``. For
        tensors and JAX arrays it takes P products with unit vectors; its derivative, a third one, raises.

        >>> import rashin
        >>> rashin.gaussian.hessian_matrix([[0.0, 0.0]], [2.0])
        array([[[1., 4.],
                [4., 8.]]])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        checks.matrix(self.rule)
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction, "prediction"), -1
        backend = found.of(prediction)
        own = getattr(backend, "hessian_matrix", None) or functools.partial(matrices.hessian_matrix, backend)
        return own(program, prediction, target, weight, where, reduction, number)

    def fisher(
        self,
        prediction: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The Hessian (..., P, P) that is expected if the target has the distribution that the prediction describes.

        It is the Fisher information, weighted and reduced as ``hessian_matrix`` is. It is never negative, so that steps
        of the natural gradient, ``solve(fisher, gradient)``, go downhill. It is computed on the CPU, and autograd does
        not follow it.

        >>> import rashin
        >>> rashin.gaussian.fisher([[0.0, 0.0]])
        array([[[1., 0.],
                [0., 2.]]])

        Reference: Amari (1998), Natural gradient works efficiently in learning.
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        checks.fisher(self.rule)
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction, "prediction"), -1
        return found.of(prediction).fisher(program, prediction, weight, where, reduction, number)

    def hessian_vector_product(
        self,
        prediction: Any,
        target: Any,
        vector: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> Any:
        """The full Hessian of the reduced loss times ``vector``: how the gradient changes in that direction.

        The vector has the shape of the prediction and finite numbers; those outside ``where`` may be anything, and
        give 0. Samples do not interact. Losses of single numbers and sums over classes have a diagonal Hessian; that of
        label losses, such as ``softmax_cross_entropy``, is dense in each row. A row loss written as a formula of whole
        rows (``rowwise`` without ``separable=True``) that states no ``product`` raises TypeError. The result is
        written to ``out`` if given, which may be the prediction or the vector.

        The terms H_jk v_k have both signs. Bounds that the tests hold for label losses in float64, in ULPs of the sum
        of their magnitudes, where the summands of an H_jk that is itself a difference count each on its own: 20, for
        ``focal`` 4 gamma more, and 4 more for rows of more than 100 classes. Narrower types are computed in double and
        rounded once. Others have the error of ``hessian`` and of one product.

        >>> import rashin
        >>> logits, label = [[1.0, 1.0, 1.0]], [0]
        >>> rashin.softmax_cross_entropy.hessian_vector_product(logits, label, [[3.0, 0.0, 0.0]])
        array([[ 0.66666667, -0.33333333, -0.33333333]])
        >>> rashin.softmax_cross_entropy.hessian(logits, label)  # the diagonal
        array([[0.22222222, 0.22222222, 0.22222222]])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            joined, along = found.stacked(prediction, "prediction"), found.stacked(vector, "vector")
            settings = {"weight": weight, "where": where, "reduction": reduction, "out": out, **parameters}
            return _parts(self.hessian_vector_product(joined, target, along, **settings))
        return found.of(prediction).hessian_vector_product(
            program, prediction, target, vector, weight, where, reduction, number, out
        )

    def per_sample(
        self,
        prediction: Any,
        target: Any,
        *,
        where: Any = None,
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The loss of each sample as float64, not rounded to the dtype of the prediction; 0 outside ``where``.

        These are the terms that every sum adds.

        >>> import numpy as np, rashin
        >>> rashin.huber.per_sample(np.float32([0.5, 3.0]), [0.0, 0.0])
        array([0.125, 2.5  ])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction, "prediction"), -1
        return found.of(prediction).sample_losses(program, prediction, target, where, number)

    def _evaluate(
        self,
        prediction: Any,
        target: Any,
        weight: Any,
        where: Any,
        reduction: str,
        axis: int | None,
        parameters: Mapping[str, Setting],
        wanted: tuple[bool, bool, bool],
        out: Any = None,
        hessian_out: Any = None,
    ) -> Any:
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            joined = found.stacked(prediction, "prediction")
            answer = self._evaluate(joined, target, weight, where, reduction, -1, parameters, wanted, out, hessian_out)
            return answer._replace(gradient=_parts(answer.gradient), hessian=_parts(answer.hessian))
        return found.of(prediction).evaluate(
            program, prediction, target, weight, where, reduction, number, wanted, out, hessian_out
        )

    def _is_in_parts(self, prediction: Any) -> bool:
        """Whether a prediction of several numbers per sample is a tuple of their arrays."""
        return type(prediction) is tuple and bool(self.prediction.columns)

    def _axis(self, axis: int | None) -> int:
        if axis is not None and not self.prediction.axes:
            raise TypeError(f"{self.name}: has no axis: it compares element by element")
        return -1 if axis is None else axis

    @property
    def _unused(self) -> frozenset[str]:
        return frozenset() if self.prediction.axes else frozenset(("axis",))


def _parts(derivative: Any) -> Any:
    """A derivative by several numbers per sample as a tuple, one array for each."""
    if derivative is None:
        return None
    return tuple(derivative[..., place] for place in range(derivative.shape[-1]))


_VALUE, _GRADIENT, _HESSIAN = (True, False, False), (False, True, False), (False, False, True)
_VALUE_AND_GRADIENT, _GRADIENT_AND_HESSIAN = (True, True, False), (False, True, True)
_ALL_THREE = (True, True, True)
