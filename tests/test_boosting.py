"""What boosting asks of a loss, without any booster: curvatures, weights, starts, links, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.adapters.boosting import FLOOR, Derivatives, boosted, exact, link_of, linked, start, unit

RNG = np.random.default_rng(8)
MAJORIZED = [
    (rashin.half_squared_error, RNG.normal(size=40)),
    (rashin.huber.replace(delta=0.5), RNG.normal(size=40)),
    (rashin.pseudo_huber.replace(delta=0.5), RNG.normal(size=40)),
    (rashin.log_cosh, RNG.normal(size=40)),
    (rashin.fair.replace(scale=0.5), RNG.normal(size=40)),
    (rashin.robust.replace(alpha=-2.0, scale=0.5), RNG.normal(size=40)),
    (rashin.expectile.replace(level=0.9), RNG.normal(size=40)),
    (rashin.squared_hinge, RNG.choice([-1.0, 1.0], 40)),
    (rashin.squared_epsilon_insensitive, RNG.normal(size=40)),
    (rashin.sigmoid_cross_entropy.replace(positive_weight=3.0), RNG.random(40)),
    (rashin.softmax_cross_entropy.replace(label_smoothing=0.1), RNG.integers(0, 3, 40)),
]


@pytest.mark.parametrize(("loss", "t"), MAJORIZED, ids=lambda x: getattr(x, "name", ""))
def test_no_step_of_a_majorized_curvature_overshoots(loss, t):
    """The parabola with that curvature lies nowhere below the loss, at steps of all sizes."""
    rng = np.random.default_rng(2)
    z = rng.normal(0.0, 2.0, (40, 3) if loss.prediction.axes else 40)
    z[:2] = 0.0
    g, h = Derivatives(loss, "majorized", 0.0, {})(z, t, None)
    assert np.all(h >= loss.hessian(z, t, reduction="sum") - 1e-15)
    for scale in np.geomspace(1e-3, 50.0, 25):
        step = rng.normal(0.0, scale, z.shape)
        bound = g * step + 0.5 * h * step * step
        bound = loss.per_sample(z, t) + (bound.sum(axis=1) if z.ndim == 2 else bound)
        assert np.all(loss.per_sample(z + step, t) <= bound + 4e-15 * (1.0 + np.abs(bound)))


@pytest.mark.parametrize("hessian", ["exact", "majorized", "unit"])
@pytest.mark.parametrize("name", ["sigmoid_cross_entropy", "softmax_cross_entropy", "huber"])
def test_weights_are_applied_once(name, hessian):
    loss, w = getattr(rashin, name), np.array([0.0, 1.0, 2.5])
    z = np.array([0.25, -0.5, 2.0])
    t = np.array([0.0, 1.0, 1.0])
    if loss.prediction.axes:
        z, t = np.stack([z, -z], axis=-1), t.astype(int)
    of_one = Derivatives(loss, hessian, FLOOR, {})
    g, h = of_one(z, t, None)
    spread = w[:, None] if z.ndim == 2 else w
    np.testing.assert_allclose(of_one(z, t, w), (g * spread, h * spread), rtol=1e-15)


def test_weights_of_rows_hold_for_all_columns_of_a_table():
    z, t = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
    w = RNG.random(5)
    g, h = Derivatives(rashin.half_squared_error, "exact", 0.0, {})(z, t, w)
    np.testing.assert_allclose(g, (z - t) * w[:, None], rtol=1e-15)
    np.testing.assert_array_equal(h, np.broadcast_to(w[:, None], (5, 2)))


def test_the_floor_holds_for_a_sample_of_weight_1():
    found = Derivatives(rashin.huber, "exact", 0.25, {})(
        np.array([0.0, 5.0, 5.0]), np.zeros(3), np.array([2.0, 2.0, 0.0])
    )
    np.testing.assert_array_equal(found[1], [2.0, 0.5, 0.0])
    negative = rashin.sigmoid_focal.hessian([-8.0], [1.0])
    assert negative < 0.0
    assert Derivatives("sigmoid_focal", None, FLOOR, {})(np.array([-8.0]), np.array([1.0]), None)[1] == FLOOR


def test_fisher_information_is_the_curvature_of_likelihoods():
    z, t, w = RNG.normal(size=(6, 2)), RNG.normal(size=6), RNG.random(6)
    h = Derivatives(rashin.gaussian, "fisher", 0.0, {})(z, t, w)[1]
    np.testing.assert_allclose(h, w[:, None] * np.stack([np.exp(-2.0 * z[:, 1]), np.full(6, 2.0)], axis=1), rtol=1e-14)


def test_the_library_is_the_default_where_it_has_the_loss():
    assert Derivatives(rashin.huber, None, FLOOR, {"huber": unit}).curvature is unit
    assert Derivatives(rashin.huber, None, FLOOR, {}).curvature is exact


@pytest.mark.parametrize(
    ("loss", "hessian", "message"),
    [
        ("binary_cross_entropy", None, "^loss: got binary_cross_entropy, which takes a probability"),
        (
            "beta",
            "library",
            "^hessian: got 'library' for beta, for which the library has no objective; expected one of",
        ),
        ("hinge", None, "^hessian: got 'exact' for hinge, whose curvature is 0; expected one of unit$"),
        ("crammer_singer", "exact", "^hessian: .* whose curvature is 0"),
        ("quantiles", "exact", "^hessian: .* whose curvature is 0"),
        ("poisson", "majorized", "^hessian: .* no bound of the curvature is known; expected one of exact, unit$"),
        ("huber", "fisher", "^hessian: .* which has no Fisher information"),
        ("huber", "newton", "^hessian: got 'newton'; expected"),
    ],
)
def test_what_makes_no_sense_is_refused(loss, hessian, message):
    with pytest.raises(ValueError, match=message):
        Derivatives(loss, hessian, FLOOR, {})


def test_derivatives_that_are_not_finite_are_refused():
    of_poisson = Derivatives(rashin.poisson, "exact", FLOOR, {})
    with pytest.raises(ValueError, match=r"^gradient: got inf at index 1; expected finite numbers"):
        of_poisson(np.array([0.0, 800.0]), np.array([1.0, 1.0]), None)
    with pytest.raises(ValueError, match=r"^target: got nan at index 0"):
        of_poisson(np.array([0.0]), np.array([np.nan]), None)
    with pytest.raises(ValueError, match=r"^floor: got -1"):
        Derivatives(rashin.poisson, "exact", -1.0, {})


def test_starts_are_finite():
    assert start("sigmoid_cross_entropy", [1.0, 1.0]) == -np.log(1e-15)
    np.testing.assert_allclose(start("softmax_cross_entropy", [0, 2], classes=3), np.log([0.5, 1e-15, 0.5]), rtol=1e-14)
    assert start("gaussian", [0.0, 2.0]) == (1.0, 0.0)
    assert start("huber", [0.0, 1.0, 9.0], [1.0, 3.0, 1.0]) == rashin.best_constant(rashin.huber, [0, 1, 9], [1, 3, 1])


def test_links():
    raw = np.array([[0.0, 1.0]])
    names = ["sigmoid_focal", "focal", "gamma", "huber", "gaussian", "negative_binomial", "entmax", "hinge"]
    links = [link_of(boosted(name)) for name in names]
    assert links == ["logit", "softmax", "log", *["identity"] * 5]
    np.testing.assert_allclose(linked(rashin.gamma, raw), np.exp(raw), rtol=1e-15)
    np.testing.assert_allclose(linked(rashin.focal, raw), rashin.softmax(raw), rtol=1e-15)
