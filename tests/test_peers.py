"""Numbers that other libraries get wrong, beside ours: one trap each."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from losses import ENTRIES


def test_optax_loses_poly_one_beside_a_dominant_logit():
    z = np.array([[20.0, 0.0]])
    with mp.workdps(40):
        p = 1 / (1 + mp.exp(-20))
        exact = float(2 * (1 - p) - mp.log(p))
    assert rashin.poly_one(z, [0], epsilon=2.0) == pytest.approx(exact, rel=1e-15)
    optax = pytest.importorskip("optax", reason="optax is not installed")
    assert optax.losses.poly_loss_cross_entropy(z.astype(np.float32), np.array([[1.0, 0.0]]), epsilon=2.0)[0] == 0.0


def test_scikit_learn_halves_brier_of_two_classes_alone():
    p, t = np.array([[0.3, 0.7], [0.9, 0.1]]), np.array([1, 1])
    assert rashin.brier(p, t) == pytest.approx(2 * (0.3**2 + 0.9**2) / 2, rel=1e-15)
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    assert metrics.brier_score_loss(t, p[:, 1]) == pytest.approx(rashin.brier(p, t) / 2, rel=1e-15)


@pytest.mark.parametrize("power", [1e-6, 5e-324, 0.0])
def test_the_power_of_a_generalized_cross_entropy_may_vanish(power):
    z = np.log(np.array([[0.3, 0.7]], np.float32))
    with mp.workdps(60):
        p = mp.exp(mpf(float(z[0, 0]))) / mp.fsum(mp.exp(mpf(float(x))) for x in z[0])
        exact = float((1 - p ** mpf(power)) / power if power > 1e-9 else -mp.log(p))
    assert rashin.generalized_cross_entropy(z.astype(float), [0], power=power) == pytest.approx(exact, rel=1e-15)
    assert np.float32(rashin.generalized_cross_entropy(z, [0], power=power)) == np.float32(exact)
    assert float((1 - np.float32(0.3) ** np.float32(1e-6)) / np.float32(1e-6)) == pytest.approx(1.1921, rel=1e-4)


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


@pytest.mark.parametrize(
    ("name", "exact", "of_torch"),
    [("softmax_kullback_leibler", "1.37610371125e-9", 5.2e-8), ("softmax_jensen_shannon", "3.44027263843e-10", 3e-8)],
)
def test_torch_divergences_near_equality_are_rounding(name, exact, of_torch):
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
    assert abs(float(found) - float(exact)) > 0.2 * of_torch  # that far off, whatever the machine
