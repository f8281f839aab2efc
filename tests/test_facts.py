"""Every fact that a loss states about itself is true, as far as numbers can tell."""

from __future__ import annotations

import doctest
import re
from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from losses import ENTRIES
from mpmath_arrays import jet
from rashin import domain
from rashin.domain import DISTRIBUTION, LABEL, LOG_PROBABILITY, PROBABILITY, Domain, Thresholds
from shipped import LOSSES, SETTINGS, every_loss, in_order, of_any_rows, settings_of, takes_logits

POINTWISE = [p for p in SETTINGS if p.values[0].kind == "pointwise"]
ROWS = [p for p in SETTINGS if p.values[0].kind != "pointwise" and not takes_logits(p.values[0])]
DOMAINS = {name: value for name, value in vars(domain).items() if isinstance(value, Domain)}
EPS = float(np.finfo(float).eps)


def outside(where):
    """The doubles just outside a domain, and some far from it."""
    with np.errstate(all="ignore"):
        return [float(x) for x in _outside(where)]


def _outside(where):
    if where.shape == "ends":
        return [0.5 * (where.low + where.high), np.nextafter(where.low, -np.inf), np.nextafter(where.high, np.inf), 3.0]
    if where.shape == "outside":
        return [np.nextafter(where.low, np.inf), 0.5 * (where.low + where.high), np.nextafter(where.high, -np.inf)]
    numbers = [np.nextafter(where.low, -np.inf), np.nextafter(where.high, np.inf), where.low - 1.0, where.high + 1.0]
    return [x for x in numbers if not where.low <= x <= where.high] + ([0.5] if where.shape == "integers" else [])


def inside(where):
    """Members of a domain: its samples and its finite ends."""
    ends = [x for x in (where.low, where.high) if np.isfinite(x)]
    return [*where.samples, *ends]


# -------------------------------------------------------------------------------------------- domains


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_holds_its_samples_and_ends_and_nothing_beyond(name):
    where = DOMAINS[name]
    assert where.samples
    assert where.description
    assert where.contains(inside(where)).all()
    assert not where.contains(outside(where)).any()
    assert not where.contains(np.nan)
    drawn = where.draw(np.random.default_rng(0), 1000)
    assert where.contains(drawn).all()
    if where is DISTRIBUTION:
        assert drawn.shape == (1000, 3)
        assert drawn.sum(axis=1) == pytest.approx(1.0, rel=1e-15, abs=0)
        return
    assert drawn.size == 1000
    assert drawn[: len(where.samples)].tolist() == list(where.samples)
    assert len(set(drawn)) >= 2
    assert where.draw(np.random.default_rng(0), 1).shape == (1,)


@every_loss
def test_the_prediction_lies_in_its_domain(loss):
    where = loss.facts.prediction.entry()
    loss = of_any_rows(loss)
    for x in inside(where):
        for method in (loss, loss.gradient, loss.hessian):
            method(*with_prediction(loss, x))
    for x in [*outside(where), np.nan]:
        for method in (loss, loss.gradient, loss.hessian):
            with pytest.raises(ValueError, match=r"^prediction: got .* expected .*" + re.escape(where.description)):
                method(*with_prediction(loss, x))


def with_prediction(loss, x):
    """Arguments for a loss of any rows."""
    if loss.kind == "pointwise":
        return [x], [loss.facts.target_domain(loss.parameters).samples[0]]
    other = {PROBABILITY: 0.5, LOG_PROBABILITY: -0.5}.get(loss.facts.prediction.entry(), 0.25)
    return [[other, x]], [[0.5, -1.0]] if takes_logits(loss) else [0]


@pytest.mark.parametrize("loss", POINTWISE)
def test_the_target_lies_in_its_domain(loss):
    where = loss.facts.target_domain(dict(loss.parameters))
    z = [0.5]
    for t in inside(where):
        for method in (loss, loss.gradient, loss.hessian):
            method(z, [t])
    for t in [*outside(where), np.nan]:
        for method in (loss, loss.gradient, loss.hessian):
            with pytest.raises(ValueError, match=r"^target: got .* expected .*" + re.escape(where.description)):
                method(z, [t])


