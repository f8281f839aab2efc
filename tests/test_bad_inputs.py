"""Every bad input raises and names the argument; every good one gives the right number.

The rows follow the table of inputs on which the losses of other libraries answer with a silent number or crash.
"""

from __future__ import annotations

import re
import tracemalloc
import types

import ml_dtypes
import numpy as np
import pytest

import rashin

NAN, INF = np.nan, np.inf
LOGITS = np.array([[2.0, -1.0, 0.5], [0.25, 0.0, -3.0], [1.0, 1.5, 2.0], [-0.5, 4.0, 1.0]])
LABELS = np.array([0, 2, 1, 0])
P = np.array([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25], [0.125, 0.375, 0.5], [0.6, 0.3, 0.1]])
LOG_P = np.log(P)
Q = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.125, 0.375, 0.5], [0.75, 0.25, 0.0]])
Z = np.array([0.5, -1.25, 3.0, 2.0])
T = np.array([1.0, 0.5, -2.0, 0.25])
W = np.array([1.0, 2.0, 0.5, 4.0])
YES = np.array([1.0, 0.0, 1.0, 0.0])

ce = rashin.softmax_cross_entropy
cce = rashin.categorical_cross_entropy
nll = rashin.negative_log_likelihood
bce = rashin.sigmoid_cross_entropy
bce_p = rashin.binary_cross_entropy
mse = rashin.half_squared_error


def put(array, index, value):
    """A copy with one entry changed."""
    copy = np.array(array, dtype=object if value is None else None)
    copy[index] = value
    return copy


class Row(types.SimpleNamespace):
    """A call that must raise ``error`` with a message that begins with ``names`` and holds all ``fragments``."""


def row(title, loss, args, names, *fragments, error=ValueError, **keywords):
    made = Row(loss=loss, args=args, keywords=keywords, names=names, fragments=fragments, error=error)
    return pytest.param(made, id=title.replace(" ", "-"))


LABEL_ROWS = [
    row(f"{title} {name}", loss, (z, put(LABELS.astype(dtype), 2, label)), "target", shown, "index 2", accepted)
    for name, loss, z in (("ce", ce, LOGITS), ("focal", rashin.focal, LOGITS), ("cce", cce, P), ("nll", nll, LOG_P))
    for title, dtype, label, shown, accepted in (
        ("label n_classes", int, 3, "got 3 ", "0 to 2"),
        ("label -1", int, -1, "got -1 ", "0 to 2"),
        ("label -100", np.int16, -100, "got -100 ", "where=target != -100"),
        ("label 2^31+1", np.int64, 2**31 + 1, "got 2147483649 ", "0 to 2"),
        ("label -2^62", np.int64, -(2**62), "got -4611686018427387904 ", "0 to 2"),
        ("label -2^63", np.int64, -(2**63), "got -9223372036854775808 ", "0 to 2"),
        ("label 2^63 unsigned", np.uint64, 2**63, "got 9223372036854775808 ", "0 to 2"),
        ("label float too large", float, 7.0, "got 7", "0 to 2"),
        ("label float 1e30", float, 1e30, "got 1e+30 ", ""),
        ("label not whole", float, 0.5, "got 0.5 ", "whole"),
        ("label NaN", float, NAN, "got nan ", "whole"),
        ("label inf", float, INF, "got inf ", "whole"),
    )
]

SHAPE_ROWS = [
    row("(4,1) against (4,)", mse, (Z[:, None], T), "target", "(4,)", "(4, 1)", "reshape"),
    row("(4,) against (4,1)", mse, (Z, T[:, None]), "target", "(4, 1)", "(4,)", "reshape"),
    row("(4,1) against (1,4)", mse, (Z[:, None], T[None]), "target", "(1, 4)", "(4, 1)"),
    row("(4,) against a scalar", mse, (Z, 1.0), "target", "()", "(4,)", "broadcast_to"),
    row("scalar against (4,)", mse, (1.0, T), "target", "(4,)", "()"),
    row("lengths 4 and 3", mse, (Z, T[:3]), "target", "(3,)", "(4,)"),
    row("bce (4,1) against (4,)", bce, (Z[:, None], YES), "target", "(4,)", "(4, 1)"),
    row("labels (4,1)", ce, (LOGITS, LABELS[:, None]), "target", "(4, 1)", "(4, 3)", "target[..., 0]"),
    row("labels (4,1) of nll", nll, (LOG_P, LABELS[:, None]), "target", "(4, 1)", "target[..., 0]"),
    row("4 rows and 3 labels", ce, (LOGITS, LABELS[:3]), "target", "(3,)", "(4, 3)"),
    row("transposed logits", ce, (LOGITS.T, LABELS), "target", "(4,)", "(3, 4)"),
    row("transposed distributions", ce, (LOGITS, Q.T), "target", "(3, 4)", "(4, 3)"),
    row("distributions for nll", nll, (LOG_P, Q), "target", "(4, 3)", "argmax"),
    row("0-d logits", ce, (1.0, 0), "prediction", "()", "(..., C)"),
    row("no classes", ce, (np.zeros((4, 0)), LABELS), "prediction", "(4, 0)", "expected"),
]

