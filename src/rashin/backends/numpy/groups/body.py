"""What a body computes of sets whose members lie side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Body"]


class Body(NamedTuple):
    """The losses of the sets, what each counts in a mean, and the derivatives of these losses by the members."""

    values: NDArray[Any]
    masses: NDArray[Any]
    gradient: NDArray[Any] | None = None
    hessian: NDArray[Any] | None = None
