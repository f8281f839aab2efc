"""The derivatives that the formulas state are derivatives, and the sweeps compute what the formulas say.

A formula's text runs with any arithmetic: with mpmath at 100 digits a difference quotient has 50 right ones.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from losses import ENTRIES
from mpmath_arrays import MPMATH, jet, row
from rashin.arithmetic import arrays, scalar
from rashin.domain import LABEL, PROBABILITY
from shipped import LOSSES, SETTINGS, in_order

NUMPY = SimpleNamespace(
    **{name: getattr(np, name, getattr(arrays, name)) for name in scalar.__all__},
    sum=np.sum,
    max=np.max,
    concat=np.concatenate,
    iterate=arrays.iterate,
)
POINTWISE, LABELWISE, ROWWISE = (
    [p for p in SETTINGS if p.values[0].kind == kind] for kind in ("pointwise", "labelwise", "rowwise")
)
EPS = float(np.finfo(np.float64).eps)
TINY = mpf(10) ** -30


@pytest.fixture(autouse=True)
def _hundred_digits():
    with mp.workdps(100):
        yield


def close(got, exact, scale, digits=25):
    """Within that many digits of the scale; equal where that is 0."""
    return abs(got - exact) <= mpf(10) ** -digits * scale


def points(loss, seed=0):
    """Predictions and targets inside the domains, away from the kinks."""
    rng = np.random.default_rng(seed)
    settings = dict(loss.parameters)
    targets = loss.facts.target_domain(settings).draw(rng, 6)
    for t in targets.tolist():
        if loss.facts.prediction.entry() is PROBABILITY:
            z = [0.25, 0.6, 1e-3, 0.999, *rng.uniform(0.01, 0.99, 3)]
        else:
            z = [0.3, -20.0, 30.0, t + 1e-3, t - 1e-8, t + 0.75, -t / 3, *rng.normal(0, 4, 4), t + 80.0]
            z = [x if loss.facts.prediction.contains(x) else abs(x) for x in z]
        for x in map(float, z):
            kinks = loss.facts.kinks(t, **settings) if loss.facts.kinks else ()
            if all(abs(x - kink) > 1e-9 for kink in kinks):
                yield x, t


# ------------------------------------------------------------------------------- the formulas' own text


@pytest.mark.parametrize("loss", POINTWISE)
def test_slope_and_curvature_are_the_derivatives(loss):
    for z, t in points(loss):
        value, slope, curvature = jet(loss, z, t)
        (before, s_before, _), (after, s_after, _) = (jet(loss, mpf(z) + h, t) for h in (-TINY, TINY))
        scale = abs(value) + abs(slope) + abs(curvature)
        assert close((after - before) / (2 * TINY), slope, scale, ENTRIES[loss.name].digits), (z, t)
        assert close((s_after - s_before) / (2 * TINY), curvature, scale), (z, t)


@pytest.mark.parametrize("loss", LABELWISE)
def test_slope_and_curvature_by_the_log_probability_are_the_derivatives(loss):
    for u in (-1e-12, -1e-5, -0.01, -0.3, -0.69, -0.7, -2.0, -30.0, -300.0):
        value, slope, curvature = jet(loss, u)
        h = TINY * abs(mpf(u))
        (before, s_before, _), (after, s_after, _) = (
            jet(
                loss,
                mpf(u) + step,
            )
            for step in (-h, h)
        )
        assert close((after - before) / (2 * h), slope, abs(value / u) + abs(slope)), u
        assert close((s_after - s_before) / (2 * h), curvature, abs(slope / u) + abs(curvature)), u


@pytest.mark.parametrize("loss", ROWWISE)
def test_gradient_and_hessian_of_a_row_are_the_derivatives(loss):
    for z, t in rows_of(loss):
        _, gradient, hessian = row(loss, z, t)
        for j in range(len(z)):
            moved = [[mpf(x) + step * (k == j) for k, x in enumerate(z)] for step in (-TINY, TINY)]
            (before, g_before, _), (after, g_after, _) = (row(loss, x, t) for x in moved)
            scale = abs(gradient[j]) + abs(hessian[j])
            assert close((after - before) / (2 * TINY), gradient[j], scale), (z, t, j)
            assert close((g_after[j] - g_before[j]) / (2 * TINY), hessian[j], scale), (z, t, j)


def rows_of(loss):
    """Rows of probabilities or log-probabilities, with one-hot and (where they may come) soft targets."""
    rng = np.random.default_rng(2)
    for _ in range(4):
        p = rng.dirichlet([0.5] * 4).clip(1e-6, 1 - 1e-6)
        z = p if loss.facts.prediction.entry() is PROBABILITY else in_order(loss, np.log(p))
        yield z.tolist(), np.eye(4)[rng.integers(4)].tolist()
        if loss.facts.target is not LABEL:
            yield z.tolist(), (rng.multinomial(16, [0.25] * 4) / 16).tolist()


# --------------------------------------------------------------- the sweeps compute what the formulas say


def within(got, exact, scale, ulps):
    return abs(mpf(float(got)) - exact) <= max(ulps * EPS * scale, mpf(5e-324))  # the distance of the subnormals


@pytest.mark.parametrize("loss", POINTWISE)
def test_the_sweep_computes_the_formula(loss):
    z, t = map(np.array, zip(*points(loss, seed=1), strict=True))
    w = np.random.default_rng(3).random(z.size) + 0.5
    got = np.stack([method(z, t, reduction="none") for method in (loss, loss.gradient, loss.hessian)])
    weighted = np.stack([method(z, t, weight=w, reduction="sum") for method in (loss.gradient, loss.hessian)])
    for i in range(z.size):
        value, slope, curvature = jet(loss, z[i], t[i])
        scale = abs(value) + abs(slope) + abs(curvature)
        # the slope's relative error moves with z by as much as the curvature says
        scales = (scale, scale, scale * (1 + abs(mpf(z[i]) - t[i])))
        for k, exact in enumerate((value, slope, curvature)):
            assert within(got[k, i], exact, scales[k], 8), (loss, k, z[i], t[i])
        assert within(weighted[0, i], slope * mpf(w[i]), scale * w[i], 10)
        assert within(weighted[1, i], curvature * mpf(w[i]), scales[2] * w[i], 10)


@pytest.mark.parametrize("loss", POINTWISE)
def test_the_formula_runs_on_numpy_arrays(loss):
    z, t = map(np.array, zip(*points(loss, seed=4), strict=True))
    with np.errstate(all="ignore"):
        parts = loss.formula(NUMPY, z, t, *loss.parameters.values())
    sweep = [method(z, t, reduction="none") for method in (loss, loss.gradient, loss.hessian)]
    size = sum(np.abs(part) for part in sweep)
    for array, swept in zip(parts, sweep, strict=True):
        array = np.broadcast_to(array, z.shape)
        # NumPy's own functions err by a few ULPs, which a power's exponent multiplies
        assert np.all(np.abs(array - swept) <= 64 * EPS * size * (1 + np.abs(z - t))), loss


@pytest.mark.parametrize("loss", ROWWISE)
def test_row_formulas_run_on_numpy_arrays(loss):
    cases = [(z, t) for z, t in rows_of(loss)]
    z, t = (np.array(part) for part in zip(*cases, strict=True))
    own = [value for name, value in loss.parameters.items() if name not in loss.options]
    with np.errstate(all="ignore"):
        parts = loss.formula(NUMPY, z, t, *own)
    if loss.facts.separable:  # a formula of one class, for classes of which the target has a share
        counts = (t > 0) | loss.facts.every_class
        value, gradient, hessian = (np.where(counts, part, 0.0) for part in parts)
        parts = value.sum(axis=-1), gradient, hessian
    target = t if loss.facts.target is not LABEL else t.argmax(-1)
    swept = [method(z, target, reduction="none") for method in (loss, loss.gradient, loss.hessian)]
    for array, got in zip(parts, swept, strict=True):
        array = np.broadcast_to(array, got.shape)
        assert np.all(np.abs(array - got) <= 16 * EPS * np.abs(got))
    for i, (x, q) in enumerate(cases):
        value, gradient, hessian = row(loss, x, q)
        assert within(swept[0][i], value, abs(value), 8)
        for j in range(len(x)):
            assert within(swept[1][i, j], gradient[j], abs(gradient[j]), 8)
            assert within(swept[2][i, j], hessian[j], abs(hessian[j]), 8)


def label_loss(loss, z, q):
    """A loss of log softmax by its definition, from the formula's value alone."""
    smoothing, z_loss = (mpf(loss.parameters.get(name) or 0) for name in ("label_smoothing", "z_loss"))
    cap = loss.parameters.get("softcap")
    if cap is not None:
        z = [mpf(cap) * mp.tanh(x / mpf(cap)) for x in z]
    lse = mp.log(mp.fsum(mp.exp(x) for x in z))
    mixed = [(1 - smoothing) * mpf(x) + smoothing / len(z) for x in q]
    terms = [x * jet(loss, u - lse)[0] for x, u in zip(mixed, z, strict=True) if x]
    return mp.fsum(terms) + z_loss * lse**2