PREDICTION_ROWS = [
    row("NaN in logits", ce, (put(LOGITS, (1, 2), NAN), LABELS), "prediction", "nan", "(1, 2)", "NaN"),
    row("NaN in logits, soft", ce, (put(LOGITS, (1, 2), NAN), Q), "prediction", "nan", "(1, 2)", "NaN"),
    row("NaN in mse", mse, (put(Z, 2, NAN), T), "prediction", "nan", "index 2", "NaN"),
    row("NaN in the target", mse, (Z, put(T, 3, NAN)), "target", "nan", "index 3", "real"),
    row("NaN in probabilities", cce, (put(P, (3, 0), NAN), LABELS), "prediction", "nan", "(3, 0)", "[0, 1]"),
    row("two +inf logits", ce, (put(LOGITS, (1, [0, 2]), INF), LABELS), "prediction", "inf", "index 1", "limit"),
    row("two +inf logits, soft", ce, (put(LOGITS, (1, [0, 2]), INF), Q), "prediction", "inf", "index 1", "limit"),
    row("all -inf", ce, (put(LOGITS, 2, -INF), LABELS), "prediction", "-inf", "index 2", "limit"),
    row("all -inf, soft", ce, (put(LOGITS, 2, -INF), Q), "prediction", "-inf", "index 2", "limit"),
    row("all -inf, focal", rashin.focal, (put(LOGITS, 2, -INF), LABELS), "prediction", "-inf", "index 2", "limit"),
    row("inf less inf", mse, (put(Z, 1, INF), put(T, 1, INF)), "prediction", "inf", "index 1", "limit"),
    row("probability 1.2", cce, (put(P, (1, 1), 1.2), LABELS), "prediction", "1.2", "(1, 1)", "[0, 1]"),
    row("probability -0.2", cce, (put(P, (1, 1), -0.2), LABELS), "prediction", "-0.2", "(1, 1)", "[0, 1]"),
    row("binary probability 1.2", bce_p, ([0.5, 1.2], [0, 1]), "prediction", "1.2", "index 1", "[0, 1]"),
    row("binary probability -0.2", bce_p, ([0.5, -0.2], [0, 1]), "prediction", "-0.2", "index 1", "[0, 1]"),
    row("logits for probabilities", cce, (LOGITS, LABELS), "prediction", "2.0", "(0, 0)", "[0, 1]"),
    row("logits for log-probabilities", nll, (LOGITS, LABELS), "prediction", "2.0", "(0, 0)", "<= 0"),
]

TARGET_ROWS = [
    row("binary label 2", bce, (Z, put(YES, 1, 2.0)), "target", "got 2", "index 1", "[0, 1]"),
    row("binary label -1", bce, (Z, put(YES, 1, -1.0)), "target", "got -1", "index 1", "[0, 1]"),
    row("binary label 2 of integers", bce, (Z, put(YES.astype(int), 1, 2)), "target", "got 2", "index 1"),
    row("binary label 2, probabilities", bce_p, ([0.5], [2]), "target", "got 2", "index 0", "[0, 1]"),
    row("sigmoid focal 0.5", rashin.sigmoid_focal, (Z, put(YES, 2, 0.5)), "target", "0.5", "index 2", "0 or 1"),
    row("hinge label 0", rashin.hinge, (Z, YES), "target", "got 0", "index 1", "-1 or +1"),
    row("squared hinge 0.5", rashin.squared_hinge, ([1.0], [0.5]), "target", "0.5", "index 0", "-1 or +1"),
    row("negative count", rashin.poisson, ([1.0, 2.0], [1, -1]), "target", "got -1", "index 1", ">= 0"),
    row("infinite count", rashin.poisson, ([1.0], [INF]), "target", "inf", "index 0", "finite"),
    row("gamma of 0", rashin.gamma, ([1.0, 2.0], [1.0, 0.0]), "target", "got 0", "index 1", "> 0"),
    row("tweedie below 0", rashin.tweedie, ([1.0], [-1.0]), "target", "got -1", "index 0", ">= 0"),
    row("tweedie 3 of 0", rashin.tweedie, ([1.0], [0.0]), "target", "got 0", "index 0", "> 0", power=3.0),
    row("rows sum to 2", ce, (LOGITS, 2 * Q), "target", "index 0", "sums to 2.0", "within"),
    row("second row sums to 2", cce, (P, put(Q, (2, 0), 0.625)), "target", "index 2", "sums to 1.5"),
    row("soft label 1.5", ce, (LOGITS, put(Q, (1, 1), 1.5)), "target", "1.5", "(1, 1)", "[0, 1]"),
    row("soft label -0.5", ce, (LOGITS, put(Q, (1, 0), -0.5)), "target", "-0.5", "(1, 0)", "[0, 1]"),
    row("soft label NaN", ce, (LOGITS, put(Q, (1, 0), NAN)), "target", "nan", "(1, 0)", "[0, 1]"),
    row("soft label NaN, probabilities", cce, (P, put(Q, (1, 0), NAN)), "target", "nan", "(1, 0)", "[0, 1]"),
]

CLASS_WEIGHT = np.array([2.0, -1.0, 0.5])
WEIGHT_ROWS = [
    row(f"{title} {name}", loss, args, "weight", *fragments, error=error, weight=weight, reduction=reduction)
    for name, loss, args in (("mse", mse, (Z, T)), ("ce", ce, (LOGITS, LABELS)), ("cce", cce, (P, Q)))
    for reduction in ("mean", "sum", "none")
    for title, weight, error, fragments in (
        ("negative weight", put(W, 2, -0.5), ValueError, ("-0.5", "index 2", ">= 0")),
        ("NaN weight", put(W, 1, NAN), ValueError, ("nan", "index 1", "finite")),
        ("infinite weight", put(W, 1, INF), ValueError, ("inf", "index 1", "finite")),
        ("3 weights for 4", W[:3], ValueError, ("(3,)", "(4,)")),
        ("scalar weight", 2.0, ValueError, ("()", "(4,)", "broadcast_to")),
        ("weight (4,1)", W[:, None], ValueError, ("(4, 1)", "(4,)")),
        ("complex weight", W + 0j, TypeError, ("complex128",)),
        ("negative class weight", CLASS_WEIGHT[LABELS], ValueError, ("-1.0", "index 2", ">= 0")),
    )
]

EMPTY_ROWS = [
    row("empty batch of ce", ce, (np.zeros((0, 3)), np.zeros(0, int)), "prediction", "no samples", "sum"),
    row("empty batch of mse", mse, ([], []), "prediction", "no samples", "sum"),
    row("all ignored, ce", ce, (LOGITS, LABELS), "where", "selects nothing", where=LABELS == -100),
    row("all ignored, mse", mse, (Z, T), "where", "selects nothing", where=np.zeros(4, bool)),
    row("all ignored, weighted", mse, (Z, T), "where", "selects nothing", where=np.zeros(4, bool), weight=W),
    row("zero total weight", mse, (Z, T), "weight", "all 0", weight=np.zeros(4)),
    row("class weights all zero", ce, (LOGITS, LABELS), "weight", "all 0", weight=np.zeros(3)[LABELS]),
]

