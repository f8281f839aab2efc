"""Metrics of torchmetrics: functions, and objects that add batches up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.libraries import torch as tensors
from rashin.audit.subject import Subject, Target

__all__ = ["subject"]

Array = NDArray[Any]


def subject(target: Target) -> Subject:
    """A metric; an object is called once for each value, without what it has added up before."""
    if not hasattr(target.f, "compute"):
        found = tensors.subject(target)
        return Subject(target, "torchmetrics", found.value, written=found.written)
    sequences = [False]
    found = tensors.subject(target, _fresh(target, sequences))

    def written(z: Array, t: Array) -> str:
        return found.pasted(z[None], t[None]) if sequences[0] else found.pasted(z, t)

    return Subject(target, "torchmetrics", found.value, written=written, streams=lambda: _stream(target))


def _fresh(target: Target, sequences: list[bool]) -> Callable[..., Any]:
    """The metric of one batch; it notes whether it takes batches of sequences."""

    def run(z: Any, t: Any) -> Any:
        metric = copy.deepcopy(target.f)
        try:
            return metric(z, t)
        except (ValueError, IndexError):
            found = copy.deepcopy(target.f)(z[None], t[None])
            sequences[0] = True
            return found

    return run


def _stream(target: Target) -> tuple[Callable[[Array, Array], None], Callable[[], float]]:
    metric = copy.deepcopy(target.f)

    def update(z: Array, t: Array) -> None:
        metric.update(tensors.tensor(z), tensors.tensor(t))

    return update, lambda: float(np.asarray(metric.compute()))
