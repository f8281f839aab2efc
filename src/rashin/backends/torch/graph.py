"""The loss in autograd's graph: value, gradient and Hessian-vector product, each the derivative of the one before.

``Lean`` is the value where nothing transforms it, as in every training step: forward keeps the gradient, and backward
scales it in place. ``Value`` takes the transforms of ``torch.func`` and forward mode, and costs 100 us more. Neither
has third derivatives: a function that returned None for one would be a silent zero, so each raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch._compile import _disable_dynamo
from torch.autograd import Function, forward_ad

from rashin.backends.torch.call import Call
from rashin.backends.torch.memory import is_symbolic

__all__ = [
    "gradient",
    "hessian",
    "is_batched",
    "is_free",
    "is_transformed",
    "looped",
    "product",
    "refuse_nested",
    "transformable",
    "value",
]

_functorch = torch._C._functorch
_transformed: Callable[[], bool] = torch._C._are_functorch_transforms_active


def is_free(*tensors: torch.Tensor | None) -> bool:
    """Whether autograd does not follow: plain numbers then come out of plain numbers."""
    return not (is_transformed() or _is_attached(tensors))


def transformable(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, at which a compiled graph breaks where ``torch.func`` or forward mode is at work.

    The operators of a graph have neither: torch would take 0 for their tangents.
    """
    outside: Callable[..., Any] = _disable_dynamo(function)

    @functools.wraps(function)
    def entered(*arguments: Any) -> Any:
        if torch.compiler.is_compiling() and is_transformed():
            return outside(*arguments)
        return function(*arguments)

    return entered


@transformable
def value(call: Call, z: Any, t: Any, w: Any, m: Any) -> torch.Tensor:
    """The value, attached to whatever tensor needs a gradient."""
    if torch.compiler.is_compiling():
        return call.value(z, t, w, m)
    if is_transformed():
        return Value.apply(call, z, t, w, m)[0]
    return Lean.apply(call, z, t, w, m)


@transformable
def gradient(call: Call, z: Any, t: Any, w: Any, m: Any) -> torch.Tensor:
    """The gradient as a function of the prediction, in its dtype."""
    if torch.compiler.is_compiling():
        return call.gradient(z, t, w, m).to(_dtype(z))
    return Gradient.apply(call, z, _closed(t, BY_SAMPLES), _closed(w, BY_SAMPLES), m, None).to(_dtype(z))


@transformable
def product(call: Call, z: Any, t: Any, w: Any, m: Any, v: Any) -> torch.Tensor:
    """The Hessian times a vector, as a function of the vector."""
    if torch.compiler.is_compiling():
        return call.hessian_vector_product(z, t, w, m, v).to(_dtype(z))
    closed = (_closed(z, THIRD), _closed(t, BY_SAMPLES), _closed(w, BY_SAMPLES))
    return Product.apply(call, *closed, m, v).to(_dtype(z))


@transformable
def hessian(call: Call, z: Any, t: Any, w: Any, m: Any) -> torch.Tensor:
    """The Hessian's diagonal; whoever differentiates it is told that it has no derivative here."""
    if torch.compiler.is_compiling():
        return call.hessian(z, t, w, m)
    return Last.apply("hessian", call, z, t, w, m)


def _dtype(prediction: torch.Tensor) -> torch.dtype:
    return prediction.dtype if prediction.is_floating_point() else torch.float64


def is_transformed() -> bool:
    return _transformed() or forward_ad._current_level >= 0


def _is_attached(tensors: Any) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def is_batched(tensor: Any) -> bool:
    """Whether a vmap is at work, of ``torch.func`` or the older one of ``is_grads_batched``: then nothing in place."""
    return bool(_functorch.is_functorch_wrapped_tensor(tensor) or _functorch.is_legacy_batchedtensor(tensor))


# ------------------------------------------------------------------------------------------------- the ends

THIRD = "loss: got a call for its third derivative; expected one for the second at most"
BY_SAMPLES = (
    "loss: got a call for a second derivative by target or weight; expected second derivatives by the prediction; "
    "fix: use .detach() on the target and the weight"
)
NESTED = (
    "loss: got forward mode inside forward mode, where torch drops the inner derivative of every autograd.Function "
    "(PyTorch issue 197867); expected one of the two in reverse; fix: use torch.func.jacfwd(torch.func.jacrev(f))"
)


