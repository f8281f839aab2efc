"""What the field calls its losses leads to ours, by an expression that gives the field's number."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.conventions import TABLES
from rashin.registry import get
from rashin.synonyms import SYNONYMS, found, synonym

RNG = np.random.default_rng(3)
REALS = {"z": RNG.normal(size=9), "t": RNG.normal(size=9)}
POSITIVE = {"z": RNG.uniform(0.2, 3.0, 9), "t": RNG.uniform(0.2, 3.0, 9)}
CODES = {"z": RNG.normal(size=9), "t": RNG.integers(0, 2, 9)}
SIGNS = {"z": RNG.normal(size=9), "t": RNG.choice([-1.0, 1.0], 9)}
CHANCES = {"z": RNG.uniform(0.1, 0.9, 9), "t": RNG.integers(0, 2, 9)}
LOGITS = {"z": RNG.normal(size=(9, 4)), "t": RNG.integers(0, 4, 9)}
ORDERED = {**LOGITS, "z": np.c_[np.sort(LOGITS["z"][:, :-1]), LOGITS["z"][:, -1]]}
ROWS = {"z": RNG.dirichlet(np.ones(4), 9), "t": RNG.dirichlet(np.ones(4), 9)}
SOFT = {"z": LOGITS["z"], "t": ROWS["t"]}
TEACHER = {"z": LOGITS["z"], "t": RNG.normal(size=(9, 4))}
QUERIES = {"z": RNG.normal(size=9), "t": RNG.integers(0, 4, 9), "group": np.repeat([0, 1], [5, 4])}
SEVERAL = {"z": RNG.normal(size=(9, 2)), "t": RNG.normal(size=9)}
LABELS = {"z": ROWS["z"], "t": LOGITS["t"]}
PICK = np.arange(9)
SURVIVAL = {"z": REALS["z"], "time": RNG.permutation(9), "event": CODES["t"]}
LISTS = {"z": REALS["z"], "t": RNG.permutation(9) / 8, "query": np.arange(9) % 2}


def log_at_risk(z, at_risk):
    """Of each, the logsumexp of those at risk when it is chosen."""
    return np.log(np.where(at_risk, np.exp(z), 0.0).sum(axis=1))


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def entropy(z, t):
    return -np.mean(t * np.log(z) + (1 - t) * np.log(1 - z))


def smooth_l1(z, t, beta):
    r = np.abs(z - t)
    return np.mean(np.where(r < beta, 0.5 * r**2 / beta, r - 0.5 * beta))


def pinball(z, t, alpha):
    return np.mean(np.maximum(alpha * (t - z), (alpha - 1) * (t - z)))


def tweedie(z, t, p):
    return -t * z ** (1 - p) / (1 - p) + z ** (2 - p) / (2 - p)


def deviance(z, t, p):
    return 2 * np.mean(tweedie(z, t, p) - tweedie(t, t, p))


def fenchel_young(z, t, alpha):
    """The threshold by bisection, then the convex conjugate less the label's score."""
    a, low, high = alpha - 1, (alpha - 1) * z.max(axis=1) - 1, (alpha - 1) * z.max(axis=1)
    for _ in range(60):
        tau = (low + high) / 2
        p = np.maximum(0, a * z - tau[:, None]) ** (1 / a)
        low, high = np.where(p.sum(axis=1) > 1, tau, low), np.where(p.sum(axis=1) > 1, high, tau)
    return np.sum(p * z, axis=1) - z[PICK, t] + (1 - np.sum(p**alpha, axis=1)) / (alpha * a)


def soft_kl(z, t):
    return np.mean((t * (np.log(t) - np.log(softmax(z)))).sum(axis=1))


def jensen_shannon(p, q, beta=0.5):
    m = beta * q + (1 - beta) * p
    return np.mean((beta * q * np.log(q / m) + (1 - beta) * p * np.log(p / m)).sum(axis=1))


