"""Weights, masks and reductions: linear, and exact to the last bit."""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rashin
from cases import is_logarithm, is_share, numbers_of
from exact_sums import exactly
from rashin.domain import LABEL
from shipped import PATHS, changed, in_order, of_any_rows, settings_of, takes_logits

CLASSES = 4
# Of each path through the code: three hundred of each property.
SETTINGS = settings(max_examples=12, deadline=None, derandomize=True)


def _probabilities(rng, n):
    return rng.dirichlet(np.ones(CLASSES), n)


def _labels(rng, n):
    return rng.integers(0, CLASSES, n)


def _sixteenths(rng, n):
    return rng.multinomial(16, np.full(CLASSES, 0.25), n) / 16.0  # sums to 1 in every dtype


def _reals(rng, n):
    return rng.normal(0, 3, n) * 10.0 ** rng.integers(-3, 4, n)


def predictions(loss):
    """How to draw predictions of a loss, by the domain that it names."""
    where = loss.prediction.entry()
    if loss.kind != "pointwise":
        return lambda rng, n: (
            np.log(_probabilities(rng, n))
            if is_logarithm(where)
            else (_probabilities(rng, n) if is_share(where) else in_order(loss, rng.normal(0, 3, (n, CLASSES))))
        )
    if is_share(where):
        return lambda rng, n: rng.uniform(0.01, 0.99, n)
    draw = (lambda rng, n: rng.normal(size=n)) if grows_exponentially(loss) else _reals
    return lambda rng, n: within(where, draw(rng, n))


def within(where, z):
    """The numbers, without their sign where the domain does not hold them."""
    return np.where(where.contains(z), z, np.abs(z))


def grows_exponentially(loss):
    """Whether the loss of some predictions is beyond the doubles, though they are not large."""
    return np.isinf(
        loss.per_sample(within(loss.prediction, np.array([-1e4, 1e4])), [loss.target.samples[-1]] * 2)
    ).any()


def targets(loss):
    where = loss.facts.target_domain(loss.parameters)
    return _reals if where.contains([-0.3, 0.3]).all() else lambda rng, n: numbers_of(where, rng, n)


def tried(loss):
    """A loss with other parameters than its defaults: a row loss with some for labels, and with all for shares."""
    other = keep_rows(changed(loss))
    if loss.kind == "pointwise":
        return {loss.name: (other, predictions(other), targets(other))}
    if takes_logits(loss):
        return {loss.name: (other, predictions(other), predictions(other))}
    if other.parameters.get("reverse"):  # infinite where a class has no share
        other = settings_of(loss)[1]
    cases = {loss.name: (keep_rows(settings_of(loss)[:2][-1]), predictions(other), _labels)}
    if loss.facts.target is not LABEL:
        cases[f"{loss.name}, soft"] = (other, predictions(other), _sixteenths)
    return cases


def keep_rows(loss):
    return loss.replace(normalized=True) if "normalized" in loss.options else loss


NAMED = [rashin.log_cosh, rashin.poisson, rashin.focal]  # by which single tests ask for a case
CASES = {name: case for loss in [*PATHS, *NAMED] for name, case in tried(loss).items()}
cases = pytest.mark.parametrize("case", CASES)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 70)


def drawn(case, seed, n):
    """Loss, prediction, target, and weights of which some are 0."""
    loss, predictions, targets = CASES[case]
    rng = np.random.default_rng(seed)
    weight = rng.gamma(0.5, 3.0, n) * (rng.random(n) < 0.8)
    weight[0] = 1.7
    return loss, predictions(rng, n), targets(rng, n), weight, rng


def everything(loss, z, t, **keywords):
    """The bits of value, gradient and Hessian."""
    value, gradient = loss.value_and_gradient(z, t, **keywords)
    parts = [np.asarray(value), np.asarray(gradient), np.asarray(loss.hessian(z, t, **keywords))]
    return [part.astype(part.dtype.newbyteorder("=")).tobytes() for part in parts]


# -------------------------------------------------------------------------------------- exact sums


