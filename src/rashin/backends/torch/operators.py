"""The loss as operators of torch's dispatcher, for ``torch.compile``, ``torch.export`` and fake tensors.

A graph may be kept on disk and run by another process, so that an operator's arguments are tensors, names and numbers.
Each operator has an Autograd key: without one, a compiled region would give wrong gradients in silence.
"""

from __future__ import annotations

from typing import Any

import torch

from rashin.backends.named import program_of
from rashin.backends.torch.call import SAMPLES, Call
from rashin.backends.torch.device import call_on
from rashin.backends.torch.graph import BY_SAMPLES, THIRD
from rashin.backends.torch.linear import run_linear, run_linear_statistics, weighted_gradients
from rashin.backends.torch.logits import run_link, run_statistics, slope_of_link, slope_of_statistics
from rashin.backends.torch.memory import value_type

_library = torch.library.Library("rashin", "DEF")
_TENSORS = "Tensor prediction, Tensor target, Tensor? weight, Tensor? where"
_LOSS = "str loss, float[] parameters, str reduction, int axis"


def _call(z: torch.Tensor, loss: str, parameters: Any, reduction: str, axis: int) -> Call:
    program = program_of(loss, tuple(parameters))
    if reduction == SAMPLES:
        return call_on(z, program, "none", axis, False)
    return call_on(z, program, reduction, axis)


# ------------------------------------------------------------------------------------------ the operators


