"""rashin: loss functions for NumPy, PyTorch and JAX arrays - exact, at memory speed."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rashin import synonyms
from rashin.constant import best_constant
from rashin.decorators import classwise, columnwise, labelwise, memberwise, pointwise, rowwise
from rashin.facts import Facts
from rashin.group_loss import GroupLoss
from rashin.groupwise import groupwise
from rashin.kernels.threads import threads
from rashin.logits import (
    SoftmaxStatistics,
    linear_softmax_cross_entropy,
    linear_softmax_statistics,
    log_softmax,
    logsumexp,
    sigmoid,
    softmax,
    softmax_statistics,
)
from rashin.loss import Loss
from rashin.losses import *  # noqa: F403
from rashin.losses import __all__ as _names
from rashin.registry import list_group_losses, list_losses

if TYPE_CHECKING:
    from rashin.audit import check
    from rashin.measurement import Estimate, Measurement, SetMeasurement, estimate, measure, measure_table

__version__ = "0.1.0"

__all__ = [
    "Estimate",
    "Facts",
    "GroupLoss",
    "Loss",
    "Measurement",
    "SetMeasurement",
    "SoftmaxStatistics",
    "best_constant",
    "check",
    "classwise",
    "columnwise",
    "estimate",
    "groupwise",
    "labelwise",
    "linear_softmax_cross_entropy",
    "linear_softmax_statistics",
    "list_group_losses",
    "list_losses",
    "log_softmax",
    "logsumexp",
    "measure",
    "measure_table",
    "memberwise",
    "pointwise",
    "rowwise",
    "sigmoid",
    "softmax",
    "softmax_statistics",
    "threads",
    *_names,
]

_MEASURING = {
    "Estimate",
    "Measurement",
    "SetMeasurement",
    "estimate",
    "measure",
    "measure_table",
}  # imported at the first use


def __getattr__(name: str) -> Any:
    if name == "check":
        from rashin.audit import check

        return check
    if name not in _MEASURING:
        advice = "" if name.startswith("_") else _advice(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice and f': {advice}'}")
    from rashin import measurement

    return getattr(measurement, name)


def _advice(name: str) -> str:
    if name.isidentifier() and find_spec(f"{__name__}.{name}") is not None:
        return f"import {__name__}.{name} first"
    return synonyms.advice(name, __all__)
