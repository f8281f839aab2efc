"""The sweeps of losses of the soft confusion of sets: true and false positives and negatives, as exact sums.

The first adds the sums of each set, the second turns the slopes of a set's loss by its sums into those by its members.
"""

from __future__ import annotations

from typing import Any

from rashin.exact import add_block, clear
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, all_within
from rashin.native.kernel import kernel
from rashin.native.language import STACK, stack

__all__ = ["COUNT", "add", "spread"]

COUNT = 4  # tp, fp, fn, tn


@kernel("x[:] x[:] f8[:] i8[:] f8[:] i8[:, :]", finds=True)
def add(z: Any, t: Any, w: Any, starts: Any, bounds: Any, limbs: Any) -> tuple[int, int]:
    """Fill in the sums of sets: set g has four rows of ``limbs``, and the members from ``starts[g]`` on.

    ``bounds`` has low, high, and whether these are the only numbers, of the prediction and of the target.
    """
    tp, fp, fn, tn = stack(), stack(), stack(), stack()
    weighted = w.size > 0
    for g in range(starts.size - 1):
        for row in range(COUNT):
            clear(limbs[COUNT * g + row])
        for start in range(starts[g], starts[g + 1], STACK):
            size = min(STACK, starts[g + 1] - start)
            zs, ts = z[start : start + size], t[start : start + size]
            if not all_within(zs, bounds[0], bounds[1], bounds[2] != 0.0):
                return PREDICTION, start
            if not all_within(ts, bounds[3], bounds[4], bounds[5] != 0.0):
                return TARGET, start
            for i in range(size):
                x, y = float(zs[i]), float(ts[i])
                tp[i] = x * y
                fp[i] = x * (1.0 - y)
                fn[i] = (1.0 - x) * y
                tn[i] = (1.0 - x) * (1.0 - y)
            if weighted:
                ws = w[start : start + size]
                for i in range(size):
                    tp[i] *= ws[i]
                    fp[i] *= ws[i]
                    fn[i] *= ws[i]
                    tn[i] *= ws[i]
            add_block(limbs[COUNT * g], tp[:size])
            add_block(limbs[COUNT * g + 1], fp[:size])
            add_block(limbs[COUNT * g + 2], fn[:size])
            add_block(limbs[COUNT * g + 3], tn[:size])
    return FINE, 0


@kernel("x[:] f8[:] i8[:] f8[:, :] x[:] x[:]")
def spread(t: Any, w: Any, starts: Any, slopes: Any, gradient: Any, hessian: Any) -> None:
    """Fill in the derivatives by the members; a row of ``slopes`` has those of a set by tp and by fp, and the triangle
    of its curvatures."""
    weighted = w.size > 0
    for g in range(starts.size - 1):
        by_tp, by_fp = slopes[g, 0], slopes[g, 1]
        tp_tp, tp_fp, fp_fp = slopes[g, 2], slopes[g, 3], slopes[g, 4]
        for start in range(starts[g], starts[g + 1], STACK):
            size = min(STACK, starts[g + 1] - start)
            ts, out = t[start : start + size], gradient[start : start + size]
            if weighted:
                ws = w[start : start + size]
                for i in range(size):
                    out[i] = ws[i] * (by_tp * ts[i] + by_fp * (1.0 - ts[i]))
            else:
                for i in range(size):
                    out[i] = by_tp * ts[i] + by_fp * (1.0 - ts[i])
            if hessian.size:
                curved = hessian[start : start + size]
                for i in range(size):
                    y = float(ts[i])
                    n = 1.0 - y
                    curved[i] = y * (y * tp_tp + 2.0 * n * tp_fp) + n * n * fp_fp
                if weighted:
                    ws = w[start : start + size]
                    for i in range(size):
                        y = float(ts[i])
                        n = 1.0 - y
                        curved[i] = ws[i] * ws[i] * (y * (y * tp_tp + 2.0 * n * tp_fp) + n * n * fp_fp)
