"""Links and statistics of logits on tensors. Their derivatives are computed in double and rounded once."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import Function

from rashin.backends import numpy as sweeps
from rashin.backends.formula import links
from rashin.backends.torch.device import is_swept, space_of, to_host
from rashin.backends.torch.graph import looped, refuse_nested, transformable
from rashin.backends.torch.memory import array_of, checked, is_symbolic, tensor_of

__all__ = ["log_softmax", "logsumexp", "sigmoid", "softmax", "softmax_statistics"]


def softmax(logits: Any, axis: int) -> torch.Tensor:
    """Probabilities along ``axis``."""
    return _link("softmax", checked("logits", logits), axis)


def log_softmax(logits: Any, axis: int) -> torch.Tensor:
    """Log-probabilities along ``axis``."""
    return _link("log_softmax", checked("logits", logits), axis)


def logsumexp(logits: Any, axis: int) -> torch.Tensor:
    """The logarithm of the sum of the exponentials along ``axis``."""
    return _link("logsumexp", checked("logits", logits), axis)


def sigmoid(logits: Any) -> torch.Tensor:
    """The logistic function, element by element."""
    return _link("sigmoid", checked("logits", logits), 0)


@transformable
def _link(name: str, logits: torch.Tensor, axis: int) -> torch.Tensor:
    if torch.compiler.is_compiling():
        return torch.ops.rashin.link.default(logits, name, axis)
    return Link.apply(name, logits, axis)


def run_link(logits: torch.Tensor, name: str, axis: int) -> torch.Tensor:
    """A link of NumPy's backend on the tensor's memory, or by its formula where that is out of reach."""
    if not is_swept(logits):
        return _by_formula(logits, name, axis)
    given = (array_of(logits),) if name == "sigmoid" else (array_of(logits), axis)
    return tensor_of(getattr(sweeps, name)(*given))


def _by_formula(logits: torch.Tensor, name: str, axis: int) -> torch.Tensor:
    space, z = space_of(logits), logits.double()
    if name == "sigmoid":
        if z.isnan().any():
            sweeps.sigmoid(to_host(logits))
        e = torch.exp(-z.abs())
        return (torch.where(z >= 0.0, 1.0, e) / (1.0 + e)).to(logits.dtype)
    parts = links(space, z.movedim(axis, -1))
    if parts[2].isnan().any():
        getattr(sweeps, name)(to_host(logits), axis)  # which says what is wrong
    if name == "logsumexp":
        return parts[2].to(logits.dtype)
    return parts[0 if name == "softmax" else 1].movedim(-1, axis).to(logits.dtype)


def slope_of_link(name: str, z: torch.Tensor, axis: int, d: torch.Tensor, forward: bool = False) -> torch.Tensor:
    """The Jacobian times ``d``, from the left, or from the right if ``forward``, as a function of the logits."""
    z, dtype, d = z.double(), z.dtype, d.double()
    if name == "sigmoid":
        product = d * _link(name, z, axis) * _link(name, -z, axis)
    else:
        p = _link("softmax", z, axis)
        if name == "softmax":
            product = p * (d - (p * d).sum(axis, keepdim=True))
        elif name == "log_softmax":
            product = d - ((p * d).sum(axis, keepdim=True) if forward else p * d.sum(axis, keepdim=True))
        else:
            product = (p * d).sum(axis) if forward else p * d.unsqueeze(axis)
    return product.to(dtype)


class Link(Function):
    """One of the links, whose derivatives are made of links."""

    @staticmethod
    def forward(name: str, z: Any, axis: int) -> Any:
        if is_symbolic(z):
            return torch.ops.rashin.link.default(z, name, axis)
        return run_link(z, name, axis)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.name, z, ctx.axis = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        (z,) = ctx.saved_tensors
        return None, slope_of_link(ctx.name, z, ctx.axis, d), None

    @staticmethod
    def jvp(ctx: Any, _: Any, dz: Any, __: Any) -> Any:
        refuse_nested()
        (z,) = ctx.saved_tensors
        return slope_of_link(ctx.name, z, ctx.axis, dz, forward=True)

    @staticmethod
    def vmap(info: Any, dims: Any, name: str, z: Any, axis: int) -> Any:
        """The batch goes first, and the classes are counted from the end."""
        z = z.movedim(dims[1], 0)
        return Link.apply(name, z, axis if axis < 0 else axis - (z.dim() - 1)), 0


# ------------------------------------------------------------------------------------------------ statistics


@transformable
def softmax_statistics(logits: Any, target: Any, axis: int, where: Any) -> tuple[torch.Tensor, ...]:
    """Log-probability of the label, logsumexp, entropy and rank of each row; the first three have derivatives."""
    checked("logits", logits)
    checked("target", target, logits)
    if not is_swept(logits):
        raise TypeError(
            f"logits: got a tensor on {logits.device}; expected the CPU, as this function has no form for other "
            f"devices yet; fix: use .cpu()"
        )
    if where is not None:
        checked("where", where, logits)
    if torch.compiler.is_compiling():
        return tuple(torch.ops.rashin.softmax_statistics.default(logits, target, where, axis))
    return Statistics.apply(logits, target, where, axis)


def run_statistics(logits: Any, target: Any, where: Any, axis: int) -> tuple[torch.Tensor, ...]:
    """The statistics by NumPy's backend on the tensors' memory."""
    mask = None if where is None else array_of(where)
    return tuple(map(tensor_of, sweeps.softmax_statistics(array_of(logits), array_of(target), axis, mask)))


def slope_of_statistics(z: Any, t: Any, m: Any, axis: int, d_label: Any, d_sum: Any, d_entropy: Any) -> torch.Tensor:
    """The Jacobian from the left: a function of the logits that links make."""
    dtype, outside = z.dtype, None if m is None else ~m.unsqueeze(axis)
    z, zero = z.double(), torch.zeros((), dtype=torch.float64, device=z.device)
    if outside is not None:
        z, t = torch.where(outside, zero, z), torch.where(m, t, 0)
    p, found = _link("softmax", z, axis), zero.expand(z.shape)
    if d_label is not None:
        one = torch.zeros_like(z).scatter(axis, t.long().unsqueeze(axis), 1.0)
        found = found + (one - p) * d_label.double().unsqueeze(axis)
    if d_sum is not None:
        found = found + p * d_sum.double().unsqueeze(axis)
    if d_entropy is not None:
        surprise = torch.where(p > 0.0, -_link("log_softmax", z, axis), zero)
        entropy = (p * surprise).sum(axis, keepdim=True)
        found = found + p * (surprise - entropy) * d_entropy.double().unsqueeze(axis)
    return (found if outside is None else torch.where(outside, zero, found)).to(dtype)


class Statistics(Function):
    """The four statistics."""

    @staticmethod
    def forward(z: Any, t: Any, m: Any, axis: int) -> Any:
        if is_symbolic(z, t, m):
            return tuple(torch.ops.rashin.softmax_statistics.default(z, t, m, axis))
        return run_statistics(z, t, m, axis)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        z, t, m, ctx.axis = inputs
        ctx.save_for_backward(z, t, m)
        ctx.save_for_forward(z, t, m)
        ctx.mark_non_differentiable(output[3])
        ctx.dtype = output[0].dtype
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *d: Any) -> Any:
        z, t, m = ctx.saved_tensors
        return slope_of_statistics(z, t, m, ctx.axis, *d[:3]), None, None, None

    @staticmethod
    def jvp(ctx: Any, dz: Any, *_: Any) -> Any:
        """Each statistic of a row, moved by the row of its slopes."""
        refuse_nested()
        z, t, m = ctx.saved_tensors
        ones = torch.ones_like(z.select(ctx.axis, 0), dtype=torch.float64)
        slopes = (
            slope_of_statistics(z, t, m, ctx.axis, *(ones if k == which else None for k in range(3)))
            for which in range(3)
        )
        return *((slope * dz).sum(ctx.axis, dtype=torch.float64).to(ctx.dtype) for slope in slopes), None

    @staticmethod
    def vmap(info: Any, dims: Any, z: Any, t: Any, m: Any, axis: int) -> Any:
        return looped(info, (None, *dims[:3]), lambda *one: Statistics.apply(*one, axis), (z, t, m))
