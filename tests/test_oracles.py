"""The definitions and their derivatives on trial: at 6000 bits, by integrals, and against known numbers."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf

from calculus import exact_gradient, exact_hessian, exact_value
from cases import cases
from certification import break_distances, certified
from losses import ENTRIES
from losses.textbook import exp, log, tanh
from measuring import to_mpf, to_target
from shipped import LOSSES, changed, every_loss, name_of, of_any_rows, settings_of
from ulp import BFLOAT16, DTYPES, FORMATS, rounding_threshold, spacing, ulp_error

WITH_KINKS = [
    pytest.param(each, id=name_of(each)) for loss in LOSSES if ENTRIES[loss.name].kinks for each in settings_of(loss)
]


def agree(a: mpf, b: mpf) -> bool:
    """Equal to 2**-150, or both 0 in every format."""
    return a == b or max(abs(a), abs(b)) < mp.ldexp(1, -1200) or abs(a - b) <= mp.ldexp(abs(b), -150)


def finite_samples(loss, parameters):
    """The first sample of every case in double whose predictions are finite."""
    for case in cases(of_any_rows(loss), "float64", parameters):
        z, t = case.z[0], case.t[0]
        if np.isfinite(z).all():
            yield case.name, to_mpf(z), to_target(t)


def test_remembered_words_are_not_taken_for_one_another():
    for x in (mpf(0.5), mpf(5e-324)):
        for _ in range(2):
            assert (exp(x), tanh(x), log(x)) == (mp.exp(x), mp.tanh(x), mp.log(x))


@every_loss
def test_values_agree_with_the_definition_at_6000_bits(loss):
    entry = ENTRIES[loss.name]
    for parameters in entry.settings:
        for name, z, t in finite_samples(loss, parameters):
            exact = exact_value(loss.name, z, t, parameters).value
            with mp.workprec(6000):
                assert agree(exact, entry.value(z, t, **parameters)), name


@every_loss
def test_derivatives_integrate_to_differences_of_the_definition(loss):
    """f(z + w) - f(z - w) from the slopes between, f(z + w) - 2 f(z) + f(z - w) from the curvatures."""
    for parameters in ({}, own_parameters(changed(loss))):
        for place, (name, z, t) in enumerate(finite_samples(loss, parameters)):
            if place % 3 == 0:
                j = place % len(z) if isinstance(z, list) else None
                agrees = differences_agree(loss.name, z, t, parameters, j)
                assert agrees == (True, True), (name, z, t, j)


def own_parameters(loss):
    return {name: value for name, value in loss.parameters.items() if name != "normalized"}


def differences_agree(name, z, t, parameters, j):
    """Near the point, on its right, with quadratures of three nodes: they err by w^6, as w is 2^-60 or less."""
    x = z if j is None else z[j]
    reach = min([mpf(1), *break_distances(name, x, t, parameters)])
    w, aside = mp.ldexp(reach, -60), mp.ldexp(reach, -10)

    def moved(by):
        with mp.workprec(6000):
            return x + aside + by if j is None else [*z[:j], x + aside + by, *z[j + 1 :]]

    def mean(exact, middle, distance):
        nodes = [moved(by * w) for by in (-distance, mpf(0), distance)]
        found = [exact(name, node, t, parameters) if j is None else exact(name, node, t, parameters, [j])[0]
                 for node in nodes]  # fmt: skip
        return (1 - middle) / 2 * (found[0].value + found[2].value) + middle * found[1].value

    with mp.workprec(6000):
        before, here, after = (ENTRIES[name].value(moved(by), t, **parameters) for by in (-w, mpf(0), w))
        slope, curvature = (after - before) / (2 * w), (after - 2 * here + before) / w**2
        return (
            agree(mean(exact_gradient, mpf(4) / 9, mp.sqrt(mpf(3) / 5)), slope),
            agree(mean(exact_hessian, mpf(7) / 12, mp.sqrt(mpf(2) / 5)), curvature),
        )


@pytest.mark.parametrize("loss", WITH_KINKS)
def test_gradient_at_a_kink_is_the_middle(loss):
    parameters, h = own_parameters(loss), mp.ldexp(1, -200)
    for t in map(mpf, loss.facts.target_domain(loss.parameters).samples):
        for kink in ENTRIES[loss.name].kinks(t, **parameters):
            with mp.workprec(1000):
                left, right = (exact_gradient(loss.name, kink + step, t, parameters).value for step in (-h, h))
                middle = exact_gradient(loss.name, kink, t, parameters).value
                assert abs(middle - (left + right) / 2) <= mp.ldexp(1 + max(abs(left), abs(right)), -150), (t, kink)


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
    tweedie = ENTRIES["tweedie"].value
    assert tweedie(z, t, power=1.0) == ENTRIES["poisson"].value(z, t)
    assert tweedie(z, t, power=2.0) == ENTRIES["gamma"].value(z, t)
    with pytest.raises(ValueError, match="between 0 and 1"):
        tweedie(z, t, power=0.5)


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
