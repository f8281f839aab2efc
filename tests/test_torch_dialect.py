"""torch's losses and ours under their names: the same values and gradients, and exact where torch's are not."""

from __future__ import annotations

import functools
import importlib
import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rashin import softmax_cross_entropy
from rashin.conventions import MISSING, TABLES, named
from rashin.dialects import torch as ours
from rashin.dialects.translation import EXAMPLES
from ulp import ulp_error

F = torch.nn.functional
RNG = np.random.default_rng(16)
N, C = 6, 4


def double(array):
    return torch.tensor(np.asarray(array))


Z, T, W = (double(RNG.normal(size=N) * 2), double(RNG.normal(size=N)), double(RNG.uniform(0.2, 3.0, N)))
ROWS, LABELS = double(RNG.normal(size=(N, C)) * 2), double(RNG.integers(0, C, N))
IGNORED = double(np.where(np.arange(N) % 3 == 1, -100, LABELS.numpy()))
SOFT, CLASS_WEIGHTS = double(RNG.dirichlet(np.ones(C), N)), double(RNG.uniform(0.3, 3.0, C))
PIXELS, PIXEL_LABELS = double(RNG.normal(size=(2, C, 3, 2))), double(RNG.integers(0, C, (2, 3, 2)))
PIXEL_SHARES = double(np.moveaxis(RNG.dirichlet(np.ones(C), (2, 3, 2)), -1, 1))
SIGNS, BITS, SHARES = double(RNG.choice([-1.0, 1.0], N)), double(RNG.integers(0, 2, N) * 1.0), double(RNG.random(N))
P, COUNTS, RATES = (
    double(RNG.uniform(0.02, 0.98, N)),
    double(RNG.poisson(3.0, N) * 1.0),
    double(RNG.gamma(2.0, 1.0, N) + 0.1),
)
MANY, MANY_SHARES = double(RNG.integers(0, 2, (N, C)) * 1.0), double(RNG.random((N, C)))
X, CLASSIFIER, BIAS = (double(RNG.normal(size=s)) for s in ((N, 3), (C, 3), (C,)))
COLUMN_WEIGHTS, SMOOTH = CLASS_WEIGHTS + 1.0, {"label_smoothing": 0.1}
LISTS = double(np.array([[0, 2, -1, 1], [3, -1, 0, 0], [1, 2, 1, -1], [-1, 0, 1, 2], [0, 1, 2, 3], [2, -1, -1, -1]]))
LOG_P, LOG_SOFT = ROWS.log_softmax(-1), SOFT.log()

