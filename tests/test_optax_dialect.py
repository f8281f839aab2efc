"""optax's losses and ours under their names: the same values and gradients, and exact where optax's are not."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from mpmath import mp, mpf

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

import jax.numpy as jnp

from rashin import conventions
from rashin.dialects import keras as keras_dialect
from rashin.dialects import optax as ours
from rashin.dialects import sklearn as sklearn_dialect
from rashin.dialects import torch as torch_dialect
from rashin.dialects.translation import EXAMPLES

RNG = np.random.default_rng(17)
N, C = 6, 4
Z, T = RNG.normal(size=N) * 2, RNG.normal(size=N)
ROWS, LABELS, SOFT = RNG.normal(size=(N, C)) * 2, RNG.integers(0, C, N), RNG.dirichlet(np.ones(C), N)
SIGNS, BITS = RNG.choice([-1.0, 1.0], N), RNG.integers(0, 2, N) * 1.0
MASK = RNG.random((N, C)) > 0.4
MASK[np.arange(N), LABELS] = True
EMPTY_TOO = MASK & (np.arange(N) != 2)[:, None]
LOG_P = ROWS - np.log(np.exp(ROWS).sum(-1, keepdims=True))
CUT = np.where(MASK, SOFT, 0.0) / np.where(MASK, SOFT, 0.0).sum(-1, keepdims=True)
WEIGHTS, RELEVANCES = RNG.uniform(0.5, 2.0, (N, C)), RNG.integers(0, 4, (N, C)) * 1.0
PICTURES, MASKS = RNG.normal(size=(2, 3, 4, C)), np.eye(C)[RNG.integers(0, C, (2, 3, 4))]
BLOCKS = np.moveaxis(RNG.dirichlet(np.ones(12), (2, C)).reshape(2, C, 3, 4), 1, -1)

CASES = {
    "squared_error": ("squared_error", (Z, T), {}),
    "squared_error of errors": ("squared_error", (Z,), {}),
    "l2_loss": ("l2_loss", (Z, T), {}),
    "huber_loss": ("huber_loss", (Z, T), {"delta": 0.7}),
    "log_cosh": ("log_cosh", (Z, T), {}),
    "sigmoid_binary_cross_entropy": ("sigmoid_binary_cross_entropy", (Z, SOFT[:, 0]), {}),
    "sigmoid_focal_loss": ("sigmoid_focal_loss", (Z, BITS), {"alpha": 0.3, "gamma": 1.5}),
    "sigmoid_focal_loss, shares": ("sigmoid_focal_loss", (Z, SOFT[:, 0]), {"alpha": 0.3, "gamma": 1.5}),
    "hinge_loss": ("hinge_loss", (Z, SIGNS), {}),
    "perceptron_loss": ("perceptron_loss", (Z, SIGNS), {}),
    "sparsemax_loss": ("sparsemax_loss", (Z, BITS), {}),
    "softmax_cross_entropy": ("softmax_cross_entropy", (ROWS, SOFT), {}),
    "softmax_cross_entropy, axis": ("softmax_cross_entropy", (ROWS.T, SOFT.T), {"axis": 0}),
    "softmax_cross_entropy, classes": ("softmax_cross_entropy", (ROWS, SOFT), {"where": MASK}),
    "softmax_cross_entropy, one mask": ("softmax_cross_entropy", (ROWS, SOFT), {"where": MASK[:1]}),
    "safe_softmax_cross_entropy": ("safe_softmax_cross_entropy", (ROWS, SOFT), {}),
    "labels": ("softmax_cross_entropy_with_integer_labels", (ROWS, LABELS), {}),
    "labels, classes": ("softmax_cross_entropy_with_integer_labels", (ROWS, LABELS), {"where": MASK}),
    "labels, axis": ("softmax_cross_entropy_with_integer_labels", (ROWS.T, LABELS), {"axis": 0, "where": MASK.T}),
    "labels, axes": ("softmax_cross_entropy_with_integer_labels", (PICTURES, np.array([5, 10])), {"axis": (1, 3, 2)}),
    "labels, axes, classes": (
        "softmax_cross_entropy_with_integer_labels", (PICTURES, np.array([5, 10])),
        {"axis": (1, 3, 2), "where": np.broadcast_to(np.arange(4)[:, None] < 3, PICTURES.shape)},
    ),
    "poly": ("poly_loss_cross_entropy", (ROWS, SOFT), {"epsilon": 1.3}),
    "poly, classes": ("poly_loss_cross_entropy", (ROWS, SOFT), {"epsilon": 1.3, "where": MASK}),
    "multiclass_hinge_loss": ("multiclass_hinge_loss", (ROWS, LABELS), {}),
    "multiclass_perceptron_loss": ("multiclass_perceptron_loss", (ROWS, LABELS), {}),
    "multiclass_sparsemax_loss": ("multiclass_sparsemax_loss", (ROWS / 3, LABELS), {}),
    "kl_divergence": ("kl_divergence", (ROWS, SOFT), {}),
    "kl_divergence, classes": ("kl_divergence", (LOG_P, CUT), {"where": MASK}),
    "kl_divergence, any sum": ("kl_divergence", (ROWS / 2, SOFT), {"where": EMPTY_TOO}),
    "kl_divergence, axis": ("kl_divergence", (ROWS.T, SOFT.T), {"axis": 0, "where": EMPTY_TOO.T}),
    "generalized_kl_divergence, any sum": ("generalized_kl_divergence", (ROWS / 2, SOFT), {"where": EMPTY_TOO}),
    "generalized_kl_divergence, amounts": ("generalized_kl_divergence", (ROWS / 2, RELEVANCES), {}),
    "generalized_kl_divergence, all axes": (
        "generalized_kl_divergence", (PICTURES, MASKS), {"axis": None, "where": MASKS + PICTURES > 0.0}
    ),
    "kl_divergence, axes": ("kl_divergence", (PICTURES, BLOCKS), {"axis": (2, 1), "where": PICTURES > 0.0}),
    "log targets, axes": ("kl_divergence_with_log_targets", (PICTURES, PICTURES[::-1] / 3), {"axis": (1, -1)}),
    "softmax_cross_entropy, axes": ("softmax_cross_entropy", (PICTURES, BLOCKS), {"axis": (2, 1)}),
    "log targets, any sum": ("kl_divergence_with_log_targets", (ROWS, np.log(SOFT)), {"where": EMPTY_TOO}),
    "kl_divergence_with_log_targets": ("kl_divergence_with_log_targets", (ROWS, ROWS[::-1] / 3), {}),
    "generalized_kl_divergence": ("generalized_kl_divergence", (ROWS / 2, SOFT), {}),
    "ranking_softmax_loss": ("ranking_softmax_loss", (ROWS, RELEVANCES), {"where": MASK, "weights": WEIGHTS}),
    "dice_loss": ("dice_loss", (PICTURES, MASKS), {"alpha": 0.7, "beta": 0.2, "class_weights": WEIGHTS[0]}),
    "dice_loss of rows": ("dice_loss", (ROWS, SOFT), {"reduction": "none", "ignore_background": True, "smooth": 0.3}),
    "dice_loss of a picture": ("dice_loss", (PICTURES, MASKS), {"axis": (0, 1, 2), "reduction": "sum"}),
    "binary_dice_loss": ("binary_dice_loss", (PICTURES[..., 0], MASKS[..., 0]), {"smooth": 0.4}),
    "multiclass_generalized_dice_loss": ("multiclass_generalized_dice_loss", (PICTURES, MASKS), {}),
}  # fmt: skip


QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@pytest.fixture(scope="module", autouse=True)
def doubles():
    jax.config.update("jax_enable_x64", True)  # not the context, which other threads of a program do not have
    yield
    jax.config.update("jax_enable_x64", False)


def with_gradient(function, arguments, settings):
    """The value, and the gradient by the first argument, of sums of the values with various factors."""

    def spread(first):
        value = function(first, *arguments[1:], **settings)
        return jnp.sum(value * jnp.linspace(0.5, 2.0, value.size).reshape(value.shape)), value

    gradient, value = jax.grad(spread, has_aux=True)(arguments[0])
    return value, gradient


@pytest.fixture(scope="module")
def results():
    """All cases in one program for each library, not optimized: one for each case takes twenty seconds to compile."""

    def of(module):
        def every(traced):
            return {
                case: with_gradient(getattr(module, name), traced[case][0], {**settings, **traced[case][1]})
                for case, (name, _, settings) in CASES.items()
            }

        arrays = {
            case: (arguments, {key: x for key, x in settings.items() if isinstance(x, np.ndarray)})
            for case, (_, arguments, settings) in CASES.items()
        }
        return jax.jit(every).lower(arrays).compile(compiler_options=QUICK)(arrays)

    return of(ours), of(optax.losses)


@pytest.mark.parametrize("case", CASES)
def test_ordinary_numbers_are_optaxs(case, results):
    for mine, theirs in zip(*(result[case] for result in results), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_arrays_of_numpy_give_the_same(case, results):
    name, arguments, settings = CASES[case]
    plain = getattr(ours, name)(*arguments, **settings)
    np.testing.assert_allclose(plain, results[0][case][0], rtol=1e-13, atol=0)


def test_every_dialect_takes_arrays_of_jax_in_a_program():
    fixed = {
        "labels",
        "bit",
        "sign",
        "one-hot",
        "class weights",
    }  # scikit-learn's labels may be text, so none is traced
    traced = {role: array for role, array in EXAMPLES.items() if role not in fixed}
    dialects = {"torch": torch_dialect, "keras": keras_dialect, "sklearn": sklearn_dialect}
    entries = [(dialects[library], entry) for library in dialects for entry in conventions.TABLES[library]]

    def every(traced):
        given = {**EXAMPLES, **traced}
        return [
            getattr(dialect, entry.name)(
                **{name: given[role] for name, role in entry.roles.items()},
                **({"q": 0.6} if "generalized_cross" in entry.name else {}),
            )
            for dialect, entry in entries
        ]

    program = jax.jit(every).lower(traced).compile(compiler_options=QUICK)
    for (_, entry), found, expected in zip(entries, program(traced), every({}), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=0, err_msg=entry.name)


def test_soft_dice_of_probabilities_is_optaxs():
    target = MASKS[0, 0, :1] + 0.0 * SOFT
    expected = optax.losses.dice_loss(SOFT, target, apply_softmax=False)
    np.testing.assert_allclose(ours.dice_loss(SOFT, target, apply_softmax=False), expected, rtol=1e-12)


@pytest.mark.parametrize("name", [entry.name for entry in conventions.TABLES["optax"]])
def test_signatures_are_optaxs(name):
    theirs = inspect.signature(getattr(optax.losses, name)).parameters.values()
    mine = inspect.signature(getattr(ours, name)).parameters.values()
    named = [(p.name, p.kind, "mean" if p.name == "reduce_fn" else p.default) for p in theirs]
    assert named == [(p.name, p.kind, p.default) for p in mine]


def test_every_loss_of_optax_is_there_or_has_a_reason():
    theirs = {name for name, function in vars(optax.losses).items() if inspect.isfunction(function)}
    deprecated = {other for entry in conventions.TABLES["optax"] for other in entry.also}
    assert theirs - deprecated <= set(conventions.named("optax")) | set(conventions.MISSING["optax"])
    with pytest.raises(AttributeError, match=r"rashin.dialects.optax has no ntxent: rashin has no contrastive"):
        ours.ntxent  # noqa: B018


def test_what_optax_loses_is_exact():
    hot, labels = np.float32([[1.0, 0.0, 0.0]]), np.array([0])
    z, tiny, mask = np.float32([[20.0, 0.0, -np.inf]]), np.float32([1e-3, -1e-5]), np.array([[True, True, False]])

    def losses(module):
        return (
            module.softmax_cross_entropy_with_integer_labels(z, labels)[0],
            module.softmax_cross_entropy(z, hot)[0],
            module.log_cosh(tiny)[1],
        )

    theirs = jax.jit(lambda z: losses(optax.losses))(z)
    assert (theirs[0], theirs[2]) == (0.0, 0.0)
    assert np.isnan(theirs[1])
    exact = np.float32(np.log1p(np.exp(-20.0)))
    for found in (jax.jit(lambda z: losses(ours))(z), losses(ours)):
        assert found[:2] == (exact, exact)
        np.testing.assert_allclose(found[2], np.float64(tiny[1]) ** 2 / 2, rtol=1e-7, atol=0)
    assert ours.softmax_cross_entropy(np.float32([[20.0, 0.0, 7.0]]), hot, where=mask)[0] == exact


def test_near_equality_a_masked_divergence_keeps_its_digits():
    q = SOFT.astype(np.float32)
    log_p = np.log(q * (1.0 + 1e-4 * RNG.normal(size=q.shape))).astype(np.float32)
    found = ours.kl_divergence(log_p, q, where=MASK)
    for row, keep, z, t in zip(found, MASK, log_p.tolist(), q.tolist(), strict=True):
        kept = [(mpf(a), mpf(b)) for a, b, one in zip(z, t, keep, strict=True) if one]
        exact = mp.fsum(b * (mp.log(b) - a) for a, b in kept)
        assert row == pytest.approx(float(exact), rel=2e-7, abs=0)


def test_near_equality_divergences_of_doubles_have_an_absolute_error():
    q = RNG.dirichlet(np.ones(50), 3)
    p = q * (1.0 + 1e-7 * RNG.normal(size=q.shape))
    p /= p.sum(-1, keepdims=True)
    log_p, bound = np.log(p), mpf(8 * 2.0**-52)
    of_logarithms, of_shares = ours.kl_divergence(log_p, q), keras_dialect.kl_divergence(q, p)
    for k, (a, b, z) in enumerate(zip(p.tolist(), q.tolist(), log_p.tolist(), strict=True)):
        terms = [(mpf(x) * (mp.log(x) - u), mpf(x) * (mp.log(x) - mp.log(y))) for x, y, u in zip(b, a, z, strict=True)]
        exact = [mp.fsum(each) for each in zip(*terms, strict=True)]
        assert abs(of_logarithms[k] - exact[0]) <= bound
        assert abs(of_shares[k] - exact[1]) <= bound


def test_a_divergence_of_amounts_keeps_its_digits():
    t = RNG.gamma(1.0, 2.0, (6, C)) * np.array([1.0, 0.0, 1e-310, 1e200, 1.0, 1.0])[:, None]
    t[0, 1:] = 0.0
    z = ROWS / 2
    z[4:] = np.log(t[4:]) + np.array([1e-2, 1e-4])[:, None] * ROWS[4:]
    for mask in (np.ones((N, C), bool), EMPTY_TOO[::-1]):
        with mp.workdps(50):
            exact = [
                mp.fsum(
                    (b * (mp.log(b) - a) if b else 0) - b + mp.exp(a)
                    for a, b, one in zip(map(mpf, row), map(mpf, amounts), keep, strict=True)
                    if one
                )
                for row, amounts, keep in zip(z.tolist(), t.tolist(), mask, strict=True)
            ]
        found = ours.generalized_kl_divergence(z, t, where=None if mask.all() else mask)
        rel = np.array(
            [1e-15] * 4 + [1e-13, 1e-11]
        )  # near equality, the error of a logarithm is divided by the distance
        wanted = np.array(exact, float)
        assert (np.abs(found - wanted) <= rel * wanted).all()


def test_a_focal_loss_of_shares_keeps_its_digits():
    z, q = np.array([-30.0, 40.0, 3.0, 800.0, -700.0]), np.array([1e-20, 1.0 - 2.0**-53, 0.25, 1.0, 1e-5])
    with mp.workdps(400):
        exact = []
        for a, b in zip(map(mpf, z.tolist()), map(mpf, q.tolist()), strict=True):
            yes, no = 1 / (1 + mp.exp(-a)), 1 / (1 + mp.exp(a))
            entropy = b * mp.log1p(mp.exp(-a)) + (1 - b) * mp.log1p(mp.exp(a))
            weight = mpf(0.3) * b + (1 - mpf(0.3)) * (1 - b)
            exact.append(float(weight * (b * no + (1 - b) * yes) ** mpf(1.5) * entropy))
    np.testing.assert_allclose(ours.sigmoid_focal_loss(z, q, alpha=0.3, gamma=1.5), exact, rtol=2e-15, atol=0)
    slopes = jax.grad(lambda z: jnp.sum(ours.sigmoid_focal_loss(z, jnp.asarray(q), gamma=0.5)))(jnp.asarray(z))
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "poly_loss_cross_entropy"])
def test_slopes_by_labels_are_optaxs_where_a_mask_keeps_the_class(name):
    def slopes(library):
        of = lambda q: jnp.sum(getattr(library, name)(jnp.asarray(ROWS), q, where=jnp.asarray(MASK)))  # noqa: E731
        return np.asarray(jax.jit(jax.grad(of))(jnp.asarray(SOFT)))

    mine = slopes(ours)
    np.testing.assert_allclose(mine[MASK], slopes(optax.losses)[MASK], rtol=1e-12, atol=0)
    assert not mine[~MASK].any()


def test_a_mean_of_nothing_is_refused_in_a_program_too():
    logits, labels, weights = jnp.asarray(ROWS), jnp.full(N, -100), jnp.ones(C)

    def loss(labels):
        return torch_dialect.cross_entropy(logits, labels, weights, label_smoothing=0.1)

    for function in (loss, jax.jit(loss)):
        with pytest.raises(Exception, match="got 6 samples with reduction='mean', but `where` selects nothing"):
            function(labels)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ours.hinge_loss(Z, BITS), "target: got 0.0"),
        (lambda: ours.dice_loss(ROWS, SOFT, class_weights=-WEIGHTS[0]), "weight: got"),
        (lambda: ours.perceptron_loss(Z, BITS), "target: got 0.0"),
        (lambda: ours.perceptron_loss(Z[:, None], SIGNS), "targets: got shape"),
        (lambda: ours.softmax_cross_entropy_with_integer_labels(ROWS, LABELS - C), "target: got"),
        (lambda: ours.sigmoid_focal_loss(Z, SOFT[:, 0] + 1.0), "target: got"),
        (lambda: ours.multiclass_perceptron_loss(ROWS, LABELS - C), "target: got"),
        (lambda: ours.kl_divergence(ROWS, 4 * SOFT, where=MASK), "target: got"),
        (lambda: ours.kl_divergence(ROWS, 0.9 * SOFT, where=MASK | True), "target: got"),
        (lambda: ours.kl_divergence(ROWS, np.where(MASK, np.nan, SOFT), where=MASK), "target: got nan"),
        (lambda: ours.softmax_cross_entropy(ROWS, 2 * SOFT), "target: got"),
        (
            lambda: ours.softmax_cross_entropy(ROWS[:1, :3], np.array([[1.0, -1, 0]]), where=MASK[:1, :3] | True),
            "target",
        ),
        (lambda: ours.generalized_kl_divergence(ROWS[:, :2], np.array([[0.5, -0.5]] * N)), "target: got -0.5 at"),
        (lambda: ours.generalized_kl_divergence(ROWS, np.full((N, C), np.nan)), "target: got nan at"),
        (lambda: ours.ranking_softmax_loss(ROWS, RELEVANCES, reduce_fn="sum"), "reduce_fn: got 'sum'"),
        (lambda: ours.ranking_softmax_loss(ROWS, RELEVANCES, weights=WEIGHTS[0]), "weights: got shape (4,)"),
        (lambda: ours.kl_divergence(ROWS[:C], SOFT[:C], where=MASK[0]), "where: got shape"),
    ],
)
def test_what_optax_lets_pass_is_refused(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)
