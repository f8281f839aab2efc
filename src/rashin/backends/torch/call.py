"""A loss with all but its tensors, run by the sweeps of the NumPy backend on the tensors' own memory."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch

from rashin.backends import numpy as sweeps
from rashin.backends.named import numbers_of
from rashin.backends.numpy import sensitivity
from rashin.backends.torch.memory import array_of, kept_apart, scalar, tensor_of, value_type
from rashin.kernels.threads import at_most

__all__ = ["SAMPLES", "Call"]

SAMPLES = "samples"  # the reduction "none" in doubles, by another name in graphs
VALUE, GRADIENT, HESSIAN = (True, False, False), (False, True, False), (False, False, True)
VALUE_AND_GRADIENT = (True, True, False)
LARGE = 1 << 17  # elements from which on more than one thread works


class Call(NamedTuple):
    """What to compute."""

    program: sweeps.Program
    reduction: str
    axis: int
    rounded: bool = True  # False: the losses of samples are doubles

    def value(self, *tensors: Any) -> torch.Tensor:
        """The reduced loss, or the loss of each sample."""
        return self.as_tensor(self.swept(tensors, VALUE).value, tensors[0])

    def value_and_gradient(self, *tensors: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with a gradient that autograd keeps."""
        answer = self.swept(tensors, VALUE_AND_GRADIENT, kept_apart(tensors[0]))
        return self.as_tensor(answer.value, tensors[0]), tensor_of(answer.gradient)

    def gradient(self, *tensors: Any) -> torch.Tensor:
        """The gradient alone."""
        return tensor_of(self.swept(tensors, GRADIENT, kept_apart(tensors[0])).gradient)

    def hessian(self, *tensors: Any) -> torch.Tensor:
        """The diagonal of the Hessian."""
        return tensor_of(self.swept(tensors, HESSIAN).hessian)

    def swept(self, tensors: Any, wanted: tuple[bool, bool, bool], outputs: sweeps.Outputs | None = None) -> Any:
        """What the sweeps give: arrays, and a value that is a double or an array of doubles."""
        z, t, w, m = _arrays(tensors)
        settings = (self.reduction, self.axis, wanted, outputs, False)
        if z.size < LARGE:  # a context costs a small call more than it seems
            return sweeps.evaluate_arrays(self.program, z, t, w, m, *settings)
        with self.threads(z.size):
            return sweeps.evaluate_arrays(self.program, z, t, w, m, *settings)

    def as_tensor(self, value: Any, prediction: Any) -> torch.Tensor:
        """The value that a sweep gave, rounded once."""
        if self.reduction != "none":
            return scalar(value, prediction)
        return tensor_of(value).to(value_type(prediction)) if self.rounded else tensor_of(value)

    def hessian_vector_product(self, z: Any, t: Any, w: Any, m: Any, vector: torch.Tensor) -> torch.Tensor:
        """The Hessian times a vector of the prediction's shape; of float16 in float32."""
        if z.dtype is torch.float16:
            z = z.float()
        z, t, w, m, v = _arrays((z, t, w, m, vector))
        with self.threads(z.size):
            return tensor_of(
                sweeps.hessian_vector_product(self.program, z, t, v, w, m, self.reduction, self.axis, None)
            )

    def gradient_by_target(self, *tensors: Any) -> torch.Tensor:
        """The gradient by a target that can vary."""
        z, t, w, m = _arrays(tensors)
        with self.threads(z.size):
            return tensor_of(sensitivity.gradient_by_target(self.program, z, t, w, m, self.reduction, self.axis))

    def gradient_by_weight(self, *tensors: Any) -> torch.Tensor:
        """The gradient by the weights."""
        z, t, w, m = _arrays(tensors)
        with self.threads(z.size):
            found = sensitivity.gradient_by_weight(self.program, z, t, w, m, self.reduction, self.axis)
        return tensor_of(found).to(tensors[2].dtype)

    def spread(self, d: torch.Tensor, axes: int) -> torch.Tensor:
        """A derivative by the value, so shaped that it multiplies one by samples of so many axes."""
        return d.unsqueeze(self.axis) if self.reduction == "none" and axes else d

    def described(self) -> tuple[str, list[float], str, int]:
        """The same in names and numbers, as graphs are kept."""
        name = self.program.rule.name
        if "<locals>" in name:
            raise TypeError(
                f"loss: got {name.partition(':')[2].partition('@')[0]}, which is defined inside a function; expected "
                f"one that an import finds, as compiled graphs are kept by name; fix: define it at the top of a module"
            )
        if name.endswith("@None"):
            raise TypeError(
                f"loss: got {name.partition(':')[2].partition('@')[0]}, whose formula uses what may change without "
                f"notice, such as a list; expected one that always computes the same; fix: make that a parameter"
            )
        reduction = self.reduction if self.rounded else SAMPLES
        return name, list(numbers_of(self.program.rule)), reduction, self.axis

    @staticmethod
    def threads(elements: int) -> contextlib.AbstractContextManager[None]:
        """As many as torch may use, unless ours have been chosen: each rank of a job on one machine has its share."""
        if elements < LARGE:
            return contextlib.nullcontext()
        return at_most(torch.get_num_threads())


def _arrays(tensors: Any) -> Any:
    return [None if tensor is None else array_of(tensor) for tensor in tensors]
