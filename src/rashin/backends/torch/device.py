"""Losses on devices that the sweeps do not reach, such as GPUs: by their formula, in doubles, rounded once.

Sums are the device's, and not exact. A device without doubles, such as MPS, would lose digits, and is refused.
"""

from __future__ import annotations

from typing import Any

import torch

from rashin.arithmetic.torch import like
from rashin.backends.array_api.evaluation import ByFormula
from rashin.backends.formula import Space
from rashin.backends.torch.call import Call
from rashin.backends.torch.memory import array_of, is_symbolic, value_type
from rashin.backends.torch.traced import Traced
from rashin.extras import needs

__all__ = ["DeviceCall", "call_for", "call_on", "is_swept", "space_of", "to_host"]

SWEPT = {"cpu", "meta"}
WITHOUT_DOUBLES = {"mps"}


def is_swept(tensor: torch.Tensor) -> bool:
    """Whether the sweeps reach the tensor's memory; a device without doubles is refused."""
    kind = tensor.device.type
    if kind in SWEPT:
        return True
    if kind in WITHOUT_DOUBLES:
        raise TypeError(
            f"device: got {tensor.device}, which has no float64; expected one that has it, as losses are computed in "
            f"double; fix: use .to('cpu')"
        )
    return False


def call_on(tensor: torch.Tensor, *settings: Any) -> Call:
    """The call for a tensor's device."""
    return Call(*settings) if is_swept(tensor) else DeviceCall(*settings)


def call_for(tensors: Any, *settings: Any) -> Call:
    """The call for tensors: for the dispatcher, or for the device of the first."""
    return Traced(*settings) if is_symbolic(*tensors) else call_on(tensors[0], *settings)


class DeviceCall(Call):
    """A call whose methods run the formula where the tensors are."""

    def value(self, *tensors: Any) -> torch.Tensor:
        """The reduced loss, or the loss of each sample."""
        return self._rounded(self._formula(tensors[0]).evaluated(*tensors).value, tensors[0])

    def value_and_gradient(self, *tensors: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with a gradient that autograd keeps."""
        found = self._formula(tensors[0]).evaluated(*tensors)
        return self._rounded(found.value, tensors[0]), found.gradient.to(_kept_type(tensors[0]))

    def gradient(self, *tensors: Any) -> torch.Tensor:
        """The gradient alone."""
        return self._formula(tensors[0]).evaluated(*tensors).gradient.to(_kept_type(tensors[0]))

    def hessian(self, *tensors: Any) -> torch.Tensor:
        """The diagonal of the Hessian."""
        found = self._formula(tensors[0]).evaluated(*tensors).hessian
        return found.to(tensors[0].dtype) if tensors[0].is_floating_point() else found

    def hessian_vector_product(self, z: Any, t: Any, w: Any, m: Any, vector: Any) -> torch.Tensor:
        """The Hessian times a vector; of float16 in float32."""
        return self._formula(z).product(z, t, w, m, vector).to(_kept_type(z))

    def gradient_by_target(self, *tensors: Any) -> torch.Tensor:
        """The gradient by a target that can vary."""
        return self._formula(tensors[0]).by_target(*tensors).to(tensors[1].dtype)

    def gradient_by_weight(self, *tensors: Any) -> torch.Tensor:
        """The gradient by the weights: the loss of the sample; of a mean, its distance from it over their sum."""
        z, t, w, m = tensors
        losses = self._replace(reduction="none")._formula(z).evaluated(z, t, None, m).value
        if self.reduction == "mean":
            total = (w if m is None else torch.where(m, w, 0.0)).sum(dtype=torch.float64)
            losses = (losses - self._formula(z).evaluated(*tensors).value) / total
        return (losses if m is None else torch.where(m, losses, 0.0)).to(w.dtype)

    def _rounded(self, value: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        return value.to(value_type(prediction)) if self.rounded else value

    def _formula(self, z: torch.Tensor) -> ByFormula:
        return ByFormula(space_of(z), to_host, self.program, self.reduction, self.axis)


def space_of(z: torch.Tensor) -> Space:
    """What formulas of doubles are computed with on a tensor's device."""
    with needs("array_api_compat", "torch", "a loss of tensors on other devices than the CPU"):
        from array_api_compat import torch as namespace
    return Space(namespace, like(torch.empty(0, dtype=torch.float64, device=z.device)), z.device)


def to_host(tensor: torch.Tensor) -> Any:
    return array_of(tensor.cpu())


def _kept_type(prediction: torch.Tensor) -> torch.dtype:
    """Of float16 in float32, or what is scaled later would have vanished."""
    return torch.bfloat16 if prediction.dtype is torch.bfloat16 else value_type(prediction)