def ranknet(z, t, group):
    pairs = [(i, j) for i in PICK for j in PICK if group[i] == group[j] and t[i] > t[j]]
    return np.mean([np.log(1 + np.exp(z[j] - z[i])) for i, j in pairs])


def lambdarank(z, t, group):
    losses = []
    for own in (np.flatnonzero(group == g) for g in np.unique(group)):
        discounts = dict(zip(own[np.argsort(-z[own])], 1 / np.log2(2 + PICK), strict=False))
        ideal = np.sum((2.0 ** np.sort(t[own])[::-1] - 1) / np.log2(2 + np.arange(own.size)))
        losses += [
            (2.0 ** t[i] - 2.0 ** t[j]) * abs(discounts[i] - discounts[j]) / ideal * np.log(1 + np.exp(z[j] - z[i]))
            for i in own
            for j in own
            if t[i] > t[j]
        ]
    return np.mean(losses)


FIELD = {  # one name of each entry: data, and the field's own formula
    "mse": (REALS, lambda z, t: np.mean((z - t) ** 2)),
    "rmse": (REALS, lambda z, t: math.sqrt(np.mean((z - t) ** 2))),
    "sse": (REALS, lambda z, t: np.sum((z - t) ** 2)),
    "half_mse": (REALS, lambda z, t: np.mean((z - t) ** 2) / 2),
    "msle": (POSITIVE, lambda z, t: np.mean((np.log(1 + z) - np.log(1 + t)) ** 2)),
    "reg:squaredlogerror": (POSITIVE, lambda z, t: np.mean((np.log(1 + z) - np.log(1 + t)) ** 2) / 2),
    "rmsle": (POSITIVE, lambda z, t: math.sqrt(np.mean((np.log(1 + z) - np.log(1 + t)) ** 2))),
    "mae": (REALS, lambda z, t: np.mean(np.abs(z - t))),
    "mape": (REALS, lambda z, t: np.mean(np.abs((z - t) / t))),
    "smooth_l1": (REALS, lambda z, t: smooth_l1(z, t, 0.4)),
    "charbonnier": (REALS, lambda z, t: np.mean(np.sqrt(1 + (z - t) ** 2) - 1)),
    "barron": (REALS, lambda z, t: np.mean(1.2 / 0.8 * ((((z - t) / 1.7) ** 2 / 1.2 + 1) ** 0.4 - 1))),
    "cauchy": (REALS, lambda z, t: np.mean(np.log(1 + (z - t) ** 2 / 2))),
    "geman_mcclure": (REALS, lambda z, t: np.mean(2 * (z - t) ** 2 / ((z - t) ** 2 + 4))),
    "welsch": (REALS, lambda z, t: np.mean(1 - np.exp(-((z - t) ** 2) / 2))),
    "svr": (REALS, lambda z, t: np.mean(np.maximum(0, np.abs(z - t) - 0.3))),
    "L2EpsilonIns": (REALS, lambda z, t: np.mean(np.maximum(0, np.abs(z - t) - 0.3) ** 2)),
    "pinball": (REALS, lambda z, t: pinball(z, t, 0.8)),
    "brier_score": (CHANCES, lambda z, t: np.mean((z - t) ** 2)),
    "multiclass_brier": (LABELS, lambda z, t: np.mean(np.sum((z - np.eye(4)[t]) ** 2, axis=1))),
    "reg:expectileerror": (REALS, lambda z, t: np.mean(np.where(t > z, 0.8, 0.2) * (z - t) ** 2)),
    "bce": (CHANCES, entropy),
    "bce_with_logits": (CODES, lambda z, t: entropy(sigmoid(z), t)),
    "soft_margin": (SIGNS, lambda z, t: np.mean(np.log(1 + np.exp(-t * z)))),
    "ce": (LOGITS, lambda z, t: -np.mean(np.log(softmax(z)[PICK, t]))),
    "multi_logloss": (LABELS, lambda z, t: -np.mean(np.log(z[PICK, t]))),
    "nll": ({**LABELS, "z": np.log(ROWS["z"])}, lambda z, t: -np.mean(z[PICK, t])),
    "kl": (ROWS, lambda z, t: np.mean(np.sum(t * np.log(t / z), axis=1))),
    "kl_distillation": (SOFT, soft_kl),
    "knowledge_distillation": (TEACHER, lambda z, t: 4 * soft_kl(z / 2, softmax(t / 2))),
    "jsd": (SOFT, lambda z, t: jensen_shannon(softmax(z), t)),
    "generalized_jsd": (TEACHER, lambda z, t: jensen_shannon(softmax(z), softmax(t), 0.4)),
    "svm": (SIGNS, lambda z, t: np.mean(np.maximum(0, 1 - t * z))),
    "multiclass_hinge": (LOGITS, lambda z, t: np.mean(
        np.max(z + 1 - np.eye(4)[t], axis=1) - z[PICK, t])),
    "multi_margin": (LOGITS, lambda z, t: np.mean(
        np.sum(np.maximum(0, 1 + z - z[PICK, t][:, None]) * (1 - np.eye(4)[t]), axis=1)) / 4),
    "cumulative_link": (ORDERED, lambda z, t: np.mean(
        -np.log(np.diff(sigmoid(z[:, :-1] - z[:, -1:]), axis=1, prepend=0, append=1)[PICK, t]))),
    "sparsemax": (LOGITS, lambda z, t: np.mean(fenchel_young(z, t, 2.0))),
    "entmax15": (LOGITS, lambda z, t: np.mean(fenchel_young(z, t, 1.5))),
    "adaboost": (SIGNS, lambda z, t: np.mean(np.exp(-t * z))),
    "asl": (CODES, lambda z, t: np.mean(np.where(
        t, -sigmoid(-z) * np.log(sigmoid(z)),
        -(np.maximum(sigmoid(z) - 0.05, 0) ** 4) * np.log(np.minimum(sigmoid(-z) + 0.05, 1))))),
    "multiclass_focal": (LOGITS, lambda z, t: np.mean(
        -((1 - softmax(z)[PICK, t]) ** 2) * np.log(softmax(z)[PICK, t]))),
    "poly_cross_entropy": (LOGITS, lambda z, t: np.mean(
        -np.log(softmax(z)[PICK, t]) + 0.3 * (1 - softmax(z)[PICK, t]))),
    "symmetric_cross_entropy": (LOGITS, lambda z, t: np.mean(
        -0.8 * np.log(softmax(z)[PICK, t]) - 0.4 * np.sum(softmax(z) * np.where(np.eye(4)[t], 0.0, -4.0), axis=1))),
    "gce": (LOGITS, lambda z, t: np.mean((1 - softmax(z)[PICK, t] ** 0.6) / 0.6)),
    "poisson_nll": (POSITIVE, lambda z, t: np.mean(np.exp(z) - t * z)),
    "poisson_deviance": (POSITIVE, lambda z, t: 2 * np.mean(t * np.log(t / z) + z - t)),
    "gamma_nll": (POSITIVE, lambda z, t: np.mean(z + t * np.exp(-z))),
    "gamma_deviance": (POSITIVE, lambda z, t: 2 * np.mean(np.log(z / t) + t / z - 1)),
    "reg:tweedie": (POSITIVE, lambda z, t: np.mean(tweedie(np.exp(z), t, 1.3))),
    "tweedie_deviance": (POSITIVE, lambda z, t: deviance(z, t, 1.3)),
    "gaussian_nll": (SEVERAL, lambda z, t: np.mean(z[:, 1] + (z[:, 0] - t) ** 2 / np.exp(2 * z[:, 1]) / 2)),
    "lognormal": ({"z": SEVERAL["z"], "t": POSITIVE["t"]}, lambda z, t: np.mean(
        np.log(t) + z[:, 1] + (z[:, 0] - np.log(t)) ** 2 / np.exp(2 * z[:, 1]) / 2)),
    "multi_quantile": (SEVERAL, lambda z, t: (pinball(z[:, 0], t, 0.2) + pinball(z[:, 1], t, 0.7)) / 2),
    "crps": (SEVERAL, lambda z, t: np.mean(np.abs(z - t[:, None]).mean(axis=1) - np.abs(z[:, 0] - z[:, 1]) / 4)),
    "cox_ph": (SURVIVAL, lambda z, time, event: np.sum(
        event * (log_at_risk(z, time >= time[:, None]) - z)) / event.sum()),
    "listnet": (LISTS, lambda z, t, query: np.sum(t * (log_at_risk(z, query == query[:, None]) - z)) / 2),
    "listmle": (LISTS, lambda z, t, query: np.sum(
        log_at_risk(z, (query == query[:, None]) & (t <= t[:, None])) - z) / 2),
    "soft_dice": (CHANCES, lambda z, t: 1 - 2 * np.sum(z * t) / (np.sum(z) + np.sum(t))),
    "jaccard": (CHANCES, lambda z, t: 1 - np.sum(z * t) / np.sum(z + t - z * t)),
    "focal_tversky": (CHANCES, lambda z, t: (1 - np.sum(z * t) / (
        np.sum(z * t) + 0.8 * np.sum(z * (1 - t)) + 0.4 * np.sum((1 - z) * t))) ** 1.3),
    "mcc": (CHANCES, lambda z, t: 1 - np.corrcoef(z, t)[0, 1] * np.sqrt(np.var(z) / (z.mean() * (1 - z.mean())))),
    "pearson": (REALS, lambda z, t: 1 - np.corrcoef(z, t)[0, 1]),
    "ccc": (REALS, lambda z, t: 1 - 2 * np.cov(z, t, ddof=0)[0, 1] / (
        np.var(z) + np.var(t) + (z.mean() - t.mean()) ** 2)),
    "ranknet": (QUERIES, ranknet),
    "lambdarank": (QUERIES, lambdarank),
    "margin_ranking": (SIGNS, lambda z, t: np.mean(np.maximum(0, 0.6 - t * z))),
}  # fmt: skip


