"""Tensors as arrays on the same memory, and arrays as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rashin.backends.numpy import Outputs
from rashin.extras import needs

__all__ = ["array_of", "checked", "is_symbolic", "kept_apart", "scalar", "tensor_of", "value_type"]

_REAL = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool,
    torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32, torch.uint64,
}  # fmt: skip


def checked(name: str, tensor: Any, beside: torch.Tensor | None = None) -> torch.Tensor:
    """A tensor of real numbers that lies in strides; ``beside`` another, on its device."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(
            f"{name}: got {type(tensor).__name__}; expected a torch tensor, as the prediction is one; "
            f"fix: torch.as_tensor({name}, device=prediction.device)"
        )
    if tensor.layout is not torch.strided or tensor.is_nested:
        raise TypeError(f"{name}: got a tensor of layout {tensor.layout}; expected torch.strided; fix: use .to_dense()")
    if tensor.dtype not in _REAL:
        raise TypeError(f"{name}: got dtype {tensor.dtype}; expected real numbers (floating, integer or bool)")
    if beside is not None and tensor.device != beside.device:
        raise ValueError(
            f"{name}: got a tensor on {tensor.device}; expected {beside.device}, where the prediction is; "
            f"fix: use .to(prediction.device)"
        )
    return tensor


def is_symbolic(*tensors: torch.Tensor | None) -> bool:
    """Whether a graph is being made, or one of the tensors has no numbers: then they are for the dispatcher."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0:
        return True
    return any(tensor is not None and _has_no_numbers(tensor) for tensor in tensors)


def _has_no_numbers(tensor: torch.Tensor) -> bool:
    """Also if it has them in other tensors, as a subclass with a ``__torch_dispatch__`` of its own may."""
    if tensor.is_meta:
        return True
    kind = type(tensor)
    return kind is not torch.Tensor and kind.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__


def array_of(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's memory as an array."""
    tensor = tensor.detach()
    if tensor.is_neg():  # a view that negates as it is read
        tensor = tensor.resolve_neg()
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.uint16).numpy().view(_bfloat16())
    return tensor.numpy()


def tensor_of(array: NDArray[Any]) -> torch.Tensor:
    """The array's memory as a tensor."""
    if array.dtype.kind == "V":  # bfloat16, whose name takes longer to ask for
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _bfloat16() -> Any:
    """NumPy has no such type of its own."""
    with needs("ml_dtypes", "torch", "a loss of bfloat16 tensors"):
        from ml_dtypes import bfloat16
    return bfloat16


def value_type(prediction: torch.Tensor) -> torch.dtype:
    """The prediction's dtype, or float32 if it has 16 bits, as a scaled float16 would soon be infinite."""
    if prediction.dtype in (torch.float64, torch.float32):
        return prediction.dtype
    return torch.float32 if prediction.is_floating_point() else torch.float64


def scalar(value: float, prediction: torch.Tensor) -> torch.Tensor:
    """A 0-d tensor on the prediction's device, whatever the default device is."""
    return torch.scalar_tensor(value, dtype=value_type(prediction), device=prediction.device)


def kept_apart(prediction: torch.Tensor) -> Outputs | None:
    """Where the gradient is kept of float16: in float32, or what is scaled later would have vanished.

    Other gradients have the prediction's type, and NumPy's memory: it asks the system for huge pages. A fresh 262 MB
    took 180 ms from torch, and 25 ms from NumPy.
    """
    return Outputs(np.empty(prediction.shape, np.float32), None) if prediction.dtype is torch.float16 else None
