"""The function under test as every check sees it: NumPy arrays in, NumPy arrays out, whatever library it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "Subject", "Target", "numpy_literal"]

Array = NDArray[Any]


class Evaluation(Protocol):
    """A function of predictions and targets; keywords are weights and masks."""

    def __call__(self, z: Array, t: Array, /, **keywords: Any) -> Array: ...


@dataclass(frozen=True)
class Target:
    """What is to be checked, and how it is called.

    Attributes
    ----------
    f : the function or object.
    name : how reports name it, such as ``torch.nn.functional.huber_loss``.
    expression : how to write it in a line that runs; ``f`` for what no expression gives.
    module : module to import for that, or "".
    parameters : names of its parameters.
    settings : keywords that every call gets.
    target_first : True if the target comes before the prediction.
    """

    f: Any
    name: str
    parameters: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    target_first: bool = False
    expression: str = ""
    module: str = ""

    def __call__(self, z: Any, t: Any, **keywords: Any) -> Any:
        first, second = (t, z) if self.target_first else (z, t)
        return self.f(first, second, **self.settings, **keywords)

    def written(self, z: str, t: str, **keywords: str) -> str:
        """The call, with arguments that are written already."""
        arguments = [t, z] if self.target_first else [z, t]
        named = {**{key: repr(value) for key, value in self.settings.items()}, **keywords}
        return f"{self.expression}({', '.join(arguments + [f'{key}={text}' for key, text in named.items()])})"


@dataclass(frozen=True)
class Subject:
    """The function under test.

    Attributes
    ----------
    target : what it was made from.
    library : name of the library whose arrays it takes.
    value : value of a batch, a number or one for each sample; None if there is none.
    gradients : derivatives of the sum of the values by the prediction, by name; the first is the usual one.
    hessian : diagonal of the second derivatives.
    written : a call that can be pasted, for predictions, targets and weights.
    weights : name of the keyword for a weight per sample, or "".
    masks : name of the keyword for a mask, or "".
    ignored : label whose rows are left out, if there is one.
    is_own : True for a loss of rashin, which is its own reference.
    leaves : prediction and target as a call leaves them; None if their arrays cannot change.
    streams : makes a fresh pair of functions ``(update, compute)`` of a metric that adds batches up; None for others.
    """

    target: Target
    library: str
    value: Evaluation | None = None
    gradients: Mapping[str, Evaluation] = field(default_factory=dict)
    hessian: Evaluation | None = None
    written: Callable[..., str] | None = None
    weights: str = ""
    masks: str = ""
    ignored: int | None = None
    is_own: bool = False
    leaves: Callable[[Array, Array], tuple[Array, Array]] | None = None
    streams: Callable[[], tuple[Callable[[Array, Array], None], Callable[[], float]]] | None = None

    @property
    def gradient(self) -> Evaluation | None:
        """The usual gradient."""
        return next(iter(self.gradients.values()), None)

    @property
    def outputs(self) -> dict[str, Evaluation]:
        """Everything that it computes, by name."""
        named = {"value": self.value, **self.gradients, "hessian": self.hessian}
        return {name: f for name, f in named.items() if f is not None}

    @property
    def main(self) -> Evaluation:
        """The value, or the gradient of an objective that has none."""
        return next(iter(self.outputs.values()))

    def pasted(self, z: Array, t: Array, w: Array | None = None) -> str:
        """The call for these samples, as one line of Python."""
        keywords = {} if w is None else {self.weights: w}
        return (self.written or self._written)(z, t, **keywords)

    def _written(self, z: Array, t: Array, **keywords: Array) -> str:
        named = {name: numpy_literal(x) for name, x in keywords.items()}
        return self.target.written(numpy_literal(z), numpy_literal(t), **named)


def numpy_literal(x: Array) -> str:
    """An array as an expression, such as ``np.array([-20.0], dtype=np.float32)``.

    >>> numpy_literal(np.float32([0.1, -np.inf]))
    'np.array([0.1, -np.inf], dtype=np.float32)'
    """
    return f"np.array({numbers(x, 'np')}, dtype=np.{x.dtype.name})"


def numbers(x: Array, module: str) -> str:
    """The numbers of an array as nested lists, each with as few digits as its dtype needs."""
    if x.ndim:
        return f"[{', '.join(numbers(one, module) for one in x)}]"
    number: Any = x[()]
    text = str(number) if x.dtype.kind in "iub" else np.format_float_scientific(number, trim="-", exp_digits=1)
    plain = str(x)
    if not np.isfinite(x):
        return f"{module}.{text.lstrip('-')}" if text[0] != "-" else f"-{module}.{text.lstrip('-')}"
    return plain if len(plain) <= len(text) + 4 else text
