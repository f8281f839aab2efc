"""The class of losses of groups: a sample is a set, such as a picture, a list, or the people at risk."""

from __future__ import annotations

from typing import Any

from rashin.backends import found
from rashin.parametric import Parametric
from rashin.rule import Setting

__all__ = ["GroupLoss"]


class GroupLoss(Parametric):
    """A loss of whole sets of numbers, with its exact derivatives.

    A call returns the reduced value. ``gradient`` and ``hessian`` return the derivative of the reduced value with
    respect to the prediction and the diagonal of its Hessian, with the shape and dtype of the prediction.
    ``value_and_gradient`` and ``value_gradient_and_hessian`` return two or all three.

    Parameters of every method
    --------------------------
    prediction : array of real numbers, one for each member of a set.
    target : array of the same shape. Losses of survival take a pair of arrays (time, event), or an array (..., 2).
    group : the set of each member, an array of the same shape: whole numbers, text or dates, in any order. The members
        of a set need not lie side by side, and sets may differ in size, so that nothing has to be padded.
    axis : axis, or axes, along which the members of a set lie, as in pictures of one size; it takes the place of
        ``group``. Without both, all numbers are one set.
    weight : non-negative weights, one for each member. A weight of 2 equals two such members, unless the loss says
        otherwise.
    where : boolean mask of the same shape; members outside it are treated as deleted.
    reduction : ``"mean"`` is the sum of the losses of the sets divided by what the loss counts, which its own text
        says; 0 if there are members but none that counts. ``"sum"`` is the sum. ``"none"`` is the loss of each set: in
        the order of the sorted keys of ``group``, or with the shape that ``axis`` leaves.
    out : array for the gradient, or None.
    **parameters : parameters of the loss, such as ``alpha``.

    Raises
    ------
    TypeError : an argument is not an array of real numbers, or a parameter is unknown.
    ValueError : shapes differ, a number lies outside its domain, or there is no member to average.

    Examples
    --------
    >>> import rashin
    >>> rashin.tversky([1.0, 1.0, 0.0, 0.5], [1, 0, 0, 1], group=["a", "a", "b", "b"], reduction="none")
    array([0.33333333, 0.33333333])
    >>> rashin.tversky.gradient([[1.0, 1.0], [0.0, 0.5]], [[1, 0], [0, 1]], axis=1)
    array([[-0.22222222,  0.11111111],
           [ 0.22222222, -0.44444444]])
    """

    def __call__(
        self,
        prediction: Any,
        target: Any,
        *,
        group: Any = None,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | tuple[int, ...] | None = None,
        **parameters: Setting,
    ) -> Any:
        """The reduced loss: a float, or an array with the loss of each set for ``reduction="none"``."""
        return self._evaluate(prediction, target, group, weight, where, reduction, axis, parameters, 0)[0]

    def gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        group: Any = None,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | tuple[int, ...] | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> Any:
        """The gradient of the reduced loss, written to ``out`` if given."""
        return self._evaluate(prediction, target, group, weight, where, reduction, axis, parameters, 1, out)[1]

    def hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        group: Any = None,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | tuple[int, ...] | None = None,
        **parameters: Setting,
    ) -> Any:
        """The exact diagonal of the Hessian of the reduced loss; off it, members of one set interact."""
        return self._evaluate(prediction, target, group, weight, where, reduction, axis, parameters, 2)[2]

    def value_and_gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        group: Any = None,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | tuple[int, ...] | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any]:
        """The reduced loss and its gradient."""
        value, gradient, _ = self._evaluate(
            prediction, target, group, weight, where, reduction, axis, parameters, 1, out
        )
        return value, gradient

    def value_gradient_and_hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        group: Any = None,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | tuple[int, ...] | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any, Any]:
        """The reduced loss, its gradient and the diagonal of its Hessian."""
        value, gradient, hessian = self._evaluate(
            prediction, target, group, weight, where, reduction, axis, parameters, 2, out
        )
        return value, gradient, hessian

    def _evaluate(
        self,
        prediction: Any,
        target: Any,
        group: Any,
        weight: Any,
        where: Any,
        reduction: str,
        axis: int | tuple[int, ...] | None,
        parameters: dict[str, Setting],
        order: int,
        out: Any = None,
    ) -> Any:
        """The value and the derivatives up to an order; those beyond it are None."""
        program = self.program_for(prediction, **parameters)
        if type(target) is tuple and self.target.columns:
            target = found.stacked(target, "target")
        return found.of(prediction).evaluate_groups(
            program, prediction, target, group, weight, where, reduction, axis, order, out
        )
