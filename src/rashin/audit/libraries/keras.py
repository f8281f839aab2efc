"""Losses of Keras, functions and objects, on its torch or JAX backend."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

from rashin.audit.subject import Subject, Target

__all__ = ["prepare", "subject"]

_BACKENDS = ("jax", "torch")


def prepare() -> None:
    """Choose a backend before Keras is imported: its default, TensorFlow, is not one that is checked."""
    if "KERAS_BACKEND" not in os.environ and "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = next(filter(find_spec, _BACKENDS), _BACKENDS[0])


def subject(target: Target) -> Subject:
    """A loss of Keras; it takes (y_true, y_pred).

    Raises
    ------
    ImportError : the backend is another one.
    """
    backend = import_module("keras").backend.backend()
    if backend not in _BACKENDS:
        raise ImportError(
            f"keras: got the backend {backend}; expected jax or torch; fix: set KERAS_BACKEND=jax before importing it"
        )
    of_arrays = import_module(f"rashin.audit.libraries.{backend}").subject(target)
    weights = "sample_weight" if hasattr(target.f, "reduction") else ""
    return Subject(target, f"keras on {backend}", of_arrays.value, of_arrays.gradients, weights=weights)