def test_every_entry_has_an_independent_formula_here():
    assert [synonym(name) for name in FIELD] == list(SYNONYMS)


@pytest.mark.parametrize("name", FIELD)
def test_the_expression_gives_the_number_of_the_field(name):
    entry, (data, formula) = synonym(name), FIELD[name]
    losses = {loss.name: loss for loss in [*rashin.list_losses(), *rashin.list_group_losses()]}
    given = {**losses, **data, "np": np, "n": 9, "beta": 0.4, "alpha": 0.8, "power": 1.3}
    given |= {"levels": (0.2, 0.7), "epsilon": 0.3, "q": 0.6, "A": 4.0, "scale": 1.7, "margin": 0.6}
    np.testing.assert_allclose(eval(entry.expression, given), formula(**data), rtol=1e-12)


def test_a_function_of_the_four_libraries_stands_in_their_tables_alone():
    theirs = {name for table in TABLES.values() for entry in table for name in (entry.name, *entry.also)}
    assert not theirs & {name for entry in SYNONYMS for name in entry.names}
    assert synonym("keras.losses.CategoricalHinge").names == ("keras.losses.categorical_hinge",)
    with pytest.raises(ValueError, match=r"did you mean crammer_singer\? `rashin translate keras.losses.categorical_h"):
        get("categorical_hinge")