def _value_and_gradient(z: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    return _call(z, *loss).value_and_gradient(z, t, w, m)


def _gradient(z: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    return _call(z, *loss).gradient(z, t, w, m)


def _hessian(z: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    return _call(z, *loss).hessian(z, t, w, m)


def _product(z: Any, t: Any, w: Any, m: Any, v: Any, *loss: Any) -> Any:
    return _call(z, *loss).hessian_vector_product(z, t, w, m, v)


def _by_target(z: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    return _call(z, *loss).gradient_by_target(z, t, w, m)


def _by_weight(z: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    return _call(z, *loss).gradient_by_weight(z, t, w, m)


def _empty_value(z: Any, loss: str, parameters: Any, reduction: str, axis: int) -> Any:
    shape = list(z.shape) if reduction in ("none", SAMPLES) else []
    if shape and program_of(loss, tuple(parameters)).rule.prediction.axes:
        del shape[axis]
    return z.new_empty(shape, dtype=torch.float64 if reduction == SAMPLES else value_type(z))


def _empty_kept(z: Any, *_: Any) -> Any:
    """As the gradient that autograd keeps: contiguous, of float16 in float32."""
    wide = torch.float32 if z.dtype is torch.float16 else z.dtype if z.is_floating_point() else torch.float64
    return z.new_empty(z.shape, dtype=wide)


def _empty_as(x: Any) -> Any:
    return x.new_empty(x.shape, dtype=x.dtype if x.is_floating_point() else torch.float64)


_OPERATORS = {
    "value_and_gradient": (
        "(Tensor, Tensor)", _value_and_gradient,
        lambda z, t, w, m, *loss: (_empty_value(z, *loss), _empty_kept(z)),
    ),
    "gradient": ("Tensor", _gradient, lambda z, t, w, m, *loss: _empty_kept(z)),
    "hessian": ("Tensor", _hessian, lambda z, t, w, m, *loss: _empty_as(z)),
    "gradient_by_target": ("Tensor", _by_target, lambda z, t, w, m, *loss: _empty_as(t)),
    "gradient_by_weight": ("Tensor", _by_weight, lambda z, t, w, m, *loss: _empty_as(w)),
    "hessian_vector_product": ("Tensor", _product, lambda z, t, w, m, v, *loss: _empty_kept(z)),
}  # fmt: skip


def _define(name: str, arguments: str, result: str, run: Any, fake: Any) -> None:
    _library.define(f"{name}({arguments}) -> {result}", tags=[torch.Tag.pt2_compliant_tag])
    for device in ("CPU", "CUDA", "XPU"):
        _library.impl(name, run, device)
    torch.library.register_fake(f"rashin::{name}", fake, lib=_library)


for _name, (_result, _run, _fake) in _OPERATORS.items():
    _vector = ", Tensor vector" if _name == "hessian_vector_product" else ""
    _define(_name, f"{_TENSORS}{_vector}, {_LOSS}", _result, _run, _fake)


# ------------------------------------------------------------------------------------------- derivatives


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    z, t, w, m, *ctx.loss = inputs
    ctx.save_for_backward(z, t, w, m)


def _keep_gradient(ctx: Any, inputs: Any, output: Any) -> None:
    z, t, w, m, *ctx.loss = inputs
    ctx.save_for_backward(z, t, w, m, output[1])
    ctx.set_materialize_grads(False)


def _keep_product(ctx: Any, inputs: Any, output: Any) -> None:
    z, t, w, m, _, *ctx.loss = inputs
    ctx.save_for_backward(z, t, w, m)


def _spread(d: Any, like: Any, loss: str, parameters: Any, reduction: str, axis: int) -> Any:
    """A derivative by the value, so shaped that it multiplies one by an array of samples."""
    return d.unsqueeze(axis) if reduction in ("none", SAMPLES) and like.dim() > d.dim() else d


def _refuse_further(message: str, needed: Any) -> None:
    """A derivative that is not there: None would be a silent zero."""
    if any(needed):
        raise NotImplementedError(message)


def _of_value(ctx: Any, d: Any, d_gradient: Any) -> Any:
    z, t, w, m, kept = ctx.saved_tensors
    by_prediction = by_target = by_weight = None
    if d is not None:
        by_prediction = (kept * _spread(d, z, *ctx.loss)).to(z.dtype)
        if ctx.needs_input_grad[1]:
            by_target = torch.ops.rashin.gradient_by_target.default(z, t, w, m, *ctx.loss) * _spread(d, t, *ctx.loss)
        if ctx.needs_input_grad[2]:
            by_weight = torch.ops.rashin.gradient_by_weight.default(z, t, w, m, *ctx.loss) * d
    if d_gradient is not None:
        _refuse_further(BY_SAMPLES, ctx.needs_input_grad[1:3])
        product = torch.ops.rashin.hessian_vector_product.default(z, t, w, m, d_gradient, *ctx.loss).to(z.dtype)
        by_prediction = product if by_prediction is None else by_prediction + product
    return by_prediction, by_target, by_weight, None, None, None, None, None


def _of_gradient(ctx: Any, d: Any) -> Any:
    _refuse_further(BY_SAMPLES, ctx.needs_input_grad[1:3])
    z, *others = ctx.saved_tensors
    product = torch.ops.rashin.hessian_vector_product.default(z, *others, d, *ctx.loss)
    return (product.to(z.dtype), *[None] * 7)


def _of_product(ctx: Any, d: Any) -> Any:
    _refuse_further(THIRD, ctx.needs_input_grad[:3])
    product = torch.ops.rashin.hessian_vector_product.default(*ctx.saved_tensors, d, *ctx.loss)
    return (None, None, None, None, product, None, None, None, None)


def _refused(ctx: Any, d: Any) -> Any:
    raise NotImplementedError(
        "loss: got a call for a further derivative in a compiled graph; expected a value, or a gradient differentiated "
        "once"
    )


torch.library.register_autograd("rashin::value_and_gradient", _of_value, setup_context=_keep_gradient, lib=_library)
torch.library.register_autograd("rashin::gradient", _of_gradient, setup_context=_keep, lib=_library)
torch.library.register_autograd(
    "rashin::hessian_vector_product", _of_product, setup_context=_keep_product, lib=_library
)
for _name in ("hessian", "gradient_by_target", "gradient_by_weight"):
    torch.library.register_autograd(f"rashin::{_name}", _refused, lib=_library)


# ------------------------------------------------------------------------- functions of logits, the linear form


def _empty_link(z: Any, name: str, axis: int) -> Any:
    shape = list(z.shape)
    if name == "logsumexp":
        del shape[axis]
    return z.new_empty(shape, dtype=z.dtype if z.is_floating_point() else torch.float64)


def _empty_statistics(z: Any, t: Any, m: Any, axis: int) -> Any:
    empty = _empty_link(z, "logsumexp", axis)
    return empty, torch.empty_like(empty), torch.empty_like(empty), empty.new_empty(empty.shape, dtype=torch.int64)


def _linear(x: Any, c: Any, b: Any, t: Any, w: Any, m: Any, *loss: Any) -> Any:
    value, *gradients = run_linear(_call(x, *loss), True, x, c, b, t, w, m)
    return value, *(x.new_empty(0) if gradient is None else gradient for gradient in gradients)


def _empty_linear(x: Any, c: Any, b: Any, t: Any, w: Any, m: Any, name: str, p: Any, reduction: str, axis: int) -> Any:
    value = x.new_empty(x.shape[:1] if reduction == "none" else (), dtype=value_type(x))
    return value, _empty_as(x), _empty_as(c), x.new_empty(0) if b is None else _empty_as(b)


def _empty_linear_statistics(x: Any, c: Any, t: Any, b: Any, m: Any) -> Any:
    return _empty_statistics(x, t, m, 1)


_define("link", "Tensor logits, str name, int axis", "Tensor", run_link, _empty_link)
_define(
    "softmax_statistics", "Tensor logits, Tensor target, Tensor? where, int axis", "(Tensor, Tensor, Tensor, Tensor)",
    run_statistics, _empty_statistics,
)  # fmt: skip
_define(
    "linear", f"Tensor inputs, Tensor classifier, Tensor? bias, Tensor target, Tensor? weight, Tensor? where, {_LOSS}",
    "(Tensor, Tensor, Tensor, Tensor)", _linear, _empty_linear,
)  # fmt: skip


_define(
    "linear_statistics", "Tensor inputs, Tensor classifier, Tensor target, Tensor? bias, Tensor? where",
    "(Tensor, Tensor, Tensor, Tensor)", run_linear_statistics, _empty_linear_statistics,
)  # fmt: skip


def _keep_link(ctx: Any, inputs: Any, output: Any) -> None:
    z, ctx.name, ctx.axis = inputs
    ctx.save_for_backward(z)


def _of_link(ctx: Any, d: Any) -> Any:
    return slope_of_link(ctx.name, ctx.saved_tensors[0], ctx.axis, d), None, None


def _keep_statistics(ctx: Any, inputs: Any, output: Any) -> None:
    z, t, m, ctx.axis = inputs
    ctx.save_for_backward(z, t, m)
    ctx.set_materialize_grads(False)


def _of_statistics(ctx: Any, *d: Any) -> Any:
    z, t, m = ctx.saved_tensors
    return slope_of_statistics(z, t, m, ctx.axis, *d[:3]), None, None, None


def _keep_linear(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, name, parameters, ctx.reduction, axis = inputs
    ctx.loss, ctx.has_bias = (name, parameters, "sum", axis), inputs[2] is not None
    ctx.save_for_backward(*(tensors if ctx.reduction == "none" else output[1:]))


def _of_linear(ctx: Any, d: Any, *_: Any) -> Any:
    if ctx.reduction == "none":
        x, c, b = weighted_gradients(ctx.loss, d, *ctx.saved_tensors)
    else:
        x, c, b = (gradient * d for gradient in ctx.saved_tensors)
    return (x, c, b if ctx.has_bias else None, *[None] * 7)


torch.library.register_autograd("rashin::link", _of_link, setup_context=_keep_link, lib=_library)
torch.library.register_autograd(
    "rashin::softmax_statistics", _of_statistics, setup_context=_keep_statistics, lib=_library
)
torch.library.register_autograd("rashin::linear_statistics", _refused, lib=_library)
torch.library.register_autograd("rashin::linear", _of_linear, setup_context=_keep_linear, lib=_library)
