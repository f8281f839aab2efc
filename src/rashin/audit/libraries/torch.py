"""Losses of PyTorch: functions and modules, differentiated by autograd."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rashin.audit.subject import Subject, Target, numbers

__all__ = ["subject", "tensor"]

Array = NDArray[Any]


def subject(target: Target, call: Callable[..., Any] | None = None) -> Subject:
    """A function of tensors; ``call`` takes prediction and target and may differ from the target itself."""

    @cache
    def run(dtype: Any) -> Callable[..., Any]:
        return call or replace(target, f=_converted(target.f, dtype))

    def evaluated(z: Array, t: Array, keywords: dict[str, Any], *, tracked: bool) -> tuple[Any, Any]:
        prediction = torch.tensor(z, requires_grad=tracked)
        found = run(prediction.dtype)(prediction, tensor(t), **{name: tensor(x) for name, x in keywords.items()})
        return prediction, found

    def value(z: Array, t: Array, /, **keywords: Any) -> Array:
        found: Array = evaluated(z, t, keywords, tracked=False)[1].detach().numpy()
        return found

    def gradient(z: Array, t: Array, /, **keywords: Any) -> Array:
        prediction, found = evaluated(z, t, keywords, tracked=True)
        found.sum().backward()
        slope: Array = np.zeros_like(z) if prediction.grad is None else prediction.grad.numpy()
        return slope

    def leaves(z: Array, t: Array) -> tuple[Array, Array]:
        left = torch.tensor(z), torch.tensor(t)
        run(left[0].dtype)(*left)
        return left[0].numpy(), left[1].numpy()

    return Subject(target, "torch", value, {"gradient": gradient}, written=partial(_written, target), leaves=leaves)


def _converted(f: Any, dtype: Any) -> Any:
    """A module whose own tensors, such as weights of classes, have the dtype of the prediction, as in a model."""
    return copy.deepcopy(f).to(dtype) if _holds_tensors(f) else f


def _holds_tensors(f: Any) -> bool:
    return isinstance(f, torch.nn.Module) and any(True for _ in (*f.parameters(), *f.buffers()))


def tensor(x: Any) -> Any:
    """A copy of an array as a tensor; anything else as it is."""
    return torch.tensor(x) if isinstance(x, np.ndarray) else x


def _written(target: Target, z: Array, t: Array, **keywords: Array) -> str:
    if _holds_tensors(target.f):
        target = replace(target, expression=f"{target.expression}.to(torch.{z.dtype.name})")
    return target.written(_literal(z), _literal(t), **{name: _literal(x) for name, x in keywords.items()})


def _literal(x: Array) -> str:
    dtype = f", dtype=torch.{x.dtype.name}" if x.dtype.kind == "f" else ""
    return f"torch.tensor({numbers(x, 'torch')}{dtype})"
