"""Once a loss is compiled, no layout and no type of its input compiles anything again."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import rashin
from rashin.domain import LABEL
from rashin.native import engine, objects
from shipped import every_path, in_order, of_any_rows, takes_logits

ROWS, CLASSES = 40, 6


def strided(a):
    return np.repeat(a, 2, axis=0)[::2]


def locked(a):
    copy = a.copy()
    copy.flags.writeable = False
    return copy


# What may come in the place of a contiguous array of float64, with numbers that lie in every domain.
LAYOUTS = {
    "read-only": locked,
    "strided": strided,
    "negative stride": lambda a: a[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "list": lambda a: a.tolist(),
}
TYPES = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "int64": np.int64,
    "int8": np.int8,
    "uint16": np.uint16,
    "bool": np.bool_,
}


def problems(loss):
    """Predictions and targets that stay in their domains as whole numbers too: 0 and 1, or 0 and -1."""
    low = -1.0 if loss.facts.prediction.entry().high == 0.0 else 0.0
    rng = np.random.default_rng(1)
    if loss.kind == "pointwise":
        t = np.ones(ROWS)
        yield np.round(rng.random(ROWS)), t
        return
    z = in_order(loss, np.round(rng.random((ROWS, CLASSES))) + low)
    labels = rng.integers(0, CLASSES, ROWS)
    if takes_logits(loss):
        yield z, z[::-1].copy()
        return
    yield z, labels
    if loss.facts.target is not LABEL:
        yield z, np.eye(CLASSES)[labels]


def call_everything(loss, z, t):
    weight = np.arange(len(t)) % 3.0
    for keywords in ({}, {"weight": weight, "where": weight > 0.0}, {"reduction": "none"}):
        loss(z, t, **keywords)
        loss.value_and_gradient(z, t, **keywords)
        loss.hessian(z, t, **keywords)


@pytest.fixture
def compilations(monkeypatch):
    """The names of what is loaded or compiled from now on."""
    names = []

    def watched(content):
        names.append(content)
        return engine.Machine(content)

    monkeypatch.setattr(objects, "Machine", watched)
    return names


@every_path
def test_no_layout_or_type_of_the_input_compiles_anew(loss, compilations):
    loss = of_any_rows(loss)
    for half in (np.float16, ml_dtypes.bfloat16):  # the conversions are for all losses
        rashin.half_squared_error.gradient(np.ones(3, half), np.ones(3, half))
    for z, t in problems(loss):
        for dtype in (np.float64, np.float32):
            call_everything(loss, z.astype(dtype), t)
            call_everything(loss, z.astype(dtype), t.astype(dtype))
        compilations.clear()
        for lay in LAYOUTS.values():
            call_everything(loss, lay(z), lay(t))
        for dtype in TYPES.values():
            if dtype not in (np.bool_, np.uint16) or z.min() >= 0.0:
                call_everything(loss, z.astype(dtype), t)
            call_everything(loss, z, t.astype(dtype if t.ndim == z.ndim else "i4"))
        assert not compilations


def test_a_compilation_is_noticed(compilations):
    """That of a new loss: its loop, and nothing else."""

    @rashin.pointwise()
    def never_compiled_before(xp, z, t):
        return z - t, 1.0, 0.0

    rashin.half_squared_error([1.0], [1.0])
    compilations.clear()
    never_compiled_before([1.0], [1.0])
    assert len(compilations) == 1