@cases
@SETTINGS
@given(seed=seeds, n=sizes)
def test_mean_and_sum_are_the_exact_ones_rounded_once(case, seed, n):
    loss, z, t, weight, _ = drawn(case, seed, n)
    samples = loss(z, t, weight=weight, reduction="none")
    assert samples.dtype == np.float64
    assert loss(z, t, weight=weight, reduction="sum") == float(exactly(samples))
    assert loss(z, t, weight=weight) == float(exactly(samples) / exactly(weight))
    plain = loss(z, t, reduction="none")
    assert loss(z, t) == float(exactly(plain) / n)
    assert (weight * plain + 0.0).tobytes() == (samples + 0.0).tobytes()


def inside(loss, z, reach=np.inf):
    """Rounded predictions, back in the domain."""
    where = loss.prediction.entry()
    low = 1e-3 if is_share(where) else max(where.low, -reach)
    return np.clip(z.astype(float), low, min(where.high, reach)).astype(z.dtype)


@cases
def test_narrow_input_is_summed_before_it_is_rounded(case):
    loss, z, t, weight, _ = drawn(case, 3, 60)
    loss = of_any_rows(loss)
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
        narrow = inside(loss, z.astype(dtype), reach=60.0)
        wide = narrow.astype(np.float64)
        for reduction in ("mean", "sum"):
            got = loss(narrow, t, weight=weight, reduction=reduction)
            assert type(got) is float
            expected = loss(wide, t, weight=weight, reduction=reduction)
            assert abs(got - expected) <= 4 * np.spacing(abs(expected))  # the exponentials differ by a double ulp
        samples, gradient = loss.value_and_gradient(narrow, t, weight=weight, reduction="none")
        assert samples.dtype == gradient.dtype == narrow.dtype
        with np.errstate(over="ignore"):
            exact = loss(wide, t, weight=weight, reduction="none").astype(dtype)
        assert samples.tobytes() == exact.tobytes()


@cases
@SETTINGS
@given(seed=seeds, n=sizes, cut=st.floats(0, 1))
def test_sums_of_parts_are_the_sum(case, seed, n, cut):
    loss, z, t, weight, _ = drawn(case, seed, n)
    cut = int(cut * n)
    parts = [loss(z[s], t[s], weight=weight[s], reduction="none") for s in (slice(None, cut), slice(cut, None))]
    together = loss(z, t, weight=weight, reduction="none")
    assert np.concatenate(parts).tobytes() == together.tobytes()
    assert float(sum(map(exactly, parts))) == loss(z, t, weight=weight, reduction="sum")


# ------------------------------------------------------------------------------------ linear in weight


@cases
@SETTINGS
@given(seed=seeds, n=sizes, factor=st.sampled_from([0.5, 2.0, 2.0**-40, 2.0**30]))
def test_sum_is_linear_in_the_weight(case, seed, n, factor):
    loss, z, t, weight, rng = drawn(case, seed, n)
    other = rng.integers(0, 9, n) / 4.0
    base, more = (loss(z, t, weight=w, reduction="sum") for w in (weight, other))
    assert loss(z, t, weight=factor * weight, reduction="sum") == factor * base  # a power of two: no rounding
    both = loss(z, t, weight=weight + other, reduction="sum")
    # each of the n terms of either side is rounded once to 2**-53, as is w + v
    reach = exactly(np.abs(loss(z, t, weight=weight + other, reduction="none")))
    assert abs(Fraction(both) - Fraction(base) - Fraction(more)) <= reach * Fraction(6, 2**53)
    gradient = loss.gradient(z, t, weight=factor * weight, reduction="sum")
    assert np.array_equal(normal(gradient), normal(factor * loss.gradient(z, t, weight=weight, reduction="sum")))


@cases
@SETTINGS
@given(seed=seeds, n=sizes, factor=st.sampled_from([0.5, 2.0, 2.0**-40, 2.0**30]))
def test_mean_does_not_change_with_the_scale_of_the_weights(case, seed, n, factor):
    loss, z, t, weight, _ = drawn(case, seed, n)
    assert everything(loss, z, t, weight=factor * weight) == everything(loss, z, t, weight=weight)


@cases
@SETTINGS
@given(seed=seeds, n=sizes)
def test_whole_weights_equal_repetition(case, seed, n):
    loss, z, t, _, rng = drawn(case, seed, n)
    counts = rng.choice([0, 1, 2, 4, 8], n)  # powers of two: w * l is exact
    counts[0] = 2
    for reduction in ("mean", "sum"):
        repeated = loss(z.repeat(counts, 0), t.repeat(counts, 0), reduction=reduction)
        assert loss(z, t, weight=counts, reduction=reduction) == repeated
        assert loss(z, t, weight=counts.astype(np.uint8), reduction=reduction) == repeated


