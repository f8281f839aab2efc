"""Every formula runs as it is on PyTorch tensors and JAX arrays: in their dtype, with the limits it has in a kernel.

The judge is NumPy in float64, at the numbers that the dtype holds. Allowed are, in units of the dtype's eps,

    factor * (abs(result) + condition + floor),

where the condition is the change of the result, per relative change of an argument or parameter, and the floor is the
number whose square underflows. Across a kink the condition is the size of the jump over 2^-20.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from rashin.arithmetic import arrays
from rashin.domain import LOG_PROBABILITY, PROBABILITY, Domain
from shipped import LOSSES as SHIPPED
from ulp import ulp_error

LOSSES = [loss for loss in SHIPPED if loss.kind != "rowwise" or loss.facts.separable]  # of single numbers
ROWS = [loss for loss in SHIPPED if loss not in LOSSES]

STEP = 2.0**-20
ORDERS = ("value", "slope", "curvature")
SHARE = dataclasses.replace(PROBABILITY, low=1e-30)  # of a class in the target; the formula is not asked for 0
quiet = np.errstate(all="ignore")
SIZE = 1024  # of every array: JAX compiles each operation once for a shape
HARD = [1e-30, 1e-8, 1e-3, 0.3, 0.75, 1 - 2.0**-20, 1.0, 3.0, 20.0, 80.0, 90.0, 100.0, 300.0, 690.0, 720.0, 1e4, 1e8]


class Torch:
    """PyTorch on the CPU; its functions are within 1.5 ULPs."""

    factor, subnormals = 16.0, True

    def __init__(self):
        self.package = pytest.importorskip("torch", reason="torch is not installed")
        from rashin.arithmetic import torch

        self.like = torch.like

    def jet(self, loss, own, *arguments):
        tensors = [self.package.from_numpy(x) for x in arguments]
        parts = loss.formula(self.like(tensors[0]), *tensors, *own.values())
        return [self.package.as_tensor(part, dtype=_of_a_number(part, tensors[0])).numpy() for part in parts]


class Jax:
    """JAX on the CPU, operation by operation: its log1p is wrong by 130 ULPs, and its threads flush subnormals."""

    factor, subnormals = 256.0, False

    def __init__(self):
        self.package = pytest.importorskip("jax", reason="jax is not installed")
        from rashin.arithmetic import jax

        self.like, self.numpy = jax.like, self.package.numpy

    def jet(self, loss, own, *arguments):
        with self.package.enable_x64(True):
            return [np.asarray(part) for part in self.traced(loss, own)(*map(self.numpy.asarray, arguments))]

    def traced(self, loss, own):
        def jet(*arrays):
            parts = loss.formula(self.like(arrays[0]), *arrays, *own.values())
            return [self.numpy.asarray(part, _of_a_number(part, arrays[0])) for part in parts]

        return jet


class Compiled(Jax):
    """JAX, a formula as a whole."""

    def traced(self, loss, own):
        return self.package.jit(super().traced(loss, own), compiler_options={"xla_disable_hlo_passes": "algsimp"})


def _of_a_number(part, array):
    """The dtype of a part that is the same for every sample; other parts keep theirs."""
    return array.dtype if isinstance(part, float) else None


@quiet
def numbers(domain, dtype, seed):
    """Numbers of the dtype that belong to the domain: its hard ones, ordinary ones, infinities."""
    huge = [1e16, 1e18, 1e30, np.finfo(dtype).max / 4, np.finfo(dtype).max, np.inf]
    hard = np.array([0.0, *HARD, *huge])
    drawn = domain.draw(np.random.default_rng(seed), 8)
    x = np.unique(np.concatenate([hard, -hard, [domain.low, domain.high], drawn]).astype(dtype))
    return x[domain.contains(x)]


def settings(loss, dtype, subnormals):
    """The parameters' defaults, and beside them every sample and end of a domain that the dtype holds."""
    own = {name: value for name, value in loss.parameters.items() if name not in loss.options}
    yield {name: value if value is None else float(dtype(value)) for name, value in own.items()}
    for name in own:
        domain = loss.facts.parameters[name]
        tried = np.array([*domain.samples, domain.low, domain.high, -domain.reach, domain.reach])
        if dtype is np.float32 or not subnormals:  # what is beyond, or so close to 0, leads to numbers that underflow
            tried = tried[(tried == 0.0) | ((np.abs(tried) >= 1e-20) & (np.abs(tried) <= 1e20))]
        tried = np.unique(tried.astype(dtype)).astype(float)
        yield from ({**own, name: value} for value in tried[domain.contains(tried)].tolist())


