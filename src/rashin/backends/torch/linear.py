"""The loss after a linear layer on tensors: value and gradients from one walk over blocks of logits."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import Function

from rashin.backends import numpy as sweeps
from rashin.backends.torch.call import Call
from rashin.backends.torch.graph import is_batched, is_free, is_transformed, looped, refuse_nested, transformable
from rashin.backends.torch.memory import array_of, checked, is_symbolic, tensor_of

__all__ = ["evaluate_linear", "linear_statistics"]


@transformable
def evaluate_linear(
    program: sweeps.Program, inputs: Any, classifier: Any, target: Any, bias: Any, weight: Any, where: Any,
    reduction: str, derive: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The reduced value, and the gradients if ``derive``."""
    given: Any = (inputs, classifier, bias, target, weight, where)
    call = Call(program, reduction, -1)
    names = ("inputs", "classifier", "bias", "target", "weight", "where")
    for name, tensor in zip(names, given, strict=True):
        if tensor is not None or name in ("inputs", "classifier", "target"):
            checked(name, tensor, inputs if name != "inputs" else None)
    _refuse_devices("inputs", inputs)
    _refuse_varying(target=target, weight=weight)
    if torch.compiler.is_compiling():
        if derive:
            raise TypeError(
                "linear_softmax_cross_entropy: got a call of gradient in a compiled graph; expected one of the value; "
                "fix: differentiate the value"
            )
        return torch.ops.rashin.linear.default(*given, *call.described())[0], None
    if is_free(*given):
        value, *gradients = _run(call, derive, *given)
        return value, tuple(gradients) if derive else None
    value = Linear.apply(call, *given)[0]
    return value, Once.apply(call, torch.ones_like(value.detach()), *given) if derive else None


def _refuse_devices(name: str, tensor: torch.Tensor) -> None:
    if tensor.device.type not in ("cpu", "meta"):
        raise TypeError(
            f"{name}: got a tensor on {tensor.device}; expected the CPU, as this function has no form for other "
            f"devices yet; fix: use .cpu()"
        )


def _refuse_varying(**tensors: Any) -> None:
    for name, tensor in tensors.items():
        if tensor is not None and tensor.requires_grad:
            raise TypeError(
                f"{name}: got a tensor that requires a gradient; expected a constant, as the linear form has "
                f"derivatives by inputs, classifier and bias only; fix: use {name}.detach()"
            )


def _run(call: Call, derive: bool, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any) -> tuple[Any, ...]:
    """Value and gradients, by the dispatcher's operator where that alone can have them."""
    if not is_symbolic(x, c, b, t, w, m) and (w is None or not is_batched(w)):
        return run_linear(call, derive, x, c, b, t, w, m)
    value, by_inputs, by_classifier, by_bias = torch.ops.rashin.linear.default(x, c, b, t, w, m, *call.described())
    return value, by_inputs, by_classifier, None if b is None else by_bias


def run_linear(call: Call, derive: bool, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any) -> tuple[Any, ...]:
    """Value and gradients by NumPy's backend on the tensors' memory."""
    inputs, classifier, target, bias, weight, where = (
        None if tensor is None else array_of(tensor) for tensor in (x, c, t, b, w, m)
    )
    with call.threads(x.shape[0] * c.shape[0]):
        value, gradients = sweeps.evaluate_linear(
            call.program, inputs, classifier, target, bias, weight, where, call.reduction, derive
        )
    found = call.as_tensor(value, x)
    if gradients is None:
        return found, None, None, None
    return found, *(None if gradient is None else tensor_of(gradient) for gradient in gradients)


class Linear(Function):
    """The value, and beside it the gradients, kept for backward."""

    @staticmethod
    def forward(call: Call, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any) -> Any:
        return _run(call, True, x, c, b, t, w, m)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.mark_non_differentiable(*(gradient for gradient in output[1:] if gradient is not None))
        ctx.kept, ctx.dtype = output[1:], output[0].dtype

    @staticmethod
    def backward(ctx: Any, d: Any, *_: Any) -> Any:
        if torch.is_grad_enabled():
            return None, *Once.apply(ctx.call, d, *ctx.saved_tensors), None, None, None
        kept = ctx.__dict__.pop("kept", None)
        return None, *_gradients(ctx.call, d, kept, *ctx.saved_tensors), None, None, None

    @staticmethod
    def jvp(ctx: Any, _: Any, *moves: Any) -> Any:
        refuse_nested()
        if ctx.call.reduction == "none":
            raise NotImplementedError(
                "reduction: got 'none' for a derivative of the linear form in forward mode; expected 'mean' or 'sum'; "
                "fix: use reverse mode"
            )
        one = torch.ones((), dtype=ctx.dtype, device=ctx.saved_tensors[0].device)
        slopes = Once.apply(ctx.call, one, *ctx.saved_tensors)
        pairs = zip(slopes, moves[:3], strict=True)
        tangent: Any = sum((slope * move).sum(dtype=torch.float64) for slope, move in pairs if move is not None)
        return tangent.to(ctx.dtype), None, None, None

    @staticmethod
    def vmap(info: Any, dims: Any, call: Call, *tensors: Any) -> Any:
        return looped(info, dims, lambda *one: Linear.apply(call, *one), tensors)


