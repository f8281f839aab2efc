"""A loss as operators of the dispatcher: for graphs that are being made, and for tensors without numbers."""

from __future__ import annotations

from typing import Any

import torch

from rashin.backends.torch.call import Call

__all__ = ["Traced"]


class Traced(Call):
    """A call whose methods are operators, which have the shapes of their results and, compiled, their derivatives."""

    def value(self, *tensors: Any) -> torch.Tensor:
        """The reduced loss, or the loss of each sample."""
        return self.value_and_gradient(*tensors)[0]

    def value_and_gradient(self, *tensors: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with a gradient that autograd keeps."""
        found: tuple[torch.Tensor, torch.Tensor] = torch.ops.rashin.value_and_gradient.default(
            *tensors, *self.described()
        )
        return found

    def gradient(self, *tensors: Any) -> torch.Tensor:
        """The gradient alone."""
        return self._operated("gradient", tensors)

    def hessian(self, *tensors: Any) -> torch.Tensor:
        """The diagonal of the Hessian."""
        return self._operated("hessian", tensors)

    def hessian_vector_product(self, *tensors: Any) -> torch.Tensor:
        """The Hessian times a vector, the last of the tensors."""
        return self._operated("hessian_vector_product", tensors)

    def gradient_by_target(self, *tensors: Any) -> torch.Tensor:
        """The gradient by a target that can vary."""
        return self._operated("gradient_by_target", tensors)

    def gradient_by_weight(self, *tensors: Any) -> torch.Tensor:
        """The gradient by the weights."""
        return self._operated("gradient_by_weight", tensors)

    def _operated(self, name: str, tensors: Any) -> torch.Tensor:
        found: torch.Tensor = getattr(torch.ops.rashin, name).default(*tensors, *self.described())
        return found
