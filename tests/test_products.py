"""The Hessian of every loss times a vector, against its definition, differentiated twice in mpmath."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from long_rows import sums_of_summands
from losses import ENTRIES
from losses.multiclass import smoothed
from measuring import bound_of_product
from rashin import rowwise
from rashin.domain import PROBABILITY
from shipped import LOSSES, in_order, name_of, of_any_rows, settings_of
from test_reduction import CASES, drawn, inside
from ulp import spacing

BENT = ("focal", "poly_one", "generalized_cross_entropy")  # their H_jk are differences
DOUBLES = 32  # ULPs of double that count as one of a narrower type
ce = rashin.softmax_cross_entropy
FLAT = [loss for loss in LOSSES if loss.kind != "labelwise"]
LABEL_SETTINGS = [
    pytest.param(each, id=name_of(each)) for loss in LOSSES if loss.kind == "labelwise" for each in settings_of(loss)
]
OF_WHOLE_ROWS = [
    pytest.param(each, id=name_of(each)) for loss in LOSSES if loss.rule.product for each in settings_of(loss)
]
WEIGHT, KEEP = np.array([0.5, 2.0, 0.0, 3.0, 1.25, 7.0]), np.array([True, True, True, True, True, False])


@rowwise(prediction=PROBABILITY)
def user_whole_rows(xp, z, t):
    """A formula of whole rows."""
    r = z - t
    return xp.sum(r * r, axis=-1), 2.0 * r, 2.0


def terms_of(loss, z, t):
    """The entries H_jk of one row, by mixed differences with so many bits that none is lost."""
    entry, others = (
        ENTRIES[loss.name],
        {k: v for k, v in loss.parameters.items() if v is not None and k != "normalized"},
    )
    target, row = int(t) if np.ndim(t) == 0 else [mpf(x) for x in t.tolist()], [mpf(x) for x in z.tolist()]
    with mp.workprec(900):
        h = mp.ldexp(1, -200)

        def at(j, a, k, b):
            moved = list(row)
            moved[j] += a * h
            moved[k] += b * h
            return entry.value(moved, target, **others)

        signs = ((1, 1, 1), (-1, 1, -1), (-1, -1, 1), (1, -1, -1))
        size = range(len(row))
        return [[mp.fsum(s * at(j, a, k, b) for s, a, b in signs) / (4 * h * h) for k in size] for j in size]


def sizes_of(loss, z, t, v, terms):
    """For each class the sum of the |H_jk v_k|, or of the summands' magnitudes where H_jk is itself a difference."""
    sums = [mp.fsum(abs(x) for x in row) for row in terms]
    if loss.name not in BENT:
        return sums
    shares = smoothed(int(t) if np.ndim(t) == 0 else t.tolist(), len(z), 0)
    return list(map(max, sums, sums_of_summands(loss.name, loss.parameters, z, shares, v)))


def worst(loss, z, t, v, got, factors):
    """The largest error, in ULPs of the sum of the magnitudes of what adds up, or in narrower types of the result."""
    errors = []
    for i, factor in enumerate(factors):
        if factor == 0:
            assert not got[i].astype(float).any()
            continue
        with mp.workprec(300):
            row, along = [list(map(mpf, x[i].astype(float).tolist())) for x in (z, v)]
            terms = [[h * x for h, x in zip(entries, along, strict=True)] for entries in terms_of(loss, z[i], t[i])]
            for number, products, size in zip(got[i], terms, sizes_of(loss, row, t[i], along, terms), strict=True):
                exact, unit = factor * mp.fsum(products), spacing(factor * size, np.float64)
                if got.dtype != np.float64:  # rounded once, from double
                    unit = spacing(exact, got.dtype) + DOUBLES * unit
                errors.append(float(abs(mpf(float(number)) - exact) / unit))
    return max(errors)


def rows_of(seed, dtype, margin=0.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (6, 4)).astype(dtype)
    labels = rng.integers(0, 4, 6)
    z[[0, 1], labels[:2]] += dtype(margin)
    return z, labels, rng.multinomial(16, [0.25] * 4, 6) / 16.0, rng.normal(0, 3, (6, 4)).astype(dtype)


# ------------------------------------------------------------------------------------------------ the numbers