@pytest.mark.parametrize("loss", LABELWISE)
@pytest.mark.parametrize("soft", [False, True])
def test_the_family_of_label_losses_has_one_chain_rule(loss, soft):
    rng = np.random.default_rng(5)
    z = rng.normal(0, 2, (5, 4))
    labels = rng.integers(0, 4, 5)
    q = rng.multinomial(16, [0.25] * 4, 5) / 16 if soft else np.eye(4)[labels]
    target, w = q if soft else labels, rng.random(5) + 0.5
    value = loss(z, target, weight=w, reduction="none")
    gradient = loss.gradient(z, target, weight=w, reduction="none")
    hessian = loss.hessian(z, target, weight=w, reduction="none")
    for i in range(5):
        weight, x = mpf(w[i]), [mpf(a) for a in z[i]]
        exact = label_loss(loss, x, q[i])
        assert within(value[i], weight * exact, weight * abs(exact), 32)
        quotients = []
        for j in range(4):
            before, after = (label_loss(loss, [a + h * (k == j) for k, a in enumerate(x)], q[i]) for h in (-TINY, TINY))
            quotients.append(((after - before) / (2 * TINY), (after - 2 * exact + before) / TINY**2))
        slope_scale = max(abs(first) for first, _ in quotients)
        curvature_scale = slope_scale + max(abs(second) for _, second in quotients)
        for j, (first, second) in enumerate(quotients):
            assert within(gradient[i, j], weight * first, weight * slope_scale, 64), (z[i], q[i], j)
            assert within(hessian[i, j], weight * second, weight * curvature_scale, 64), (z[i], q[i], j)