TYPE_ROWS = [
    row("complex", mse, (Z + 0j, T), "prediction", "complex128", "real", error=TypeError),
    row("complex target", mse, (Z, T + 0j), "target", "complex128", "real", error=TypeError),
    row("masked prediction", mse, (np.ma.array(Z, mask=YES), T), "prediction", "where=~mask", error=TypeError),
    row("masked target", mse, (Z, np.ma.array(T, mask=YES)), "target", "where=~mask", error=TypeError),
    row("masked weight", mse, (Z, T), "weight", "where=~mask", error=TypeError, weight=np.ma.array(W)),
    row("masked labels", ce, (LOGITS, np.ma.array(LABELS)), "target", "where=~mask", error=TypeError),
    row("masked rows in a list", mse, ([np.ma.array(Z, mask=YES)], [T]), "prediction", "mask", error=TypeError),
    row("object with None", mse, (put(Z, 2, None), T), "prediction", "None", "index 2", error=TypeError),
    row("object with complex", mse, (Z, [*T[:3].astype(object), 1j]), "target", error=TypeError),
    row(
        "object with NumPy complex",
        mse,
        (np.array([1.0, np.complex128(1)], dtype=object), [0, 1]),
        "prediction",
        "index 1",
        error=TypeError,
    ),
    row("object with 10^400", mse, ([1.0, 10**400], [0, 0]), "prediction", error=(TypeError, ValueError)),
    row("None", mse, (None, T), "prediction", "None", error=TypeError),
    row("strings", mse, (["1", "2"], [1.0, 2.0]), "prediction", "got '1'", "index 0", "real", error=TypeError),
    row("bytes", mse, ([1.0, 2.0], [b"1", b"2"]), "target", "got b'1'", "convert", error=TypeError),
    row("dates", mse, (np.array(["2020-01-01"], "M8[D]"), [1.0]), "prediction", "datetime64", error=TypeError),
    row("a ragged list", mse, ([[1.0, 2.0], [3.0]], [1.0, 2.0]), "prediction", "a row of length 1 at index 1"),
    row("a set", mse, ({1.0, 2.0}, [1.0, 2.0]), "prediction", "of type set", "a list", error=TypeError),
    row("where of integers", mse, (Z, T), "where", "int64", "boolean", error=TypeError, where=[1, 0, 1, 1]),
    row("where of 3", mse, (Z, T), "where", "(3,)", "(4,)", where=[True, False, True]),
    row("where of cells for rows", ce, (LOGITS, LABELS), "where", "(4, 3)", "(4,)", where=LOGITS > 0),
] + (
    []
    if np.longdouble(1).itemsize == 8
    else [row("long double", mse, (Z.astype("g"), T), "prediction", "float64", "astype", error=TypeError)]
)

ARGUMENT_ROWS = [
    row("label_smoothing 1.5", ce, (LOGITS, LABELS), "label_smoothing", "1.5", "[0, 1]", label_smoothing=1.5),
    row("label_smoothing -0.1", ce, (LOGITS, LABELS), "label_smoothing", "-0.1", label_smoothing=-0.1),
    row("z_loss -1", ce, (LOGITS, LABELS), "z_loss", "-1", ">= 0", z_loss=-1),
    row("softcap 0", ce, (LOGITS, LABELS), "softcap", "got 0", "> 0", softcap=0),
    row("huber delta -1", rashin.huber, (Z, T), "delta", "-1", "> 0", delta=-1),
    row("huber delta 0", rashin.huber, (Z, T), "delta", "got 0", "> 0", delta=0),
    row("huber delta NaN", rashin.huber, (Z, T), "delta", "nan", "> 0", delta=NAN),
    row("huber delta inf", rashin.huber, (Z, T), "delta", "inf", "finite", delta=INF),
    row("delta 10**400", rashin.huber, (Z, T), "delta", "beyond the range of float64", "> 0", delta=10**400),
    row("delta text", rashin.huber, (Z, T), "delta", "'1'", "number", error=TypeError, delta="1"),
    row("delta bytes", rashin.huber, (Z, T), "delta", "b'1'", "number", error=TypeError, delta=b"1"),
    row("delta True", rashin.huber, (Z, T), "delta", "True", "number", error=TypeError, delta=True),
    row("delta NumPy True", rashin.huber, (Z, T), "delta", "True", error=TypeError, delta=np.True_),
    row("delta None", rashin.huber, (Z, T), "delta", "None", "number", error=TypeError, delta=None),
    row("delta complex", rashin.huber, (Z, T), "delta", "1j", "number", error=TypeError, delta=1j),
    row("delta array", rashin.huber, (Z, T), "delta", "one number", error=TypeError, delta=[1.0, 2.0]),
    row("quantile 0", rashin.quantile, (Z, T), "quantile", "got 0", "(0, 1)", quantile=0),
    row("quantile 1", rashin.quantile, (Z, T), "quantile", "got 1", "(0, 1)", quantile=1),
    row("power 0.5", rashin.tweedie, (Z, YES), "power", "0.5", "[-100, 0] or [1, 100]", power=0.5),
    row("power -1e300", rashin.tweedie, (Z, YES), "power", "-1e+300", "[-100, 0] or [1, 100]", power=-1e300),
    row("power 101", rashin.tweedie, (Z, YES), "power", "101", "[-100, 0] or [1, 100]", power=101),
    row("positive_weight 0", bce, (Z, YES), "positive_weight", "got 0", "[1e-100, 1e100]", positive_weight=0),
    row("positive_weight 1e300", bce, (Z, YES), "positive_weight", "1e+300", "1e100", positive_weight=1e300),
    row("positive_weight 5e-324", bce, (Z, YES), "positive_weight", "5e-324", "1e-100", positive_weight=5e-324),
    row("epsilon -1e-7", bce_p, ([0.5], [1]), "epsilon", "-1e-07", ">= 0", epsilon=-1e-7),
    row("gamma -1", rashin.focal, (LOGITS, LABELS), "gamma", "-1", "[0, 100]", gamma=-1),
    row("gamma 1e300", rashin.focal, (LOGITS, LABELS), "gamma", "1e+300", "[0, 100]", gamma=1e300),
    row("sigmoid gamma 1000", rashin.sigmoid_focal, (Z, YES), "gamma", "1000", "[0, 100]", gamma=1000),
    row("alpha 2", rashin.sigmoid_focal, (Z, YES), "alpha", "got 2", "[0, 1]", alpha=2),
    row("unknown delat", rashin.huber, (Z, T), "huber", "'delat'", "'delta'", error=TypeError, delat=1),
    row("unknown x", rashin.huber, (Z, T), "huber", "'sigma'", "delta", error=TypeError, sigma=1),
    row("unknown of none", mse, (Z, T), "half_squared_error", "'delta'", "expected none", error=TypeError, delta=1),
    row("reduction men", mse, (Z, T), "reduction", "'men'", "'mean', 'sum', 'none'", reduction="men"),
    row("reduction None", mse, (Z, T), "reduction", "None", "'mean'", error=(TypeError, ValueError), reduction=None),
    row(
        "reduction array",
        mse,
        (Z, T),
        "reduction",
        "expected",
        error=(TypeError, ValueError),
        reduction=np.array(["mean"]),
    ),
    row("axis of pointwise", mse, (Z, T), "half_squared_error", "axis", error=TypeError, axis=0),
    row("axis 2", ce, (LOGITS, LABELS), "axis", "got 2", "(4, 3)", "expected", axis=2),
    row("axis -3", ce, (LOGITS, LABELS), "axis", "got -3", "(4, 3)", "expected", axis=-3),
    row("axis 1.0", ce, (LOGITS, LABELS), "axis", "1.0", "whole", error=TypeError, axis=1.0),
    row("axis True", ce, (LOGITS, LABELS), "axis", "True", "whole", error=TypeError, axis=True),
    row("axis tuple", ce, (LOGITS, LABELS), "axis", "(0,)", "whole", error=TypeError, axis=(0,)),
    row("axis 0 of no classes", ce, (np.zeros((0, 3)), LABELS), "prediction", "(0, 3)", "expected", axis=0),
]

