"""Row losses. A separable one is compiled: one pass over the rows, with a formula of one class at a time.

Rows are taken in blocks that stay in the cache: test predictions and targets, run the formula's loop over the block as
one flat array, add up each row. Where the target is a label, the formula runs once per row, and all other classes are
zeros. A general formula of whole rows runs as NumPy arrays, with the accurate functions of ``scalar`` in place of
NumPy's.

Measured (float32, AVX-512, value and gradient, one thread, ns per class): categorical_cross_entropy of distributions
2.4 for 10 classes and 2.1 for 1,000, of which the loop takes 1.8; with labels 0.7 and 0.2, where a copy costs 0.1.
Tried and rejected: log and log1p both, chosen by the size of z (the loop 1.0 more); blocks of 2,048 elements for
distributions (0.4 more for 1,000 classes); with labels, blocks of many rows that are checked and cleared in parts (0.06
less while all stays in the cache, 0.13 more for 4096 x 1000); two threads for 60000 x 10 with labels (a fifth less in
call after call, a third more after a pause). Long rows with labels cannot be as fast as code that skips the other
classes: they are checked. ``normalized`` has what it costs that their sum is, which these figures leave out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.arithmetic import arrays
from rashin.exact import BLOCK, add_block
from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.normalized import EXPONENTIALS, FREE, deviation, fill_totals, is_normalized
from rashin.kernels.pointwise import ENDS, FINE, PREDICTION, TARGET, UNDEFINED, all_within
from rashin.kernels.rows import LANES
from rashin.kernels.sums import fill_sums
from rashin.native.kernel import kernel
from rashin.native.language import address, as_elements, call, shaped
from rashin.rule import Formula, Product

__all__ = ["block", "product", "sweep_distributions", "sweep_labels"]

FEWER_CELLS, CELLS = 2048, 16384  # elements of a block with labels, with distributions, unless one row is longer


# --------------------------------------------------------------------------------------- what both sweeps do


def _is_outside(i: int, labels: Any, w: Any) -> Any:
    """Whether `where` leaves the row out: then it is not even checked."""
    return labels[i] == OUTSIDE and w.size > 0 and w[i] == 0.0


def _weighed(start: int, w: Any, terms: Any) -> Any:
    """Turn the rows' l into w l, 0 where the weight is 0; whether one of them is NaN."""
    undefined = np.int64(0)
    for r in range(terms.size):
        if w.size:
            terms[r] = terms[r] * w[start + r] if w[start + r] != 0.0 else 0.0
        undefined |= np.int64(terms[r] != terms[r])
    return undefined != 0


def _are_normalized(z: Any, start: int, labels: Any, w: Any, whole: float, totals: Any) -> Any:
    """Whether the predictions of the rows are distributions, those that `where` leaves out aside."""
    close, far = deviation(z.shape[1], whole), np.int64(0)
    for r in range(totals.size):
        far |= np.int64(not abs(totals[r] - 1.0) <= close)
    if far == 0:
        return True
    for r in range(totals.size):
        if not (is_normalized(z[start + r], totals[r], whole) or _is_outside(start + r, labels, w)):
            return False
    return True


def _first_nan(x: Any) -> Any:
    for r in range(x.size):
        if x[r] != x[r]:
            return r
    return -1


# ------------------------------------------------------------------------------------------------- labels


def _labels_within(labels: Any, w: Any, classes: int) -> Any:
    """Whether every label is one, or its row lies outside."""
    wrong = np.int64(0)
    for r in range(labels.size):
        wrong |= np.int64(labels[r] < 0) | np.int64(labels[r] >= classes)
    if wrong == 0 or not w.size:
        return wrong == 0
    wrong = np.int64(0)
    for r in range(labels.size):
        wrong |= np.int64(not (0 <= labels[r] < classes or _is_outside(r, labels, w)))
    return wrong == 0


def _wrong_label(
    z: Any, start: int, labels: Any, w: Any, low: Any, high: Any, ends: bool, whole: float, totals: Any
) -> tuple[int, int]:
    """The first row of the block with something wrong."""
    for r in range(totals.size):
        i = start + r
        if _is_outside(i, labels, w):
            continue
        if not all_within(z[i], low, high, ends):
            return PREDICTION, i
        if whole != FREE and not is_normalized(z[i], totals[r], whole):
            return PREDICTION, i
        if not 0 <= labels[i] < z.shape[1]:
            return TARGET, i
    return FINE, 0


def _placed(labels: Any, w: Any, own: Any, derivative: Any) -> None:
    """Fill the block's rows with zeros, but for the derivative by the label's class."""
    if not derivative.size:
        return
    flat = shaped(derivative, (derivative.size,))
    for j in range(flat.size):
        flat[j] = 0
    for r in range(labels.size):
        if not (w.size and w[r] == 0.0):
            derivative[r, max(labels[r], 0)] = own[r]


