"""Mistakes that nearly all rows point to are remarked upon; honest data are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

import rashin
from rashin import measure
from rashin.measurement.signs import LEAST

N = 3000


def draws(seed=0):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=N)
    event = (rng.random(N) < expit(score)).astype(float)
    rows = 1.5 * rng.normal(size=(N, 4))
    labels = np.array([rng.choice(4, p=p) for p in softmax(rows, axis=1)])
    mean = np.exp(rng.normal(0.5, 0.7, N))
    return rng, score, event, rows, labels, mean


rng, SCORE, EVENT, ROWS, LABELS, MEAN = draws()
COUNTS = rng.poisson(MEAN).astype(float)
AMOUNTS = MEAN * rng.gamma(2.0, 0.5, N)
SIGNS = 2 * EVENT - 1
SOFT = softmax(2 * ROWS, axis=1)

MISTAKES = {
    "rows of probabilities as logits": ("softmax_cross_entropy", softmax(ROWS, axis=1), LABELS, "--loss categorical"),
    "in float32 with three decimals": ("focal", np.round(softmax(ROWS, axis=1), 3).astype("f4"), LABELS, "logits"),
    "probabilities for distributions": ("softmax_cross_entropy", softmax(ROWS, axis=1), SOFT, "--loss categorical"),
    "probabilities as logits": ("sigmoid_cross_entropy", expit(SCORE), EVENT, "--loss binary_cross_entropy"),
    "probabilities for a focal loss": ("sigmoid_focal", expit(SCORE), EVENT, "pass logits"),
    "probabilities as scores": ("hinge", expit(SCORE), SIGNS, "2 p - 1"),
    "means for Poisson": ("poisson", MEAN, COUNTS, "log(prediction)"),
    "large means for Poisson": ("poisson", 50 * MEAN, rng.poisson(50 * MEAN), "log(prediction)"),
    "a constant mean for Poisson": ("poisson", np.full(N, COUNTS.mean() + 0.02), COUNTS, "log(prediction)"),
    "means for gamma": ("gamma", MEAN, AMOUNTS, "log(prediction)"),
    "means for Tweedie": (rashin.tweedie.replace(power=1.2), MEAN, COUNTS, "log(prediction)"),
    "swapped events": ("binary_cross_entropy", EVENT, expit(SCORE), "scikit-learn"),
    "swapped events of logits": ("sigmoid_cross_entropy", EVENT, expit(SCORE), "scikit-learn"),
    "swapped counts": ("poisson", COUNTS, MEAN, "scikit-learn"),
}


@pytest.mark.parametrize(("loss", "z", "t", "fix"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_of_nearly_all_rows_is_named_with_its_remedy(loss, z, t, fix):
    found = measure(loss, z, t)
    assert fix in found.remarks[0].partition("; fix: ")[2]
    assert found.remarks[0].startswith("prediction: got ")
    assert len(found.remarks[0]) < 260
    parts = [measure(loss, z[i::3], t[i::3]) for i in range(3)]
    assert fix in (parts[0] + parts[1] + parts[2]).remarks[0]


def test_few_rows_and_some_strangers():
    loss, z, t, fix = MISTAKES["rows of probabilities as logits"]
    assert measure(loss, z[: LEAST - 1], t[: LEAST - 1]).remarks == []
    some = np.where(np.arange(N)[:, None] % 200 == 0, -3.0, z)
    assert fix in measure(loss, some, t).remarks[0]
    many = np.where(np.arange(N)[:, None] % 50 == 0, -3.0, z)
    assert measure(loss, many, t).remarks == []
    masked = measure(loss, many, t, where=np.arange(N) % 50 > 0)
    assert fix in masked.remarks[0]


HONEST = {
    "logits": ("sigmoid_cross_entropy", SCORE, EVENT),
    "small logits": ("sigmoid_cross_entropy", 0.1 * SCORE, (rng.random(N) < expit(0.1 * SCORE)) * 1.0),
    "logits all between 0 and 1": ("sigmoid_cross_entropy", expit(SCORE), (rng.random(N) < expit(expit(SCORE))) * 1.0),
    "a constant logit": ("sigmoid_cross_entropy", np.full(N, 0.4), (rng.random(N) < expit(0.4)) * 1.0),
    "a logit of 0": ("sigmoid_cross_entropy", np.zeros(N), EVENT),
    "logits of whole numbers": ("sigmoid_cross_entropy", np.round(SCORE), EVENT),
    "soft targets of logits": ("sigmoid_cross_entropy", SCORE, expit(SCORE + 0.1 * rng.normal(size=N))),
    "soft targets of small logits": ("sigmoid_cross_entropy", expit(SCORE), expit(expit(SCORE))),
    "overconfident logits": ("sigmoid_cross_entropy", 5 * SCORE, EVENT),
    "rare events": ("sigmoid_cross_entropy", SCORE - 5, (rng.random(N) < expit(SCORE - 5)) * 1.0),
    "probabilities": ("binary_cross_entropy", expit(SCORE), EVENT),
    "soft targets of probabilities": ("binary_cross_entropy", expit(SCORE), expit(SCORE + 0.1)),
    "focal": ("sigmoid_focal", SCORE, EVENT),
    "rows": ("softmax_cross_entropy", ROWS, LABELS),
    "small rows": ("softmax_cross_entropy", 0.1 * ROWS, LABELS),
    "rows of soft targets": ("softmax_cross_entropy", ROWS, softmax(ROWS, axis=1)),
    "logarithms of probabilities": ("softmax_cross_entropy", np.log(softmax(ROWS, axis=1)), LABELS),
    "rows between 0 and 1": ("softmax_cross_entropy", expit(ROWS), LABELS),
    "rows of zeros": ("softmax_cross_entropy", np.zeros((N, 4)), LABELS),
    "focal rows": ("focal", ROWS, LABELS),
    "rows of probabilities": ("categorical_cross_entropy", softmax(ROWS, axis=1), LABELS),
    "scores": ("hinge", SCORE, SIGNS),
    "certain scores": ("squared_hinge", 4 * SCORE, SIGNS),
    "log means": ("poisson", np.log(MEAN), COUNTS),
    "log means above 0": ("poisson", 1.0 + MEAN / 10, rng.poisson(np.exp(1.0 + MEAN / 10))),
    "a constant rate": ("poisson", np.full(N, np.log(COUNTS.mean())), COUNTS),
    "a high rate, nearly constant": ("poisson", 5.0 + 0.01 * SCORE, rng.poisson(np.exp(5.0 + 0.01 * SCORE))),
    "counts mostly 0": ("poisson", np.full(N, 0.3), rng.poisson(np.exp(0.3) * 10 * (rng.random(N) < 0.1))),
    "a model that predicts too much": ("poisson", np.log(3 * MEAN) + 2, COUNTS),
    "log amounts": ("gamma", np.log(MEAN), AMOUNTS),
    "large log amounts": ("gamma", np.log(1e4 * MEAN), 1e4 * AMOUNTS),
    "whole log amounts": ("gamma", np.round(np.log(1e4 * MEAN)), 1e4 * AMOUNTS),
    "tweedie": ("tweedie", np.log(MEAN), COUNTS),
    "regression": ("squared_error", SCORE, SCORE + rng.normal(size=N)),
    "quantiles in whole numbers": ("quantile", np.round(SCORE * 3), SCORE * 3),
}


@pytest.mark.parametrize(("loss", "z", "t"), HONEST.values(), ids=HONEST)
def test_honest_data_are_not_suspected(loss, z, t):
    assert measure(loss, z, t).remarks == []