LINK_ROWS = [
    row("softmax NaN", rashin.softmax, ([[1.0, 2.0], [0.0, NAN]],), "logits", "nan", "(1, 1)"),
    row("log_softmax NaN", rashin.log_softmax, ([[1.0, 2.0], [0.0, NAN]],), "logits", "nan", "(1, 1)"),
    row("logsumexp NaN", rashin.logsumexp, ([[1.0, 2.0], [0.0, NAN]],), "logits", "nan", "(1, 1)"),
    row("sigmoid NaN", rashin.sigmoid, ([[1.0, 2.0], [0.0, NAN]],), "logits", "nan", "(1, 1)"),
    row("softmax of all -inf", rashin.softmax, ([[0.0, 1.0], [-INF, -INF]],), "logits", "-inf", "index 1"),
    row("softmax of two +inf", rashin.softmax, ([[0.0, 1.0], [INF, INF]],), "logits", "inf", "index 1"),
    row("softmax axis 2", rashin.softmax, ([[0.0, 1.0]],), "axis", "got 2", "(1, 2)", axis=2),
    row("softmax of a scalar", rashin.softmax, (0.0,), "logits", "()"),
    row("sigmoid complex", rashin.sigmoid, (1j,), "logits", "complex128", error=TypeError),
    row("softmax masked", rashin.softmax, (np.ma.array(Z),), "logits", "where", error=TypeError),
]

ROWS = [
    *LABEL_ROWS, *SHAPE_ROWS, *PREDICTION_ROWS, *TARGET_ROWS, *WEIGHT_ROWS, *EMPTY_ROWS, *TYPE_ROWS, *ARGUMENT_ROWS,
    *LINK_ROWS,
]  # fmt: skip


def methods(loss):
    return (
        [loss.__call__, loss.gradient, loss.hessian, loss.value_and_gradient, loss.value_gradient_and_hessian]
        if isinstance(loss, rashin.Loss)
        else [loss]
    )


@pytest.mark.parametrize("bad", ROWS)
def test_a_bad_input_raises_and_the_message_names_it(bad):
    for method in methods(bad.loss):
        with pytest.raises(bad.error) as caught:
            method(*bad.args, **bad.keywords)
        message = str(caught.value)
        assert re.search(rf"\b{bad.names}", message), message
        for fragment in bad.fragments:
            assert fragment in message, (fragment, message)
        # one line, and the argument stands at its beginning unless a mean has nothing to divide by
        assert "\n" not in message or "got [" in message
        assert message.startswith(bad.names) or "a sample that counts" in message, message


def test_probabilities_that_do_not_sum_to_1_are_taken_as_given_by_name_only():
    assert close(cce(np.full((4, 3), 0.3), LABELS, normalized=False), -np.log(0.3))
    assert nll(np.zeros((4, 3)), LABELS, normalized=False) == 0.0


# ------------------------------------------------------------------------------------------ good inputs


def close(got, exact, ulps=4):
    """Within a few units in the last place of float64."""
    return bool(np.all(np.abs(np.asarray(got) - exact) <= ulps * np.spacing(np.abs(exact))))


def ce_by_hand(z, k):
    z = np.asarray(z, dtype=np.float64)
    peak = z.max(axis=-1)
    lse = peak + np.log(np.exp(z - peak[..., None]).sum(axis=-1))
    return np.mean(lse - np.take_along_axis(z, np.asarray(k)[..., None], -1)[..., 0])


def mse_by_hand(z, t):
    return np.mean((np.asarray(z, np.float64) - np.asarray(t, np.float64)) ** 2) / 2


def strided(array):
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), NAN)
    wide[..., ::2] = array
    return wide[..., ::2]


def reversed_view(array):
    return array[..., ::-1].copy()[..., ::-1]


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array):
    raw = np.empty(array.nbytes + 1, np.uint8)[1:]
    view = raw.view(array.dtype) if array.ndim == 1 else raw.view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


