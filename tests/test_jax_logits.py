"""Links, statistics and the linear form on JAX arrays."""

from __future__ import annotations

import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError

import rashin
from rashin.backends.jax import custom_calls, linear

LINKS = ["softmax", "log_softmax", "logsumexp", "sigmoid"]
ce = rashin.softmax_cross_entropy


@pytest.fixture(autouse=True, scope="module")
def programs_that_are_compiled_quickly():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def same(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def is_near(found, expected, rtol=1e-13):
    assert np.allclose(found, expected, rtol=rtol, atol=rtol * np.max(np.abs(expected)))


def near(name):
    return {"sigmoid": jax.nn.sigmoid, "softmax": lambda z: jax.nn.softmax(z, 1)}.get(
        name, lambda z: getattr(jax.nn, name)(z, axis=1)
    )


@pytest.mark.parametrize("name", LINKS)
def test_links_have_the_bits_of_numpy_and_their_derivatives(name):
    z = np.random.default_rng(0).normal(size=(3, 5, 2))
    axis = {} if name == "sigmoid" else {"axis": 1}

    def link(z):
        return getattr(rashin, name)(z, **axis)

    def everything(f, z):
        def total(z):
            return (jnp.cos(f(z)) * f(z)).sum()

        value, gradient = jax.value_and_grad(total)(z)
        return value, gradient, jax.jvp(jax.grad(total), (z,), (jnp.sin(z),))[1]

    given = {dtype: jnp.asarray(z).astype(dtype) for dtype in ("float64", "float32", "bfloat16", "float16")}
    found, derived, batches = jax.jit(
        lambda given, z: ({d: link(x) for d, x in given.items()}, everything(link, z), jax.vmap(link, 2)(z[..., None]))
    )(given, jnp.asarray(z))
    for dtype, x in given.items():
        same(found[dtype], link(np.asarray(x)))
    for ours, theirs in zip(derived, everything(near(name), jnp.asarray(z)), strict=True):
        is_near(ours, theirs)
    assert batches.shape[0] == 2


def test_statistics_have_the_bits_of_numpy_and_derivatives():
    rng = np.random.default_rng(1)
    z, t, where = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), np.arange(6) != 2

    def statistics(z):
        return rashin.softmax_statistics(z, t, where=where)

    def reference(z):
        u = jax.nn.log_softmax(z)
        parts = (u[jnp.arange(6), t], jax.nn.logsumexp(z, -1), -(jnp.exp(u) * u).sum(-1))
        return [jnp.where(where, part, 0.0) for part in parts]

    found, jacobian, batches = jax.jit(
        lambda z: (statistics(z), jax.jacrev(lambda z: statistics(z)[:3])(z), jax.vmap(statistics)(z[None]))
    )(jnp.asarray(z))
    for ours, theirs in zip(found, rashin.softmax_statistics(z, t, where=where), strict=True):
        same(ours, theirs)
    for ours, theirs in zip(jacobian, jax.jacrev(reference)(jnp.asarray(z)), strict=True):
        is_near(ours, theirs)
    same(batches[3][0], found[3])
    alone = rashin.softmax_statistics(jnp.asarray(z.T), t, axis=0)
    same(alone.entropy, rashin.softmax_statistics(z.T, t, axis=0).entropy)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_linear_form_is_that_of_numpy_block_by_block(reduction, monkeypatch):
    monkeypatch.setattr(linear, "height", lambda *of: 4)  # rows of a block
    rng = np.random.default_rng(2)
    x, w, b = rng.normal(size=(10, 3)), rng.normal(size=(5, 3)), rng.normal(size=5)
    t, weight, where = rng.integers(0, 5, 10), rng.random(10), np.arange(10) != 7
    x[7] = np.inf
    settings = {"label_smoothing": 0.1, "z_loss": 0.2, "softcap": 3.0}
    keywords = {"weight": weight, "where": where, "reduction": reduction} | settings
    loss = rashin.linear_softmax_cross_entropy
    value, gradients = loss.value_and_gradient(x, w, t, b, **keywords)

    def step(x, w, b):
        both = loss.value_and_gradient(x, w, t, b, **keywords)
        value, back = jax.vjp(lambda x, w, b: loss(x, w, t, b, **keywords), x, w, b)
        return both, value, back(jnp.ones_like(value))

    given = [*map(jnp.asarray, (x, w, b))]
    both, alone, derived = jax.jit(step)(*given)
    many = jax.jit(jax.vmap(step, (0, None, None)))(given[0][None], *given[1:])
    is_near(many[2][1][0], gradients[1])
    is_near(both[0], value)
    is_near(alone, value)
    for ours, again, theirs in zip(both[1], derived, gradients, strict=True):
        is_near(ours, theirs)
        is_near(again, theirs)
    found = rashin.linear_softmax_statistics(jnp.asarray(x), w, t, b, where=where)
    for ours, theirs in zip(found, rashin.linear_softmax_statistics(x, w, t, b, where=where), strict=True):
        is_near(ours, theirs)


def test_the_linear_form_keeps_types_and_refuses_what_it_has_no_derivative_by():
    x, w, t = jnp.ones((4, 3), jnp.float16), jnp.ones((5, 3), jnp.bfloat16), jnp.array([0, 1, 2, 3])
    loss = rashin.linear_softmax_cross_entropy
    value, (by_inputs, by_classifier) = jax.value_and_grad(lambda x, w: 3.0 * loss(x, w, t), (0, 1))(x, w)
    assert (value.dtype, by_inputs.dtype, by_classifier.dtype) == (jnp.float32, jnp.float16, jnp.bfloat16)
    with pytest.raises(TypeError, match="weight: got an array that a gradient is asked for"):
        jax.grad(lambda weight: loss(x, w, t, weight=weight))(jnp.ones(4))
    with pytest.raises(ValueError, match="target: got 9 at index 3"):
        loss(x, w, t.at[3].set(9))
    with pytest.raises(ValueError, match=r"classifier: got shape \(3, 5\)"):
        loss(x, w.T, t)
    with pytest.raises(ValueError, match=r"inputs: got shape \(4,\)"):
        loss(x[:, 0], w, t)


def test_what_cannot_be_is_refused_by_name(monkeypatch):
    z = jnp.ones((2, 3))
    with pytest.raises(ValueError, match=r"logits: got nan at index \(0, 0\)"):
        rashin.softmax(z * jnp.nan)
    with pytest.raises(JaxRuntimeError, match=r"logits: got nan at index \(0, 0\)"):
        jax.block_until_ready(jax.jit(rashin.softmax)(z * jnp.nan))
    with pytest.raises(ValueError, match="target: got 3 at index 1"):
        rashin.softmax_statistics(z, [0, 3])
    with pytest.raises(ValueError, match="axis: got 2"):
        rashin.logsumexp(z, axis=2)
    monkeypatch.setattr(custom_calls, "lowered", lambda *call: None)
    for name in LINKS:
        is_near(
            jax.jit(getattr(rashin, name))(jnp.sin(z + jnp.arange(3))), getattr(rashin, name)(np.sin(z + np.arange(3)))
        )
    found = jax.jit(lambda z: rashin.softmax_statistics(z, jnp.array([1, 2])))(jnp.sin(z + jnp.arange(3)))
    for ours, theirs in zip(found, rashin.softmax_statistics(np.sin(z + np.arange(3)), [1, 2]), strict=True):
        is_near(ours, theirs)
