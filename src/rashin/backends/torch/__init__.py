"""Losses on PyTorch tensors, with their derivatives in autograd's graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.numpy.sensitivity import has_target_gradient
from rashin.backends.torch import graph, operators  # noqa: F401  # operators are known to torch from here on
from rashin.backends.torch.call import Call
from rashin.backends.torch.device import call_for, to_host
from rashin.backends.torch.groups import evaluate_groups
from rashin.backends.torch.linear import evaluate_linear, linear_statistics
from rashin.backends.torch.logits import log_softmax, logsumexp, sigmoid, softmax, softmax_statistics
from rashin.backends.torch.memory import array_of, checked, tensor_of, value_type
from rashin.extras import needs

__all__ = [
    "axis_last",
    "beside",
    "detached",
    "evaluate",
    "evaluate_groups",
    "evaluate_linear",
    "fisher",
    "hessian_vector_product",
    "linear_statistics",
    "log_softmax",
    "logsumexp",
    "namespace",
    "rounded",
    "sample_losses",
    "settled",
    "sigmoid",
    "softmax",
    "softmax_statistics",
    "stacked",
    "widened",
]


def settled(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters as plain numbers: a graph is compiled for these, and again for others."""
    if not torch.compiler.is_compiling():
        return parameters
    from torch.fx.experimental.symbolic_shapes import guard_scalar  # slow, and loaded by then

    def plain(x: Any) -> Any:
        return tuple(map(plain, x)) if isinstance(x, (list, tuple)) else None if x is None else guard_scalar(x)

    return {name: plain(x) for name, x in parameters.items()}


def evaluate(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    out: Any = None,
    hessian_out: Any = None,
) -> sweeps.Answer:
    """Value, gradient and Hessian diagonal, as ``wanted``, of the reduced loss."""
    call, tensors = _call(program, reduction, axis, prediction, target, weight, where)
    if type(call) is Call and graph.is_free(*tensors):
        return _swept(call, tensors, wanted, out, hessian_out)
    _refuse_outputs(out=out, hessian_out=hessian_out)
    return sweeps.Answer(
        graph.value(call, *tensors) if wanted[0] else None,
        graph.gradient(call, *tensors) if wanted[1] else None,
        graph.hessian(call, *tensors) if wanted[2] else None,
    )


def sample_losses(program: sweeps.Program, prediction: Any, target: Any, where: Any, axis: int) -> torch.Tensor:
    """The samples' losses as doubles, as they are summed; 0 outside ``where``."""
    call, tensors = _call(program, "none", axis, prediction, target, None, where)
    return graph.value(call._replace(rounded=False), *tensors)


def hessian_vector_product(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    vector: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    out: Any,
) -> torch.Tensor:
    """The Hessian of the reduced loss times a vector."""
    call, tensors = _call(program, reduction, axis, prediction, target, weight, where)
    v = checked("vector", vector, prediction)
    if type(call) is not Call or not graph.is_free(*tensors, v):
        _refuse_outputs(out=out)
        return graph.product(call, *tensors, v)
    z, t, w, m, v = (None if tensor is None else array_of(tensor) for tensor in (*tensors, v))
    into = None if out is None else _output("out", out, prediction)
    with call.threads(prediction.numel()):
        _mark_changed(out)
        return _given(out, sweeps.hessian_vector_product(program, z, t, v, w, m, reduction, axis, into))


def fisher(
    program: sweeps.Program, prediction: Any, weight: Any, where: Any, reduction: str, axis: int
) -> torch.Tensor:
    """The expected Hessian of each sample, computed on the CPU."""
    if checked("prediction", prediction).requires_grad and torch.is_grad_enabled():
        raise TypeError(
            "prediction: got a tensor that requires a gradient; expected a constant, as autograd does not follow the "
            "Fisher information; fix: use prediction.detach()"
        )
    w, m = (None if x is None else to_host(checked(name, x)) for name, x in (("weight", weight), ("where", where)))
    found = sweeps.fisher(program, to_host(prediction.detach()), w, m, reduction, axis)
    return tensor_of(found).to(prediction.device)


def axis_last(tensor: torch.Tensor, axis: int) -> torch.Tensor:
    """The tensor with an axis moved to the end."""
    return tensor.movedim(axis, -1)