LAYOUTS = {
    "list": lambda a: a.tolist(),
    "tuple of arrays": tuple,
    "array": np.asarray,
    "strided": strided,
    "negative strides": reversed_view,
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "unaligned": unaligned,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "object": lambda a: a.astype(object),
    "memory map": lambda a: a.view(np.memmap),
}
GRID_Z, GRID_T = np.outer(Z, [1.0, -0.5, 2.0]), np.outer(T, [0.5, 1.0, 1.5])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_right_number(layout):
    lay = LAYOUTS[layout]
    assert close(mse(lay(GRID_Z), lay(GRID_T)), mse_by_hand(GRID_Z, GRID_T))
    assert close(mse(lay(GRID_Z), GRID_T), mse_by_hand(GRID_Z, GRID_T))
    assert close(ce(lay(LOGITS), LABELS), ce_by_hand(LOGITS, LABELS))
    soft = -(Q * np.log(P)).sum(axis=-1).mean()
    assert close(cce(lay(P), lay(Q)), soft)
    assert close(np.asarray(mse.gradient(lay(GRID_Z), GRID_T)), (GRID_Z - GRID_T) / GRID_Z.size)
    weight = np.outer(W, [1.0, 2.0, 3.0])
    weighted = (weight * (GRID_Z - GRID_T) ** 2).sum() / 2 / weight.sum()
    assert close(mse(GRID_Z, GRID_T, weight=lay(weight)), weighted)
    single = GRID_Z.astype(np.float32)
    assert close(mse(lay(single), GRID_T), mse_by_hand(single, GRID_T))


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i8", ">i4", "f2", "f4", "f8", ">f4", "?"]
)
def test_labels_of_every_type_are_labels(dtype):
    labels = (LABELS % 2 if dtype == "?" else LABELS).astype(dtype)
    assert close(ce(LOGITS, labels), ce_by_hand(LOGITS, labels.astype(int)))
    assert close(cce(P, labels), -np.log(P[np.arange(4), labels.astype(int)]).mean())


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", ">i2"])
def test_integer_and_bool_predictions_are_numbers(dtype):
    z = (np.array([1, 0, 1, 1]) if dtype == "?" else np.array([1, 0, 5, 2])).astype(dtype)
    t = np.array([2, 3, 1, 2]).astype("?" if dtype == "?" else dtype)
    assert close(mse(z, t), mse_by_hand(z.astype(float), t.astype(float)))  # uint8 1 - 2 is -1
    gradient = mse.gradient(z, t)
    assert gradient.dtype == np.float64
    assert close(gradient, (z.astype(float) - t.astype(float)) / 4)
    rows = np.stack([z, z[::-1]], axis=-1)
    assert close(ce(rows, LABELS % 2), ce_by_hand(rows, LABELS % 2))


@pytest.mark.parametrize("z_type", ["f2", "f4", "f8", "bfloat16"])
@pytest.mark.parametrize("t_type", ["f2", "f4", "f8", "bfloat16", "i4"])
def test_mixed_types_are_computed_in_double(z_type, t_type):
    types = {"bfloat16": np.dtype(ml_dtypes.bfloat16)}
    z = np.array([0.1, -3.25, 2.7]).astype(types.get(z_type, z_type))
    t = np.array([0.3, 1.6, 7.9]).astype(types.get(t_type, t_type))
    assert close(mse(z, t), mse_by_hand(z, t))
    assert mse.gradient(z, t).dtype == z.dtype


def test_0_d_arrays_and_numbers_are_welcome():
    for z, t in ((3.0, 1.0), (np.array(3.0), np.array(1.0)), (np.float32(3), 1), (3, np.int8(1)), (True, False)):
        assert mse(z, t) == (float(z) - float(t)) ** 2 / 2
    assert close(ce([1.0, 2.0], 0), ce_by_hand([1.0, 2.0], 0))


def test_a_lone_infinite_logit_gives_the_limit():
    z = [[INF, 0.0], [0.0, INF], [-INF, 1.0]]
    assert ce(z, [0, 1, 1], reduction="none").tolist() == [0.0, 0.0, 0.0]
    assert ce(z, [1, 0, 0], reduction="none").tolist() == [INF, INF, INF]
    assert ce.gradient(z, [1, 0, 0], reduction="sum").tolist() == [[1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0]]
    assert ce(z, [[0.5, 0.5], [0.0, 1.0], [0.0, 1.0]], reduction="none").tolist() == [INF, 0.0, 0.0]
    assert bce([INF, -INF], [1.0, 0.0]) == 0.0
    assert bce([INF, -INF], [0.0, 1.0]) == INF
    assert bce.gradient([INF, -INF], [0.0, 1.0], reduction="sum").tolist() == [1.0, -1.0]
    assert mse([INF, 1.0], [0.0, -INF]) == INF


def test_smoothing_a_masked_class_costs_infinity():
    masked = [[1.0, -INF, 0.0]]
    assert ce(masked, [0], label_smoothing=0.1) == INF
    assert close(ce(masked, [0]), ce_by_hand([[1.0, -800.0, 0.0]], [0]))


def test_target_distributions_sum_to_1_within_their_own_precision():
    for dtype, eps in (("f2", 2.0**-10), ("f4", 2.0**-23), ("f8", 2.0**-52), (ml_dtypes.bfloat16, 2.0**-7)):
        classes = 8
        q = np.full((1, classes), 1 / classes).astype(dtype)
        inside, outside = q.copy(), q.copy()
        bound = min(4.0 * classes * eps, 0.05)
        inside[0, 0] = float(q[0, 0]) + 0.875 * bound
        outside[0, 0] = float(q[0, 0]) + 1.125 * bound
        logits = np.zeros((1, classes))
        assert close(ce(logits, inside), np.log(classes) * inside.astype(float).sum())  # used as given
        for loss, z in ((ce, logits), (cce, logits + 1 / classes), (rashin.focal, logits)):
            loss(z, inside)
            with pytest.raises(ValueError, match=r"target: got .* at index 0, which sums to"):
                loss(z, outside)


