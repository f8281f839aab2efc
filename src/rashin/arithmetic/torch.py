"""The vocabulary on PyTorch tensors.

A number in a formula belongs to no dtype, and ``torch.where`` makes float32 of two of them, whatever the tensors around
it. So the vocabulary is made for a tensor: numbers take its dtype, and lie on its device.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from rashin.arithmetic.arrays import iterate
from rashin.arithmetic.special import with_special_functions

__all__ = ["like"]

_SAME = ("abs", "exp", "expm1", "log", "log1p", "round", "sqrt", "sum", "tanh")


def like(z: torch.Tensor) -> SimpleNamespace:
    """The vocabulary for tensors with the dtype and the device of ``z``, float32 or float64."""

    def tensor(x: Any, dtype: Any = z.dtype) -> Any:
        return x if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=dtype, device=z.device)

    def taking_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *x, **axis: function(*map(tensor, x), **axis)

    def where(condition: Any, a: Any, b: Any) -> Any:
        return torch.where(tensor(condition, torch.bool), tensor(a), tensor(b))

    def sign(x: Any) -> Any:  # that of NaN would be 0
        return torch.where(torch.isnan(tensor(x)), tensor(x), torch.sign(tensor(x)))

    def max(x: Any, axis: int, keepdims: bool = False) -> Any:
        return torch.amax(tensor(x), dim=axis, keepdim=keepdims)

    def concat(arrays: Any, axis: int) -> Any:
        return torch.cat(arrays, dim=axis)

    same = {name: taking_numbers(getattr(torch, name)) for name in _SAME}
    # torch.float_power computes in float64, whatever it is given.
    words = SimpleNamespace(
        **same,
        log1p_unit=same["log1p"],
        narrow=lambda: False,
        float_power=taking_numbers(torch.pow),
        sign=sign,
        where=where,
        max=max,
        concat=concat,
        iterate=iterate,
    )
    return with_special_functions(words, tensor)