def test_every_name_leads_to_one_registered_loss_and_hides_none():
    names = [name for entry in SYNONYMS for name in entry.names]
    assert len(names) == len(set(names))
    registered = {loss.name for loss in [*rashin.list_losses(), *rashin.list_group_losses()]}
    for entry in SYNONYMS:
        assert entry.expression.count(entry.loss)
        for name in entry.names:
            assert synonym(name) is entry, name
            if name not in registered:  # other tests and the documentation's examples register some too
                with pytest.raises(ValueError, match=rf"expected the name of a loss; did you mean {entry.loss}\? "):
                    get(name)
    for loss in rashin.list_losses():
        assert get(loss.name) is loss


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("torch.nn.MSELoss", "squared_error"),
        ("nn.CrossEntropyLoss", "softmax_cross_entropy"),
        ("BCEWithLogitsLoss", "sigmoid_cross_entropy"),
        ("BinaryCrossentropy", "binary_cross_entropy"),
        ("SmoothL1Loss", "huber"),
        ("HuberLoss", "huber"),
        ("NLLLoss", "negative_log_likelihood"),
        ("KLDivLoss", "softmax_kullback_leibler"),
        ("Log Loss", "categorical_cross_entropy"),
        ("RMSE", "squared_error"),
        ("L1Loss", "absolute_error"),
        ("l2_loss", "squared_error"),
        ("focal_loss", "focal"),
        ("squared_loss", "squared_error"),
        ("softmax_cross_entropi", "softmax_cross_entropy"),
    ],
)
def test_a_name_from_elsewhere_is_understood_wherever_it_is_given(name, loss):
    with pytest.raises(ValueError, match=rf"did you mean {loss}"):
        get(name)
    with pytest.raises(AttributeError, match=rf"no attribute '{name}': did you mean"):
        getattr(rashin, name)


