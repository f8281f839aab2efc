"""Losses of groups on JAX arrays: NumPy's errors, derivatives that are there or refused, batches, threads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rashin
from rashin.backends.jax import custom_calls
from rashin.backends.jax.call import Groups

LOSSES = {
    "confusion": rashin.tversky.replace(alpha=0.3, smooth=0.25),
    "moments": rashin.concordance,
    "choices": rashin.listwise_softmax,
    "ordered_choices": rashin.cox.replace(efron=False),
    "pairs": rashin.pairwise_logistic.replace(ndcg=True, truncation=3),
}
every_kind = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def sample(loss, shape):
    rng = np.random.default_rng(5)
    z, w, m = rng.random(shape), rng.random(shape) + 0.25, rng.random(shape) < 0.8
    t = np.round(rng.random((*shape, loss.target.columns) if loss.target.columns else shape))
    return z, t, w, m


@every_kind
def test_bad_numbers_have_numpys_errors(loss):
    z, t, w, m = sample(loss, (3, 4))
    bad_z, bad_w = z.copy(), w.copy()
    bad_z[1, 2], bad_w[1, 2], m[1, 2] = np.nan, -1.0, True
    for given in ({"prediction": bad_z, "weight": w}, {"prediction": z, "weight": bad_w}):
        arguments = {**given, "target": t, "where": m}
        with pytest.raises(ValueError) as wanted:  # noqa: PT011
            loss(**arguments)
        arguments = {name: jnp.asarray(x, "float32" if x.dtype == float else None) for name, x in arguments.items()}
        for method in (loss, loss.value_and_gradient, loss.hessian):
            with pytest.raises(type(wanted.value)) as found:
                method(**arguments)
            assert str(found.value) == str(wanted.value)
        with pytest.raises(jax.errors.JaxRuntimeError) as found:
            jax.block_until_ready(jax.jit(loss)(**arguments))
        assert str(found.value).splitlines() == [f"INVALID_ARGUMENT: {wanted.value}"]
        rest = {name: x for name, x in arguments.items() if name != "prediction"}
        with pytest.raises(type(wanted.value), match="got"):
            jax.grad(lambda x, rest=rest: loss(x, **rest))(arguments["prediction"])


def test_shapes_axes_and_missing_keys_are_refused_as_the_program_is_traced():
    z = jnp.asarray([0.5, 0.25])
    for message, arguments in {
        r"target: got shape \(3,\)": {"target": jnp.ones(3)},
        r"weight: got shape \(3,\)": {"target": z, "weight": jnp.ones(3)},
        r"where: got shape \(1,\)": {"target": z, "where": jnp.ones(1, bool)},
        "axis: got 1 for a prediction with 1 axes": {"target": z, "axis": 1},
        "axis: got axes beside group=": {"target": z, "axis": 0, "group": [0, 1]},
        "group: got nan at index 1": {"target": z, "group": [1.0, np.nan]},
    }.items():
        with pytest.raises((ValueError, TypeError), match=message):
            jax.jit(lambda z, arguments=arguments: rashin.tversky(z, **arguments)).lower(z)
    keyed = rashin.tversky(z, z, group=["a", None], where=[True, False])
    assert float(keyed) == rashin.tversky([0.5], [0.5])


@every_kind
def test_what_has_no_derivative_is_refused(loss):
    z, t, w, _ = map(jnp.asarray, sample(loss, (6,)))
    with pytest.raises(TypeError, match=r"target: .*fix: use jax.lax.stop_gradient\(target\)"):
        jax.grad(loss, 1)(z, t)
    with pytest.raises(TypeError, match=r"weight: .*fix: use jax.lax.stop_gradient\(weight\)"):
        jax.jit(jax.grad(lambda w: loss(z, t, weight=w)))(w)
    for twice in (jax.hessian(loss), jax.grad(lambda z, t: loss.gradient(z, t).sum())):
        with pytest.raises(NotImplementedError, match="second derivative of a loss of groups"):
            twice(z, t)


@every_kind
def test_batches_and_both_modes_have_numpys_bits(loss):
    z, t, w, m = sample(loss, (2, 3, 4))
    settings = {"axis": 1, "reduction": "none"}
    with jax.enable_x64(True):
        batch = jax.vmap(jax.value_and_grad(lambda z, t: loss(z, t, weight=w[0], where=m[0])), (0, None))
        values, slopes = jax.jit(batch)(z, t[0])
        each, along = jax.jvp(lambda z: loss(z, t[1], weight=w[1], **settings), (z[1],), (w[0],))
    for k in range(2):
        value, slope = loss.value_and_gradient(z[k], t[0], weight=w[0], where=m[0])
        assert float(values[k]) == value
        assert np.array_equal(slopes[k], slope)
    assert np.array_equal(each, loss(z[1], t[1], weight=w[1], **settings))
    slope = loss.gradient(z[1], t[1], weight=w[1], **settings)
    np.testing.assert_allclose(along, (slope * w[0]).sum(1), rtol=1e-12)


@pytest.mark.parametrize("is_registered", [True, False], ids=["custom call", "callback"])
def test_programs_of_doubles_run_in_threads_without_them(is_registered, monkeypatch):
    if not is_registered:
        monkeypatch.setattr(custom_calls, "_is_registered", lambda: False)
    z, t, w, _ = sample(rashin.tversky, (20,))
    functions = [
        (lambda z, w: rashin.tversky.value_and_gradient(z, t, weight=w), (z, w)),
        (lambda z, w: (rashin.gaussian.fisher(z, weight=w),), (z.reshape(10, 2), w[:10])),
    ]
    for function, arrays in functions:
        with jax.enable_x64(True):
            given = tuple(map(jnp.asarray, arrays))
            program = jax.jit(function).lower(*given).compile()
        with ThreadPoolExecutor(1) as other_thread:
            found = other_thread.submit(program, *given).result()
        for one, other in zip(found, function(*arrays), strict=True):
            assert one.dtype == np.float64
            assert np.array_equal(one, other)


@every_kind
def test_another_process_can_make_the_call_of_its_words(loss):
    call = Groups(loss.program, loss.rule, "none", (0, 2), False, True, False, 2)
    kind, *words = json.loads(json.dumps(call.words()))
    assert kind == "groups"
    made = Groups.of_words(*words)
    assert made == call
    z, t, w, _ = sample(loss, (2, 3, 4))
    results = [[np.empty(3), np.empty(z.shape), np.empty(z.shape)] for _ in range(2)]
    call.run([z, t, w], results[0])
    made.run([z, t, w], results[1])
    assert all(np.array_equal(one, other) for one, other in zip(*results, strict=True))