@pytest.mark.parametrize("loss", LABEL_SETTINGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_of_label_losses_are_those_of_the_definition(loss, dtype):
    for margin in (0.0, 30.0):
        z, labels, soft, v = rows_of(3, dtype, margin)
        divisor = float(WEIGHT[KEEP].sum())
        for t in (labels, soft):
            bound = 0.7 if dtype is np.float32 else bound_of_product(loss.name, dict(loss.parameters))
            got = loss.hessian_vector_product(z, t, v, weight=WEIGHT, where=KEEP)
            assert got.dtype == dtype
            error = worst(loss, z, t, v, got, WEIGHT * KEEP / divisor)
            assert error <= bound, (margin, t.ndim, error)


@pytest.mark.parametrize("loss", OF_WHOLE_ROWS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_of_whole_rows_are_those_of_the_definition(loss, dtype):
    z, labels, _, v = rows_of(4, dtype, 5.0)
    z, v, labels = in_order(loss, z[:4]), v[:4], labels[:4]
    divisor = float(WEIGHT[:4].sum())
    got = loss.hessian_vector_product(z, labels, v, weight=WEIGHT[:4])
    assert got.dtype == dtype
    assert worst(loss, z, labels, v, got, WEIGHT[:4] / divisor) <= (0.7 if dtype is np.float32 else 8.0)
    whole = loss.hessian_matrix(z.T, labels, weight=WEIGHT[:4], axis=0)
    for unit, column in zip(np.eye(4), np.moveaxis(whole, -1, 0), strict=True):
        along = np.broadcast_to(unit, z.shape)
        assert np.array_equal(column, loss.hessian_vector_product(z, labels, along, weight=WEIGHT[:4]))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_where_samples_or_classes_are_separate_the_product_is_by_the_diagonal(case, dtype):
    loss, z, t, weight, rng = drawn(case, 21, 31)
    if loss.facts.link == "softmax" or loss.rule.product or not loss.rule.has_products:
        return
    loss, z = of_any_rows(loss), inside(loss, z.astype(dtype), reach=60.0)
    keep, v = rng.random(31) < 0.7, rng.normal(size=z.shape).astype(dtype)
    v[0] = 0
    for reduction in ("mean", "sum", "none"):
        keywords = {"weight": weight, "where": keep, "reduction": reduction}
        diagonal = loss.hessian(z.astype(float), t, **keywords)
        with np.errstate(all="ignore"):
            expected = (diagonal * v.astype(float)).astype(dtype)
        expected[v == 0] = 0
        got = loss.hessian_vector_product(z, t, v, **keywords)
        assert got.tobytes() == (expected + dtype(0)).tobytes() or np.array_equal(got, expected)


@pytest.mark.parametrize("loss", LABEL_SETTINGS)
def test_unit_vectors_give_the_diagonal_and_a_symmetric_matrix(loss):
    z, labels, soft, _ = rows_of(5, np.float64)
    for t in (labels, soft):
        matrix = np.stack(
            [loss.hessian_vector_product(z, t, np.eye(4)[[k] * 6], reduction="sum") for k in range(4)], axis=-1
        )
        largest = np.abs(matrix).max(axis=(1, 2), keepdims=True)
        assert (np.abs(matrix - matrix.transpose(0, 2, 1)) <= 64 * np.spacing(largest)).all()
        diagonal = np.diagonal(matrix, axis1=1, axis2=2)
        assert (np.abs(diagonal - loss.hessian(z, t, reduction="sum")) <= 64 * np.spacing(largest[..., 0])).all()
        if not loss.parameters.get("z_loss") and not loss.parameters.get("softcap"):
            alike = loss.hessian_vector_product(z, t, np.full_like(z, 3.0), reduction="sum")
            assert (
                np.abs(alike) <= 64 * np.spacing(largest[..., 0])
            ).all()  # softmax does not change when all logits of a row do
            rows = loss.hessian_vector_product(z, t, z, reduction="sum").sum(axis=1)
            assert (np.abs(rows) <= 256 * np.spacing(np.abs(matrix).max() * np.abs(z).max())).all()


def test_a_confident_row_keeps_its_tail():
    got = ce.hessian_vector_product([[50.0, 0.0]], [0], [[1.0, 3.0]])  # p (1 - p) (v_0 - v_1)
    p = 1.9287498479639178e-22
    assert np.all(np.abs(got - [[-2 * p, 2 * p]]) <= 2 * np.spacing(2 * p))


def test_masked_classes_long_rows_and_large_vectors():
    z = np.random.default_rng(1).normal(size=(3, 5000))
    v, t = np.random.default_rng(2).normal(size=z.shape), [7, 0, 4999]
    masked, further = np.c_[z, [[-np.inf]] * 3], np.c_[v, [[1e9]] * 3]
    whole = ce.hessian_vector_product(z, t, v)
    got = ce.hessian_vector_product(masked, t, further)
    assert np.array_equal(got[:, -1], [0.0] * 3)
    assert np.all(np.abs(got[:, :-1] - whole) <= 64 * np.spacing(np.abs(whole).max()))
    p = rashin.softmax(z)
    wide, reach = p.astype(np.longdouble), np.abs(v) + (p * np.abs(v)).sum(axis=1, keepdims=True)
    exact = wide * (v - (wide * v).sum(axis=1, keepdims=True)) / 3
    assert np.all(np.abs(whole - exact) <= 8 * np.spacing(reach * p / 3))
    got = ce.hessian_vector_product([[1.0, 1.0]], [0], [[1.5e308, -1.5e308]])
    assert np.array_equal(got, [[7.5e307, -7.5e307]])
    certain = ce.hessian_vector_product([[np.inf, 1.0], [0.0, 0.0]], [0, 1], [[2.0, 5.0], [1.0, 0.0]], reduction="sum")
    assert np.array_equal(certain, [[0.0, 0.0], [0.25, -0.25]])


def test_where_the_curvature_is_infinite_a_zero_gives_zero():
    cce = rashin.categorical_cross_entropy.replace(normalized=False)
    with np.errstate(all="raise"):
        got = cce.hessian_vector_product([[0.0, 0.5]], [0], [[0.0, 2.0]])
    assert np.array_equal(got, [[0.0, 0.0]])
    assert np.isinf(cce.hessian_vector_product([[0.0, 0.5]], [0], [[1.0, 2.0]])[0, 0])


# -------------------------------------------------------------------------------------------- layouts, errors


@pytest.mark.parametrize("case", CASES)
def test_out_layout_axis_and_what_lies_outside(case):
    loss, z, t, weight, rng = drawn(case, 22, 31)
    if not loss.rule.has_products:
        pytest.skip("a formula of whole rows")
    v, keep = rng.normal(size=z.shape), rng.random(31) < 0.7
    keywords = {"weight": weight, "where": keep}
    expected = loss.hessian_vector_product(z, t, v, **keywords)
    assert not expected[~keep].any()
    dirty = v.copy()
    dirty[~keep] = np.nan
    place, vector, out = z.copy(), dirty.copy(), np.full(z.shape, np.nan, order="F")
    for x, along, given in ((z, dirty, out), (place, dirty, place), (z, vector, vector), (z[::-1][::-1], dirty, None)):
        got = loss.hessian_vector_product(x, t, along, out=given, **keywords)
        assert given is None or got is given
        assert got.tobytes() == expected.tobytes()
    if loss.kind != "pointwise":
        turned = t if t.ndim == 1 else t.T
        assert np.array_equal(loss.hessian_vector_product(z.T, turned, v.T, axis=0, **keywords).T, expected)


@pytest.mark.parametrize("case", ["log_cosh", "focal", "softmax_cross_entropy, soft", "categorical_cross_entropy"])
def test_many_samples_in_threads(case):
    loss, z, t, weight, rng = drawn(case, 23, 60_001)
    v = rng.normal(size=z.shape)
    parts = [slice(0, 777), slice(59_000, None)]
    whole = loss.hessian_vector_product(z, t, v, weight=weight, reduction="none")
    for part in parts:
        alone = loss.hessian_vector_product(z[part], t[part], v[part], weight=weight[part], reduction="none")
        assert whole[part].tobytes() == alone.tobytes()


@pytest.mark.parametrize("loss", [rashin.huber, ce, rashin.categorical_cross_entropy], ids=str)
def test_bad_vectors_and_inputs_are_named(loss):
    shape = (4,) if loss.kind == "pointwise" else (4, 2)
    z, t = np.full(shape, 0.5), np.zeros(4) if loss.kind == "pointwise" else np.zeros(4, int)
    v = np.ones(shape)
    with pytest.raises(ValueError, match=r"^vector: got shape \(3.*; expected the shape of the prediction.*fix: "):
        loss.hessian_vector_product(z, t, v[:3])
    v[2] = np.inf
    with pytest.raises(ValueError, match=r"^vector: got inf at index \(?2.*; expected finite numbers; fix: "):
        loss.hessian_vector_product(z, t, v)
    with pytest.raises(TypeError, match=r"^vector: "):
        loss.hessian_vector_product(z, t, v.astype(complex))
    z[3] = np.nan
    with pytest.raises(ValueError, match=r"^prediction: got nan at index \(?3"):
        loss.hessian_vector_product(z, t, np.ones(shape))
    with pytest.raises(ValueError, match=r"^out: "):
        loss.hessian_vector_product(np.full(shape, 0.5), t, np.ones(shape), out=np.empty(5))


def test_a_formula_of_whole_rows_has_none():
    with pytest.raises(TypeError, match=r"^user_whole_rows: has no hessian_vector_product: .*; fix: "):
        user_whole_rows.hessian_vector_product([[0.5, 0.5]], [0], [[1.0, 0.0]])