class Closed(Function):
    """A tensor by which nothing further is differentiated. The graph comes here only for such a derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(tensor: torch.Tensor, message: str) -> torch.Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.message = inputs[1]

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        raise NotImplementedError(ctx.message)

    @staticmethod
    def jvp(ctx: Any, d: Any, message: Any) -> Any:
        raise NotImplementedError(ctx.message)


def _closed(tensor: Any, message: str) -> Any:
    if tensor is None or not tensor.is_floating_point():
        return tensor
    return Closed.apply(tensor, message)


class Last(Function):
    """What a call computes by the name of its method, and by which nothing further is differentiated."""

    @staticmethod
    def forward(name: str, call: Call, z: Any, t: Any, w: Any, m: Any) -> Any:
        return getattr(call, name)(z, t, w, m)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.message = THIRD if inputs[0] == "hessian" else BY_SAMPLES

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        raise NotImplementedError(ctx.message)

    @staticmethod
    def jvp(ctx: Any, *d: Any) -> Any:
        raise NotImplementedError(ctx.message)

    @staticmethod
    def vmap(info: Any, dims: Any, name: str, call: Call, *tensors: Any) -> Any:
        return looped(info, dims[1:], lambda *one: Last.apply(name, call, *one), tensors)


# ------------------------------------------------------------------------------------------------ the value


class Value(Function):
    """The value, and beside it the gradient, which is no part of the graph but kept for it."""

    @staticmethod
    def forward(call: Call, z: Any, t: Any, w: Any, m: Any) -> Any:
        return call.value_and_gradient(z, t, w, m)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.kept, ctx.dtype = output[1], output[0].dtype

    @staticmethod
    def backward(ctx: Any, d: Any, _: Any = None) -> Any:
        if d is None:
            return None, None, None, None, None
        by_prediction = _by_prediction(ctx, d) if ctx.needs_input_grad[1] else None
        by_target = by_weight = None
        if ctx.needs_input_grad[2]:
            axes = ctx.call.program.rule.prediction.target_axes
            by_target = Last.apply("gradient_by_target", ctx.call, *ctx.saved_tensors) * ctx.call.spread(d, axes)
        if ctx.needs_input_grad[3]:
            by_weight = Last.apply("gradient_by_weight", ctx.call, *ctx.saved_tensors) * d
        return None, by_prediction, by_target, by_weight, None

    @staticmethod
    def jvp(ctx: Any, _: Any, dz: Any, dt: Any, dw: Any, dm: Any) -> Any:
        refuse_nested()
        z, t, w, m, kept = ctx.saved_tensors
        call: Call = ctx.call
        tangent: Any = 0.0
        if dz is not None:
            product = Gradient.apply(call, z, _closed(t, BY_SAMPLES), _closed(w, BY_SAMPLES), m, kept) * dz
            tangent = _summed(call, product, call.program.rule.prediction.axes)
        if dt is not None:
            product = Last.apply("gradient_by_target", call, z, t, w, m) * dt
            tangent = tangent + _summed(call, product, call.program.rule.prediction.target_axes)
        if dw is not None:
            product = Last.apply("gradient_by_weight", call, z, t, w, m) * dw
            tangent = tangent + _summed(call, product, 0)
        return tangent.to(ctx.dtype), None

    @staticmethod
    def vmap(info: Any, dims: Any, call: Call, *tensors: Any) -> Any:
        return looped(info, dims, lambda *one: Value.apply(call, *one), tensors)


class Lean(Function):
    """The value alone, in the oldest and cheapest form of a function."""

    @staticmethod
    def forward(ctx: Any, call: Call, z: Any, t: Any, w: Any, m: Any) -> Any:
        ctx.call = call
        ctx.save_for_backward(z, t, w, m)
        if not ctx.needs_input_grad[1]:
            return call.value(z, t, w, m)
        found, ctx.kept = call.value_and_gradient(z, t, w, m)
        return found

    backward = Value.backward


def _by_prediction(ctx: Any, d: torch.Tensor) -> torch.Tensor:
    """The gradient times what comes from above: the one that was kept, the first time, and in its own memory."""
    call: Call = ctx.call
    factor = call.spread(d, call.program.rule.prediction.axes)
    if torch.is_grad_enabled():
        z, t, w, m = ctx.saved_tensors
        kept = Gradient.apply(call, z, _closed(t, BY_SAMPLES), _closed(w, BY_SAMPLES), m, getattr(ctx, "kept", None))
        return (kept * factor).to(z.dtype)
    kept = ctx.__dict__.pop("kept", None)
    if kept is None:  # a second backward
        kept = call.gradient(*ctx.saved_tensors)
    if is_batched(d) or is_batched(kept) or is_symbolic(d, kept):
        return kept * factor
    return kept if factor.dim() == 0 and factor.item() == 1.0 else kept.mul_(factor)


def _summed(call: Call, product: torch.Tensor, axes: int) -> torch.Tensor:
    """The tangent of the value: over the classes of a sample, or over everything."""
    if call.reduction != "none":
        return product.sum(dtype=torch.float64)
    return product.sum(call.axis, dtype=torch.float64) if axes else product.double()


def refuse_nested() -> None:
    stack = _functorch.get_interpreter_stack() or []
    if sum(one.key() == _functorch.TransformType.Jvp for one in stack) > 1:
        raise NotImplementedError(NESTED)


def looped(info: Any, dims: Any, function: Callable[..., Any], tensors: Any) -> Any:
    """A call for each sample of a batch; samples are batched by the loss itself where that can be."""
    found = [
        function(*(x if at is None else x.select(at, k) for x, at in zip(tensors, dims[1:], strict=True)))
        for k in range(info.batch_size)
    ]
    if isinstance(found[0], tuple):
        stacked = (None if parts[0] is None else torch.stack(parts) for parts in zip(*found, strict=True))
        return tuple(stacked), tuple(None if part is None else 0 for part in found[0])
    return torch.stack(found), 0


# --------------------------------------------------------------------------------------------- derivatives


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.call, *tensors, _ = inputs
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _zeros(*tensors: Any) -> list[Any]:
    """Not None, so that the graph goes on to where a derivative by these is refused."""
    return [None if x is None or not x.is_floating_point() else x.new_zeros(()).expand_as(x) for x in tensors]


class Gradient(Function):
    """The gradient of the prediction, for which the value has ``kept`` it, or which is computed."""

    @staticmethod
    def forward(call: Call, z: Any, t: Any, w: Any, m: Any, kept: Any) -> Any:
        return call.gradient(z, t, w, m) if kept is None else kept.clone()

    setup_context = staticmethod(_keep)

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        z, t, w, m = ctx.saved_tensors
        return None, Product.apply(ctx.call, _closed(z, THIRD), t, w, m, d).to(z.dtype), *_zeros(t, w), None, None

    @staticmethod
    def jvp(ctx: Any, _: Any, dz: Any, dt: Any, dw: Any, dm: Any, dkept: Any) -> Any:
        z, t, w, m = ctx.saved_tensors
        return Product.apply(ctx.call, _closed(z, THIRD), t, w, m, dz)

    @staticmethod
    def vmap(info: Any, dims: Any, call: Call, *tensors: Any) -> Any:
        return looped(info, dims, lambda *one: Gradient.apply(call, *one), tensors)


class Product(Function):
    """The Hessian times a vector: linear in it, and its own transpose."""

    @staticmethod
    def forward(call: Call, z: Any, t: Any, w: Any, m: Any, v: Any) -> Any:
        if is_batched(v):  # the older vmap asks the dispatcher alone
            return torch.ops.rashin.hessian_vector_product.default(z, t, w, m, v, *call.described())
        return call.hessian_vector_product(z, t, w, m, v)

    setup_context = staticmethod(_keep)

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        z, t, w, m = ctx.saved_tensors
        return None, *_zeros(z, t, w), None, Product.apply(ctx.call, z, t, w, m, d)

    @staticmethod
    def jvp(ctx: Any, _: Any, dz: Any, dt: Any, dw: Any, dm: Any, dv: Any) -> Any:
        z, t, w, m = ctx.saved_tensors
        return Product.apply(ctx.call, z, t, w, m, dv)

    @staticmethod
    def vmap(info: Any, dims: Any, call: Call, *tensors: Any) -> Any:
        return looped(info, dims, lambda *one: Product.apply(call, *one), tensors)