@pytest.mark.parametrize("dtype", [np.float16, pytest.importorskip("ml_dtypes").bfloat16])
def test_rows_of_16_bits_and_many_classes_are_distributions_too(dtype):
    """4 C eps is 1 at 256 classes of float16 and at 32 of bfloat16: rows of zeros passed, and cost 0."""
    z, q = np.zeros((2, 300), np.float32), np.zeros((2, 300), dtype)
    q[0, 3] = 1.0
    with pytest.raises(ValueError, match=r"index 1, which sums to 0.0; .* within 5.0e-02; fix: leave it out by where="):
        rashin.softmax_cross_entropy(z, q)
    q[1, :2] = 1.0
    with pytest.raises(ValueError, match=r"which sums to 2.0; .* fix: divide by target.sum\(-2, keepdims=True\)"):
        rashin.softmax_cross_entropy.gradient(z.T.copy().T[..., None], q[..., None], axis=1)
    q[1] = 1.0 / 300.0  # rounded, these sum to 0.998 and 1.001
    assert rashin.softmax_cross_entropy(z, q, where=[False, True]) == pytest.approx(
        float(q[1].astype(float).sum()) * np.log(300.0), rel=1e-14, abs=0
    )


@pytest.mark.parametrize("target", [0, 2, [0.5, 0.25, 0.25]], ids=["the peak", "another class", "soft"])
@pytest.mark.parametrize("classes", [3, 200])
def test_z_loss_of_a_lone_infinite_logit_is_refused(target, classes):
    """Its value is infinite, and the gradient of other classes 0 * inf: it was NaN."""
    z = np.zeros((1, classes))
    z[0, 0] = np.inf
    t = np.array([target]) if np.ndim(target) == 0 else np.array([target + [0.0] * (classes - 3)])
    for call in (rashin.softmax_cross_entropy, rashin.softmax_cross_entropy.value_gradient_and_hessian):
        with pytest.raises(ValueError, match="where the loss has no limit"):
            call(z, t, z_loss=0.1)
    assert np.isfinite(rashin.softmax_cross_entropy.gradient(z, t)).all()


def test_empty_batches_raise_for_the_mean_only():
    for z, t in ((np.zeros((0, 3)), np.zeros(0, int)), (np.zeros((0, 3)), np.zeros((0, 3)))):
        for loss in (ce, cce):
            assert loss(z, t, reduction="sum") == 0.0
            assert loss(z, t, reduction="none").shape == (0,)
            assert loss.gradient(z, t, reduction="sum").shape == (0, 3)
            for method in methods(loss):
                with pytest.raises(ValueError, match="prediction"):
                    method(z, t)
    assert mse([], [], reduction="sum") == 0.0
    assert mse(Z, T, where=np.zeros(4, bool), reduction="sum") == 0.0
    assert mse(Z, T, weight=np.zeros(4), reduction="sum") == 0.0
    assert mse.gradient(Z, T, where=np.zeros(4, bool), reduction="sum").tolist() == [0.0] * 4


# ---------------------------------------------------------------- weight 0 is checked, outside `where` is not


@pytest.mark.parametrize("kind", ["labels", "soft", "probabilities", "pointwise"])
def test_weight_0_counts_as_not_selected_but_is_still_checked(kind):
    weight = np.array([1.0, 0.0, 2.0, 3.0])
    keep = weight != 0.0
    loss, z, t, infinite, bad_z, bad_t = {
        "labels": (ce, LOGITS, LABELS, -INF, NAN, 7),
        "soft": (ce, LOGITS, Q, -INF, NAN, 7.0),
        "probabilities": (cce, P, LABELS, None, NAN, -1),
        "pointwise": (mse, Z, T, INF, NAN, NAN),
    }[kind]
    hard = put(z, 1, [0.5, 0.5, 0.0] if loss is cce else infinite)  # an infinite loss, or none at all
    for reduction in ("mean", "sum"):
        expected = loss(z[keep], t[keep], weight=weight[keep], reduction=reduction)
        assert loss(hard, t, weight=weight, reduction=reduction) == expected
    for gradient in (loss.gradient(hard, t, weight=weight), loss.hessian(hard, t, weight=weight)):
        assert not gradient[1].any()
        assert np.isfinite(gradient).all()
    for bad in ((put(z, 1, bad_z), t), (z, put(t, 1, bad_t))):
        for method in methods(loss):
            with pytest.raises(ValueError, match=r"index \(?1"):
                method(*bad, weight=weight)