@pytest.mark.parametrize("loss", ROWS)
def test_the_target_of_a_row_is_a_label_or_a_distribution(loss):
    assert loss.facts.target in (LABEL, DISTRIBUTION)
    z = np.full((1, 3), -np.log(3) if loss.facts.prediction.entry() is LOG_PROBABILITY else 1 / 3)
    if isinstance(loss.prediction, Thresholds):
        z = np.array([[0.0, 1.0, 1 / 3]])
    for label in range(3):
        assert np.isfinite(loss(z, [label])) != bool(loss.parameters.get("reverse"))
    for label in (-1, 3, 0.5):
        with pytest.raises(ValueError, match=r"^target"):
            loss(z, [label])
    if loss.facts.target is LABEL:
        with pytest.raises(ValueError, match=r"^target"):
            loss(z, [[0.25, 0.25, 0.5]])
    else:
        assert np.isfinite(loss(z, [[0.25, 0.25, 0.5]]))
        assert loss(z, [[0, 1, 0]]) == loss(z, [1])


@every_loss
def test_parameters_lie_in_their_domains(loss):
    assert set(loss.facts.parameters) == set(loss.parameters)
    arguments = with_prediction(loss, loss.facts.prediction.entry().samples[0])
    for name, where in loss.facts.parameters.items():
        if loss.parameters[name] is not None:
            assert where.contains(loss.parameters[name])
        for x in (x for x in inside(where) if np.isfinite(x)):
            assert loss.replace(**{name: x}).parameters[name] == x
        for x in [*outside(where), np.nan, np.inf, -np.inf]:
            with pytest.raises(ValueError, match=rf"^{name}: got .*expected {re.escape(where.description)}"):
                loss(*arguments, **{name: x})
            with pytest.raises(ValueError, match=rf"^{name}: got "):
                loss.replace(**{name: x})


@every_loss
def test_every_parameter_matters(loss):
    for name in set(loss.parameters) - {"normalized"}:  # a switch that refuses, or changes nothing
        others = [values[name] for values in ENTRIES[loss.name].others if name in values]
        assert others, f"name another value of {name}"
        if loss.kind == "pointwise":
            z = np.linspace(0.1, 0.9, 5) if loss.facts.prediction.entry() is PROBABILITY else np.linspace(-60, 60, 25)
            where = loss.facts.target_domain(loss.parameters)  # both classes, or a number that is positive in all
            t = np.resize(where.samples if where.shape == "ends" else where.samples[-1:], z.size)
        else:
            z, t = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]]), [1, 0]
            if loss.kind == "classwise":
                t = [[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]]
        for other in others:
            # gamma = 0 of a focal loss and others must show in every derivative
            assert loss(z, t, **{name: other}) != loss(z, t)
            assert loss.gradient(z, t, **{name: other}).tobytes() != loss.gradient(z, t).tobytes()


# ---------------------------------------------------------------------------------------------- kinks

H = mpf(10) ** -40


def candidates(loss, t):
    """Where a loss might have a kink: at the target, at 0, at margin 1, a parameter away from the target."""
    numbers = [t, -t, mpf(0), mpf(1), mpf(-1)]
    numbers += [t + sign * mpf(p) for p in loss.parameters.values() if p for sign in (-1, 1)]
    where = loss.facts.prediction.entry()
    return sorted({x for x in numbers if where.low < x < where.high})


def neighbours(loss, t):
    where = loss.facts.target_domain(dict(loss.parameters))
    return [x for x in t if where.contains(x)]


