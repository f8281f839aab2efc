"""Rows of few classes, which are transposed and padded block by block: the numbers of each row are its own."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from machine_code import Kernel
from rashin.kernels.short_rows import FEW, MOST, STEP, block_rows, wide
from rashin.native import compiler
from rashin.native.engine import Machine
from rashin.native.kernel import Argument, caller
from rashin.native.language import NARROW, STACK, TALL, fetch, turn, turn_back
from rashin.native.targets import of_this_machine

CLASSES = (2, 3, 4, 5, 8, 10, 11, 33)


def logits(n, classes, dtype):
    """Confident rows and others, ties, classes that are ruled out, a lone +inf."""
    rng = np.random.default_rng(classes)
    z = (rng.normal(size=(n, classes)) * 10.0 ** rng.uniform(-2, 2, (n, 1))).astype(dtype)
    z[::5] = np.round(z[::5])
    z[3::7, 0] = -np.inf
    z[7::50, 1] = np.inf
    return z, rng.integers(0, classes, n)


def exact_parts(z, k):
    """Loss and gradient of rows by wider numbers, from the sum over the others than the label."""
    z = z.astype(np.longdouble)
    top = z.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        e = np.where(z == top, 1.0, np.exp(z - top))
    rows = np.arange(len(z))
    others = e.copy()
    others[rows, k] = 0.0
    others = others.sum(axis=1)
    total = others + e[rows, k]
    gradient = e / total[:, None]
    gradient[rows, k] = -others / total
    with np.errstate(divide="ignore"):
        return np.log1p(others / e[rows, k]), gradient


@pytest.mark.parametrize("classes", CLASSES)
def test_values_and_gradients_of_float32_are_rounded_once(classes):
    n = 2 * MOST + 13  # whole blocks and a rest that fills no tile
    z, k = logits(n, classes, np.float32)
    finite = np.isfinite(z[np.arange(n), k]) & (z.max(axis=1) < np.inf)
    z, k = z[finite], k[finite]
    value, gradient = rashin.softmax_cross_entropy.value_and_gradient(z, k, reduction="none")
    exact_value, exact_gradient = exact_parts(z, k)
    assert np.all(np.abs(value - exact_value) <= 0.51 * np.spacing(np.abs(exact_value.astype(np.float32))))
    assert np.all(np.abs(gradient - exact_gradient) <= 0.51 * np.spacing(np.abs(exact_gradient.astype(np.float32))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", CLASSES)
def test_the_bits_of_a_row_are_those_that_it_has_alone(classes, dtype):
    n = MOST + STEP + 3
    z, k = logits(n, classes, dtype)
    z[11], k[13] = np.nan, -1  # left out
    where = np.ones(n, bool)
    where[[11, 13]] = False
    together = rashin.focal.value_gradient_and_hessian(z, k, where=where, reduction="none")
    for i in (0, 5, 7, 10, 57, n - 4, n - 1):
        alone = rashin.focal.value_gradient_and_hessian(z[i : i + 1], k[i : i + 1], reduction="none")
        for part, own in zip(together, alone, strict=True):
            assert part[i].tobytes() == own[0].tobytes(), i
    assert not together[1][[11, 13]].any()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 191, 192, 193])
def test_the_first_of_several_bad_rows_is_named(size):
    z, k = np.zeros((400, 3), np.float32), np.zeros(400, int)
    z[size:] = np.nan
    with pytest.raises(ValueError, match=rf"index \({size}, 0\)|index {size}\b|row {size}\b"):
        rashin.softmax_cross_entropy(z, k)


def test_blocks_are_whole_numbers_of_steps_and_fit_their_sums():
    heights = [block_rows(classes) for classes in range(1, FEW)]
    assert all(height % STEP == 0 and 0 < height <= MOST <= STACK for height in heights)
    assert [wide(n) for n in (1, 16, 17, 192)] == [16, 16, 32, 192]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_are_transposed(dtype):
    def turned(z, x, y):
        fetch(z, 10**6, 0)  # where nothing lies
        turn(z, 1, 2, x, 1, 3)
        turn_back(x, 1, 3, y, 2, 1)

    item = np.dtype(dtype)
    arguments = tuple(Argument(name, "x", 2) for name in ("z", "x", "y"))
    kernel = Kernel(turned, arguments, False, (item,), None)
    machine = Machine(compiler.object_for(compiler.kernel_module(kernel, item), of_this_machine()))
    z = np.random.default_rng(0).normal(size=(TALL + 2, NARROW + 3)).astype(dtype)
    x, y = np.zeros((NARROW + 1, TALL + 5), dtype), np.zeros((TALL + 3, NARROW + 2), dtype)
    caller(kernel, item, machine)(z, x, y)
    tile = z[1 : 1 + TALL, 2 : 2 + NARROW]
    for array, part, place in ((x, tile.T, (1, 3)), (y, tile, (2, 1))):
        expected = np.zeros_like(array)
        expected[place[0] : place[0] + part.shape[0], place[1] : place[1] + part.shape[1]] = part
        assert array.tobytes() == expected.tobytes()
