"""Losses on JAX arrays: the numbers of NumPy, and derivatives of every order that JAX asks for."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import subprocess
import sys
from functools import partial

import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.test_util import check_grads

import rashin
from cases import is_share, numbers_of
from rashin.backends.jax import _call, custom_calls, formula, primitive
from rashin.backends.jax import plans as plans_of
from rashin.backends.jax.call import Call
from shipped import LOSSES, changed, of_any_rows
from test_reduction import CASES

TYPES = ["float64", "float32", "bfloat16", "float16"]
REDUCTIONS = ["mean", "sum", "none"]
ce = rashin.softmax_cross_entropy

every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True, scope="module")
def programs_that_are_compiled_quickly():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def doubles():
    with jax.enable_x64(True):
        yield


def smooth(case, n=4, seed=3):
    """Loss, prediction, target, weight and mask: far from kinks, so that differences of the loss say something."""
    loss, rng = of_any_rows(CASES[case][0]), np.random.default_rng(seed)
    if loss.kind != "pointwise":
        z, t = CASES[case][1](rng, n), CASES[case][2](rng, n)
    else:
        z = rng.uniform(0.2, 0.8, n) if is_share(loss.prediction.entry()) else rng.normal(size=n) + 0.05
        domain = loss.target
        t = rng.normal(size=n) if domain.contains([-0.3, 0.3]).all() else numbers_of(domain, rng, n)
    return loss, z, t, rng.random(n) + 0.5, np.arange(n) != 2


def bits(x):
    x = np.asarray(x)
    return x.dtype, x.shape, x.tobytes()


def same(found, expected):
    assert bits(found) == bits(expected)


def wide(dtype):
    return np.dtype(np.float32 if dtype in ("float16", "bfloat16") else dtype)


# ------------------------------------------------------------------------------------------ the same numbers


# Every loss, and for one loss of each kind what is made of the samples' losses.
KINDS = ["huber", "softmax_cross_entropy, soft", "categorical_cross_entropy, soft"]


@every_case
def test_value_and_gradient_have_the_bits_of_numpy(case, doubles):
    loss, draw_z, draw_t = CASES[case]
    loss, rng = of_any_rows(loss), np.random.default_rng(5)
    t, weight, where = draw_t(rng, 40), rng.random(40), rng.random(40) > 0.3
    given = {dtype: jnp.asarray(draw_z(rng, 40)).astype(dtype) for dtype in TYPES}

    def everything(given, t, weight, where):
        def of(z, reduction):
            return loss(z, t, weight=weight, where=where, reduction=reduction)

        def both(z, reduction):
            value, back = jax.vjp(lambda z: of(z, reduction), z)
            return value, back(jnp.ones_like(value))[0]

        return [both(given[dtype], reduction) for dtype, reduction in tried]

    some = zip(TYPES, ("none", "mean", "sum", "none"), strict=True)
    tried = list(itertools.product(TYPES, REDUCTIONS)) if case in KINDS else list(some)
    for (dtype, reduction), found in zip(tried, jax.jit(everything)(given, t, weight, where), strict=True):
        z = np.asarray(given[dtype])
        value, gradient = loss.value_and_gradient(z, t, weight=weight, where=where, reduction=reduction)
        if reduction == "none":
            value = loss.per_sample(z, t, where=where) * np.where(where, weight, 0.0)
        same(found[0], np.asarray(value).astype(wide(dtype)))
        same(found[1], gradient)


@pytest.mark.parametrize("case", KINDS)
def test_the_other_methods_have_the_bits_of_numpy_outside_of_jit(case, doubles):
    loss, z, t, weight, where = smooth(case)
    keywords = {"weight": weight, "where": where}
    found = loss.value_gradient_and_hessian(jnp.asarray(z), t, **keywords)
    for ours, theirs in zip(found, loss.value_gradient_and_hessian(z, t, **keywords), strict=True):
        same(ours, np.asarray(theirs))
    same(loss.hessian(jnp.asarray(z), t, **keywords), loss.hessian(z, t, **keywords))
    same(loss.per_sample(jnp.asarray(z), t, where=where), loss.per_sample(z, t, where=where))


ASKED = [("value", "gradient", "hessian"), ("product",), ("by_target",), ("by_weight",)]


def is_near(found, expected, terms=1e-14):
    """Within rounding errors, also of sums of terms of the size of the largest."""
    assert np.allclose(found, expected, rtol=1e-12, atol=terms * np.max(np.abs(expected), initial=0.0))


DERIVED = [(case, "mean") for case in CASES] + [(case, reduction) for case in KINDS for reduction in ("sum", "none")]


@pytest.mark.parametrize(("case", "reduction"), DERIVED)
def test_sweeps_and_formula_agree_on_values_and_all_derivatives(case, reduction, doubles):
    """Two computations that share nothing but the formula of a sample."""
    loss, z, t, weight, where = smooth(case, 7)
    arrays = [*map(jnp.asarray, (z, t, weight, where))]
    call, _ = _call(loss.program, reduction, -1, ASKED[0], *arrays)
    for asked in ASKED:
        if asked == ("product",) and loss.kind == "rowwise" and not loss.facts.separable:
            continue
        if asked == ("by_target",) and not varies(case):
            continue
        given = [*arrays, jnp.cos(arrays[0])] if asked == ("product",) else arrays
        one = dataclasses.replace(call, asked=asked)
        for ours, theirs in zip(
            primitive.bind(one, *given), formula.evaluate(one, [np.float64] * len(asked), *given), strict=True
        ):
            is_near(theirs, ours)


def test_axis_integers_single_numbers_and_lists():
    z, t = jnp.cos(jnp.arange(60.0)).reshape(3, 5, 4), np.arange(12).reshape(3, 4) % 5
    same(ce(z, t, axis=1), np.float32(ce(np.asarray(z), t, axis=1)))
    same(jax.grad(lambda z: ce(z, t, axis=1))(z), ce.gradient(np.asarray(z), t, axis=1))
    assert rashin.squared_error(jnp.array([1, 2]), [0, 4]) == 2.5
    assert rashin.huber(jnp.float32(3.0), 0.0) == 2.5
    assert jax.grad(rashin.huber)(3.0, 0.0, delta=2.0) == 2.0
    assert ce.gradient(jnp.zeros((1, 2), jnp.float16), [1]).dtype == jnp.float16


# ------------------------------------------------------------------------------------------------ derivatives


EXAMPLES = [("log_cosh", "none"), ("softmax_cross_entropy, soft", "mean"), ("categorical_cross_entropy, soft", "sum")]


@pytest.mark.parametrize(("case", "reduction"), EXAMPLES)
def test_derivatives_of_first_and_second_order_are_those_of_differences(case, reduction, doubles):
    loss, z, t, weight, where = smooth(case)
    check_grads(jax.jit(lambda z: loss(z, t, weight=weight, where=where, reduction=reduction)), (z,), 2, rtol=1e-5)
    z = jnp.asarray(z)
    check_grads(jax.jit(lambda w: loss(z, t, weight=w, where=where, reduction=reduction)), (weight,), 1, rtol=1e-5)


@every_case
def test_second_derivatives_have_the_bits_of_the_hessian_vector_product(case, doubles):
    loss, z, t, weight, where = smooth(case)
    if not loss.rule.has_products:
        with pytest.raises(TypeError, match="has no hessian_vector_product"):
            jax.hessian(lambda z: loss(z, t))(z)
        return

    def gradient(z):
        return jax.grad(lambda z: loss(z, t, weight=weight, where=where))(z)

    vector = np.cos(z)
    exact = loss.hessian_vector_product(z, t, vector, weight=weight, where=where)

    def everything(z, v):
        forward, backward = jax.jvp(gradient, (z,), (v,))[1], jax.vjp(gradient, z)[1](v)[0]
        return forward, backward, loss.hessian_vector_product(z, t, v, weight=weight, where=where)

    for found in jax.jit(everything)(jnp.asarray(z), vector):
        same(found, exact)


def varies(case):
    return case.endswith("soft") or (CASES[case][0].kind == "pointwise" and CASES[case][0].facts.target_slope)


def test_transforms_agree_with_each_other_and_with_the_hessian(doubles):
    z, t = jnp.asarray(np.random.default_rng(1).normal(size=(5, 4))), jnp.array([0, 3, 1, 2, 0])
    loss = ce.replace(label_smoothing=0.1, z_loss=0.2, softcap=3.0)

    def of(z):
        return loss(z, t)

    eye = jnp.eye(20).reshape(20, 5, 4)
    exact = np.stack([loss.hessian_vector_product(np.asarray(z), np.asarray(t), np.asarray(v)) for v in eye])

    @jax.jit
    def everything(z):
        hessians = (
            jax.hessian(of)(z),
            jax.jacrev(jax.jacrev(of))(z),
            jax.jacfwd(jax.jacfwd(of))(z),
            jax.jacrev(jax.jacfwd(of))(z),
            jax.hessian(jax.checkpoint(of))(z),
            jax.vmap(lambda v: jax.jvp(jax.grad(of), (z,), (v,))[1])(eye),
        )
        each = jax.vmap(jax.grad(lambda z, t: loss(z[None], t[None])))(z, t)  # gradients of single samples
        return hessians, each, jax.jvp(of, (z,), (z,))[1]

    hessians, each, tangent = everything(z)
    for found in hessians:
        is_near(found.reshape(20, 5, 4), exact)
    same(each, loss.gradient(np.asarray(z), np.asarray(t), reduction="none"))
    assert np.isclose(tangent, (loss.gradient(z, t) * z).sum(), rtol=1e-13, atol=0)


def test_batches_of_some_arguments_and_of_batches(doubles):
    rng = np.random.default_rng(2)
    z, t, w = rng.normal(size=(3, 2, 5)), rng.normal(size=(2, 5)), rng.random((3, 5))

    def of(z, t, w):
        return rashin.huber(z, t, weight=w, delta=0.7)

    inner = jax.vmap(jax.value_and_grad(of, (0, 1, 2)), in_axes=(0, 0, None))
    found = jax.jit(jax.vmap(inner, in_axes=(0, None, 0)))(z, t, w)
    single = jax.jit(jax.value_and_grad(of, (0, 1, 2)))
    for i in range(3):
        for j in range(2):
            value, (by_z, by_t, by_w) = single(z[i, j], t[j], w[i])
            same(found[0][i, j], value)
            for batch, one in zip(found[1], (by_z, by_t, by_w), strict=True):
                same(batch[i, j], one)
    hessian = jax.vmap(jax.hessian(lambda z, t: rashin.log_cosh(z, t)), in_axes=(None, 0))(z[0, 0], t)
    diagonal = [np.diag(rashin.log_cosh.hessian(z[0, 0], each)) for each in t]
    same(hessian, np.stack(diagonal))
    total = jax.grad(lambda z: jax.vmap(lambda t: ce(z, t))(np.array([[0, 1], [4, 2]])).sum())(z[0])
    apart = [ce.gradient(z[0], np.array(labels)) for labels in ([0, 1], [4, 2])]
    is_near(total, sum(apart), terms=1e-15)


def test_residual_losses_differentiate_at_the_same_time_by_all_that_varies(doubles):
    rng = np.random.default_rng(4)
    z, t, w = rng.normal(size=9), rng.normal(size=9), rng.random(9) + 0.5

    def reference(z, t, w):
        r = z - t
        losses = jnp.where(jnp.abs(r) < 0.7, 0.5 * r * r, 0.7 * (jnp.abs(r) - 0.35))
        return (losses * w).sum() / w.sum()

    def ours(z, t, w):
        return rashin.huber(z, t, weight=w, delta=0.7)

    for a, b in zip(jax.grad(ours, (0, 1, 2))(z, t, w), jax.grad(reference, (0, 1, 2))(z, t, w), strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=0)
    tangents = tuple(rng.normal(size=(3, 9)))
    found, exact = (jax.jvp(f, (z, t, w), tangents)[1] for f in (ours, reference))
    assert np.isclose(found, exact, rtol=1e-13, atol=0)


OF_SHARES = [
    loss
    for loss in LOSSES
    if loss.kind == "pointwise" and callable(loss.facts.target_slope) and loss.facts.target_degree == 1
]


@pytest.mark.parametrize("loss", [loss for loss in OF_SHARES if loss.target.contains([0.0, 1.0]).all()], ids=str)
def test_a_target_at_the_end_of_its_range_has_the_derivative_too(loss, doubles):
    """Autograd through a formula would give 0 or NaN there, as `where(t > 0, ...)` hides a term."""
    loss, z, t = changed(loss), np.array([0.3, 0.3]), np.array([0.0, 1.0])
    given = jax.grad(lambda t: loss(jnp.asarray(z), t, reduction="sum"))(t)
    zero, one = loss(z, t, reduction="none")  # the loss is of degree one in the target
    assert np.allclose(given, one - zero, rtol=1e-12, atol=0)


def test_second_derivatives_are_finite_at_kinks_and_behind_masks():
    z = np.array([1.0, 0.0, np.nan, 1.0, -np.inf], np.float32)
    where = np.array([True, True, False, True, False])
    losses = (rashin.huber, rashin.absolute_error, rashin.hinge)
    hessians = jax.jit(
        lambda z: [jax.hessian(lambda z, loss=loss: loss(z, jnp.ones(5), where=where))(z) for loss in losses]
    )
    for loss, hessian in zip(losses, hessians(z), strict=True):
        same(jnp.diagonal(hessian), loss.hessian(z, np.ones(5, np.float32), where=where))
        assert np.isfinite(hessian).all()


def test_a_scaled_float16_neither_overflows_nor_vanishes():
    """A loss scale multiplies by 2^16: the loss must not be infinite, nor a gradient of 1e-8 be 0 before that."""
    z, t = np.zeros((4096, 2), np.float16), np.zeros(4096, np.int32)
    z[:, 0] = 9.0
    value, gradient = jax.jit(jax.value_and_grad(lambda z: (ce(z, t) + 3.0) * 65536.0))(jnp.asarray(z))
    exact = ce.gradient(z.astype(np.float64), t) * 65536.0
    assert np.isfinite(value)
    assert gradient.dtype == jnp.float16
    assert np.allclose(np.asarray(gradient, np.float64), exact, rtol=2**-10, atol=0)


def test_derivatives_that_do_not_exist_raise(doubles):
    z = jnp.linspace(-1.0, 1.0, 4)
    with pytest.raises(TypeError, match="target: got an array that a gradient is asked for"):
        jax.grad(lambda t: rashin.hinge(z, t))(jnp.ones(4))
    with pytest.raises(NotImplementedError, match="third derivative"):
        jax.grad(lambda z: jax.hessian(rashin.log_cosh)(z, jnp.zeros(4)).sum())(z)
    with pytest.raises(NotImplementedError, match="third derivative"):
        jax.grad(lambda z: rashin.log_cosh.hessian(z, jnp.zeros(4)).sum())(z)
    with pytest.raises(NotImplementedError, match="second derivative by target or weight"):
        jax.grad(lambda t: jax.grad(rashin.log_cosh)(z, t).sum())(jnp.zeros(4))
    with pytest.raises(NotImplementedError, match="second derivative by target or weight"):
        jax.hessian(lambda w: rashin.log_cosh(z, jnp.zeros(4), weight=w))(jnp.ones(4))
    assert jax.grad(lambda z: rashin.hinge(z, jax.lax.stop_gradient(jnp.sign(z))))(z).shape == (4,)


# ------------------------------------------------------------------------------------------ programs of XLA


def test_value_and_gradient_are_one_custom_call_and_a_value_makes_no_gradient():
    z, t = jnp.ones((3, 4)), jnp.zeros(3, int)
    both = jax.jit(jax.value_and_grad(lambda z: ce(z, t))).lower(z).as_text()
    assert both.count("@rashin_loss") == 1
    value = jax.jit(lambda z: ce(z, t)).lower(z).as_text()
    assert "gradient" not in value
    assert value.count("@rashin_loss") == 1


@pytest.fixture
def python(monkeypatch):
    """How often a custom call has come to Python."""
    calls, run = [], Call.run
    monkeypatch.setattr(Call, "run", lambda *call: (calls.append(call), run(*call)))
    return calls


@pytest.mark.parametrize("dtype", TYPES[:2])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", [rashin.log_cosh, rashin.poisson, ce.replace(z_loss=0.1), rashin.focal], ids=str)
def test_small_arrays_are_computed_without_python(loss, reduction, dtype, python, doubles):
    rng = np.random.default_rng(8)
    z = rng.normal(size=(6, 5)).astype(dtype)
    t = rng.integers(0, 5, (6, 5)).astype(dtype) if loss.kind == "pointwise" else rng.integers(0, 5, 6)

    def everything(z, t):
        return loss.value_gradient_and_hessian(z, t, reduction=reduction)

    narrow = t.astype(np.int32) if loss.kind != "pointwise" else t
    found, each = jax.jit(lambda z, t, narrow: (everything(z, narrow), jax.vmap(everything)(z[:, None], t[:, None])))(
        z, t, narrow
    )
    assert not python
    for ours, exact in zip(found, everything(z, t), strict=True):
        same(ours, np.asarray(exact, dtype))
    for i in range(6):
        for ours, exact in zip(each, everything(z[i, None], t[i, None]), strict=True):
            same(ours[i], np.asarray(exact, dtype))


def test_what_compiled_code_finds_wrong_is_left_to_python(python):
    z, t = jnp.ones((5, 4)), jnp.array([0, 1, 2, 3, 7])
    step = jax.jit(jax.grad(ce))
    with pytest.raises(JaxRuntimeError, match="target: got 7 at index 4"):
        jax.block_until_ready(step(z, t))
    infinite = jnp.array([-jnp.inf, 1.0])
    assert jax.jit(lambda z: rashin.absolute_error(z, jnp.zeros(2)))(infinite) == jnp.inf
    assert len(python) == 2
    step(z, t % 4)
    assert len(python) == 2


def test_a_table_finds_its_plans_as_it_grows():
    table, plans = plans_of.Table(), {}
    for k in range(200):
        digest = hashlib.blake2b(bytes([k]), digest_size=16).digest()
        plans[digest] = plans_of._Plan([k])
        table.add(digest, plans[digest])
    slots = table._old[-1]
    for digest, plan in plans.items():
        first, second = np.frombuffer(digest, np.int64)
        place = int(first) & int(slots[0])
        while (slots[1 + 3 * place], slots[2 + 3 * place]) != (first, second):
            assert slots[3 + 3 * place]
            place = (place + 1) & int(slots[0])
        assert slots[3 + 3 * place] == plan.address


def test_loops_conditions_and_shards(doubles):
    z, t = jnp.asarray(np.random.default_rng(6).normal(size=(6, 4))), jnp.arange(6) % 4

    def step(total, each):
        return total + ce(each[0][None], each[1][None]), None

    losses = ce(z, t, reduction="none")
    total, slopes = jax.value_and_grad(lambda z: jax.lax.scan(step, 0.0, (z, t))[0])(z)
    assert np.isclose(total, losses.sum(), rtol=1e-15, atol=0)
    same(slopes, ce.gradient(np.asarray(z), np.asarray(t), reduction="sum"))
    chosen = jax.grad(lambda z: jax.lax.cond(z[0, 0] > -9.0, lambda z: ce(z, t), lambda z: 0.0, z))(z)
    same(chosen, ce.gradient(np.asarray(z), np.asarray(t)))
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.sharding.PartitionSpec("rows")

    @jax.shard_map(mesh=mesh, in_specs=(rows, rows), out_specs=(jax.sharding.PartitionSpec(), rows))
    def sharded(z, t):
        value, gradient = jax.value_and_grad(lambda z: ce(z, t, reduction="sum"))(z)
        return jax.lax.psum(value, "rows"), gradient

    value, gradient = jax.jit(sharded)(z, t)
    same(value, np.float64(ce(np.asarray(z), np.asarray(t), reduction="sum")))
    same(gradient, ce.gradient(np.asarray(z), np.asarray(t), reduction="sum"))


def made_inside(factor):
    @rashin.pointwise()
    def scaled_square(xp, z, t):
        """Not at the top of a module."""
        return 0.5 * factor * (z - t) * (z - t), factor * (z - t), factor

    return scaled_square


def test_losses_of_ones_own_are_told_apart_under_jit():
    losses = [made_inside(factor) for factor in (1.0, 3.0, 5.0)]
    found = jax.jit(lambda z: [jax.grad(loss)(z, 0.0) for loss in losses])(2.0)
    assert found == [2.0, 6.0, 10.0]


def test_a_program_that_another_process_has_made_finds_its_loss_and_whether_it_has_changed():
    loss = ce.replace(label_smoothing=0.1)
    z = jnp.zeros((2, 3))
    call, _ = _call(loss.program, "mean", -1, ("value",), z, jnp.zeros(2, int), None, None)
    kind, name, *rest = json.loads(json.dumps(call.words()))
    assert custom_calls._kinds[kind].of_words(name, *rest) == call
    with pytest.raises(ValueError, match="has changed since it was compiled"):
        Call.of_words(f"{name}@{'0' * 64}", *rest)


PROGRAM = """
import jax, numpy as np, rashin, threading, gc
jax.config.update("jax_platforms", "cpu")
z, t = np.random.default_rng(0).normal(size=(64, 10)).astype("f4"), np.arange(64) % 10
exact = rashin.softmax_cross_entropy.gradient(z, t, label_smoothing=0.1)
mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
rows = jax.sharding.PartitionSpec("rows")
@jax.jit
@jax.shard_map(mesh=mesh, in_specs=(rows, rows), out_specs=rows)
def sharded(z, t):
    return jax.grad(lambda z: rashin.softmax_cross_entropy(z, t, reduction="sum", label_smoothing=0.1))(z) / 64
