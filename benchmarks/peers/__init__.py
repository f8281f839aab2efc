"""The peers, each optional: how people compute value and gradient where they do not use rashin.

Every peer is a function ``problem -> run``, or None where it has nothing of the kind. Its file imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from benchmarks.harness import Run
from benchmarks.workloads import Problem

__all__ = ["PEERS", "Peer", "present"]


class Peer(NamedTuple):
    """A column: its title, the package it needs, and the function ``module:name`` that prepares a run."""

    title: str
    package: str
    place: str

    def prepare(self, problem: Problem) -> Run | None:
        """A call that gives value and gradient; its inputs are converted already."""
        module, _, name = self.place.partition(":")
        function: Callable[[Problem], Run | None] = getattr(import_module(f"benchmarks.peers.{module}"), name)
        return function(problem)


PEERS: dict[str, Peer] = {
    "numpy": Peer("NumPy", "numpy", "numpy_expressions:prepare"),
    "torch": Peer("torch eager", "torch", "torch_expressions:eager"),
    "torch.compile": Peer("torch.compile", "torch", "torch_expressions:compiled"),
    "torch.huge": Peer("torch eager, huge pages", "torch", "huge_pages:eager"),
    "torch.compile.huge": Peer("torch.compile, huge pages", "torch", "huge_pages:compiled"),
    "torch.chunked": Peer("torch chunked", "torch", "torch_expressions:chunked"),
    "jax": Peer("JAX jit", "jax", "jax_expressions:prepare"),
    "sklearn": Peer("sklearn._loss", "sklearn", "sklearn_losses:prepare"),
}


def present(names: list[str]) -> list[str]:
    """Those of the peers that are installed."""
    return [name for name in names if find_spec(PEERS[name].package) is not None]