CASES = {
    "mse": ("mse_loss", (Z, T), {}),
    "mse, weighted": ("mse_loss", (Z, T), {"weight": W}),
    "l1, weighted": ("l1_loss", (Z, T), {"weight": W}),
    "huber": ("huber_loss", (Z, T), {"delta": 0.7}),
    "huber, weighted": ("huber_loss", (Z, T), {"delta": 0.7, "weight": W}),
    "smooth l1": ("smooth_l1_loss", (Z, T), {"beta": 0.7}),
    "smooth l1 without a bend": ("smooth_l1_loss", (Z, T), {"beta": 0.0}),
    "cross entropy, ignored": ("cross_entropy", (ROWS, IGNORED), {}),
    "cross entropy, another ignored": ("cross_entropy", (ROWS, LABELS), {"ignore_index": 2}),
    "cross entropy, weighted": ("cross_entropy", (ROWS, IGNORED, CLASS_WEIGHTS), {}),
    "cross entropy, smoothed": ("cross_entropy", (ROWS, IGNORED), {"label_smoothing": 0.1}),
    "cross entropy, both": ("cross_entropy", (ROWS, IGNORED, CLASS_WEIGHTS), {"label_smoothing": 0.1}),
    "cross entropy, shares": ("cross_entropy", (ROWS, SOFT), {}),
    "cross entropy, shares, all": ("cross_entropy", (ROWS, SOFT, CLASS_WEIGHTS), {"label_smoothing": 0.1}),
    "cross entropy, shares of 3": ("cross_entropy", (ROWS, 3.0 * SOFT, CLASS_WEIGHTS), {}),
    "cross entropy, one row": ("cross_entropy", (ROWS[0], LABELS[0], CLASS_WEIGHTS), {"label_smoothing": 0.2}),
    "cross entropy, one row of shares": ("cross_entropy", (ROWS[0], SOFT[0]), {}),
    "cross entropy, pixels": ("cross_entropy", (PIXELS, PIXEL_LABELS, CLASS_WEIGHTS), {"label_smoothing": 0.1}),
    "cross entropy, shares of pixels": ("cross_entropy", (PIXELS, PIXEL_SHARES, CLASS_WEIGHTS), SMOOTH),
    "linear": ("linear_cross_entropy", (X, CLASSIFIER, IGNORED), {"linear_bias": BIAS, "ignore_index": -100}),
    "linear, all": ("linear_cross_entropy", (X, CLASSIFIER, LABELS), {"weight": CLASS_WEIGHTS, "label_smoothing": 0.1}),
    "linear, shares": ("linear_cross_entropy", (X, CLASSIFIER, SOFT), {"weight": CLASS_WEIGHTS}),
    "linear, several": (
        "linear_cross_entropy", (X, torch.stack([CLASSIFIER, 2 - CLASSIFIER], 1), torch.stack([LABELS, LABELS], 1)),
        {"linear_bias": torch.stack([BIAS, -BIAS], 1), "weight": CLASS_WEIGHTS},
    ),
    "linear, one row": ("linear_cross_entropy", (X[0], CLASSIFIER, LABELS[0]), {}),
    "nll, ignored, weighted": ("nll_loss", (LOG_P, IGNORED, CLASS_WEIGHTS), {}),
    "nll, pixels": ("nll_loss", (PIXELS.log_softmax(1), PIXEL_LABELS), {"ignore_index": 1}),
    "bce, shares, weighted": ("binary_cross_entropy", (P, SHARES), {"weight": W}),
    "bce, weights of columns": ("binary_cross_entropy", (MANY_SHARES, MANY), {"weight": CLASS_WEIGHTS}),
    "bce with logits": ("binary_cross_entropy_with_logits", (Z, SHARES), {"weight": W}),
    "bce with logits, positive": (
        "binary_cross_entropy_with_logits", (ROWS, MANY_SHARES), {"pos_weight": CLASS_WEIGHTS, "weight": COLUMN_WEIGHTS}
    ),
    "soft margin": ("soft_margin_loss", (Z, SIGNS), {}),
    "multilabel": ("multilabel_soft_margin_loss", (ROWS, MANY, CLASS_WEIGHTS), {}),
    "poisson": ("poisson_nll_loss", (Z, COUNTS), {}),
    "poisson, full": ("poisson_nll_loss", (Z, COUNTS), {"full": True}),
    "poisson of rates": ("poisson_nll_loss", (RATES, COUNTS), {"log_input": False, "eps": 0.01}),
    "gaussian": ("gaussian_nll_loss", (Z, T, RATES), {}),
    "gaussian, full": ("gaussian_nll_loss", (ROWS, SOFT, RATES), {"full": True}),
    "gaussian, repeated": ("gaussian_nll_loss", (ROWS, SOFT[:, :1], RATES[:, None]), {}),
    "gaussian, one variance": ("gaussian_nll_loss", (ROWS, SOFT, 1.7), {}),
    "hinge embedding": ("hinge_embedding_loss", (RATES, SIGNS), {"margin": 1.5}),
    "margin ranking": ("margin_ranking_loss", (Z, T, SIGNS), {"margin": 0.3}),
    "multi margin": ("multi_margin_loss", (ROWS, LABELS), {"margin": 0.7, "weight": CLASS_WEIGHTS}),
    "multi margin, squared": ("multi_margin_loss", (ROWS, LABELS), {"p": 2, "margin": 0.7, "weight": CLASS_WEIGHTS}),
    "multi margin, one row": ("multi_margin_loss", (ROWS[0], LABELS[0]), {"p": 2}),
    "multilabel margin": ("multilabel_margin_loss", (ROWS, LISTS), {}),
    "multilabel margin, one row": ("multilabel_margin_loss", (ROWS[0], LISTS[2]), {}),
}  # fmt: skip