NASTY = {
    "labels": (ce, LOGITS, LABELS, [NAN, INF, -INF], [7, -100, -(2**62)]),
    "float labels": (ce, LOGITS, LABELS.astype(float), [NAN, INF, -INF], [NAN, INF, 0.5, 1e300]),
    "soft": (ce.replace(label_smoothing=0.25), LOGITS, Q, [NAN, INF, -INF], [NAN, INF, -1.0]),
    "focal": (rashin.focal.replace(gamma=0.5), LOGITS, LABELS, [NAN, INF, -INF], [7, -100]),
    "softcap": (ce.replace(softcap=5.0, z_loss=0.5), LOGITS, LABELS, [NAN, INF, -INF], [7, -100]),
    "probabilities": (cce, P, LABELS, [NAN, INF, -3.0], [7, -100]),
    "soft probabilities": (cce.replace(epsilon=1e-3), P, Q, [NAN, INF, -3.0], [NAN, INF, -1.0]),
    "log-probabilities": (nll, LOG_P, LABELS, [NAN, INF, 3.0], [7, -100]),
    "mse": (mse, Z, T, [NAN, INF], [NAN, INF]),
    "huber": (rashin.huber.replace(delta=0.25), Z, T, [NAN, -INF], [NAN, INF]),
    "bce": (bce.replace(positive_weight=3.0), Z, YES, [NAN, INF], [NAN, INF, -5.0]),
    "tweedie": (rashin.tweedie.replace(power=3.0), Z, YES + 1, [NAN, INF, -INF], [NAN, INF, -5.0, 0.0]),
    "hinge": (rashin.hinge, Z, 2 * YES - 1, [NAN, INF], [NAN, 0.0, 0.5]),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", NASTY)
def test_outside_where_nothing_is_evaluated_raises_or_leaks(case, weighted):
    loss, z, t, predictions, targets = NASTY[case]
    keep = np.array([True, False, True, True])
    weight = W if weighted else None
    clean = {"weight": None if weight is None else weight[keep]}
    for bad_z in predictions:
        for bad_t in targets:
            dirty_z, dirty_t = put(z, 1, bad_z), put(t, 1, bad_t)
            for reduction in ("mean", "sum"):
                keywords = {"where": keep, "weight": weight, "reduction": reduction}
                value, gradient = loss.value_and_gradient(dirty_z, dirty_t, **keywords)
                assert value == loss(z[keep], t[keep], reduction=reduction, **clean)
                expected = loss.gradient(z[keep], t[keep], reduction=reduction, **clean)
                assert gradient[keep].tobytes() == expected.tobytes()
                assert not gradient[1].any()
                hessian = loss.hessian(dirty_z, dirty_t, **keywords)
                assert not hessian[1].any()
            samples = loss(dirty_z, dirty_t, where=keep, weight=weight, reduction="none")
            assert samples[1] == 0.0
            assert samples[keep].tobytes() == loss(z[keep], t[keep], reduction="none", **clean).tobytes()


def test_a_bad_weight_outside_where_does_not_matter():
    keep = np.array([True, False, True, True])
    for bad in (NAN, -1.0, INF):
        weight = put(W, 1, bad)
        assert mse(Z, T, weight=weight, where=keep) == mse(Z[keep], T[keep], weight=W[keep])
        assert ce(LOGITS, LABELS, weight=weight, where=keep) == ce(LOGITS[keep], LABELS[keep], weight=W[keep])


# --------------------------------------------------------------------------------- the first bad index


def first(message):
    places = re.search(r"index (\d+|\([^)]*\))", message)[1]
    return tuple(map(int, re.findall(r"\d+", places)))


def said(method, *args, **keywords):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller judges the message
        method(*args, **keywords)
    return str(caught.value)


VIEWS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "transposed": lambda a: a.T.copy().T,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "strided": strided,
    "float32": lambda a: a.astype(np.float32),
    "byte-swapped": lambda a: a.astype(">f8"),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(4, 5), (1500, 1400)])
