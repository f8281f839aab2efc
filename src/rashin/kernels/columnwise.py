"""The sweep of losses of several numbers per sample, such as location and scale: one pass over samples (n, P).

For each block of samples, which stays in the L1 cache: turn its rows into columns of doubles, test the domains, run
the formula's loop, add the weighted values exactly, turn the weighted derivatives back into rows.
"""

from __future__ import annotations

from typing import Any

from rashin.exact import SUM, add_block
from rashin.kernels.formula import HEIGHT
from rashin.kernels.pointwise import ENDS, FINE, PREDICTION, TARGET, UNDEFINED, all_within
from rashin.native.kernel import kernel
from rashin.native.language import call, shaped

__all__ = ["HEIGHT", "WHOLE", "sweep"]

WHOLE = 3.0  # how a domain is tested: whole numbers of an interval
_INTEGERS = 2.0**52  # from here on every double is whole, and rounding to one is an addition


def _domain_holds(x: Any, low: float, high: float, shape: float) -> Any:
    """Whether every number lies in the domain."""
    if not all_within(x, low, high, shape == ENDS):
        return False
    if shape != WHOLE:
        return True
    broken = 0
    for i in range(x.size):
        broken |= int((x[i] + _INTEGERS) - _INTEGERS != x[i]) & int(x[i] < _INTEGERS)
    return broken == 0


def _triangle(columns: int) -> int:
    return columns * (columns + 1) // 2


def _room(z: Any) -> int:
    columns = int(z.shape[1])
    return HEIGHT * (2 * columns + _triangle(columns) + 3) + SUM


@kernel("i8 x[:, :] x[:] f8[:] f8 f8[:] f8[:, :] f8[:] x[:, :] x[:, :] i8[:]", finds=True, room=_room)
def sweep(
    loop: int,
    z: Any,
    t: Any,
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
    """Sweep over samples ``z`` (n, P) with targets ``t`` (n,); arguments and answer as in the pointwise sweep.

    A row of ``bounds`` holds low, high, shape and a harmless number of each column, the last row those of the target.
    ``hessian`` is (n, P) for the diagonal, or (n, P (P + 1) / 2) for the upper triangle, row by row.
    """
    n, count = z.shape
    corners, weighted = _triangle(count), w.size > 0
    columns, slopes = shaped(room, (count, HEIGHT)), shaped(room[count * HEIGHT :], (count, HEIGHT))
    curvatures = shaped(room[2 * count * HEIGHT :], (corners, HEIGHT))
    rest = room[(2 * count + corners) * HEIGHT :]
    targets, factor, terms = rest[:HEIGHT], rest[HEIGHT : 2 * HEIGHT], rest[2 * HEIGHT : 3 * HEIGHT]
    flat, flat_slopes = shaped(columns, (count * HEIGHT,)), shaped(slopes, (count * HEIGHT,))
    flat_curvatures = shaped(curvatures, (corners * HEIGHT,))
    for i in range(HEIGHT):
        factor[i] = 1.0 / divisor
    for start in range(0, n, HEIGHT):
        size = min(HEIGHT, n - start)
        rows, own = z[start : start + size], t[start : start + size]
        for k in range(count):
            column = columns[k]
            for i in range(size):
                column[i] = rows[i, k]
            if not _domain_holds(column[:size], bounds[k, 0], bounds[k, 1], bounds[k, 2]):
                return PREDICTION, start
        for i in range(size):
            targets[i] = own[i]
        if not _domain_holds(targets[:size], bounds[count, 0], bounds[count, 1], bounds[count, 2]):
            return TARGET, start
        if weighted:
            ws = w[start : start + size]
            for i in range(size):
                factor[i] = ws[i] / divisor
                targets[i] = targets[i] if ws[i] != 0.0 else bounds[count, 3]
            for k in range(count):
                column = columns[k]
                for i in range(size):
                    column[i] = column[i] if ws[i] != 0.0 else bounds[k, 3]
        call(loop, flat, targets, factor, parameters, terms, flat_slopes, flat_curvatures, size)
        if weighted:
            ws = w[start : start + size]
            for i in range(size):
                terms[i] = terms[i] * ws[i] if ws[i] != 0.0 else 0.0
        if gradient.size:
            out = gradient[start : start + size]
            for k in range(count):
                column = slopes[k]
                for i in range(size):
                    out[i, k] = column[i]
        if hessian.size:
            out = hessian[start : start + size]
            whole = hessian.shape[1] == corners
            for k in range(hessian.shape[1]):
                column = curvatures[k if whole else k * count - k * (k - 1) // 2]
                for i in range(size):
                    out[i, k] = column[i]
        if values.size:
            for i in range(size):
                values[start + i] = terms[i]
        if not add_block(limbs, terms[:size]):
            return UNDEFINED, start
    return FINE, 0
