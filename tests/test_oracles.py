"""The oracle itself on trial: against bare definitions at 6000 bits, known derivatives, and known numbers."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf

from calculus import exact_gradient, exact_hessian, exact_value
from cases import PARAMETERS, cases
from measuring import to_mpf, to_target
from oracles import ORACLES, ROW_LOSSES, SUMMANDS, certified
from ulp import BFLOAT16, DTYPES, FORMATS, rounding_threshold, spacing, ulp_error

POINTWISE = sorted(set(SUMMANDS) - set(ROW_LOSSES))
ONE_VARIABLE = {  # (first derivative, second derivative) from a table of derivatives, at (z, t)
    "log_cosh": (lambda z, t: mp.tanh(z - t), lambda z, t: mp.sech(z - t) ** 2),
    "sigmoid_cross_entropy": (
        lambda z, t: 1 / (1 + mp.exp(-z)) - t,
        lambda z, t: 1 / (2 + mp.exp(z) + mp.exp(-z)),
    ),
    "poisson": (lambda z, t: mp.exp(z) - t, lambda z, t: mp.exp(z)),
    "gamma": (lambda z, t: 1 - t * mp.exp(-z), lambda z, t: t * mp.exp(-z)),
    "pseudo_huber": (
        lambda z, t: (z - t) / mp.sqrt(1 + (z - t) ** 2),
        lambda z, t: 1 / mp.sqrt(1 + (z - t) ** 2) ** 3,
    ),
}


def agree(a: mpf, b: mpf) -> bool:
    """Equal to 2**-150, or both 0 in every format."""
    return a == b or max(abs(a), abs(b)) < mp.ldexp(1, -1200) or abs(a - b) <= mp.ldexp(abs(b), -150)


def finite_samples(loss, parameters):
    """The first sample of every case in double whose predictions are finite."""
    for case in cases(loss, "float64", parameters):
        z, t = case.z[0], case.t[0]
        if np.isfinite(z).all():
            yield case.name, to_mpf(z), to_target(t)


@pytest.mark.parametrize("loss", sorted(ORACLES))
def test_values_agree_with_the_definition_at_6000_bits(loss):
    for parameters in PARAMETERS[loss]:
        for name, z, t in finite_samples(loss, parameters):
            exact = exact_value(loss, z, t, parameters).value
            with mp.workprec(6000):
                assert agree(exact, ORACLES[loss](z, t, **parameters)), name


@pytest.mark.parametrize("loss", sorted(ONE_VARIABLE))
def test_derivatives_agree_with_a_table_of_derivatives(loss):
    slope, curvature = ONE_VARIABLE[loss]
    for name, z, t in finite_samples(loss, {}):
        got = exact_gradient(loss, z, t, {}).value, exact_hessian(loss, z, t, {}).value
        with mp.workprec(6000):
            assert agree(got[0], slope(z, t)), name
            assert agree(got[1], curvature(z, t)), name


def test_gradient_of_a_row_is_softmax_minus_target():
    z, q = [mpf(1), mpf(-2), mpf(0.3)], [mpf(0.25), mpf(0.5), mpf(0.25)]
    got = exact_gradient("softmax_cross_entropy", z, q, {})
    curved = exact_hessian("softmax_cross_entropy", z, 1, {})
    with mp.workprec(500):
        p = [mp.exp(x) / mp.fsum(map(mp.exp, z)) for x in z]
        for j in range(3):
            assert agree(got[j].value, p[j] - q[j])
            assert agree(curved[j].value, p[j] * (1 - p[j]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_of_two_classes_is_sigmoid_focal(gamma):
    for z in (-50.0, -1.5, 0.0, 3.0, 100.0):
        two = exact_value("focal", [mpf(z), mpf(0)], 0, {"gamma": gamma})
        one = exact_value("sigmoid_focal", mpf(z), mpf(1), {"gamma": gamma})
        assert agree(two.value, one.value)


def test_tweedie_joins_poisson_and_gamma():
    z, t = mpf(0.7), mpf(3)
    assert ORACLES["tweedie"](z, t, power=1.0) == ORACLES["poisson"](z, t)
    assert ORACLES["tweedie"](z, t, power=2.0) == ORACLES["gamma"](z, t)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ORACLES["tweedie"](z, t, power=0.5)


@pytest.mark.parametrize("loss", POINTWISE)
def test_gradient_at_a_kink_is_the_middle(loss):
    middle = {"absolute_error": 0, "hinge": mpf(-0.5), "quantile": 0}
    if loss in middle:
        z, t = (mpf(1), mpf(1)) if loss == "hinge" else (mpf(0.3), mpf(0.3))
        assert exact_gradient(loss, z, t, {}).value == middle[loss]


def test_limits():
    inf, two = mp.inf, mpf(2)
    assert exact_value("sigmoid_cross_entropy", inf, mpf(1), {}).value == 0
    assert exact_value("sigmoid_cross_entropy", inf, mpf(0), {}).value == inf
    assert exact_gradient("absolute_error", -inf, two, {}).value == -1
    assert exact_hessian("pseudo_huber", inf, two, {}).value == 0
    masked = [two, -inf, two]
    halves = exact_value("softmax_cross_entropy", masked, [0.5, 0.0, 0.5], {}).value
    assert agree(halves, certified(mp.log, two))
    assert exact_value("softmax_cross_entropy", masked, 1, {}).value == inf
    assert [x.value for x in exact_gradient("softmax_cross_entropy", masked, 0, {})] == [-0.5, 0, 0.5]
    assert exact_gradient("binary_cross_entropy", mpf(0), mpf(1), {}).value == -inf


def test_certification_needs_1100_bits_and_takes_them():
    tiny = mpf("1e-310")
    got = certified(lambda x: 1 - (1 - x), tiny)
    assert agree(got, tiny)


# The ruler


@pytest.mark.parametrize("dtype", sorted(FORMATS))
def test_spacing_and_threshold_are_those_of_the_format(dtype):
    info = ml_dtypes.finfo(BFLOAT16) if dtype == "bfloat16" else np.finfo(dtype)
    assert spacing(mpf(1), dtype) == float(info.eps)
    assert spacing(mpf(0.999), dtype) == float(info.eps) / 2
    assert spacing(mpf(0), dtype) == spacing(mpf(float(info.tiny)), dtype) == float(info.smallest_subnormal)
    largest, inf = float(info.max), float("inf")
    threshold = rounding_threshold(dtype)
    with mp.workprec(4000):
        assert threshold == mpf(largest) + spacing(mpf(largest), dtype) / 2
        below = threshold - 1e-300
    assert ulp_error(largest, mpf(largest), dtype) == 0.0
    assert ulp_error(inf, threshold, dtype) == ulp_error(-inf, -threshold, dtype) == 0.0
    assert ulp_error(largest, threshold, dtype) == ulp_error(inf, below, dtype) == inf
    assert ulp_error(largest, below, dtype) == 0.5
    assert ulp_error(float("nan"), mpf(0), dtype) == ulp_error(-inf, mp.inf, dtype) == inf


@pytest.mark.parametrize("dtype", sorted(FORMATS))
def test_rounding_is_half_an_ulp_at_most_and_a_neighbour_is_one(dtype):
    rng = np.random.default_rng(5)
    for x in np.abs(rng.normal(size=50)) * 10.0 ** rng.uniform(-9, 4, 50):
        number = np.float64(x).astype(DTYPES[dtype])
        assert ulp_error(number, mpf(x), dtype) <= 0.5
        neighbour = mpf(float(number)) + spacing(mpf(float(number)), dtype)
        assert ulp_error(float(number), neighbour, dtype) in (0.5, 1.0)  # 0.5 at a power of two