def domains(loss, own):
    """Where the arguments of the formula lie."""
    if loss.kind == "labelwise":
        return (LOG_PROBABILITY,)
    if loss.kind == "classwise":
        return LOG_PROBABILITY, SHARE, LOG_PROBABILITY, SHARE
    if loss.kind == "rowwise":
        return loss.prediction.entry(), SHARE
    target = loss.facts.target
    return loss.facts.prediction, target if isinstance(target, Domain) else target(*own.values())


def points(loss, own, dtype):
    """Every pair of numbers of the two domains, or a sample of the pairs."""
    where = domains(loss, own)
    lines = [numbers(domain, dtype, seed) for seed, domain in enumerate(where[::2] if len(where) == 4 else where)]
    lines[1:] = [targets[np.isfinite(targets)] for targets in lines[1:]]
    grid = [axis.ravel() for axis in np.meshgrid(*lines)]
    chosen = np.resize(np.random.default_rng(3).permutation(grid[0].size), SIZE)
    found = [np.ascontiguousarray(axis[chosen]) for axis in grid]
    return [part for u in found for part in (u, np.exp(u))] if len(where) == 4 else found


@quiet
def jet(loss, own, *arguments):
    """Value, slope and curvature in float64, by the arithmetic of the kernels."""
    return [np.broadcast_to(part, SIZE) for part in loss.formula(arrays, *arguments, *own.values())]


def nearby(domain, x):
    """The number or numbers one step aside, either way, where the domain has such."""
    if domain.shape == "interval":
        yield from (np.clip(x * (1.0 + step), domain.low, domain.high) for step in (STEP, -STEP))


@quiet
def conditions(loss, own, exact, arguments):
    """For each order, how far it moves by a relative change of an argument or a parameter."""
    moved = [
        jet(loss, own, *arguments[:place], near, *arguments[place + 1 :])
        for place, domain in enumerate(domains(loss, own))
        for near in nearby(domain, arguments[place])
    ] + [
        jet(loss, {**own, name: float(near)}, *arguments)
        for name, value in own.items()
        if value is not None
        for near in nearby(loss.facts.parameters[name], value)
    ]
    changes = [[np.abs(part - at) / STEP for part, at in zip(parts, exact, strict=True)] for parts in moved]
    return [np.nanmax([np.where(np.isfinite(c[order]), c[order], 0.0) for c in changes], axis=0) for order in range(3)]


@quiet
def judge(got, exact, condition, factor):
    """Which results are wrong; where the exact one is NaN there is no limit, and anything goes."""
    form = np.finfo(got.dtype)
    allowed = factor * form.eps * (np.abs(exact) + condition + np.sqrt(float(form.smallest_normal)))
    right = np.abs(got.astype(float) - exact) <= allowed
    right |= (np.abs(exact) + allowed >= form.max) & (got == np.sign(exact) * np.inf)
    return ~(right | (got == exact) | np.isnan(exact))


