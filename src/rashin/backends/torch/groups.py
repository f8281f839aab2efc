"""Losses of groups on PyTorch tensors: the sweeps of NumPy's arrays on the same memory, with autograd's first step."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch

from rashin.backends import numpy as sweeps
from rashin.backends.torch.memory import array_of, checked, scalar, tensor_of, value_type

__all__ = ["evaluate_groups"]


class _Request(NamedTuple):
    """What is asked, but for the prediction."""

    program: sweeps.Program
    target: Any
    group: Any
    weight: Any
    where: Any
    reduction: str
    axis: Any

    def answer(self, z: torch.Tensor, order: int) -> Any:
        """Value, gradient and Hessian diagonal as tensors; derivatives of float16 are in float32."""
        wide = z.float() if z.dtype is torch.float16 else z
        value, *derivatives = sweeps.evaluate_groups(self.program, array_of(wide), *self[1:], order)
        if self.reduction == "none":
            value = tensor_of(np.ascontiguousarray(value)).to(value_type(z))
        else:
            value = scalar(value, z)
        return value, *(None if array is None else tensor_of(np.ascontiguousarray(array)) for array in derivatives)

    def spread(self, shape: Any, of_sets: torch.Tensor) -> torch.Tensor:
        """A number for each set, at each of its members."""
        return tensor_of(sweeps.spread_over(tuple(shape), self.group, self.axis, self.where, array_of(of_sets)))


def evaluate_groups(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    group: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: Any,
    order: int,
    out: Any = None,
) -> Any:
    """The reduced loss and its derivatives up to an order."""
    z = _on_cpu("prediction", prediction)
    if out is not None:
        raise TypeError("out: got a tensor for a loss of groups; expected None; fix: leave it out")
    given = [None if x is None else _plain(n, x) for n, x in (("target", target), ("weight", weight), ("where", where))]
    keys = array_of(_on_cpu("group", group)) if isinstance(group, torch.Tensor) else group
    request = _Request(program, given[0], keys, given[1], given[2], reduction, axis)
    if not torch.is_grad_enabled() or not z.requires_grad:
        return _rounded(z, *request.answer(z, order))
    if not order:
        return sweeps.Answer(_Value.apply(z, request), None, None)
    _, *derivatives = request.answer(z.detach(), order)
    return _rounded(z, _Value.apply(z, request), *(None if x is None else _Closed.apply(z, x) for x in derivatives))


def _rounded(z: torch.Tensor, value: Any, *derivatives: Any) -> sweeps.Answer:
    """Derivatives in the prediction's type."""
    dtype = z.dtype if z.is_floating_point() else torch.float64
    return sweeps.Answer(value, *(None if x is None else x.to(dtype) for x in derivatives))


def _on_cpu(name: str, tensor: Any) -> torch.Tensor:
    if checked(name, tensor).device.type != "cpu":
        raise TypeError(
            f"{name}: got a tensor on {tensor.device}; expected one on the CPU, where losses of groups are computed; "
            f"fix: pass {name}.cpu(), through which autograd goes back to the device"
        )
    return tensor


def _plain(name: str, tensor: Any) -> Any:
    """The memory of a tensor that is a constant."""
    if _on_cpu(name, tensor).requires_grad:
        raise TypeError(
            f"{name}: got a tensor that requires a gradient; expected a constant, as losses of groups have no "
            f"derivative by it; fix: use {name}.detach()"
        )
    return array_of(tensor)


class _Value(torch.autograd.Function):
    """The value, whose gradient is computed along with it."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, request: _Request) -> torch.Tensor:
        value, gradient, _ = request.answer(z.detach(), 1)
        ctx.save_for_backward(z, gradient)
        ctx.request = request
        return value

    @staticmethod
    def backward(ctx: Any, d: torch.Tensor) -> Any:
        z, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            gradient = _Closed.apply(z, gradient)
        spread = ctx.request.spread(gradient.shape, d) if d.dim() else d
        return (gradient * spread).to(z.dtype), None


class _Closed(torch.autograd.Function):
    """A derivative beyond which autograd cannot go; without it a second derivative would be a silent 0."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, derivative: torch.Tensor) -> torch.Tensor:
        return derivative.view_as(derivative)

    @staticmethod
    def backward(ctx: Any, d: torch.Tensor) -> NoReturn:
        raise NotImplementedError(
            "prediction: got a second derivative of a loss of groups; expected the first; fix: use .hessian, the "
            "diagonal, or leave create_graph out"
        )