class Once(Function):
    """The gradients where a graph of them is asked for: they are in it, and have no derivatives."""

    @staticmethod
    def forward(call: Call, d: Any, *tensors: Any) -> Any:
        return tuple(_gradients(call, d, None, *tensors))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *d: Any) -> Any:
        raise NotImplementedError(SECOND)

    @staticmethod
    def jvp(ctx: Any, *d: Any) -> Any:
        raise NotImplementedError(SECOND)

    @staticmethod
    def vmap(info: Any, dims: Any, call: Call, *tensors: Any) -> Any:
        return looped(info, dims, lambda *one: Once.apply(call, *one), tensors)


SECOND = (
    "linear_softmax_cross_entropy: got a call for its second derivative; expected one for the first at most; "
    "fix: use softmax_cross_entropy of the logits"
)


def _gradients(call: Call, d: torch.Tensor, kept: Any, *given: Any) -> Any:
    """By inputs, classifier and bias, times what comes from above; in place of what was ``kept``."""
    if call.reduction == "none":
        is_sum = kept is not None and not _is_abstract(d) and bool((d == 1.0).all())
        return kept if is_sum else _weighted(call, d, *given)
    if kept is None:  # a second backward
        tensors: Any = given
        kept = _run(call, True, *tensors)[1:]
    return [None if gradient is None else _scaled(gradient, d) for gradient in kept]


def _scaled(gradient: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    if _is_abstract(d) or is_batched(gradient):
        return gradient * d
    return gradient if d.item() == 1.0 else gradient.mul_(d)


def _is_abstract(d: torch.Tensor) -> bool:
    """Whether it has no number that could be read."""
    return is_batched(d) or is_transformed() or is_symbolic(d)


def _weighted(call: Call, d: torch.Tensor, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any) -> list[Any]:
    """The gradients of a weighted sum of the samples' losses: the part with weights >= 0, less the other one's."""
    total = call._replace(reduction="sum")
    if _is_abstract(d):
        return weighted_gradients(total.described(), d, x, c, b, t, w, m)
    parts: list[tuple[Any, ...]] = []
    for weight in _halves(d, w):
        if not parts or weight.any():
            parts.append(run_linear(total, True, x, c, b, t, weight, m)[1:])
    if len(parts) == 1:
        return list(parts[0])
    return [None if plus is None else plus - minus for plus, minus in zip(*parts, strict=True)]


def _halves(d: torch.Tensor, w: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors of samples as weights >= 0: the positive ones, and what is left with its sign changed."""
    factor = d.double() if w is None else d.double() * w
    return factor.clamp(min=0.0), (-factor).clamp(min=0.0)


def weighted_gradients(loss: Any, d: Any, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any) -> list[Any]:
    """The same by the dispatcher's operator, for factors that cannot be looked at; ``loss`` as graphs have it."""
    plus, minus = (torch.ops.rashin.linear.default(x, c, b, t, weight, m, *loss)[1:] for weight in _halves(d, w))
    return [None if b is None and k == 2 else plus[k] - minus[k] for k in range(3)]


def linear_statistics(inputs: Any, classifier: Any, target: Any, bias: Any, where: Any) -> tuple[torch.Tensor, ...]:
    """The statistics of the rows of logits, which have no derivatives here."""
    checked("inputs", inputs)
    for name, tensor in (("classifier", classifier), ("target", target), ("bias", bias), ("where", where)):
        if tensor is not None:
            checked(name, tensor, inputs)
    if not is_free(inputs, classifier, bias):
        raise TypeError(
            "inputs: got tensors that autograd follows; expected constants, as these statistics have no derivatives; "
            "fix: call it inside `with torch.no_grad():`, or use softmax_statistics of the logits"
        )
    given = (inputs, classifier, target, bias, where)
    if is_symbolic(*given):
        return tuple(torch.ops.rashin.linear_statistics.default(*given))
    return run_linear_statistics(*given)


def run_linear_statistics(*tensors: Any) -> tuple[torch.Tensor, ...]:
    """The statistics by NumPy's backend on the tensors' memory."""
    arrays = [None if tensor is None else array_of(tensor) for tensor in tensors]
    return tuple(map(tensor_of, sweeps.linear_statistics(*arrays)))