def test_what_is_near_nothing_gets_no_advice():
    for name in ("xyzzy", "rnnt", "*", ""):
        with pytest.raises(ValueError, match="expected the name of a loss; fix: `rashin losses` lists them"):
            get(name)
    for name in ("xyzzy", "smape", "softplus", "squash"):
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'$"):
            getattr(rashin, name)
    assert not hasattr(rashin, "_mse")


def searched(text, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rashin", "losses", "--search", text])
    code = main()
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "loss"),
    [("bce", "binary_cross_entropy"), ("mae", "absolute_error"), ("MSE", "squared_error"), ("pinball", "quantile")],
)
def test_the_list_is_searched_by_the_names_of_the_field(text, loss, monkeypatch, capsys):
    code, out, err = searched(text, monkeypatch, capsys)
    assert (code, err) == (0, "")
    first, second, *others = out.splitlines()
    assert first.split()[0] == loss
    assert second.startswith(f"{text}: {synonym(text).expression}")
    assert all(line.split(": ")[0].startswith(("torch.", "keras.", "optax.")) for line in others)


def test_a_search_by_a_part_of_names(monkeypatch, capsys):
    code, out, _ = searched("focal", monkeypatch, capsys)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["sigmoid_focal", "focal"]
    assert found("percentage")[0].names[0] == "mape"
    code, out, _ = searched("HuberLoss", monkeypatch, capsys)
    assert [line.split()[0] for line in out.splitlines()] == [
        "huber",
        "modified_huber",
        "pseudo_huber",
        "reg:pseudohubererror,",
        "torch.nn.functional.huber_loss:",
        "optax.losses.huber_loss:",
        "keras.losses.huber:",
    ]
    code, _, err = searched("hubr", monkeypatch, capsys)
    assert code == 2
    assert err.endswith("got 'hubr'; expected part of a loss's name; did you mean huber?\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("二乗和誤差", "half_squared_error"),
        ("平均二乗誤差", "squared_error"),
        ("交差エントロピー誤差", "softmax_cross_entropy"),
        ("二値交差エントロピー", "binary_cross_entropy"),
    ],
)
def test_japanese_names_lead_to_the_loss(name, loss):
    assert synonym(name).loss == loss
    assert synonym("東京") is None