@cases
def test_equal_weights_are_no_weights(case):
    loss, z, t, _, _ = drawn(case, 11, 50)
    ones = np.ones(50)
    for reduction in ("mean", "sum", "none"):
        plain = everything(loss, z, t, reduction=reduction)
        assert everything(loss, z, t, weight=ones, reduction=reduction) == plain
        assert everything(loss, z, t, where=ones > 0, reduction=reduction) == plain
        assert everything(loss, z, t, weight=ones.astype(bool), reduction=reduction) == plain


# ---------------------------------------------------------------------------------- where is deletion


@cases
@SETTINGS
@given(seed=seeds, n=sizes, share=st.floats(0.05, 1))
def test_where_equals_deletion_bit_for_bit(case, seed, n, share):
    loss, z, t, weight, rng = drawn(case, seed, n)
    keep = rng.random(n) < share
    keep[0] = True
    for place, reduction in enumerate(("mean", "sum", "none")):
        weights = (None, weight)[(place + seed) % 2]  # each reduction with and without them, by the seed
        less = None if weights is None else weights[keep]
        whole = {"where": keep, "weight": weights, "reduction": reduction}
        value, gradient = loss.value_and_gradient(z, t, **whole)
        expected = loss.value_and_gradient(z[keep], t[keep], weight=less, reduction=reduction)
        assert np.asarray(value if reduction != "none" else value[keep]).tobytes() == np.asarray(expected[0]).tobytes()
        assert gradient[keep].tobytes() == expected[1].tobytes()
        assert not gradient[~keep].any()
        hessian = loss.hessian(z, t, **whole)
        assert hessian[keep].tobytes() == loss.hessian(z[keep], t[keep], weight=less, reduction=reduction).tobytes()
        assert not hessian[~keep].any()
        if reduction == "none":
            assert not value[~keep].any()


@cases
@SETTINGS
@given(seed=seeds, n=sizes)
def test_where_is_weight_0(case, seed, n):
    loss, z, t, weight, rng = drawn(case, seed, n)
    keep = rng.random(n) < 0.6
    keep[0] = True
    for reduction in ("mean", "sum"):
        masked = loss.value_and_gradient(z, t, weight=weight, where=keep, reduction=reduction)
        zeroed = loss.value_and_gradient(z, t, weight=weight * keep, reduction=reduction)
        assert masked[0] == zeroed[0]
        assert np.array_equal(masked[1], zeroed[1])


@cases
@SETTINGS
@given(seed=seeds, n=sizes)
def test_mean_and_sum_do_not_depend_on_the_order(case, seed, n):
    loss, z, t, weight, rng = drawn(case, seed, n)
    order = rng.permutation(n)
    for reduction in ("mean", "sum"):
        value, gradient = loss.value_and_gradient(z, t, weight=weight, reduction=reduction)
        shuffled = loss.value_and_gradient(z[order], t[order], weight=weight[order], reduction=reduction)
        assert shuffled[0] == value
        assert shuffled[1].tobytes() == gradient[order].tobytes()


# ---------------------------------------------------------------------------- gradients of reductions


@cases
@SETTINGS
@given(seed=seeds, n=sizes)
def test_gradients_of_mean_sum_and_none_are_one_another(case, seed, n):
    loss, z, t, _, rng = drawn(case, seed, n)
    weight = powers_of_two(rng, n)
    column = weight.reshape(-1, *[1] * (z.ndim - 1))
    for method in (loss.gradient, loss.hessian):
        plain, each = method(z, t, reduction="none"), method(z, t, weight=weight, reduction="none")
        assert np.array_equal(normal(each), normal(column * plain))
        assert method(z, t, weight=weight, reduction="sum").tobytes() == each.tobytes()
        assert np.array_equal(normal(method(z, t, weight=weight)), normal(each / 4.0))


def powers_of_two(rng, n):
    """``n`` weights, all powers of two or 0, whose sum is 4: they scale without rounding."""
    weight = [4.0]
    while len(weight) < n:
        place = rng.integers(len(weight))
        if rng.random() < 0.2:
            weight.append(0.0)
        else:
            weight[place] /= 2
            weight.append(weight[place])
    return np.array(weight)