@pytest.mark.parametrize("loss", POINTWISE)
def test_kinks_are_where_the_slope_or_the_curvature_jumps_and_nowhere_else(loss):
    settings = {name: p if p is None else mpf(p) for name, p in loss.parameters.items()}
    with mp.workdps(100):
        for t in map(mpf, neighbours(loss, [-1.0, 1.0, 0.0, 0.5, 3.75, -2.5])):
            stated = list(loss.facts.kinks(t, **settings)) if loss.facts.kinks else []
            for x in [*stated, *candidates(loss, t)]:
                left, right = (jet(loss, x + step, t) for step in (-H, H))
                scale = 1 + max(abs(part) for part in (*left, *right))
                assert abs(right[0] - left[0]) < mpf(10) ** -12 * scale  # the value itself never jumps
                jumps = max(abs(right[1] - left[1]), abs(right[2] - left[2])) > mpf(10) ** -12 * scale
                assert jumps == any(abs(x - k) < H for k in stated), (t, x)


@pytest.mark.parametrize("loss", [p for p in POINTWISE if p.values[0].facts.kinks])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_slope_at_a_kink_is_the_middle_of_its_interval(loss, dtype):
    settings = {name: mpf(p) for name, p in loss.parameters.items()}
    for t in neighbours(loss, [-1.0, 1.0, 0.0, 0.5, 3.75, -2.5]):
        with mp.workdps(100):
            exact = [kink for kink in loss.facts.kinks(mpf(t), **settings) if mpf(float(dtype(float(kink)))) == kink]
        for x in map(dtype, map(float, exact)):
            step = dtype(2.0**-20)
            z = np.array([x - step, x, x + step], dtype=dtype)
            left, here, right = loss.gradient(z, np.full(3, t, dtype), reduction="none").astype(float)
            bends = float(loss.hessian(z, np.full(3, t, dtype), reduction="none").astype(float).max()) * float(step)
            assert abs(here - (left + right) / 2) <= bends + 2 * np.finfo(dtype).eps * max(abs(left), abs(right))
            assert min(left, right) <= here <= max(left, right)


# ------------------------------------------------------------------------------------------- convexity


