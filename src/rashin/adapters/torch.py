"""For PyTorch: a loss as a module, and the exact loss of a data set that several processes share.

A loss itself takes tensors: ``rashin.huber(prediction, target)`` has its gradient in autograd's graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed

from rashin import measurement
from rashin.backends.torch.memory import array_of
from rashin.loss import Loss
from rashin.measurement import Measurement
from rashin.registry import get

__all__ = ["LossModule", "all_reduced", "measure"]


class LossModule(torch.nn.Module):
    """A loss as a module, for code that takes criteria. It holds no tensors: its ``state_dict`` is empty.

    Parameters
    ----------
    loss : loss, or its name.
    reduction, axis : as in a call of the loss.

    Examples
    --------
    >>> import rashin, torch
    >>> from rashin.adapters.torch import LossModule
    >>> criterion = LossModule(rashin.huber.replace(delta=2.0), reduction="sum")
    >>> criterion
    LossModule(huber(delta=2.0), reduction='sum')
    >>> criterion(torch.tensor([0.5, 5.0]), torch.zeros(2))
    tensor(8.1250)
    """

    def __init__(self, loss: Loss | str, reduction: str = "mean", axis: int | None = None) -> None:
        super().__init__()
        self.loss = get(loss) if isinstance(loss, str) else loss
        self.reduction, self.axis = reduction, axis

    def forward(
        self,
        prediction: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor | None = None,
        where: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The reduced loss."""
        keywords: Any = {"weight": weight, "where": where, "reduction": self.reduction, "axis": self.axis}
        return self.loss(prediction, target, **keywords)

    def extra_repr(self) -> str:
        """The loss with its parameters, and what is not the default."""
        axis = "" if self.axis is None else f", axis={self.axis}"
        return f"{self.loss}, reduction={self.reduction!r}{axis}"


def measure(loss: Loss | str, *tensors: Any, **options: Any) -> Measurement:
    """:func:`rashin.measure` of tensors on any device, whose gradients it does not follow.

    Examples
    --------
    >>> import rashin, torch
    >>> from rashin.adapters.torch import measure
    >>> first, second = (measure(rashin.huber, torch.arange(3.0) + start, torch.zeros(3)) for start in (0, 3))
    >>> (first + second).mean
    2.0833333333333335
    """
    return measurement.measure(loss, *map(_as_array, tensors), **{name: _as_array(x) for name, x in options.items()})


def _as_array(value: Any) -> Any:
    return array_of(value.cpu()) if isinstance(value, torch.Tensor) else value


def all_reduced(mine: Measurement, group: Any = None) -> Measurement:
    """The measurement of the data of all processes, the same bits in each, however the data are divided.

    The denominator is the weight of all rows together: a mean of the processes' means would weigh a process with few
    rows, or few tokens that are not padding, as much as one with many.

    Parameters
    ----------
    mine : measurement of this process's rows.
    group : process group; None is all processes.

    Raises
    ------
    ValueError : ``torch.distributed`` has no process group, or the processes measured different losses.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ValueError(
            "group: got no process group; expected one that is initialised; fix: call "
            "torch.distributed.init_process_group, or use the measurement as it is in a single process"
        )
    every: list[Any] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(every, mine, group=group)
    first, *others = every
    for other in others:
        first = first + other
    return first