def _call(
    program: sweeps.Program, reduction: str, axis: int, z: Any, t: Any, w: Any, m: Any
) -> tuple[Call, tuple[Any, Any, Any, Any]]:
    """The call, and its tensors; what their numbers are, the sweeps check."""
    checked("prediction", z)
    checked("target", t, z)
    if w is not None:
        checked("weight", w, z)
    if m is not None:
        checked("where", m, z)
    if t.requires_grad and not has_target_gradient(program.rule, t.dim() < z.dim()):
        raise TypeError(
            "target: got a tensor that requires a gradient; expected a constant, as the loss has no derivative by it; "
            "fix: use target.detach()"
        )
    if torch.jit.is_tracing():
        raise TypeError(
            "prediction: got a tensor under torch.jit.trace, which would keep the loss of these numbers as a constant; "
            "expected a call outside it; fix: use torch.export or torch.compile"
        )
    checks.choice("reduction", reduction)
    return call_for((z, t, w, m), program, reduction, axis), (z, t, w, m)


def _swept(call: Call, tensors: Any, wanted: tuple[bool, bool, bool], out: Any, hessian_out: Any) -> sweeps.Answer:
    """All in one pass over tensors that autograd does not follow."""
    if wanted == (True, False, False):
        return sweeps.Answer(call.value(*tensors), None, None)
    given: Any = [
        None if o is None else _output(name, o, tensors[0]) for name, o in (("out", out), ("hessian_out", hessian_out))
    ]
    if all(array is not None for array in given):
        checks.separate(*given)
    answer = call.swept(tensors, wanted, sweeps.Outputs(*given))
    _mark_changed(out, hessian_out)
    value = call.as_tensor(answer.value, tensors[0]) if wanted[0] else None
    return sweeps.Answer(value, _given(out, answer.gradient), _given(hessian_out, answer.hessian))


def _given(out: torch.Tensor | None, array: Any) -> Any:
    return out if out is not None or array is None else tensor_of(array)


def _output(name: str, out: Any, z: torch.Tensor) -> Any:
    """The memory of a tensor that can take a derivative."""
    dtype = z.dtype if z.is_floating_point() else torch.float64
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"{name}: got {type(out).__name__}; expected a torch tensor, as the prediction is one")
    if out.shape != z.shape or out.dtype != dtype or out.device != z.device:
        raise ValueError(
            f"{name}: got shape {tuple(out.shape)}, {out.dtype} on {out.device}; expected shape {tuple(z.shape)}, "
            f"{dtype} on {z.device}"
        )
    if out.requires_grad:
        raise ValueError(
            f"{name}: got a tensor that requires a gradient; expected memory that autograd does not follow; "
            f"fix: use torch.empty_like(prediction)"
        )
    if out.is_neg() or any(step == 0 and size > 1 for step, size in zip(out.stride(), out.shape, strict=True)):
        raise ValueError(
            f"{name}: got a view without memory for each of its elements; expected a tensor that can be written to; "
            f"fix: use {name}.clone()"
        )
    return array_of(out)


def _mark_changed(*outputs: torch.Tensor | None) -> None:
    """NumPy writes behind torch's back: without a new version, a backward would take the new numbers for the old."""
    for out in outputs:
        if out is not None:
            torch.autograd.graph.increment_version(out)


def _refuse_outputs(**outputs: Any) -> None:
    for name, out in outputs.items():
        if out is not None:
            raise TypeError(
                f"{name}: got a tensor where autograd follows the loss, or on another device than the CPU; expected "
                f"None there; fix: leave {name} out, or call it inside `with torch.no_grad():`"
            )


def stacked(parts: Any) -> torch.Tensor:
    """Tensors beside each other along a new last axis."""
    return torch.stack([checked("prediction", part) for part in parts], dim=-1)


def namespace(array: Any) -> Any:
    """torch's functions by the names of the array API."""
    with needs("array_api_compat", "torch", "a dialect on tensors"):
        from array_api_compat import torch as functions
    return functions


def beside(values: Any, like: torch.Tensor) -> torch.Tensor:
    """The values as a tensor, on the device of another one."""
    return torch.as_tensor(values, device=like.device)


def widened(tensor: Any) -> torch.Tensor:
    """The numbers in doubles."""
    return checked("prediction", tensor).to(torch.float64)


def detached(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers as constants, through which no derivative goes."""
    return tensor.detach()


def rounded(found: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Numbers in the type of the value for a prediction."""
    return found.to(value_type(like))
