"""Measuring the blocks of a Dask collection, which follow each other."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from rashin.measurement.dask.piece import Piece
from rashin.measurement.dask.tree import Graph, computed, tree
from rashin.measurement.measurement import Measurement

__all__ = ["delayed", "over_blocks", "told"]


def over_blocks(measure_one: Callable[[int, Any], Piece], blocks: Sequence[Any], client: Any = None) -> Measurement:
    """The sum of ``measure_one(number, block)`` over the delayed blocks."""
    graph: Graph = dict(blocks[0].__dask_graph__())
    name = f"measure-{uuid.uuid4().hex}"
    leaves = {(name, number): (partial(measure_one, number), block.key) for number, block in enumerate(blocks)}
    found: Piece = computed(tree(graph | leaves, list(leaves)), client)
    return found.measurement


def delayed(collection: Any, client: Any = None) -> list[Any]:
    """A delayed object for each block or partition, in order, optimised by Dask.

    Their number is that of the user's partitions, as errors name partitions by number: without ``tune``, Dask would
    merge partitions of files of which few columns are read. The client is made current, because the way to shuffle
    depends on where it is computed.
    """
    import dask

    with dask.config.set({"optimization.tune.active": False}), nullcontext() if client is None else client.as_current():
        return np.ravel(collection.to_delayed()).tolist()  # type: ignore[no-any-return]


@contextmanager
def told(place: str) -> Iterator[None]:
    """Name the block or partition in errors."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(str(error) if str(error).startswith(place) else f"{place}, {error}") from None