def normal(x):
    """With numbers replaced by 0 that scaling may push into the subnormals, where it rounds."""
    return np.where(np.abs(x) < 1e-280, 0.0, x)


@cases
def test_value_and_gradient_are_those_of_separate_calls(case):
    loss, z, t, weight, rng = drawn(case, 5, 67)
    keep = rng.random(67) < 0.7
    for dtype in (np.float64, np.float32):
        x = inside(loss, z.astype(dtype))
        for reduction in ("mean", "sum", "none"):
            for keywords in ({}, {"weight": weight}, {"where": keep}, {"weight": weight, "where": keep}):
                value, gradient = loss.value_and_gradient(x, t, reduction=reduction, **keywords)
                alone = loss(x, t, reduction=reduction, **keywords)
                assert type(value) is type(alone)
                assert np.asarray(value).tobytes() == np.asarray(alone).tobytes()
                assert gradient.tobytes() == loss.gradient(x, t, reduction=reduction, **keywords).tobytes()


@cases
def test_out_is_filled_and_returned(case):
    loss, z, t, weight, _ = drawn(case, 8, 41)
    expected = loss.gradient(z, t, weight=weight)
    wide = np.full((2 * len(z), *z.shape[1:]), np.nan)
    for out in (np.full_like(z, np.nan), np.full_like(z, np.nan)[::-1], wide[::2], np.asfortranarray(z * np.nan)):
        assert loss.gradient(z, t, weight=weight, out=out) is out
        assert out.tobytes() == expected.tobytes()
        out[...] = np.nan
        value, gradient = loss.value_and_gradient(z, t, weight=weight, out=out)
        assert gradient is out
        assert out.tobytes() == expected.tobytes()
        assert value == loss(z, t, weight=weight)
    assert np.isnan(wide[1::2]).all()


@cases
def test_replace_is_the_keyword(case):
    loss, z, t, weight, _ = drawn(case, 9, 33)
    default = getattr(rashin, loss.name)
    settings = dict(loss.parameters)
    assert everything(default, z, t, weight=weight, **settings) == everything(loss, z, t, weight=weight)
    assert everything(default.replace(**settings), z, t, weight=weight) == everything(loss, z, t, weight=weight)
    if settings != dict(default.parameters):
        assert everything(default, z, t, weight=weight) != everything(loss, z, t, weight=weight)


# ------------------------------------------------------------------------------------------- layouts


def _strided(a):
    wide = np.zeros((*a.shape[:-1], 3 * a.shape[-1]), a.dtype)
    wide[..., 1::3] = a
    return wide[..., 1::3]


def _locked(a):
    copy = a.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = {
    "strided": _strided,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": _locked,
    "list": lambda a: a.tolist(),
    "object": lambda a: a.astype(object),
}


KEYWORDS = ((), ("weight",), ("weight", "where"))
LAID = (("z",), ("t",), ("z", "t", "weight", "where"))


@functools.cache
def _contiguous(case, rows):
    """The loss, its arrays, and the bits for each choice of keywords and each reduction."""
    loss, z, t, weight, rng = drawn(case, 17, rows)
    arrays = {"z": z, "t": t, "weight": weight, "where": rng.random(rows) < 0.8}
    bits = {
        (names, reduction): everything(loss, z, t, reduction=reduction, **{name: arrays[name] for name in names})
        for names in KEYWORDS
        for reduction in ("mean", "none")
    }
    return loss, arrays, bits


@pytest.mark.parametrize("layout", LAYOUTS)
@cases
def test_every_layout_gives_the_same_bits(case, layout):
    """Each choice of laid arrays meets each of keywords; both meet each reduction."""
    rows = 60 if layout in ("list", "object") else 2100  # they become arrays; memory is read in blocks of 1024
    loss, arrays, bits = _contiguous(case, rows)
    laid = {name: LAYOUTS[layout](array) for name, array in arrays.items()}
    if layout == "object":
        laid["where"] = arrays["where"]
    for some, names in itertools.product(LAID, KEYWORDS):
        reduction = ("mean", "none")[(LAID.index(some) + KEYWORDS.index(names)) % 2]
        z, t, *others = ((laid if name in some else arrays)[name] for name in ("z", "t", *names))
        keywords = dict(zip(names, others, strict=True))
        assert everything(loss, z, t, reduction=reduction, **keywords) == bits[names, reduction]


