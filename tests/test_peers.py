"""Numbers that other libraries get wrong, beside ours: one trap each."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from losses import ENTRIES
from ulp import ulp_error


def test_optax_loses_poly_one_beside_a_dominant_logit():
    z = np.array([[20.0, 0.0]])
    with mp.workdps(40):
        p = 1 / (1 + mp.exp(-20))
        exact = float(2 * (1 - p) - mp.log(p))
    assert rashin.poly_one(z, [0], epsilon=2.0) == pytest.approx(exact, rel=1e-15, abs=0)
    optax = pytest.importorskip("optax", reason="optax is not installed")
    assert optax.losses.poly_loss_cross_entropy(z.astype(np.float32), np.array([[1.0, 0.0]]), epsilon=2.0)[0] == 0.0


def test_scikit_learn_halves_brier_of_two_classes_alone():
    p, t = np.array([[0.3, 0.7], [0.9, 0.1]]), np.array([1, 1])
    assert rashin.brier(p, t) == pytest.approx(2 * (0.3**2 + 0.9**2) / 2, rel=1e-15, abs=0)
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    assert metrics.brier_score_loss(t, p[:, 1]) == pytest.approx(rashin.brier(p, t) / 2, rel=1e-15, abs=0)


@pytest.mark.parametrize("power", [1e-6, 5e-324, 0.0])
def test_the_power_of_a_generalized_cross_entropy_may_vanish(power):
    z = np.log(np.array([[0.3, 0.7]], np.float32))
    with mp.workdps(60):
        p = mp.exp(mpf(float(z[0, 0]))) / mp.fsum(mp.exp(mpf(float(x))) for x in z[0])
        exact = float((1 - p ** mpf(power)) / power if power > 1e-9 else -mp.log(p))
    assert rashin.generalized_cross_entropy(z.astype(float), [0], power=power) == pytest.approx(exact, rel=1e-15, abs=0)
    assert np.float32(rashin.generalized_cross_entropy(z, [0], power=power)) == np.float32(exact)
    assert float((1 - np.float32(0.3) ** np.float32(1e-6)) / np.float32(1e-6)) == pytest.approx(1.1921, rel=1e-4, abs=0)


def test_torch_divides_the_sum_of_margins_by_the_number_of_classes():
    z, t = np.array([[0.0, 0.25, 0.75]]), np.array([1])
    assert rashin.weston_watkins(z, t) == 0.75 + 1.5
    assert rashin.crammer_singer(z, t) == 1.5
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peer = torch.nn.functional.multi_margin_loss(torch.from_numpy(z), torch.from_numpy(t))
    assert peer.item() == 0.75


def test_the_usual_form_of_sparsemax_cancels_near_its_optimum():
    z = np.array([[1.0, 2.0**-20]], np.float32)
    exact = float(ENTRIES["entmax"].value([mpf(float(x)) for x in z[0]], 0, alpha=2.0))
    assert rashin.entmax(z, [0], alpha=2.0) == np.float32(exact) > 0.0
    p = (z - (z.sum() - 1) / 2)[0]
    assert np.float32((p @ z[0]) - z[0, 0] + (1 - p @ p) / 2) != np.float32(exact)


def test_a_narrow_class_far_from_the_logit_keeps_its_likelihood():
    """A difference of two float32 probabilities near 1 has no digits, and at 20 it is 0."""
    for low, high, peer in ((12.0, 12.5, 12.898), (20.0, 20.5, np.inf)):
        with mp.workdps(60):
            exact = float(-mp.log(1 / (1 + mp.exp(-high)) - 1 / (1 + mp.exp(-low))))
        z = np.array([[low, high, 0.0]], np.float32)
        assert rashin.ordinal(z, [1]) == pytest.approx(exact, rel=1e-15, abs=0)
        usual = 1 / (1 + np.exp(z[0, 2] - z[0, :2]))
        assert usual.dtype == np.float32
        with np.errstate(divide="ignore"):
            assert -np.log(usual[1] - usual[0]) == pytest.approx(peer, rel=1e-4, abs=0)


def agree(value, expected, dtype="float64", ulps=4.0):
    """Within a few ULPs of a number of mpmath."""
    assert ulp_error(value, expected, np.dtype(dtype)) <= ulps


def test_the_robust_loss_is_continuous_at_alpha_0():
    """The usual form divides a difference of float32 numbers by alpha: 0.4768."""
    one, alpha = np.float32(1.0), np.float32(1e-6)
    wide = 2 - mpf(float(alpha))
    value = rashin.robust([one], [np.float32(0.0)], alpha=float(alpha), reduction="none")[0]
    agree(value, wide / mpf(float(alpha)) * mp.expm1(mpf(float(alpha)) / 2 * mp.log1p(1 / wide)), "float32", 0.51)
    b = np.float32(2.0) - alpha
    assert b / alpha * ((one / b + one) ** (alpha / np.float32(2.0)) - one) == pytest.approx(0.4768, rel=1e-3, abs=0)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_the_robust_loss_of_neighbouring_shapes_is_the_same(alpha):
    z = np.array([1e-9, 0.3, 5.0, 1e9])
    near = [np.nextafter(alpha, -1.0)] + [np.nextafter(alpha, 1.0)] * (alpha < 2.0)
    for other in near:
        for name in ("per_sample", "gradient", "hessian"):
            method = getattr(rashin.robust, name)
            np.testing.assert_allclose(method(z, 0 * z, alpha=other), method(z, 0 * z, alpha=alpha), rtol=1e-14)


def test_the_log_of_a_prediction_below_0_is_not_clipped():
    """Keras clips predictions at a small positive number: 1.2069."""
    agree(rashin.squared_log_error([-0.5], [2.0]), mp.log(mpf(1) / 6) ** 2)


def test_a_target_of_0_has_no_percentage():
    with pytest.raises(ValueError, match=r"^target: got 0.0 at index 1; expected a finite number other than 0"):
        rashin.absolute_percentage_error([1.0, 1.0], [1.0, 0.0])
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    assert metrics.mean_absolute_percentage_error([1.0, 0.0], [1.0, 1.0]) > 1e15


def test_the_expectile_has_the_factor_of_catboost():
    assert rashin.expectile.gradient([0.0], [2.5], level=0.9).tolist() == [-4.5]


@pytest.mark.parametrize("margin", [-1e3, -100.0, 100.0])
def test_a_logistic_margin_stays_finite(margin):
    """torch.nn.SoftMarginLoss gives inf in float32, and a gradient of NaN."""
    loss = rashin.sigmoid_cross_entropy
    agree(loss(np.float32([margin]), np.float32([1.0])), mp.log1p(mp.exp(-mpf(margin))))
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peer = torch.nn.functional.soft_margin_loss(torch.tensor([margin]), torch.ones(1))
    assert bool(torch.isinf(peer)) == (margin < 0.0)


def test_small_epsilons_are_those_of_absolute_and_squared_errors():
    z, t = np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, -4.0])
    for loss, other in (("epsilon_insensitive", "absolute_error"), ("squared_epsilon_insensitive", "squared_error")):
        for name in ("per_sample", "gradient", "hessian"):
            ours, theirs = (getattr(getattr(rashin, each), name) for each in (loss, other))
            assert ours(z, t, epsilon=0.0).tolist() == theirs(z, t).tolist()


@pytest.mark.parametrize(
    ("name", "exact"),
    [("softmax_kullback_leibler", "1.37610371125e-9"), ("softmax_jensen_shannon", "3.44027263843e-10")],
)
def test_torch_divergences_near_equality_are_rounding(name, exact):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1, (1, 10)).astype(np.float32)
    q = rashin.softmax(z.astype(np.float64) * (1 + 1e-4 * rng.normal(size=z.shape))).astype(np.float32)
    loss = rashin.registry.get(name)
    with mp.workdps(50):
        rows = [[mpf(float(x)) for x in a[0]] for a in (z, q)]
        assert loss(z, q) == pytest.approx(float(ENTRIES[name].value(*rows)), rel=1e-9, abs=0)
    assert loss(z, q) == pytest.approx(float(exact), rel=1e-10, abs=0)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    u, t = torch.log_softmax(torch.tensor(z), -1), torch.tensor(q)
    divergence = torch.nn.functional.kl_div
    m = ((u.exp() + t) / 2).log()
    found = divergence(u, t, reduction="sum")
    if name == "softmax_jensen_shannon":
        found = (divergence(m, t, reduction="sum") + divergence(m, u.exp(), reduction="sum")) / 2
    assert abs(float(found) - float(exact)) > 0.5 * float(exact)  # 5e-8, 3e-8 or 0, by the machine


def test_torch_clamps_the_variance_of_a_gaussian():
    z, t = np.array([[1e-3, np.log(1e-4)]]), np.array([0.0])
    with mp.workdps(40):
        scale = mp.exp(mpf(float(z[0, 1])))
        exact = mp.log(scale) + (mpf(1e-3) / scale) ** 2 / 2
    agree(rashin.gaussian(z, t), exact)
    assert round(float(exact), 2) == 40.79
    torch = pytest.importorskip("torch", reason="torch is not installed")
    location, scale = torch.tensor([1e-3]), torch.tensor([1e-8])
    assert round(torch.nn.functional.gaussian_nll_loss(location, torch.zeros(1), scale).item(), 2) == -6.41


def test_torch_loses_a_distribution_with_a_huge_parameter():
    """In float32: the difference of two logarithms of the gamma function is what all of them compute."""
    count = np.float32([[np.log(3.0), -np.log(1e6)]])
    share, heavy = np.float32([[0.0, np.log(2e5)]]), np.float32([[0.0, 0.0]])
    agree(rashin.negative_binomial(count, [3.0]), exact_of("negative_binomial", count[0], 3), ulps=16.0)
    beta, student = rashin.beta(share, np.float32([0.5])), rashin.student_t(heavy, np.float32([1.0]), degrees=1e8)
    agree(np.float32(beta), exact_of("beta", share[0], mpf(0.5)), "float32", ulps=0.51)
    agree(np.float32(student), exact_of("student_t", heavy[0], mpf(1), degrees=1e8), "float32", ulps=0.51)
    assert round(rashin.negative_binomial(count, [3.0]), 4) == 1.4959
    assert round(rashin.beta(share, np.float32([0.5])), 4) == -5.8772
    torch = pytest.importorskip("torch", reason="torch is not installed")
    of = torch.distributions
    assert abs(float(of.NegativeBinomial(torch.tensor(1e6), torch.tensor(3 / 1000003)).log_prob(torch.tensor(3.0)))) > 2
    assert abs(float(of.Beta(torch.tensor(1e5), torch.tensor(1e5)).log_prob(torch.tensor(0.5))) - 5.8772) > 0.05
    assert abs(float(of.StudentT(torch.tensor(1e8)).log_prob(torch.tensor(1.0))) + 1.4189) > 0.5


def exact_of(name, z, t, **parameters):
    with mp.workdps(60):
        return ENTRIES[name].value([mpf(float(x)) for x in z], t, **parameters)


def test_a_score_800_scales_away_is_finite():
    """scoringrules gives inf for the logistic one."""
    agree(rashin.crps_logistic([[0.0, 0.0]], [-800.0]), mpf(799))
    agree(rashin.crps_normal([[0.0, 0.0]], [-800.0]), 800 - 1 / mp.sqrt(mp.pi))