# --------------------------------------------------------------------------- the text of the formulas

VOCABULARY = {*scalar.__all__}
FORBIDDEN = (
    ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match, ast.BoolOp, ast.ListComp, ast.GeneratorExp, ast.Lambda,
    ast.Subscript, ast.Global, ast.Import, ast.ImportFrom, ast.Assert, ast.Raise,
)  # fmt: skip


def texts():
    """Every formula, and every function that one calls."""
    found = {}

    def visit(function, kind):
        if function in found:
            return
        found[function] = kind
        for name in function.__code__.co_names:
            helper = function.__globals__.get(name)
            if isinstance(helper, FunctionType):
                visit(helper, kind)

    for loss in LOSSES:
        visit(loss.formula, loss.kind)
    return [pytest.param(function, kind, id=function.__qualname__) for function, kind in found.items()]


@pytest.mark.parametrize(("function", "kind"), texts())
def test_formulas_speak_the_vocabulary_and_do_not_branch_on_data(function, kind):
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    for node in [inner for statement in tree.body for inner in ast.walk(statement)]:
        where = f"{function.__name__}, line {getattr(node, 'lineno', 0)}"
        of_whole_rows = isinstance(node, ast.Subscript) and kind == "rowwise"
        assert of_whole_rows or not isinstance(node, FORBIDDEN), f"{where}: {type(node).__name__}"
        if isinstance(node, ast.IfExp):  # only whether a parameter is absent
            test = node.test
            assert isinstance(test, ast.Compare), where
            assert isinstance(test.ops[0], ast.Is | ast.IsNot), where
            assert isinstance(test.comparators[0], ast.Constant), where
        if isinstance(node, ast.UnaryOp):
            assert isinstance(node.op, ast.USub), where
        if isinstance(node, ast.Attribute):
            words = VOCABULARY | ({"sum", "max", "concat", "iterate"} if kind == "rowwise" else set())
            assert isinstance(node.value, ast.Name), where
            assert node.value.id == "xp", where
            assert node.attr in words, f"{where}: xp.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert isinstance(function.__globals__.get(node.func.id), FunctionType), f"{where}: {node.func.id}"
        if isinstance(node, ast.Compare):
            assert len(node.ops) == 1, f"{where}: a chain of comparisons is an `and`"


def test_the_vocabulary_is_the_same_in_every_arithmetic():
    for name in VOCABULARY:
        assert callable(getattr(NUMPY, name))
        assert callable(getattr(MPMATH, name))
        assert callable(getattr(scalar, name))


def test_compiled_formulas_know_whether_elements_are_narrower_than_the_arithmetic():
    @rashin.pointwise()
    def telling(xp, z, t, scale=1.0):
        one = xp.where(xp.narrow(), 1.0, 2.0)
        return scale * one + 0.0 * (z - t), 0.0 * z, 0.0 * z

    for dtype, told in ((np.float16, 3.0), (np.float32, 3.0), (np.float64, 6.0)):
        z = np.linspace(-1.0, 1.0, 40).astype(dtype)
        assert telling.replace(scale=3.0)(z, z) == told


def test_differences_that_overflow_doubles_are_halved_and_those_of_float32_need_not_be():
    """The largest numbers of a type, far apart: the loss is delta (|z - t| - delta / 2), which may be a number."""
    for dtype in (np.float32, np.float64):
        most = np.finfo(dtype).max
        z, t = np.array([most, -most], dtype), np.array([-most, most], dtype)
        with mp.workprec(200):
            exact = float(mpf("0.125") * (2 * mpf(float(most)) - mpf("0.0625")))
        value, gradient = rashin.huber.replace(delta=0.125).value_and_gradient(z, t, weight=[1.0, 3.0])
        assert value == exact
        assert gradient.tolist() == [0.03125, -0.09375]