def test_the_first_bad_index_is_the_first_in_every_layout(view, shape):
    """Places whose order differs between rows first and columns first."""
    rows, columns = shape
    places = [(rows // 2, columns - 1), (rows // 2 + 1, 0), (rows - 1, 1)]
    good, bad = np.ones(shape), np.ones(shape)
    bad[tuple(np.transpose(places))] = NAN
    bad = VIEWS[view](bad)
    assert np.isnan(bad).sum() == 3
    weight = np.full(shape, 0.5)
    for keywords in ({}, {"weight": weight}, {"where": weight > 0}):
        message = said(mse, bad, good, **keywords)
        assert message.startswith("prediction")
        assert first(message) == places[0]
        message = said(mse.gradient, VIEWS[view](good), bad, **keywords)
        assert message.startswith("target")
        assert first(message) == places[0]
    negative = np.where(np.isnan(bad), -1.0, 1.0)
    assert first(said(mse, good, good, weight=VIEWS[view](negative))) == places[0]
    message = said(mse, VIEWS[view](np.where(np.isnan(bad), INF, 1.0)), np.where(np.isnan(bad), INF, 1.0))
    assert first(message) == places[0]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("place", [3, 700_001, 1_999_999])
def test_the_first_bad_index_is_the_first_in_threads(threads, place):
    size = 2_000_000
    good, bad = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bad[[place, *range(min(place + 17, size - 1), size, 50_000)]] = NAN
    with rashin.threads(threads):
        for _ in range(3):
            assert first(said(mse.value_and_gradient, bad, good)) == (place,)
            assert first(said(mse, good[::-1], bad)) == (place,)
            assert first(said(bce, good.reshape(-1, 4), bad.reshape(-1, 4))) == divmod(place, 4)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_bad_row_is_the_first_in_threads_and_along_any_axis(threads):
    rows, classes = 200_000, 10
    logits, labels = np.zeros((rows, classes), np.float32), np.zeros(rows, np.int64)
    labels[[150_001, 199_000]] = 10, -1
    dirty = logits.copy()
    dirty[160_003, 7] = dirty[160_003, 8] = dirty[170_000, 1] = NAN
    with rashin.threads(threads):
        for loss in (ce, rashin.focal, ce.replace(label_smoothing=0.1), nll.replace(normalized=False)):
            for z, axis in ((logits, -1), (np.ascontiguousarray(logits.T), 0), (np.asfortranarray(logits), 1)):
                assert first(said(loss, z, labels, axis=axis)) == (150_001,)
            good = np.zeros_like(labels)
            # the index is that of the classes-last view: the row, then the class
            for z, axis in ((dirty, -1), (np.ascontiguousarray(dirty.T), 0)):
                message = said(loss, z, good, axis=axis)
                assert message.startswith("prediction")
                row_and_class = first(message)
                assert sorted(row_and_class) == [7, 160_003]


def test_the_index_of_a_bad_prediction_along_axis_0_is_that_of_the_callers_array():
    z = np.zeros((3, 4, 5))
    z[2, 1, 3] = NAN
    assert first(said(ce, z, np.zeros((4, 5), int), axis=0)) == (2, 1, 3)
    assert first(said(ce, z, np.zeros((3, 5), int), axis=1)) == (2, 1, 3)
    probabilities = np.full((3, 4, 5), 1 / 3)
    probabilities[2, 1, 3] = 1.5
    assert first(said(cce, probabilities, np.zeros((4, 5), int), axis=0)) == (2, 1, 3)
    q = np.full((2, 4), 0.5)
    q[1, 2] = -0.5
    assert first(said(ce, np.zeros((2, 4)), q, axis=0)) == (1, 2)


# ------------------------------------------------------------------------------------------ out, foreigners


def test_out_must_be_what_the_gradient_is():
    good = np.empty(4)
    locked = read_only(good)
    for out, error, fragments in (
        (np.empty(3), ValueError, ("(3,)", "(4,)")),
        (np.empty((4, 1)), ValueError, ("(4, 1)", "(4,)")),
        (np.empty(4, np.float32), ValueError, ("float32", "float64")),
        (np.empty(4, np.int64), ValueError, ("int64", "float64")),
        (locked, ValueError, ("read-only",)),
        ([0.0] * 4, TypeError, ("list",)),
        (np.ma.array(good), TypeError, ("MaskedArray",)),
    ):
        for method in (mse.gradient, mse.value_and_gradient):
            with pytest.raises(error, match=r"^out: ") as caught:
                method(Z, T, out=out)
            assert all(fragment in str(caught.value) for fragment in fragments)
    with pytest.raises(ValueError, match=r"^out: .*float32"):
        mse.gradient(Z.astype(np.float32), T, out=np.empty(4))
    with pytest.raises(ValueError, match=r"^out: "):
        ce.gradient(LOGITS, LABELS, out=np.empty((3, 4)))


def test_value_and_hessian_take_no_out():
    for method in (mse.__call__, mse.hessian):
        with pytest.raises(TypeError, match="'out'"):
            method(Z, T, out=np.empty(4))


@pytest.mark.parametrize("loss", [mse, rashin.huber, bce, rashin.poisson])
def test_out_may_overlap_an_input(loss):
    t = np.tile(YES, 50_000)
    z = np.linspace(-3, 3, t.size)
    expected = loss.gradient(z, t, weight=t + 0.5)
    for pick in range(3):
        arrays = [z.copy(), t.copy(), t + 0.5]
        got = loss.gradient(arrays[0], arrays[1], weight=arrays[2], out=arrays[pick])
        assert got is arrays[pick]
        assert got.tobytes() == expected.tobytes()
    shifted = np.empty(t.size + 1)
    shifted[:-1] = z
    got = loss.gradient(shifted[:-1], t, weight=t + 0.5, out=shifted[1:])
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "loss",
    [mse, bce.replace(positive_weight=2.5), ce, ce.replace(label_smoothing=0.1), rashin.focal.replace(gamma=1.5), cce],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_gradient_in_place_of_the_prediction_needs_no_array_of_its_size(loss, weighted):
    rng = np.random.default_rng(5)
    rows, classes = 60_000, 7
    labels = rng.integers(0, classes, rows)
    z = rng.dirichlet(np.ones(classes), rows)
    t = (z > 0.3).astype(np.float64) if loss.kind == "pointwise" else labels
    w = rng.uniform(0.5, 2.0, t.shape) if weighted else None
    expected = loss.value_and_gradient(z, t, weight=w)
    place = z.copy()
    tracemalloc.start()
    value, gradient = loss.value_and_gradient(place, t, weight=w, out=place)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert gradient is place
    assert value == expected[0]
    assert gradient.tobytes() == expected[1].tobytes()
    assert peak < 0.9 * z.nbytes


def test_an_error_leaves_inputs_whole_that_out_overlaps():
    z = np.linspace(-3, 3, 300_000)
    t = np.zeros_like(z)
    t[-1] = NAN
    before = z.copy()
    with pytest.raises(ValueError, match="target"):
        mse.gradient(z, t, out=z)
    assert z.tobytes() == before.tobytes()
    logits, labels = np.zeros((50_000, 5)), np.zeros(50_000, int)
    labels[-1] = 5
    with pytest.raises(ValueError, match="target"):
        ce.gradient(logits, labels, out=logits)
    assert not logits.any()


@pytest.mark.parametrize("package", ["torch", "jax", "jaxlib"])
@pytest.mark.parametrize("argument", ["prediction", "target", "weight", "where"])
def test_arrays_of_a_framework_raise_instead_of_being_detached(package, argument):
    def refuse(self, *args, **keywords):
        raise AssertionError("the array was converted")

    kind = type("Tensor", (), {"__module__": f"{package}.sub", "__array__": refuse, "__len__": refuse})
    arguments = {"prediction": Z, "target": T, argument: kind()}
    with pytest.raises(TypeError, match=rf"^{argument}: .*{package.removesuffix('lib')}"):
        mse(arguments.pop("prediction"), arguments.pop("target"), **arguments)


def test_inputs_are_never_changed():
    arrays = [LOGITS.copy(), LABELS.copy(), W.copy(), np.array([True, False, True, True])]
    before = [a.tobytes() for a in arrays]
    for loss in (ce.replace(label_smoothing=0.1, softcap=3.0), rashin.focal, cce.replace(epsilon=0.5)):
        z = arrays[0] if loss is not cce and loss.name != "categorical_cross_entropy" else P
        loss.value_and_gradient(z, arrays[1], weight=arrays[2], where=arrays[3])
        loss.hessian(z, arrays[1], weight=arrays[2], where=arrays[3])
    assert [a.tobytes() for a in arrays] == before


@pytest.mark.parametrize("pattern", [0x7F800001, 0xFFA00000, 0x7FC00000])
def test_a_signalling_nan_is_refused_without_a_warning(pattern):
    """NumPy warns of an invalid value when it converts one."""
    nan = np.array([pattern] * 2, np.uint32).view(np.float32)
    rows, labels = nan.reshape(1, 2), np.zeros(1, int)
    tries = {
        "prediction": [
            lambda: rashin.huber(nan, np.zeros(2, np.float32)),
            lambda: rashin.softmax_cross_entropy(rows, labels),
            lambda: rashin.categorical_cross_entropy(rows, labels),
        ],
        "target": [
            lambda: rashin.huber(np.zeros(2, np.float32), nan),
            lambda: rashin.softmax_cross_entropy(np.zeros((1, 2), np.float32), rows),
        ],
        "logits": [
            lambda: rashin.sigmoid(nan),
            lambda: rashin.softmax(rows),
            lambda: rashin.softmax_statistics(rows, labels),
        ],
        "inputs": [lambda: rashin.linear_softmax_cross_entropy(rows, np.eye(2, dtype=np.float32), labels)],
        "weight": [lambda: rashin.huber(np.zeros(2, np.float32), np.zeros(2, np.float32), weight=nan)],
    }
    for word, calls in tries.items():
        for call in calls:
            with pytest.raises(ValueError, match=f"^{word}"):
                call()
