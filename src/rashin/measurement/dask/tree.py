"""Measurements that tasks add in a tree."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, TypeVar

from rashin.measurement.dask.piece import Piece
from rashin.measurement.measurement import Measurement

__all__ = ["FAN_IN", "Graph", "added", "computed", "tree"]

FAN_IN = 8  # measurements that one task adds
RETRIES = 2  # of a failed task, as reading from a remote store may fail; retries after a lost worker do not count

Graph = dict[Any, Any]
Sum = TypeVar("Sum", Measurement, Piece)


def added(found: Sequence[Sum]) -> Sum:
    """What a task of the tree does."""
    return reduce(add, found)


def tree(graph: Graph, keys: list[Any]) -> tuple[Graph, Any]:
    """The graph with a tree above the keys, and the key of its root. Neighbours are added first."""
    name = f"add-{uuid.uuid4().hex}"
    while len(keys) > 1:
        runs = [keys[start : start + FAN_IN] for start in range(0, len(keys), FAN_IN)]
        keys = [(name, len(graph) + number) for number in range(len(runs))]
        graph |= {key: (added, run) for key, run in zip(keys, runs, strict=True)}
    return graph, keys[0]


def computed(rooted: tuple[Graph, Any], client: Any) -> Any:
    """The result at the root of a graph. Tasks are pure: results of a lost worker are computed again."""
    from dask.delayed import Delayed

    graph, root = rooted
    whole = Delayed(root, graph)
    return whole.compute() if client is None else client.compute(whole, retries=RETRIES).result()