def with_gradient(function, arguments, settings):
    """The value, and the gradient by the first argument, of random sums of the values."""
    first = arguments[0].clone().requires_grad_()
    value = function(first, *arguments[1:], **settings)
    spread = torch.linspace(0.5, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    (value * spread).sum().backward()
    return value.detach().numpy(), first.grad.numpy()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES)
def test_ordinary_numbers_are_torchs(case, reduction):
    name, arguments, settings = CASES[case]
    settings = {**settings, "reduction": reduction}
    expected = with_gradient(getattr(F, name), arguments, settings)
    found = with_gradient(getattr(ours, name), arguments, settings)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classifier_and_bias_have_torchs_gradients(smoothing):
    gradients = []
    for functions in (ours, F):
        classifier, bias = CLASSIFIER.clone().requires_grad_(), BIAS.clone().requires_grad_()
        settings = {"linear_bias": bias, "weight": CLASS_WEIGHTS, "label_smoothing": smoothing}
        functions.linear_cross_entropy(X, classifier, IGNORED, **settings).backward()
        gradients.append((classifier.grad.numpy(), bias.grad.numpy()))
    for mine, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=0)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", ["sum", "batchmean", "mean"])
@pytest.mark.filterwarnings("ignore:reduction")
def test_divergences_are_torchs(reduction, log_target):
    arguments = (LOG_P, LOG_SOFT if log_target else SOFT)
    settings = {"reduction": reduction, "log_target": log_target}
    for mine, theirs in zip(*(with_gradient(f.kl_div, arguments, settings) for f in (ours, F)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_arrays_give_the_numbers_of_tensors(case):
    name, arguments, settings = CASES[case]
    arrays = [each.numpy() if isinstance(each, torch.Tensor) else each for each in arguments]
    named = {key: each.numpy() if isinstance(each, torch.Tensor) else each for key, each in settings.items()}
    found = getattr(ours, name)(*arrays, **named)
    np.testing.assert_allclose(float(found), float(getattr(ours, name)(*arguments, **settings)), rtol=1e-14, atol=0)


def as_tensor(role):
    return torch.tensor(EXAMPLES[role])


@pytest.mark.parametrize("library", TABLES)
def test_every_dialect_takes_tensors(library):
    dialect = importlib.import_module(f"rashin.dialects.{library}")
    for entry in TABLES[library]:
        function = functools.partial(
            getattr(dialect, entry.name), **({"q": 0.6} if "generalized_cross" in entry.name else {})
        )
        found = function(**{name: as_tensor(role) for name, role in entry.roles.items()})
        expected = function(**{name: EXAMPLES[role] for name, role in entry.roles.items()})
        assert isinstance(found, torch.Tensor), entry.name
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=0, err_msg=entry.name)


def test_a_dialect_is_compiled_without_a_break():
    def loss(z):
        return ours.cross_entropy(z, IGNORED, CLASS_WEIGHTS, label_smoothing=0.1) + ours.soft_margin_loss(
            z[:, 0], SIGNS
        )

    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    for mine, eager in zip(with_gradient(compiled, (ROWS,), {}), with_gradient(loss, (ROWS,), {}), strict=True):
        np.testing.assert_allclose(mine, eager, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", [entry.name for entry in TABLES["torch"]])
def test_signatures_are_torchs(name):
    theirs = inspect.signature(getattr(F, name)).parameters.values()
    mine = list(inspect.signature(getattr(ours, name)).parameters.values())
    assert [(p.name, p.kind, p.default) for p in theirs] == [(p.name, p.kind, p.default) for p in mine[: len(theirs)]]
    assert all(p.kind is p.KEYWORD_ONLY for p in mine[len(theirs) :])


@pytest.mark.parametrize(("average", "reduce"), [(None, False), (False, None), (True, None), (False, True)])
@pytest.mark.filterwarnings("ignore:size_average")
def test_the_older_switches_override_the_reduction(average, reduce):
    settings = {"size_average": average, "reduce": reduce, "reduction": "mean"}
    expected = F.binary_cross_entropy(P, SHARES, **settings)
    np.testing.assert_allclose(ours.binary_cross_entropy(P, SHARES, **settings), expected, rtol=1e-13)


def test_every_loss_of_torch_is_there_or_has_a_reason():
    own = {"softmax"}
    theirs = {n for n in dir(F) if n.endswith("_loss") or "entropy" in n or n in ("kl_div", *own)} - own
    assert theirs <= set(ours.__all__) | set(MISSING["torch"])
    assert set(ours.__all__) == set(named("torch"))
    with pytest.raises(AttributeError, match=r"rashin.dialects.torch has no ctc_loss: rashin has no alignments"):
        ours.ctc_loss  # noqa: B018


def worst(found, exact):
    """The largest error in ULPs of float32."""
    return max(ulp_error(a, b, "float32") for a, b in zip(found.tolist(), exact.tolist(), strict=True))


def test_confident_predictions_keep_their_digits_with_class_weights():
    z = torch.tensor([[20.0, 0.0, -5.0], [0.0, 30.0, -float("inf")]])
    t, weights = torch.tensor([0, 1]), torch.tensor([2.0, 0.5, 1.0])
    assert F.cross_entropy(z, t, weight=weights) == 0.0
    found = ours.cross_entropy(z, t, weight=weights, reduction="none")
    exact = weights.double()[t] * torch.tensor(softmax_cross_entropy(z.double().numpy(), t.numpy(), reduction="none"))
    assert worst(found, exact) <= 1.5
    shares = torch.eye(3)[t]
    assert worst(ours.cross_entropy(z, shares, weight=weights, reduction="none"), exact) <= 1.5


def test_wrong_margins_do_not_overflow():
    z, t = torch.tensor([-200.0, 3.0]), torch.tensor([1.0, -1.0])
    assert F.soft_margin_loss(z, t) == float("inf")
    value, gradient = with_gradient(ours.soft_margin_loss, (z, t), {})
    assert value == np.float32((200.0 + np.log1p(np.exp(-3.0)) + 3.0) / 2)
    np.testing.assert_allclose(gradient, [-0.25, 0.25 / (1 + np.exp(-3.0))], rtol=1e-6)


def test_near_equality_a_divergence_keeps_its_digits():
    q = torch.tensor(SOFT.numpy(), dtype=torch.float32)
    q = q / q.sum(-1, keepdim=True)
    log_p = (q.double().log() + 1e-4 * double(RNG.normal(size=q.shape))).log_softmax(-1).float()
    a, b = q.double(), log_p.double()
    exact = float((a * (a.log() - b)).sum())  # in doubles: 1e-16 of 1e-8
    torchs = float(F.kl_div(log_p, q, reduction="sum"))
    mine = float(ours.kl_div(log_p, q, reduction="sum"))
    assert abs(torchs - exact) > 1e-3 * abs(exact)
    assert mine == pytest.approx(exact, rel=1e-7, abs=0)


def test_the_switches_reproduce_what_torch_clips():
    p, t = torch.tensor([0.0, 1.0, 0.25, 0.0]), torch.tensor([1.0, 0.25, 1.0, 0.0])
    assert ours.binary_cross_entropy(p, t) == float("inf")
    for reduction in ("none", "mean"):
        settings = {"weight": torch.tensor([1.0, 2.0, 3.0, 4.0]), "reduction": reduction}
        np.testing.assert_allclose(
            ours.binary_cross_entropy(p, t, clamp=True, **settings), F.binary_cross_entropy(p, t, **settings), rtol=1e-6
        )
    variance = torch.tensor([1e-8, 2.0])
    args = torch.tensor([1e-3, 0.0]), torch.tensor([0.0, 1.0]), variance
    assert ours.gaussian_nll_loss(*args) == pytest.approx(float(F.gaussian_nll_loss(*args)), rel=1e-6, abs=0)
    unclamped = ours.gaussian_nll_loss(*args, eps=0.0, reduction="none")
    assert float(unclamped[0]) == pytest.approx(40.7896596, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ours.cross_entropy(ROWS, LABELS + C, CLASS_WEIGHTS), "target: got"),
        (lambda: ours.cross_entropy(ROWS, 2 * SOFT), "target: got"),
        (lambda: ours.mse_loss(ROWS[:, :1], T), "target: got shape"),
        (lambda: ours.margin_ranking_loss(Z, T[:, None], SIGNS), "input2: got shape"),
        (lambda: ours.hinge_embedding_loss(RATES, BITS), "target: got 0.0"),
        (lambda: ours.mse_loss(Z, T, weight=-W), "weight: got"),
        (lambda: ours.binary_cross_entropy(P, SHARES, -W, clamp=True), "weight: got"),
        (lambda: ours.cross_entropy(ROWS, LABELS, CLASS_WEIGHTS[:3]), "weight: got shape (3,)"),
        (lambda: ours.cross_entropy(ROWS, SOFT, CLASS_WEIGHTS[:1]), "weight: got shape (1,)"),
        (lambda: ours.multi_margin_loss(ROWS, LABELS, weight=CLASS_WEIGHTS[:3]), "weight: got shape (3,)"),
        (lambda: ours.binary_cross_entropy(P, SHARES, W[:2]), "weight: got shape (2,)"),
        (lambda: ours.binary_cross_entropy_with_logits(ROWS, MANY, pos_weight=W), "pos_weight: got shape (6,)"),
        (lambda: ours.multi_margin_loss(ROWS, LABELS, p=3), "p: got 3"),
        (lambda: ours.multi_margin_loss(ROWS, LABELS + C, p=2), "target: got"),
        (lambda: ours.multilabel_margin_loss(ROWS, LISTS + C), "target: got"),
        (lambda: ours.multilabel_margin_loss(ROWS, LISTS[:, :3]), "target: got shape (6, 3)"),
        (lambda: ours.multilabel_margin_loss(Z[0], LABELS[0]), "input: got shape ()"),
        (lambda: ours.multilabel_margin_loss(ROWS, LISTS - 1), "target: got -2"),
        (lambda: ours.multilabel_margin_loss(ROWS[:1, :3], double([[0, -1, 9]])), "target: got 9"),
        (lambda: ours.multilabel_margin_loss(ROWS[:1, :3], double([[0, -1, -2]])), "target: got -2"),
        (lambda: ours.multi_margin_loss(PIXELS, PIXEL_LABELS), "input: got shape (2, 4, 3, 2)"),
        (lambda: ours.cross_entropy(Z[0], LABELS[0]), "input: got shape ()"),
        (lambda: ours.kl_div(LOG_P, SOFT, reduction="none"), "reduction: got 'none'"),
        (lambda: ours.gaussian_nll_loss(Z, T, -RATES), "got nan"),
        (lambda: ours.gaussian_nll_loss(ROWS, ROWS[0], RATES), "target: got shape (4,)"),
        (lambda: ours.cross_entropy(ROWS[:0], LABELS[:0]), "but there are no samples"),
        (lambda: ours.gaussian_nll_loss(Z, T, RATES[:2]), "var: got shape (2,)"),
    ],
)
def test_what_torch_lets_pass_is_refused(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0])])
def test_a_share_of_0_of_a_class_that_cannot_be_leaves_the_other_slopes_finite(weight):
    gradients = []
    for library in (ours, F):
        given = [torch.tensor(x, requires_grad=True) for x in ([[1.0, 0.0, -torch.inf]], [[0.4, 0.6, 0.0]])]
        library.cross_entropy(*given, weight=weight).backward()
        gradients.append([x.grad for x in given])
    for mine, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=0)


def test_a_positive_weight_of_0_leaves_positive_samples_out():
    z, t, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([0.0, 1.0])
    found = ours.binary_cross_entropy_with_logits(z, t, pos_weight=weight)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(z, t, pos_weight=weight)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6, abs=0)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHTS])
def test_a_batch_of_ignored_labels_has_no_mean(weight, settings):
    ignored = torch.full((N,), -100)
    assert F.cross_entropy(ROWS, ignored, weight, **settings).isnan()
    for of in (torch.as_tensor, np.asarray):
        given = [of(ROWS), of(ignored), None if weight is None else of(weight)]
        with pytest.raises(ValueError, match="got 6 samples with reduction='mean', but `where` selects nothing"):
            ours.cross_entropy(*given, **settings)
        assert ours.cross_entropy(*given, **settings, reduction="sum") == 0.0


def test_a_smoothing_beyond_1_is_refused_with_weights_too():
    with pytest.raises(ValueError, match=r"label_smoothing: got 1.5; expected a number in \[0, 1\]"):
        ours.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), weight=torch.ones(3), label_smoothing=1.5)