step = jax.jit(jax.grad(lambda z: rashin.softmax_cross_entropy(z, t, label_smoothing=0.1)))
wrong = []
def work():
    for _ in range(30):
        found = step(z)
        gc.collect(0)
        if not np.array_equal(found, exact):
            wrong.append(found)
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
for _ in range(20):
    assert np.allclose(sharded(z, t), exact, rtol=1e-6, atol=0)
[thread.join() for thread in threads]
print(len(wrong))
pending = [step(z + k) for k in range(50)]  # the process ends while they are computed
"""


def test_threads_shards_of_four_devices_and_the_end_of_the_process():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z, t: ce(z, t + 4), r"target: got \d+ at index \d; expected a class label from 0 to 3"),
        (lambda z, t: jax.grad(ce)(z, t + 4), r"target: got \d+ at index \d; expected a class label from 0 to 3"),
        (lambda z, t: ce(z * jnp.nan, t), r"prediction: got nan at index \(0, 0\)"),
        (lambda z, t: ce(z, t, weight=-jnp.ones(5)), "weight: got -1.0 at index 0"),
        (lambda z, t: ce(z, t, where=jnp.zeros(5, bool)), "but `where` selects nothing"),
        (lambda z, t: ce(z, t[:, None]), r"target: got shape \(5, 1\)"),
        (lambda z, t: jax.jit(ce)(z, t[:, None]), r"target: got shape \(5, 1\)"),
        (lambda z, t: ce(z[:0], t[:0]), "prediction: got 0 samples"),
        (lambda z, t: ce(z, t, weight=jnp.ones(4)), r"weight: got shape \(4,\)"),
        (lambda z, t: ce(z, t, where=jnp.ones(5)), "where: got dtype float32"),
        (lambda z, t: ce(z, t, reduction="avg"), "reduction: got 'avg'"),
        (lambda z, t: ce(z, t, axis=2), "axis: got 2"),
        (
            lambda z, t: ce(z, np.asarray(t, np.int64) + 2**32),
            "target: got 4294967296 at index 0; expected numbers of int32",
        ),
        (lambda z, t: ce(z.astype(jnp.complex64), t), "prediction: got dtype complex64"),
        (lambda z, t: ce(z.astype(jnp.float8_e4m3fn), t), "prediction: got dtype float8_e4m3fn"),
        (lambda z, t: ce(jax.random.key(0), t), "prediction: got dtype key"),
        (lambda z, t: ce.gradient(z, t, out=np.empty((5, 4))), "out: got ndarray"),
        (lambda z, t: ce(np.asarray(z), t), "target: got a jax array beside"),
        (lambda z, t: ce.hessian_vector_product(z, t, z[0]), r"vector: got shape \(4,\)"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(jnp.ones((5, 4)), jnp.array([0, 1, 2, 3, 0]))


def test_under_jit_the_words_are_xlas_error():
    z, t = jnp.ones((5, 4)), jnp.array([0, 1, 9, 3, -1])
    words = r"target: got 9 at index 2; expected a class label from 0 to 3"
    with pytest.raises(JaxRuntimeError, match=words):
        jax.block_until_ready(jax.jit(jax.grad(ce))(z, t))
    same(jax.jit(jax.grad(ce))(z, t % 4), ce.gradient(np.asarray(z), np.asarray(t) % 4))


def test_without_handlers_the_formula_makes_nan_of_what_is_refused(monkeypatch):
    monkeypatch.setattr(custom_calls, "lowered", lambda *call: None)
    z, t = jnp.cos(jnp.arange(20.0)).reshape(5, 4), jnp.array([0, 1, 9, 3, -1])
    value, gradient = jax.jit(jax.value_and_grad(lambda z: ce(z, t, label_smoothing=0.2)))(z)
    assert np.isnan(value)
    assert np.isnan(gradient).any(1).tolist() == [False, False, True, False, True]
    value, gradient = jax.jit(jax.value_and_grad(lambda z: ce(z, t % 4, label_smoothing=0.2)))(z)
    exact = ce.value_and_gradient(np.asarray(z), np.asarray(t) % 4, label_smoothing=0.2)
    assert np.isclose(value, exact[0], rtol=1e-7, atol=0)
    assert np.allclose(gradient, exact[1], rtol=2e-7, atol=0)
    shares = jnp.full((5, 4), 0.25).at[3].set(0.26)  # sums to 1.04
    losses = jax.jit(lambda z: ce(z, shares, reduction="none"))(z)
    assert np.isnan(losses).tolist() == [False, False, False, True, False]
    many = jax.jit(jax.vmap(lambda z, t: ce(z[None], t[None])))(z, t % 4)
    assert np.allclose(many, ce(np.asarray(z), np.asarray(t) % 4, reduction="none"), rtol=2e-7, atol=0)


def test_exported_programs_have_the_bits_and_other_platforms_the_formula():
    from jax import export

    z, t = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32), jnp.array([0, 1, 2, 1])
    step = jax.jit(jax.value_and_grad(partial(rashin.focal, gamma=1.5)))
    with pytest.raises(ValueError, match="no compatibility guarantees"):
        export.export(step)(z, t)
    consent = export.DisabledSafetyCheck.custom_call("rashin_loss")
    value, gradient = export.export(step, disabled_checks=[consent])(z, t).call(z, t)
    wanted, slopes = rashin.focal.value_and_gradient(np.asarray(z), np.asarray(t), gamma=1.5)
    assert value == np.float32(wanted)
    assert np.array_equal(gradient, slopes)
    assert "custom_call" not in export.export(step, platforms=["cuda"])(z, t).mlir_module()


def test_single_numbers_with_targets_of_another_type():
    with jax.enable_x64(True):
        slope = jax.grad(lambda z: rashin.hinge(z, jnp.asarray(1)))(jnp.asarray(0.5))
    assert (slope.dtype, float(slope)) == (np.float64, -1.0)