@pytest.mark.parametrize("dtype", ["f4", "f2", ">f4", ">f2", "bfloat16"])
@cases
def test_floating_types_of_the_prediction_are_those_of_the_gradient(case, dtype):
    dtype = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    loss, z, t, weight, _ = drawn(case, 19, 40)
    if loss.facts.prediction.entry().high == np.inf:
        z = np.clip(z, -50, 50)
    z = z.astype(dtype)
    native = dtype.newbyteorder("=")
    for method in (loss.gradient, loss.hessian):
        for reduction in ("mean", "sum", "none"):
            got = method(z, t, weight=weight, reduction=reduction)
            assert got.dtype == native
            assert got.shape == z.shape
            wide = method(z.astype(np.float64), t, weight=weight, reduction=reduction)
            # one rounding of the double, and of what the two sweeps may differ by
            assert np.all(
                np.abs(got.astype(np.float64) - wide) <= np.spacing(np.abs(wide.astype(native))).astype(float)
            )


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0), (1, 1, 1, 1)])
def test_pointwise_shapes_are_kept(shape):
    rng = np.random.default_rng(1)
    for dtype in (np.float64, np.float32, np.float16):
        z, t = rng.normal(size=shape).astype(dtype), np.asarray(rng.normal(size=shape))
        for loss in (rashin.huber.replace(delta=0.5), rashin.log_cosh):
            for method in (loss.gradient, loss.hessian):
                got = method(z, t, reduction="sum")
                assert isinstance(got, np.ndarray)
                assert got.shape == shape
                assert got.dtype == dtype
            samples = loss(z, t, reduction="none")
            assert isinstance(samples, np.ndarray)
            assert samples.shape == shape
            assert samples.dtype == dtype
            assert type(loss(z, t, reduction="sum")) is float
            weight = np.asarray(rng.random(shape))
            assert loss(z, t, weight=weight, reduction="none").shape == shape