def domain_points(loss, rng, n):
    if loss.facts.prediction.entry() is PROBABILITY:
        return rng.uniform(1e-3, 1 - 1e-3, n)
    z = np.concatenate([rng.normal(0, 3, n // 2), rng.uniform(-40, 40, n - n // 2)])
    return np.where(loss.facts.prediction.contains(z), z, np.abs(z))


CONVEX_IF = {
    "tweedie": lambda power: 1.0 <= power <= 2.0,
    "softmax_kullback_leibler": lambda reverse, temperature: not reverse,
    "robust": lambda alpha, scale: alpha >= 1.0,
    "sigmoid_focal": lambda gamma, alpha: gamma == 0.0,  # the cross-entropy
}


def stays_convex(loss):
    """The fact speaks of the defaults; beyond them a few losses win convexity or lose it."""
    return CONVEX_IF[loss.name](**loss.parameters) if loss.name in CONVEX_IF else loss.facts.convex


@pytest.mark.parametrize("loss", POINTWISE)
def test_convex_pointwise_losses_curve_upwards_and_others_do_not(loss):
    rng = np.random.default_rng(6)
    where = loss.facts.target_domain(dict(loss.parameters))
    z = domain_points(loss, rng, 400)
    lowest = np.inf
    for t in where.draw(rng, 8):
        targets = np.full(z.size, t)
        curvature = loss.hessian(z, targets, reduction="none")
        lowest = min(lowest, curvature.min())
        slopes = loss.gradient(np.sort(z), targets, reduction="none")
        if stays_convex(loss):
            assert np.all(np.diff(slopes) >= -4 * EPS * np.abs(slopes[1:])), t  # kinks included
    assert stays_convex(loss) == (lowest >= 0.0)


# What the row kernel adds around a formula may cost convexity: a softcap bends the logits, and the square of
# logsumexp is not convex where logsumexp is negative.
BENDING = {"z_loss", "softcap"}


CONVEX_IN_PART = {("gamma", 0.0), ("power", 0.0), ("power", 1e-6), ("epsilon", -1.0), ("epsilon", 0.5)}  # or nearly


@pytest.mark.parametrize(
    ("loss", "soft"),
    [
        pytest.param(p.values[0], soft, id=f"{soft}-{p.id}")
        for p in ROWS
        if not any(p.values[0].parameters.get(o) for o in BENDING)
        for soft in ([False] if p.values[0].facts.target is LABEL else [False, True])
        if soft or not p.values[0].parameters.get("reverse")  # infinite with labels
    ],
)
def test_convex_row_losses_lie_below_their_chords(loss, soft):
    rng = np.random.default_rng(7)
    n, classes = 4000, 3
    if loss.facts.prediction.entry() is PROBABILITY:
        a, b = rng.dirichlet([0.5] * classes, (2, n)).clip(1e-12, 1.0)
    elif loss.facts.prediction.entry() is LOG_PROBABILITY:
        a, b = -rng.exponential(3.0, (2, n, classes))
    else:
        a, b = in_order(loss, rng.normal(0, 3, (2, n, classes)))
    t = rng.multinomial(16, [1 / 3] * 3, n) / 16 if soft else rng.integers(0, classes, n)
    ends = loss(a, t, reduction="none") / 2 + loss(b, t, reduction="none") / 2
    middle = loss(a / 2 + b / 2, t, reduction="none")
    above = middle > ends * (1 + 16 * EPS)
    if loss.parameters.items().isdisjoint(CONVEX_IN_PART) and not (soft and loss.name == "poly_one"):
        assert above.any() != stays_convex(loss)
    if stays_convex(loss):
        assert loss.hessian(a, t, reduction="none").min() >= 0.0


def test_softcap_and_z_loss_may_cost_convexity():
    ce = rashin.softmax_cross_entropy

    def bulges(loss, a, b):
        middle = (np.array(a) + np.array(b)) / 2
        return loss([middle], [0]) > (loss([a], [0]) + loss([b], [0])) / 2

    for loss, a, b in (
        (ce.replace(softcap=5.0), [0.0, 0.0], [0.0, 40.0]),
        (ce.replace(z_loss=1.0), [-55.0, -65.0], [-65.0, -55.0]),
    ):
        assert bulges(loss, a, b)
        assert not bulges(ce, a, b)


# ----------------------------------------------------------------------------- links and best constants


@every_loss
def test_the_link_is_one_of_four(loss):
    assert loss.facts.link in {"identity", "log", "logit", "softmax"}
    assert (loss.facts.link == "softmax") == (loss.kind in ("labelwise", "classwise"))
    if loss.facts.link in ("log", "logit", "softmax"):  # these take the mean to any real number
        assert loss.facts.prediction.entry().low == -np.inf
        assert loss.facts.prediction.entry().high == np.inf


LINKS = {"log": np.log, "logit": lambda m: np.log(m) - np.log1p(-m), "softmax": np.log, "identity": lambda m: m}
# A polynomial in the target has a best prediction that depends on its mean; that of a row is bound to sum to 1.
OF_THE_MEAN = [
    loss for loss in LOSSES if loss.facts.convex and loss.facts.target_degree is not None and loss.kind != "rowwise"
]


def test_a_link_is_that_of_a_loss_of_the_mean():
    linked = {loss for loss in LOSSES if loss.facts.convex and loss.facts.link != "identity"}
    assert linked - {rashin.softmax_kullback_leibler} <= set(OF_THE_MEAN)  # of degree 1 but for what the target adds


@pytest.mark.parametrize("loss", OF_THE_MEAN, ids=lambda loss: loss.name)
def test_the_link_takes_the_mean_of_the_target_to_the_best_prediction(loss):
    rng = np.random.default_rng(8)
    w = rng.random(40) + 0.5
    if loss.kind == "labelwise":
        t = rng.multinomial(16, [0.25] * 4, 40) / 16
        mean = (w[:, None] * t).sum(0) / w.sum()
    else:
        t = loss.facts.target_domain(loss.parameters).draw(rng, 40)
        mean = np.sum(w * t) / w.sum()
    z = np.broadcast_to(LINKS[loss.facts.link](mean), t.shape)
    assert vanishes(loss, z, t, w)


def vanishes(loss, z, t, w):
    """Whether the gradients of all samples cancel."""
    each = loss.gradient(z, t, weight=w, reduction="sum")
    return np.all(np.abs(each.sum(axis=0)) <= 64 * EPS * np.abs(each).sum(axis=0))


WITH_CONSTANT = [p for p in SETTINGS if p.values[0].facts.best_constant]


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.facts.convex and loss.facts.target_degree])
def test_a_convex_loss_of_the_mean_has_a_best_constant(loss):
    assert loss.facts.best_constant is not None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_best_constant_of_absolute_errors_is_a_quantile(share):
    t, w = np.array([3.0, 1.0, 2.0, 50.0]), np.array([1.0, 4.0, 4.0, 1.0])
    expected = {0.1: 1.0, 0.5: 2.0, 0.9: 3.0}[share]
    assert rashin.quantile.facts.best_constant(t, w, quantile=share) == expected
    if share == 0.5:
        assert rashin.absolute_error.facts.best_constant(t, w) == expected


@pytest.mark.parametrize("loss", WITH_CONSTANT)
@pytest.mark.parametrize("size", [1, 2, 9, 40])
def test_no_constant_is_better_than_the_best(loss, size):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        w = rng.random(size) + 0.5
        t, coded = targets(loss, rng, size)
        shape = coded.shape
        best = loss.facts.best_constant(coded, w, **loss.parameters)
        if best is None:
            continue
        least = loss(np.broadcast_to(best, shape), t, weight=w)
        if not np.isfinite(least):
            continue
        shifts = rng.normal(0, 1, (300, *np.shape(best))) * 10.0 ** rng.uniform(-9, 1, (300, *[1] * np.ndim(best)))
        tries = np.array([moved(loss, np.asarray(best), shift) for shift in shifts])
        inside = loss.facts.prediction.contains(tries).reshape(300, -1).all(axis=1)
        others = means(loss, tries[inside], t, w, shape)
        worse = others >= least - 8 * EPS * max(abs(least), spread(loss, best, t, w))
        assert worse.all(), (best, tries[inside][~worse])


def means(loss, constants, t, w, shape):
    """The mean loss of each of several constants, from the samples' losses in long double."""
    z = np.broadcast_to(constants[:, None], (len(constants), *shape))
    each = loss.per_sample(z, np.broadcast_to(t, (len(constants), *t.shape)))
    return (each.astype(np.longdouble) * w).sum(axis=1) / np.sum(w, dtype=np.longdouble)


def targets(loss, rng, size):
    """Targets, and the same as ``best_constant`` takes them."""
    domain = loss.facts.target_domain(dict(loss.parameters))
    if loss.kind == "pointwise":
        t = domain.draw(rng, size + 3)[3:]
        return t, t
    if domain is LABEL:
        t = rng.integers(0, 4, size)
        return t, np.eye(4)[t]
    t = rng.multinomial(16, [0.25] * 4, size) / 16
    return t, t


def moved(loss, best, shift):
    """Another constant: a row of probabilities, or of their logarithms, stays one."""
    if loss.kind != "rowwise" or isinstance(loss.prediction, Thresholds):
        return best + shift
    if loss.facts.prediction.entry() is LOG_PROBABILITY:
        z = best + shift
        return z - np.logaddexp.reduce(z)
    p = best * np.exp(shift)
    return p / p.sum()


def spread(loss, best, t, w):
    """The size of the terms that a loss is the sum of, by how much a unit's step changes it."""
    step = 1e-3
    near = np.broadcast_to(best, t.shape if t.ndim == np.ndim(best) + 1 or np.ndim(best) == 0 else (t.size, 4)) + 0.0
    if loss.kind == "rowwise" or loss.facts.prediction.entry() is PROBABILITY:
        return 1.0
    return max(abs(loss(near + step, t, weight=w)), abs(loss(near - step, t, weight=w)), np.max(np.abs(t)) * 8)


@pytest.mark.parametrize("loss", [p for p in WITH_CONSTANT if not p.values[0].parameters.get("softcap")])
def test_the_gradient_at_the_best_constant_vanishes_or_changes_sign(loss):
    rng = np.random.default_rng(11)
    w = rng.random(30) + 0.5
    t, coded = targets(loss, rng, 30)
    best = loss.facts.best_constant(coded, w, **loss.parameters)
    z = np.broadcast_to(best, coded.shape)
    if isinstance(loss.prediction, Thresholds):
        each = loss.gradient(z, t, weight=w, reduction="sum")
        assert np.all(np.abs(each.sum(axis=0)) <= 64 * EPS * np.abs(each).sum(axis=0))
    elif loss.kind == "rowwise":  # on the simplex: no class gains by what another loses
        rate = 1.0 if loss.facts.prediction.entry() is PROBABILITY else np.exp(-best)
        each = loss.gradient(z, t, weight=w, reduction="sum") * rate
        size, total = np.abs(each).sum(axis=0), each.sum(axis=0)
        assert np.all(np.abs(total - total[0]) <= 64 * EPS * (size + size[0]))
    elif loss.facts.kinks is None:
        assert vanishes(loss, z, t, w)
    else:
        below, above = (loss.gradient(z + step, t, weight=w).sum() for step in (-1e-9, 1e-9))
        assert below <= 0.0 <= above
        assert below < above


@pytest.mark.parametrize("loss", POINTWISE)
def test_the_degree_in_the_target_is_that_of_the_formula(loss):
    """Of a loss without a degree, this may be another at some parameters."""
    own = degrees(loss)
    assert own == {loss.facts.target_degree} or (
        loss.facts.target_degree is None and any(degrees(other) not in ({1}, {2}) for other in settings_of(loss))
    )


def degrees(loss):
    """Of targets in equal steps: the differences of order d + 1 vanish, those of order d do not, and so everywhere."""
    low = max(loss.facts.target_domain(dict(loss.parameters)).low, 0.0)
    grid = [mpf(low) + mpf(k) / 8 for k in range(1, 6)]
    everywhere = [z for z in (-1.5, 0.375, 0.75, 2.25, 60.0) if loss.prediction.contains(z)]
    with mp.workdps(150):
        return {degree_of([jet(loss, z, t)[0] for t in grid]) for z in everywhere}


def degree_of(values):
    """The degree of the polynomial that takes these values at equal steps; None where it has 3 or more."""
    size, orders = max(map(abs, values)), []
    while values:
        orders.append(max(map(abs, values)) > mpf(10) ** -50 * size)
        values = [after - before for before, after in pairwise(values)]
    return orders.index(False) - 1 if orders[:4].count(False) and not any(orders[orders.index(False) :]) else None


ROWS_OF_DEGREE_ONE = [p for p in SETTINGS if p.values[0].kind != "pointwise" and p.values[0].facts.target_degree == 1]


@pytest.mark.parametrize("loss", [p for p in ROWS_OF_DEGREE_ONE if p.values[0].facts.target is not LABEL])
def test_the_loss_of_a_mixture_of_targets_is_the_mixture_of_the_losses(loss):
    rng = np.random.default_rng(8)
    z, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    each = loss.per_sample(np.broadcast_to(z, (5, 5)), np.arange(5))
    assert np.isclose(loss(z[None], q[None]), q @ each, rtol=1e-13, atol=0)


@pytest.mark.parametrize("loss", [p for p in ROWS_OF_DEGREE_ONE if p.values[0].facts.best_constant])
def test_the_best_constant_of_rows_of_degree_one_depends_on_the_mean_target_only(loss):
    rng = np.random.default_rng(12)
    t, w = rng.dirichlet(np.ones(4), 30), rng.random(30)
    best = loss.facts.best_constant
    whole, mean = best(t, w, **loss.parameters), best((w @ t / w.sum())[None], np.ones(1), **loss.parameters)
    assert (whole is None and mean is None) or np.allclose(whole, mean, rtol=1e-13, atol=0)


WITH_BOUNDS = [p for p in SETTINGS if p.values[0].facts.bounds]


def bounds_of(loss, classes):
    return loss.facts.bounds(*(() if loss.kind == "pointwise" else (classes,)), **loss.parameters)


@pytest.mark.parametrize("loss", WITH_BOUNDS)
@pytest.mark.parametrize("classes", [1, 2, 7])
def test_every_loss_lies_between_its_bounds_and_some_come_near(loss, classes):
    rng, rows = np.random.default_rng(classes), 2000
    shape = (rows,) if loss.kind == "pointwise" else (rows, classes)
    low, high = bounds_of(loss, classes)
    z = loss.facts.prediction.entry().draw(rng, rows * shape[-1] if len(shape) > 1 else rows).reshape(shape)
    far = 1e300 if loss.kind == "pointwise" else 1e4  # some losses grow like a logarithm
    far = 1e8 if loss.parameters.get("power") == 1e-6 else far
    worst = 0.0 if loss.facts.prediction.entry() is PROBABILITY else -far
    z[::3] = np.where(rng.random(z[::3].shape) < 0.5, worst, 1.0 if worst == 0.0 else -worst)
    if loss.facts.prediction.entry() is LOG_PROBABILITY:
        z = rashin.log_softmax(-z)
    z = in_order(loss, np.where(loss.facts.prediction.entry().contains(z), z, np.abs(z)))
    t = rng.integers(classes, size=rows)
    if loss.kind == "pointwise":
        t = rng.choice(neighbours(loss, [-1.0, 0.0, 1.0]), rows)
    if takes_logits(loss):
        t = 1e4 * (t[:, None] == np.arange(classes))
    losses = loss.per_sample(z, t)
    size = 4 * EPS * max(abs(low), abs(high))
    assert (losses >= low - size).all()
    assert (losses <= high + size).all() or np.isinf(high)
    if classes > 1:  # nothing is promised that is far from what happens
        assert losses.max() > 0.6 * high if np.isfinite(high) else losses.max() > 1e3


def test_some_losses_have_bounds_that_are_finite():
    assert any(np.isfinite(bounds_of(p.values[0], 5)[1]) for p in WITH_BOUNDS)


# ------------------------------------------------------------------------------------------ docstrings


@every_loss
def test_the_docstring_has_its_parts(loss):
    text = loss.__doc__
    paragraphs = text.split("\n\n")
    sentence = " ".join(paragraphs[0].split())
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ".. math::" in text
    assert ">>> " + loss.name in text
    assert re.search(r"^Reference: .*\(1\d{3}\)|^Reference: .*\(20\d\d\)", text, re.MULTILINE)
    for name in loss.parameters:
        assert re.search(rf"^{name} : .+", text, re.MULTILINE), f"{name} is not explained"
    explained = set(re.findall(r"^([a-z_]+) : ", text, re.MULTILINE))
    assert explained == set(loss.parameters)


@every_loss
def test_the_examples_of_the_docstring_run(loss):
    names = {**{name: getattr(rashin, name) for name in rashin.__all__}, "rashin": rashin, "np": np}
    example = doctest.DocTestParser().get_doctest(loss.__doc__, names, loss.name, None, 0)
    assert example.examples
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=report.append).failed == 0, "".join(report)


@pytest.mark.parametrize("loss", [x for x in LOSSES if x.formula.__module__.endswith(".regression")], ids=str)
def test_losses_of_a_difference_vanish_at_the_target_and_nowhere_else(loss):
    assert loss([1.5, -2.0], [1.5, -2.0], reduction="sum") == 0.0
    assert loss.gradient([1.5, -2.0], [1.5, -2.0], reduction="sum").tolist() == [0.0, 0.0]
    assert np.all(loss([1.5, 1.5, -40.0], [1.5 + 2**-30, 1.0, 40.0], reduction="none") > 0.0)
