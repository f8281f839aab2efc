"""Processes of a group for tests, and what runs in them: losses whose classes are split over their ranks."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from multiprocessing import get_all_start_methods, get_context
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import distributed

from rashin.adapters.torch import all_reduced, measure
from rashin.adapters.torch_sharded import sharded_linear_softmax_cross_entropy, sharded_softmax_cross_entropy
from rashin.backends.numpy.sharded import LayerPart
from rashin.backends.torch.memory import array_of, tensor_of

__all__ = ["SIZES", "Pool"]

# How many of the classes each rank has, for groups of 1 to 4 ranks.
SIZES = {1: (27,), 2: (1, 26), 3: (7, 0, 20), 4: (5, 1, 0, 21)}
PATIENCE = 60  # seconds


class Pool:
    """Four processes, of which the first few compute together."""

    def __init__(self, folder: Any) -> None:
        context: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
        if context.get_start_method() == "forkserver":
            context.set_forkserver_preload(["shards"])  # torch is imported once
        pipes = [context.Pipe() for _ in range(4)]
        self.ends = [pipe[0] for pipe in pipes]
        path = str(folder / "store")
        self.processes = [
            context.Process(target=serve, args=(rank, path, pipe[1]), daemon=True) for rank, pipe in enumerate(pipes)
        ]
        for process in self.processes:
            process.start()

    def run(self, size: int, function: Any, *arguments: Any) -> list[Any]:
        """What ``function(group, *arguments)`` gives on each of ``size`` ranks, or the error it raises."""
        for end in self.ends:
            end.send((size, function, arguments))
        answers = []
        for end in self.ends:
            assert end.poll(PATIENCE), "a rank waits for another one"
            answers.append(end.recv())
        return answers[:size]

    def close(self) -> None:
        for end in self.ends:
            end.send(None)
        for process in self.processes:
            process.join(PATIENCE)


def serve(rank: int, path: str, end: Any) -> None:
    torch.set_num_threads(1)
    patience = timedelta(seconds=PATIENCE / 2)
    store = distributed.FileStore(path, 4)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=4, timeout=patience)
    groups = {size: distributed.new_group(list(range(size)), timeout=patience) for size in SIZES}
    while (task := end.recv()) is not None:
        size, function, arguments = task
        try:
            answer = function(groups[size], *arguments) if rank < size else None
        except Exception as error:
            answer = type(error), str(error)
        end.send(answer)
    distributed.destroy_process_group()


def measured(group: Any, z: Any, t: Any, w: Any) -> Any:
    """What all ranks make of their rows, of which they have unequal numbers."""
    sizes = np.cumsum([0, *SIZES[distributed.get_world_size(group)]])
    rank = distributed.get_rank(group)
    rows = slice(int(sizes[rank]), int(sizes[rank + 1]))
    one = measure("huber", torch.tensor(z[rows]), torch.tensor(t[rows]), torch.tensor(w[rows]))
    whole = all_reduced(one, group)
    return whole.mean, whole.sum, whole.weight, whole.count


def mine(group: Any, array: Any, axis: int = -1, sizes: Any = None) -> Any:
    """This rank's classes of an array."""
    sizes = SIZES[distributed.get_world_size(group)] if sizes is None else sizes
    rank = distributed.get_rank(group)
    start = sum(sizes[:rank])
    return np.take(array, range(start, start + sizes[rank]), axis)


def leaf(array: Any) -> torch.Tensor:
    return tensor_of(np.ascontiguousarray(array)).requires_grad_()


def tensors(options: Any) -> Any:
    return {k: tensor_of(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def of_logits(group: Any, cases: Any) -> list[Any]:
    """Value and gradient of each case: logits, labels, a factor, options."""
    found = []
    for z, t, factor, options in cases:
        part = leaf(mine(group, z))
        value = sharded_softmax_cross_entropy(part, tensor_of(t), group=group, **tensors(options))
        value.backward(torch.ones_like(value) * (tensor_of(factor) if isinstance(factor, np.ndarray) else factor))
        found.append((array_of(value), array_of(part.grad)))
    return found


def of_layer(group: Any, cases: Any) -> list[Any]:
    """Value and the three gradients of each case."""
    found = []
    for x, c, b, t, factor, options in cases:
        given = [leaf(x), leaf(mine(group, c, 0)), None if b is None else leaf(mine(group, b, 0))]
        keywords = tensors(options)
        value = sharded_linear_softmax_cross_entropy(
            given[0], given[1], tensor_of(t), given[2], group=group, **keywords
        )
        value.backward(torch.ones_like(value) * (tensor_of(factor) if isinstance(factor, np.ndarray) else factor))
        found.append((array_of(value), *(None if one is None else array_of(one.grad) for one in given)))
    return found


def refused(group: Any, cases: Any) -> list[Any]:
    """What each case raises: arguments, and others for the last rank."""
    found = []
    last = distributed.get_rank(group) == distributed.get_world_size(group) - 1
    for function, arguments, others in cases:
        given = {"group": group, **tensors({**arguments, **(others if last else {})})}
        given[function] = tensor_of(mine(group, given[function].numpy(), -1 if function == "logits" else 0))
        run = sharded_softmax_cross_entropy if function == "logits" else sharded_linear_softmax_cross_entropy
        try:
            found.append(run(**given).item())
        except Exception as error:
            found.append((type(error).__name__, str(error)))
    return found


def graphs(group: Any, z: Any, x: Any, c: Any, t: Any) -> dict[str, Any]:
    """What becomes of a graph that is used twice, differentiated twice, or whose logits have changed."""
    found: dict[str, Any] = {}
    labels = tensor_of(t)
    logits, inputs, rows = leaf(mine(group, z)), leaf(x), leaf(mine(group, c, 0))

    def losses() -> Any:
        return (
            (sharded_softmax_cross_entropy(logits, labels, group=group), (logits,)),
            (sharded_linear_softmax_cross_entropy(inputs, rows, labels, group=group), (inputs, rows)),
        )

    for name, (loss, leaves) in zip(("logits", "linear"), losses(), strict=True):
        first = torch.autograd.grad(loss, leaves, retain_graph=True)
        again = torch.autograd.grad(loss, leaves, torch.tensor(1.0, dtype=loss.dtype))
        found[f"{name}, twice"] = all(map(torch.equal, first, again))
    for name, (loss, leaves) in zip(("logits", "linear"), losses(), strict=True):
        slopes = torch.autograd.grad(loss, leaves, create_graph=True)
        found[f"{name}, second"] = error_of(lambda slopes=slopes: slopes[0].square().sum().backward())
    (loss, _), (other, _) = losses()
    with torch.no_grad():
        logits += 1.0
        rows += 1.0
    found["logits, changed"] = error_of(loss.backward)
    found["linear, changed"] = error_of(other.backward)
    rank = distributed.get_rank(group)
    loss = sharded_linear_softmax_cross_entropy(inputs, rows, labels, group=group)
    last = rank == distributed.get_world_size(group) - 1
    with patch.object(LayerPart, "gradients", side_effect=MemoryError("no room")) if last else nullcontext():
        found["no room"] = error_of(loss.backward)
    loss = sharded_linear_softmax_cross_entropy(inputs, rows, labels, group=group)
    found["another factor"] = error_of(lambda: loss.backward(torch.tensor(1.0 + rank, dtype=loss.dtype)))
    found["transformed"] = error_of(
        lambda: torch.func.grad(lambda z: sharded_softmax_cross_entropy(z, labels, group=group))(logits.detach())
    )
    return found


def error_of(function: Any) -> Any:
    try:
        function()
    except Exception as error:
        return type(error).__name__, str(error)
    return None
