"""For PyTorch: softmax cross-entropy where the classes are split over the processes of a group (vocabulary parallel).

Value and gradients are those of all classes together. The logits are never gathered: the processes exchange four
numbers of each row.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from rashin.backends.torch import sharded
from rashin.losses.multiclass import softmax_cross_entropy

__all__ = ["sharded_linear_softmax_cross_entropy", "sharded_softmax_cross_entropy"]


def sharded_softmax_cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    group: Any = None,
    weight: torch.Tensor | None = None,
    where: torch.Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
) -> torch.Tensor:
    """The :func:`rashin.softmax_cross_entropy` of rows whose classes are split over the processes of a group.

    Every rank calls it with the same arguments but for its logits, gets the same value, and calls ``backward`` with it,
    for the gradient by its own logits. If the call fails on one rank, it raises on all.

    Parameters
    ----------
    logits : tensor (N, C_r) of real numbers: this rank's classes, which follow those of the ranks before it. Ranks may
        have different numbers of classes, also none.
    target : labels (N,), counted over the classes of all ranks.
    group : process group; None is all processes.
    weight : non-negative weights (N,).
    where : boolean mask (N,); samples outside it are neither evaluated nor checked.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample.
    label_smoothing : share s in [0, 1]; the target becomes (1 - s) q + s / C, where C counts the classes of all ranks.
    z_loss : factor >= 0 of the added term z_loss logsumexp(z)^2, over the classes of all ranks.
    softcap : bound c > 0 of the logits, which first become c tanh(z / c).

    Raises
    ------
    TypeError : an argument is not a tensor of real numbers on the CPU.
    ValueError : there is no process group, shapes do not fit, a number is NaN or lies outside its domain, the logits of
        a row have no limit (all -inf, several +inf), there is no sample to average, or the ranks' arguments differ.

    Examples
    --------
    >>> import torch
    >>> from torch import distributed
    >>> from rashin.adapters.torch_sharded import sharded_softmax_cross_entropy
    >>> distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    >>> sharded_softmax_cross_entropy(torch.tensor([[20.0, 0.0]]), torch.tensor([0]))
    tensor(2.0612e-09)
    >>> distributed.destroy_process_group()

    Reference: Shoeybi et al. (2019), Megatron-LM: training multi-billion parameter language models using model
    parallelism.
    """
    options = partial(_program, label_smoothing, z_loss, softcap)
    return sharded.evaluate(options, group, logits, target, weight, where, reduction)


def sharded_linear_softmax_cross_entropy(
    inputs: torch.Tensor,
    classifier: torch.Tensor,
    target: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    group: Any = None,
    weight: torch.Tensor | None = None,
    where: torch.Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
) -> torch.Tensor:
    """The :func:`rashin.linear_softmax_cross_entropy` of a classifier whose rows are split over processes.

    As :func:`sharded_softmax_cross_entropy`, but with the logits ``inputs @ classifier.T + bias``, which are computed
    by blocks of rows and never stored: once for the value, once more for the gradients.

    Parameters
    ----------
    inputs : tensor (N, D), the same on all ranks, bit for bit. ``backward`` adds up the ranks' gradients by them, so
        that each rank has the whole one.
    classifier : tensor (C_r, D): this rank's classes, which follow those of the ranks before it.
    target, group, weight, where, reduction, label_smoothing, z_loss, softcap : as there.
    bias : tensor (C_r,), or None on all ranks; -inf masks a class.

    Raises
    ------
    TypeError, ValueError : as there.

    Examples
    --------
    >>> import torch
    >>> from torch import distributed
    >>> from rashin.adapters.torch_sharded import sharded_linear_softmax_cross_entropy
    >>> distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    >>> inputs, classifier = torch.tensor([[2.0]], requires_grad=True), torch.tensor([[1.0], [0.0], [-1.0]])
    >>> sharded_linear_softmax_cross_entropy(inputs, classifier, torch.tensor([1])).backward()
    >>> inputs.grad
    tensor([[0.8509]])
    >>> distributed.destroy_process_group()
    """
    options = partial(_program, label_smoothing, z_loss, softcap)
    return sharded.evaluate_linear(options, group, inputs, classifier, bias, target, weight, where, reduction)


def _program(label_smoothing: float, z_loss: float, softcap: float | None) -> Any:
    return softmax_cross_entropy.program_for(label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