def _height(n: int, classes: int, cells: int) -> int:
    """How many rows to a block of about so many cells."""
    return min(BLOCK, max(1, cells // classes), max(1, n))


def _room_of_labels(z: Any, bounds: Any) -> int:
    n, classes = z.shape
    return int(_height(n, classes, FEWER_CELLS) * (7 + (classes if bounds[3] == EXPONENTIALS else 0)) + LANES)


@kernel("i8 x[:, :] i8[:] f8[:] f8 f8[:] f8[:] f8[:] x[:, :] x[:, :] i8[:]", finds=True, room=_room_of_labels)
def sweep_labels(
    loop: int,
    z: Any,
    labels: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    bounds: Any,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with labels; arguments and answer as in the pointwise sweep.

    ``bounds`` holds low, high and shape of the prediction's domain, and what of each row must be 1. A row of weight 0
    is checked and then left out; one with the label OUTSIDE is not even checked.
    """
    n, classes = z.shape
    low, high, ends, whole = z.dtype.type(bounds[0]), z.dtype.type(bounds[1]), bounds[2] == ENDS, bounds[3]
    height = _height(n, classes, FEWER_CELLS)
    flat = shaped(z, (n * classes,))
    lanes, columns = room[:LANES], shaped(room[LANES:], (7, height))
    parts = shaped(room[LANES + 7 * height :], (height if whole == EXPONENTIALS else 0, classes))
    totals, factors, terms = columns[0], columns[1], columns[2]
    own, ones = as_elements(columns[3], z), as_elements(columns[4], z)
    slopes, curvatures = as_elements(columns[5], z), as_elements(columns[6], z)
    for r in range(height):
        ones[r], factors[r] = 1, 1.0 / divisor
    for start in range(0, n, height):
        stop = min(start + height, n)
        size = stop - start
        fine = all_within(flat[start * classes : stop * classes], low, high, ends)
        if whole != FREE:
            fill_totals(z, start, whole, parts, lanes, totals[:size])
            fine = fine and _are_normalized(z, start, labels, w, whole, totals[:size])
        if not (fine and _labels_within(labels[start:stop], w[start:stop], classes)):
            found, i = _wrong_label(z, start, labels, w, low, high, ends, whole, totals[:size])
            if found != FINE:
                return found, i
        block = slice(start, stop)  # an index of two terms might be negative, which is looked after at each step
        rows, ks, ws = z[block], labels[block], w[block]
        for r in range(size):
            own[r] = rows[r, max(ks[r], 0)]
        for r in range(ws.size):
            factors[r] = ws[r] / divisor
        call(loop, own, ones, factors, parameters, terms, slopes, curvatures, size)
        if _weighed(start, w, terms[:size]):
            return UNDEFINED, start + _first_nan(terms)
        _placed(ks, ws, slopes, gradient[block])
        _placed(ks, ws, curvatures, hessian[block])
        if values.size:
            for r in range(size):
                values[start + r] = terms[r]
        add_block(limbs, terms[:size])
    return FINE, 0


# ------------------------------------------------------------------------------------------ distributions


def _sum_to_one(start: int, labels: Any, w: Any, sums: Any, tolerance: float) -> Any:
    """Whether the targets of the rows do, those that `where` leaves out aside."""
    wrong = np.int64(0)
    for r in range(sums.size):
        wrong |= np.int64(not abs(sums[r] - 1.0) <= tolerance) & np.int64(not _is_outside(start + r, labels, w))
    return wrong == 0


def _wrong_distribution(
    z: Any, q: Any, start: int, labels: Any, w: Any, low: Any, high: Any, ends: bool, whole: float, totals: Any,
    sums: Any, tolerance: float,
) -> tuple[int, int]:  # fmt: skip
    """The first row of the block with something wrong."""
    for r in range(sums.size):
        i = start + r
        if _is_outside(i, labels, w):
            continue
        if not all_within(z[i], low, high, ends):
            return PREDICTION, i
        if whole != FREE and not is_normalized(z[i], totals[r], whole):
            return PREDICTION, i
        if not (all_within(q[i], 0.0, 1.0, False) and abs(sums[r] - 1.0) <= tolerance):
            return TARGET, i
    return FINE, 0


def _clear_left_out(start: int, stop: int, w: Any, derivative: Any) -> None:
    """Zeros for the rows of weight 0: not 0 * inf."""
    if w.size and derivative.size:
        for i in range(start, stop):
            if w[i] == 0.0:
                for j in range(derivative.shape[1]):
                    derivative[i, j] = 0


def _room_of_distributions(z: Any, bounds: Any) -> int:
    n, classes = z.shape
    height = _height(n, classes, CELLS)
    return int(height * ((5 if bounds[3] == EXPONENTIALS else 4) * classes + 2) + LANES)


@kernel(
    "i8 x[:, :] x[:, :] i8[:] f8[:] f8 f8[:] f8[:] f8 f8[:] x[:, :] x[:, :] i8[:]",
    finds=True,
    room=_room_of_distributions,
)
def sweep_distributions(
    loop: int,
    z: Any,
    q: Any,
    labels: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    bounds: Any,
    tolerance: float,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with distributions ``q`` (n, C); the labels say only which rows lie outside."""
    n, classes = z.shape
    low, high, ends, whole = z.dtype.type(bounds[0]), z.dtype.type(bounds[1]), bounds[2] == ENDS, bounds[3]
    height = _height(n, classes, CELLS)
    cells, narrow = height * classes, z.itemsize == 4
    zero, one = z.dtype.type(0), z.dtype.type(1)
    flat, shares = shaped(z, (n * classes,)), shaped(q, (n * classes,))
    lanes, sums, rest = room[:LANES], room[LANES : LANES + height], room[LANES + height :]
    totals, rest = rest[:height], rest[height:]
    factors, terms = shaped(rest, (height, classes)), shaped(rest[cells:], (height, classes))
    slopes, curvatures = as_elements(rest[2 * cells : 3 * cells], z), as_elements(rest[3 * cells : 4 * cells], z)
    parts = shaped(rest[4 * cells :], (height if whole == EXPONENTIALS else 0, classes))
    for j in range(cells):
        rest[j] = 1.0 / divisor
    # Loops want arrays that do not overlap: a derivative in the place of z is written by way of a block.
    aside = gradient.size == 0 or address(gradient) == address(z)
    hessian_aside = hessian.size == 0 or address(hessian) == address(z)
    slopes_out = shaped(gradient, (gradient.size,))
    curvatures_out = shaped(hessian, (hessian.size,))
    for start in range(0, n, height):
        stop = min(start + height, n)
        size = stop - start
        part = slice(start * classes, stop * classes)
        zs, qs = flat[part], shares[part]
        fine = all_within(zs, low, high, ends) and all_within(qs, zero, one, False)
        if whole != FREE:
            fill_totals(z, start, whole, parts, lanes, totals[:size])
            fine = fine and _are_normalized(z, start, labels, w, whole, totals[:size])
        fill_sums(q, start, sums[:size], lanes, narrow)
        if not (fine and _sum_to_one(start, labels, w, sums[:size], tolerance)):
            found, i = _wrong_distribution(
                z, q, start, labels, w, low, high, ends, whole, totals[:size], sums[:size], tolerance
            )
            if found != FINE:
                return found, i
        if w.size:
            for r in range(size):
                for j in range(classes):
                    factors[r, j] = w[start + r] / divisor
        gs = slopes if aside else slopes_out[part]
        hs = curvatures if hessian_aside else curvatures_out[part]
        call(loop, zs, qs, factors, parameters, terms, gs, hs, zs.size)
        if aside and gradient.size:
            for j in range(zs.size):
                slopes_out[start * classes + j] = gs[j]
        if hessian_aside and hessian.size:
            for j in range(zs.size):
                curvatures_out[start * classes + j] = hs[j]
        fill_sums(terms, 0, sums[:size], lanes, narrow)
        if _weighed(start, w, sums[:size]):
            return UNDEFINED, start + _first_nan(sums)
        _clear_left_out(start, stop, w, gradient)
        _clear_left_out(start, stop, w, hessian)
        if values.size:
            for r in range(size):
                values[start + r] = sums[r]
        add_block(limbs, sums[:size])
    return FINE, 0


# ------------------------------------------------------------------------------------------- general rows


def block(
    formula: Formula, parameters: tuple[float | None, ...], z: NDArray[np.float64], t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Value (n,), gradient and Hessian diagonal (n, C) of rows ``z`` and distributions ``t``, both (n, C)."""
    with np.errstate(all="ignore"):
        value, gradient, hessian = formula(arrays, z, t, *parameters)
        # Formulas may return plain numbers where a derivative is constant.
        return value, _full(gradient, z), _full(hessian, z)


def product(
    formula: Product,
    parameters: tuple[float | None, ...],
    z: NDArray[np.float64],
    t: NDArray[np.float64],
    v: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The Hessian of each row times a vector (n, C)."""
    with np.errstate(all="ignore"):
        return _full(formula(arrays, z, t, v, *parameters), z)


def _full(derivative: Any, z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(derivative, dtype=np.float64), z.shape)