@pytest.mark.parametrize("rows", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("soft", [False, True])
def test_row_shapes_are_kept_along_every_axis(rows, soft):
    rng = np.random.default_rng(2)
    z = rng.normal(size=(*rows, CLASSES))
    t = _sixteenths(rng, math.prod(rows)).reshape(z.shape) if soft else rng.integers(0, CLASSES, rows)
    weight = rng.random(rows) + 0.5
    p = rashin.softmax(z)
    for loss, x in (
        (rashin.softmax_cross_entropy.replace(label_smoothing=0.2), z),
        (rashin.softmax_cross_entropy.replace(softcap=3.0), z),
        (rashin.focal.replace(gamma=0.5), z),
        (rashin.categorical_cross_entropy.replace(epsilon=0.1), p),
    ):
        expected = loss(x, t, weight=weight, reduction="none")
        assert expected.shape == rows
        gradient = loss.gradient(x, t, weight=weight, reduction="sum")
        hessian = loss.hessian(x, t, weight=weight, reduction="sum")
        assert gradient.shape == hessian.shape == x.shape
        for axis in range(-x.ndim, x.ndim):
            turned = np.moveaxis(x, -1, axis)
            target = np.moveaxis(t, -1, axis) if soft else t
            for z_axis in (turned, np.ascontiguousarray(turned)):
                keywords = {"weight": weight, "axis": axis}
                samples, slopes = loss.value_and_gradient(z_axis, target, reduction="none", **keywords)
                assert samples.tobytes() == expected.tobytes()
                assert slopes.shape == turned.shape
                assert np.moveaxis(slopes, axis, -1).tobytes() == gradient.tobytes()
                curved = loss.hessian(z_axis, target, reduction="sum", **keywords)
                assert np.moveaxis(curved, axis, -1).tobytes() == hessian.tobytes()


def test_integer_bool_and_list_predictions_have_float64_gradients():
    for z in ([1, 0, 1], np.array([1, 0, 1], np.int8), np.array([True, False, True]), np.array([1, 0, 1], ">u2")):
        for loss in (rashin.huber.replace(delta=0.25), rashin.sigmoid_cross_entropy.replace(positive_weight=2.0)):
            got = loss.value_and_gradient(z, [0, 1, 1], weight=[1, 2, 4], reduction="none")
            exact = loss.value_and_gradient([1.0, 0.0, 1.0], [0.0, 1.0, 1.0], weight=[1.0, 2.0, 4.0], reduction="none")
            for part, expected in zip(got, exact, strict=True):
                assert part.dtype == np.float64
                assert part.tobytes() == expected.tobytes()
        rows = np.stack([np.asarray(z), np.asarray(z)[::-1]], axis=-1)
        assert rashin.focal.gradient(rows, [0, 1, 0]).dtype == np.float64


def test_infinite_losses_make_infinite_sums_and_never_nan():
    z, t = [[0.0, -np.inf], [1.0, 2.0]], [1, 0]
    for reduction in ("mean", "sum"):
        assert rashin.softmax_cross_entropy(z, t, weight=[0.25, 2.0], reduction=reduction) == np.inf
    assert math.isfinite(rashin.softmax_cross_entropy(z, t, weight=[0.0, 2.0]))
    assert math.isfinite(rashin.softmax_cross_entropy(z, t, where=[False, True]))


def test_sums_beyond_the_doubles_are_infinite_but_their_means_are_not():
    z = np.full(1000, 1e154 * 1.5)
    t = np.zeros(1000)
    one = rashin.half_squared_error(z[:1], t[:1])
    assert rashin.half_squared_error(z, t, reduction="sum") == np.inf
    assert rashin.half_squared_error(z, t) == one
    assert rashin.half_squared_error(z, t, weight=np.full(1000, 0.5)) == one


@pytest.mark.parametrize("size", [1023, 1024, 1025, 2**14 - 1, 2**14 + 1, 2**17 + 3, 2**18 + 1])
def test_sizes_around_the_blocks_are_summed_exactly(size):
    rng = np.random.default_rng(size)
    z, t = rng.normal(size=size), rng.normal(size=size)
    weight = rng.random(size)
    loss = rashin.huber.replace(delta=0.7)
    samples = loss(z, t, weight=weight, reduction="none")
    assert loss(z, t, weight=weight, reduction="sum") == math.fsum(samples)
    assert loss(z, t, reduction="sum") == math.fsum(loss(z, t, reduction="none"))
    rows, labels = z[: size // 5 * 5].reshape(-1, 5), rng.integers(0, 5, size // 5)
    for loss in (rashin.softmax_cross_entropy.replace(z_loss=0.1), rashin.focal):
        samples = loss(rows, labels, weight=weight[: size // 5], reduction="none")
        assert loss(rows, labels, weight=weight[: size // 5], reduction="sum") == math.fsum(samples)


@pytest.mark.parametrize("scale", [1e308, 1e-320, 5e-324])
def test_a_mean_holds_for_weights_whose_sum_or_products_leave_the_doubles(scale):
    close = functools.partial(np.testing.assert_allclose, rtol=4 * 2.0**-53)  # a product w l is rounded
    cases = [
        (rashin.huber.replace(delta=2.0), [0.3, 3.0], [0.0, 0.0]),
        (rashin.softmax_cross_entropy, [[1.0, 2.0], [0.5, 0.0]], [0, 1]),
        (rashin.categorical_cross_entropy, [[0.25, 0.75], [0.5, 0.5]], [0, 1]),
    ]
    for loss, z, t in cases:
        for weight, alike in (([scale] * 2, None), ([scale, 0.0], [1.0, 0.0])):
            value, gradient = loss.value_and_gradient(z, t, weight=weight)
            expected, slopes = loss.value_and_gradient(z, t, weight=alike)
            close(value, expected)
            close(gradient, slopes)
            close(loss.hessian(z, t, weight=weight), loss.hessian(z, t, weight=alike))
    x, c = np.array([[1.0, 2.0], [0.5, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    value, triple = rashin.linear_softmax_cross_entropy.value_and_gradient(x, c, [0, 2], weight=[scale] * 2)
    expected, slopes = rashin.linear_softmax_cross_entropy.value_and_gradient(x, c, [0, 2])
    close(value, expected)
    close(triple[0], slopes[0])
    close(triple[1], slopes[1])
    assert rashin.absolute_error([100.0], [0.0], weight=[1e308]) == 100.0