def within_the_allowance(loss, own, backend, dtype):
    arguments = points(loss, own, dtype)
    if not backend.subnormals:
        arguments = [np.where(x == 0.0, x, np.copysign(np.maximum(abs(x), np.finfo(dtype).tiny), x)) for x in arguments]
    wide = [x.astype(float) for x in arguments]
    exact = jet(loss, own, *wide)
    condition = conditions(loss, own, exact, wide)
    for order, got, at, bend in zip(ORDERS, backend.jet(loss, own, *arguments), exact, condition, strict=True):
        assert got.dtype == dtype, (own, order)
        got = np.broadcast_to(got, SIZE)
        wrong = np.flatnonzero(judge(got, at, bend, backend.factor))
        assert not wrong.size, (own, order, [(*(x[i] for x in arguments), at[i], got[i]) for i in wrong[:3]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("backend", [Torch, Jax])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_formula_has_the_limits_and_digits_of_the_kernels(loss, backend, dtype):
    backend = backend()
    for own in settings(loss, dtype, backend.subnormals):
        within_the_allowance(loss, own, backend, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("backend", [Torch, Jax])
@pytest.mark.parametrize("loss", ROWS, ids=lambda loss: loss.name)
def test_a_formula_of_whole_rows_has_the_digits_of_the_kernels(loss, backend, dtype):
    backend, rng = backend(), np.random.default_rng(8)
    z = rng.normal(0.0, rng.choice([1e-3, 1.0, 3.0], (60, 1)), (60, 7)).astype(dtype)
    z[:5], z[5, 2], z[6, 1] = [0.0, 1.0, -1.0, 0.0, 1.0, 0.5, -40.0], -np.inf, np.inf
    t = np.eye(7, dtype=dtype)[[*range(5), 1, 1, *rng.integers(0, 7, 53)]]
    default, *others = settings(loss, dtype, backend.subnormals)
    end = others[:1] if dtype is np.float32 else others[-1:]  # of a parameter: each is compiled anew
    for own in (default, *end):
        exact = quiet(loss.formula)(arrays, z.astype(float), t.astype(float), *own.values())
        for got, part in zip(backend.jet(loss, own, z, t), exact, strict=True):
            largest = np.max(np.abs(part), axis=-1, keepdims=True) if np.ndim(part) > 1 else np.abs(part)
            wrong = np.abs(got - part) > backend.factor * np.finfo(dtype).eps * largest
            assert got.dtype == dtype, (loss, own)
            assert not wrong.any(), (loss, own, z[np.argwhere(wrong)[0, 0]])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_compiled_formula_keeps_them(loss):
    own = next(settings(loss, np.float64, subnormals=False))
    within_the_allowance(loss, own, Compiled(), np.float64)


def pseudo_huber(z, t, delta):
    x = (mpf(z) - mpf(t)) / mpf(delta)
    s = mp.sqrt(1 + x * x)
    return mpf(delta) ** 2 * (s - 1), mpf(delta) * x / s, 1 / s**3


def tweedie(z, t, power):
    z, t, a, b = mpf(z), mpf(t), 1 - mpf(power), 2 - mpf(power)
    near, far = t * mp.exp(a * z), mp.exp(b * z)
    return near / -a + far / b, far - near, b * far - a * near


# Worst cases: slope delta and curvature 0 if the difference overflows, though delta is as large; quotients that lost an
# ULP beyond 1e17 delta; a subnormal number times e^1419, which was off by 500 ULPs.
WORST = [
    (pseudo_huber, -1.7e308, 1.7e308, 1e308),
    (pseudo_huber, 4.5e307, -1.79e308, 1.7e308),
    (pseudo_huber, 900.0, 0.0, 1e-20),
    (pseudo_huber, 0.7155469905242479, -1e-8, 1e-300),
    (tweedie, -1419.0, 1e-310, 1.9999999999999998),
    (tweedie, -1419.0, 5e-324, 2.0000000000000004),
]


@pytest.mark.parametrize(("exact", "z", "t", "parameter"), WORST)
def test_near_the_ends_of_double_no_digit_is_lost(exact, z, t, parameter):
    loss = getattr(rashin, exact.__name__)
    (name,) = loss.parameters
    with mp.workprec(3000):
        for method, number in zip((loss, loss.gradient, loss.hessian), exact(z, t, parameter), strict=True):
            assert ulp_error(method([z], [t], reduction="none", **{name: parameter})[0], number, np.float64) <= 5.0


@pytest.mark.parametrize("loss", [rashin.huber, rashin.pseudo_huber], ids=lambda loss: loss.name)
def test_an_infinite_prediction_has_a_limit_whatever_the_finite_target(loss):
    assert loss([np.inf], [1.7e308], delta=2.5) == np.inf
    assert loss.gradient([-np.inf], [-1.7e308], delta=2.5).tolist() == [-2.5]
    assert loss([1.7e308], [-np.inf], delta=1e300) == np.inf
