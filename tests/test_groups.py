"""Losses of groups: against their definitions in mpmath, however the sets are given, reduced, split and stored."""

from __future__ import annotations

import json
import math
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from mpmath import mp, mpf

import rashin
from rashin.domain import PROBABILITY
from ulp import spacing, ulp_error

# ------------------------------------------------------------------------------------------- the definitions


def confusion(z, t, w):
    pairs = list(zip(z, t, w, strict=True))
    return [
        mp.fsum(u * x * y for x, y, u in pairs),
        mp.fsum(u * x * (1 - y) for x, y, u in pairs),
        mp.fsum(u * (1 - x) * y for x, y, u in pairs),
        mp.fsum(u * (1 - x) * (1 - y) for x, y, u in pairs),
    ]


def tversky(z, t, w, alpha=0.5, beta=0.5, smooth=0.0, gamma=1.0, **_):
    tp, fp, fn, _ = confusion(z, t, w)
    return (1 - (tp + smooth) / (tp + mpf(alpha) * fp + mpf(beta) * fn + smooth)) ** mpf(gamma)


def matthews(z, t, w):
    tp, fp, fn, tn = confusion(z, t, w)
    return 1 - (tp * tn - fp * fn) / mp.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def moments(z, t, w):
    n = mp.fsum(w)
    z_mean = mp.fsum(u * x for x, u in zip(z, w, strict=True)) / n
    t_mean = mp.fsum(u * x for x, u in zip(t, w, strict=True)) / n
    dz, dt = [x - z_mean for x in z], [x - t_mean for x in t]
    over = lambda a, b: mp.fsum(u * x * y for x, y, u in zip(a, b, w, strict=True)) / n  # noqa: E731
    return z_mean, t_mean, over(dz, dz), over(dz, dt), over(dt, dt)


def correlation(z, t, w):
    _, _, v, c, u = moments(z, t, w)
    return 1 - c / mp.sqrt(v * u)


def concordance(z, t, w):
    z_mean, t_mean, v, c, u = moments(z, t, w)
    return 1 - 2 * c / (v + u + (z_mean - t_mean) ** 2)


UNUSUAL = {"alpha": 0.3, "beta": 1.7, "smooth": 0.25, "gamma": 1.5}
CASES = [
    pytest.param(rashin.tversky, tversky, id="tversky"),
    pytest.param(rashin.tversky.replace(**UNUSUAL), tversky, id="tversky-unusual"),
    pytest.param(rashin.matthews, matthews, id="matthews"),
    pytest.param(rashin.correlation, correlation, id="correlation"),
    pytest.param(rashin.concordance, concordance, id="concordance"),
]
every_case = pytest.mark.parametrize(("loss", "definition"), CASES)


def sample(loss, seed=0, size=24, dtype=np.float64):
    """Predictions, targets, weights, a mask and the sets of the members."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.98, size) if loss.prediction == PROBABILITY else rng.normal(3.0, 2.0, size)
    t = rng.integers(2, size=size) if loss.prediction == PROBABILITY else rng.normal(size=size) + 0.5 * z
    weight, where = rng.uniform(0.5, 2.0, size), rng.random(size) > 0.2
    return z.astype(dtype), t.astype(dtype), weight, where, rng.integers(3, size=size)


def exact(loss, definition, z, t, weight, where, group):
    """Value, gradient and Hessian diagonal of the mean over the sets."""
    value, gradient, hessian = mpf(0), [mpf(0)] * z.size, [mpf(0)] * z.size
    sets = np.unique(group[where])
    with mp.workdps(60):
        for key in sets:
            inside = np.flatnonzero(where & (group == key))
            zs, ts, ws = ([mpf(float(x)) for x in array[inside]] for array in (z, t, weight))

            def of(place, zs=zs, ts=ts, ws=ws):
                return lambda one: definition([*zs[:place], one, *zs[place + 1 :]], ts, ws, **loss.parameters)

            value += definition(zs, ts, ws, **loss.parameters) / len(sets)
            for place, i in enumerate(inside):
                gradient[i] = mp.diff(of(place), zs[place]) / len(sets)
                hessian[i] = mp.diff(of(place), zs[place], 2) / len(sets)
    return value, gradient, hessian


@every_case
@pytest.mark.parametrize(("dtype", "of_value", "of_gradient"), [(np.float64, 4, 16), (np.float32, 0.51, 0.7)])
def test_the_definition_in_exact_numbers(loss, definition, dtype, of_value, of_gradient):
    z, t, weight, where, group = sample(loss, dtype=dtype)
    value, gradient, hessian = exact(loss, definition, z, t, weight, where, group)
    got = loss.value_gradient_and_hessian(z, t, group=group, weight=weight, where=where)
    assert ulp_error(got[0], value, np.float64) <= 4
    for ours, theirs in ((got[1], gradient), (got[2], hessian)):
        assert ours.dtype == dtype
        largest = max(map(abs, theirs))  # of summands that may cancel
        unit = None if dtype == np.float32 else spacing(largest, dtype)
        assert max(ulp_error(a, b, dtype, unit=unit) for a, b in zip(ours, theirs, strict=True)) <= of_gradient
        assert not ours[~where].any()


@every_case
def test_sets_by_ids_and_by_axes_are_the_same(loss, definition):
    z, t, weight, where, _ = (x.reshape(2, 3, 4) for x in sample(loss))
    ids = np.broadcast_to(np.arange(3)[:, np.newaxis] * 5, (2, 3, 4))
    by_ids = loss.value_gradient_and_hessian(z, t, group=ids, weight=weight, where=where)
    by_axes = loss.value_gradient_and_hessian(z, t, axis=(0, 2), weight=weight, where=where)
    words = np.array(["w", "x", "z"], object)[ids // 5]
    by_words = loss.value_gradient_and_hessian(z, t, group=words, weight=weight, where=where)
    for one, two, three in zip(by_ids, by_axes, by_words, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    each = loss(z, t, axis=(2, 0), weight=weight, where=where, reduction="none")
    alone = [loss(z[:, k], t[:, k], weight=weight[:, k], where=where[:, k]) for k in range(3)]
    np.testing.assert_array_equal(each, alone)
    assert loss(z, t, axis=-1, reduction="none").shape == (2, 3)


@every_case
def test_a_weight_of_two_is_a_member_twice(loss, definition):
    z, t, _, where, group = sample(loss)
    twice = np.repeat(np.arange(z.size), 1 + where)
    weight = 1.0 + where
    value, gradient, _ = loss.value_gradient_and_hessian(z, t, group=group, weight=weight)
    assert value == pytest.approx(loss(z[twice], t[twice], group=group[twice]), rel=1e-14, abs=0)
    both = np.add.reduceat(
        loss.gradient(z[twice], t[twice], group=group[twice]), np.flatnonzero(np.diff(twice, prepend=-1))
    )
    np.testing.assert_allclose(gradient, both, rtol=1e-12)
    idle = np.append(weight, 0.0)
    more = loss.gradient(np.append(z, z[0]), np.append(t, t[1]), group=np.append(group, 1), weight=idle)
    np.testing.assert_array_equal(more, np.append(gradient, 0.0))


@every_case
def test_reductions_divide_by_the_number_of_sets(loss, definition):
    z, t, weight, where, group = sample(loss)
    given = {"group": group, "weight": weight, "where": where}
    each = loss(z, t, **given, reduction="none")
    assert loss(z, t, **given, reduction="sum") == math.fsum(each)
    assert loss(z, t, **given) == pytest.approx(math.fsum(each) / each.size, rel=2**-52, abs=0)
    total = loss.gradient(z, t, **given, reduction="sum")
    np.testing.assert_allclose(loss.gradient(z, t, **given), total / each.size, rtol=1e-12)


@every_case
def test_order_threads_and_number_of_sets_change_no_bit(loss, definition):
    z, t, weight, _, group = sample(loss, size=140_000, dtype=np.float32)
    for keys in (group, np.arange(z.size) // 20, np.zeros(z.size, int)):
        with rashin.threads(1):
            one = loss.value_gradient_and_hessian(z, t, group=keys, weight=weight)
        two = loss.value_gradient_and_hessian(z, t, group=keys, weight=weight)
        mixed = np.random.default_rng(1).permutation(z.size)
        three = loss.value_gradient_and_hessian(z[mixed], t[mixed], group=keys[mixed], weight=weight[mixed])
        assert one[0] == two[0] == three[0]
        for a, b, c in zip(one[1:], two[1:], three[1:], strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a[mixed], c)


# ---------------------------------------------------------------------------------------------- hard inputs


def test_the_last_digits_of_a_good_overlap_are_there():
    z = np.full(1000, 1.0 - 2.0**-50)
    assert rashin.tversky(z, np.ones(1000)) == pytest.approx(2.0**-51, rel=1e-14, abs=0)
    z, t = [1.0, 1e-18, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]
    with mp.workdps(60):
        exact = matthews([mpf(x) for x in z], [mpf(x) for x in t], [mpf(1)] * 4)
    assert ulp_error(rashin.matthews(z, t), exact, np.float64) <= 4  # 5e-19


def test_moments_far_from_zero_lose_nothing():
    z, t = np.array([0.0, 1.0, 3.0, 7.0]), np.array([1.0, 0.0, 2.0, 8.0])
    for loss in (rashin.correlation, rashin.concordance):
        near = loss.value_gradient_and_hessian(z, t, weight=[1.0, 0.5, 2.0, 1.0])
        far = loss.value_gradient_and_hessian(z + 2.0**40, t + 2.0**40, weight=[1.0, 0.5, 2.0, 1.0])
        for a, b in zip(near, far, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    almost = np.array([1.0, 2.0, 3.0 + 2.0**-40])
    with mp.workdps(60):
        residual = float(correlation([mpf(x) for x in almost], [mpf(1), mpf(2), mpf(3)], [mpf(1)] * 3))
    assert rashin.correlation(almost, [1.0, 2.0, 3.0]) == pytest.approx(residual, rel=1e-14, abs=0)


def test_sets_without_a_target_and_sets_without_spread():
    nothing, something = ([0.0, 0.0], [0, 0]), ([0.5, 0.0], [0, 0])
    assert rashin.tversky(*nothing) == 0.0
    assert rashin.tversky(*something) == 1.0
    assert not rashin.tversky.gradient(*nothing).any()
    assert not rashin.tversky.gradient(*something).any()
    z, t, sets = [0.5, 0.0, 0.5, 1.0], [0, 0, 1, 1], [0, 0, 1, 1]
    assert rashin.tversky(z, t, group=sets) == pytest.approx((1.0 + 1 / 7) / 2, rel=1e-15, abs=0)
    assert rashin.tversky(z, t, group=sets, skip_absent=True) == pytest.approx(1 / 7, rel=1e-15, abs=0)
    np.testing.assert_array_equal(rashin.tversky.gradient(z, t, group=sets, skip_absent=True)[:2], 0.0)
    assert rashin.tversky(*something, skip_absent=True) == 0.0
    for loss in (rashin.correlation, rashin.matthews):
        for flat in (([0.5, 0.5], [0, 1]), ([0.0, 0.0], [0, 1]), ([0.2, 0.7], [1, 1])):
            if loss is rashin.correlation or flat[0][0] in (0.0, 0.2):
                assert loss(*flat) == 1.0
                assert not np.any(loss.value_gradient_and_hessian(*flat)[1:])
    assert rashin.concordance([2.0, 2.0], [2.0, 2.0]) == 0.0
    assert rashin.concordance([2.0, 2.0], [3.0, 3.0]) == 1.0


@pytest.mark.parametrize(
    "name",
    [
        "tversky",
        "matthews",
        "correlation",
        "concordance",
        "listwise_softmax",
        "plackett_luce",
        "pairwise_logistic",
        "cox",
    ],
)
def test_a_set_of_weights_0_counts_as_one_that_a_mask_leaves_out(name):
    loss, rng = getattr(rashin, name), np.random.default_rng(9)
    z, t, w = rng.random((3, 4)), np.array([[1, 0, 1, 0]] * 3), np.array([[0, 0, 0, 0], [1, 2, 0, 3], [2, 1, 1, 1]])
    target, keys = ((rng.random((3, 4)), t) if name == "cox" else t), np.repeat(["a", "b", "c"], 4).reshape(3, 4)
    for sets in ({"axis": 1}, {"group": keys}):
        weighed = loss.value_gradient_and_hessian(z, target, weight=w, **sets)
        masked = loss.value_gradient_and_hessian(z, target, weight=w, where=w > 0, **sets)
        assert all(map(np.array_equal, weighed, masked))
        assert loss(z, target, weight=w, reduction="none", **sets)[0] == 0.0
        assert loss(z, target, weight=0 * w, **sets) == 0.0
    measured = rashin.measure(loss, z, target, weight=w, group=keys)
    assert (measured.mean, list(measured.losses)) == (loss(z, target, weight=w, axis=1), ["b", "c"])
    p = torch.tensor(z, requires_grad=True)
    loss(
        p, tuple(map(torch.tensor, target)) if name == "cox" else torch.tensor(t), weight=torch.tensor(w), axis=1
    ).backward()
    assert np.array_equal(p.grad, loss.gradient(z, target, weight=w, axis=1))


def test_no_member_has_a_sum_and_no_mean():
    assert rashin.tversky([], [], reduction="sum") == 0.0
    assert rashin.tversky([], [], group=[], reduction="none").shape == (0,)
    with pytest.raises(ValueError, match="there are no samples"):
        rashin.tversky([], [])
    with pytest.raises(ValueError, match="`where` selects nothing"):
        rashin.tversky([0.5], [1], where=[False])
    assert rashin.tversky([0.5, np.nan], [1, -7], where=[True, False]) == pytest.approx(1 / 3, rel=1e-15, abs=0)


@pytest.mark.parametrize("array", [np.asarray, torch.tensor, jnp.asarray])
def test_times_and_events_of_other_shapes_are_named(array):
    z, time, event = (array(np.ones(shape)) for shape in ((4, 6), (4, 3), (4, 6)))
    with pytest.raises(ValueError, match=re.escape("target: got arrays of the shapes (4, 3), (4, 6); expected equal")):
        rashin.cox(z, (time, event))


WITHOUT_KEY, OF_TWO_TYPES = np.array([0, None], object), np.array(["a", 1.5], object)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"prediction": [0.5, 1.5], "target": [0, 1]},
            "prediction: got 1.5 at index 1; expected a probability in [0, 1]",
        ),
        (
            {"prediction": [[0.5, 0.5]], "target": [[0, 3]], "axis": 0},
            "target: got 3.0 at index (0, 1); expected a prob",
        ),
        (
            {"prediction": [0.5, np.nan], "target": [0, 1], "group": [1, 0]},
            "prediction: got nan at index 1; expected a prob",
        ),
        ({"prediction": [0.5], "target": [0, 1]}, "target: got shape (2,) for a prediction of shape (1,)"),
        ({"prediction": [0.5], "target": [0], "group": [0, 1]}, "group: got shape (2,); expected one key for each"),
        (
            {"prediction": [0.5] * 2, "target": [0] * 2, "group": WITHOUT_KEY},
            "group: got None at index 1; expected a key",
        ),
        ({"prediction": [0.5] * 2, "target": [0] * 2, "group": OF_TWO_TYPES}, "group: got keys of types"),
        ({"prediction": [0.5], "target": [0], "axis": 1}, "axis: got 1 for a prediction with 1 axes"),
        ({"prediction": [0.5], "target": [0], "axis": 0, "group": [0]}, "axis: got axes beside group="),
        (
            {"prediction": [0.5], "target": [0], "weight": [-1.0]},
            "weight: got -1.0 at index 0; expected finite weights",
        ),
        ({"prediction": [0.5], "target": [0], "reduction": "avg"}, "reduction: got 'avg'"),
        ({"prediction": [0.5], "target": [0], "alpha": -1.0}, "alpha"),
    ],
)
def test_what_is_refused_is_named(arguments, message):
    prediction, target, *_ = arguments.values()
    arguments = {name: value for name, value in arguments.items() if name not in ("prediction", "target")}
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        rashin.tversky(prediction, target, **arguments)


# ---------------------------------------------------------------------------------- where else they are used


@every_case
def test_tensors_and_jax_arrays_give_the_same(loss, definition):
    z, t, weight, where, group = sample(loss, dtype=np.float32)
    weight = weight.astype(np.float32)
    value, gradient, hessian = loss.value_gradient_and_hessian(z, t, group=group, weight=weight, where=where)
    tensors = {name: torch.from_numpy(x) for name, x in (("group", group), ("weight", weight), ("where", where))}
    leaf = torch.from_numpy(z).clone().requires_grad_()
    found = loss(leaf, torch.from_numpy(t), **tensors)
    found.backward()
    assert found.item() == np.float32(value)
    np.testing.assert_array_equal(leaf.grad.numpy(), gradient)
    np.testing.assert_array_equal(loss.hessian(leaf, torch.from_numpy(t), **tensors).detach().numpy(), hessian)
    arrays = {name: jnp.asarray(x) for name, x in (("group", group), ("weight", weight), ("where", where))}
    got, slope = jax.value_and_grad(lambda x: loss(x, jnp.asarray(t), **arrays))(jnp.asarray(z))
    assert float(got) == np.float32(value)
    np.testing.assert_array_equal(slope, gradient)
    np.testing.assert_array_equal(loss.hessian(jnp.asarray(z), jnp.asarray(t), **arrays), hessian)


def test_losses_of_sets_go_back_through_each_of_them():
    z, t, weight, where, _ = sample(rashin.tversky)
    group = np.arange(z.size) % 3
    factors = np.array([1.0, -2.0, 3.0])
    alone = [rashin.tversky.gradient(z, t, weight=weight, where=where & (group == k)) for k in range(3)]
    leaf = torch.from_numpy(z).clone().requires_grad_()
    each = rashin.tversky(
        leaf, torch.from_numpy(t), group=group, weight=torch.from_numpy(weight), where=torch.from_numpy(where),
        reduction="none",
    )  # fmt: skip
    (each * torch.from_numpy(factors)).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), factors @ np.array(alone), rtol=1e-14)
    rows, labels = jnp.asarray(z.reshape(3, 8), jnp.float32), jnp.asarray(t.reshape(3, 8), jnp.float32)
    through = jax.jit(jax.grad(lambda x: (rashin.tversky(x, labels, axis=1, reduction="none") * factors).sum()))(rows)
    direct = [
        f * rashin.tversky.gradient(np.asarray(r), np.asarray(c)) for f, r, c in zip(factors, rows, labels, strict=True)
    ]
    np.testing.assert_allclose(through, direct, rtol=1e-6)


def test_what_tensors_cannot_do_is_refused():
    z, t = torch.tensor([0.5, 0.2], requires_grad=True), torch.tensor([1.0, 0.0])
    (slope,) = torch.autograd.grad(rashin.tversky(z, t), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivative of a loss of groups"):
        slope.sum().backward()
    with pytest.raises(NotImplementedError, match="second derivative of a loss of groups"):
        rashin.tversky.gradient(z, t).sum().backward()
    with pytest.raises(TypeError, match="target: got a tensor that requires a gradient"):
        rashin.tversky(z, t.clone().requires_grad_())
    with pytest.raises(TypeError, match="prediction: got a tensor on meta"):
        rashin.tversky(torch.empty(2, device="meta"), t)
    with pytest.raises(TypeError, match="reduction: got 'none' with group= for a JAX array"):
        rashin.tversky(jnp.asarray([0.5]), jnp.asarray([1]), group=[0], reduction="none")
    half = torch.tensor([0.5, 0.2], dtype=torch.float16, requires_grad=True)
    rashin.tversky(half, t).backward()
    assert half.grad.dtype == torch.float16


@every_case
def test_measurements_of_parts_add_to_that_of_the_whole(loss, definition):
    z, t, weight, where, group = sample(loss, size=1000, dtype=np.float32)
    keys = np.array(["left", "middle", "right"])[group]
    whole = rashin.measure(loss, z, t, weight, where, keys)
    parts = [
        rashin.measure(loss, *(x[cut] for x in (z, t, weight, where, keys)))
        for cut in np.split(np.arange(1000), [3, 500])
    ]
    for together in (parts[0] + parts[1] + parts[2], parts[2] + (parts[0] + parts[1])):
        assert together == whole
        assert together.mean == whole.mean == loss(z, t, group=group, weight=weight, where=where)
        assert list(together.losses) == ["left", "middle", "right"]
    assert rashin.SetMeasurement.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
    assert whole.count == 3
    assert whole.worst(1)[0].loss == max(whole.losses.values())
    low, high = whole.interval()
    assert low < whole.mean < high
    clusters = np.array(list(whole.losses.values()))
    assert whole.standard_error == pytest.approx(clusters.std(ddof=1) / np.sqrt(3), rel=1e-12, abs=0)
    with pytest.raises(ValueError, match="expected those of one loss"):
        whole + rashin.SetMeasurement("matthews(x=1)", {}, {})
    with pytest.raises(TypeError, match="by_class: got True for a loss of groups"):
        rashin.measure(loss, z, t, by_class=True)
    with pytest.raises(ValueError, match="expected what SetMeasurement"):
        rashin.SetMeasurement.from_dict({"loss": "tversky()"})


def test_a_missing_key_of_pandas_is_named():
    pandas = pytest.importorskip("pandas")
    group = pandas.Series(["a", None, "b"], dtype="string")
    with pytest.raises(ValueError, match=r"group: got .*NA.* at index 1; expected a key for each member"):
        rashin.tversky([0.5, 0.2, 0.7], [1, 0, 1], group=group)
    outside = rashin.tversky([0.5, 0.2, 0.7], [1, 0, 1], group=group, where=group.notna())
    assert outside == rashin.tversky([0.5, 0.7], [1, 1], group=[0, 1])


def test_they_are_named_replaced_and_pickled_as_all_losses():
    assert {"tversky", "matthews", "correlation", "concordance"} <= {loss.name for loss in rashin.list_group_losses()}
    jaccard = rashin.tversky.replace(alpha=1.0, beta=1.0)
    assert pickle.loads(pickle.dumps(jaccard)) == jaccard != rashin.tversky
    assert repr(jaccard).startswith("tversky(alpha=1.0, beta=1.0")
    assert "group" in rashin.tversky.__signature__.parameters
    with pytest.raises(ValueError, match="a loss of groups; expected a loss of single samples"):
        rashin.registry.get("tversky")


def test_a_loss_of_the_users_own():
    @rashin.groupwise(over="confusion", parameters={"factor": rashin.domain.POSITIVE})
    def false_alarm_share(xp, s, factor=1.0):
        "False positives over all that was predicted."
        whole = s.tp + s.fp
        return (
            factor * s.fp / whole,
            (-factor * s.fp / whole**2, factor * s.tp / whole**2),
            (2 * factor * s.fp / whole**3, factor * (s.fp - s.tp) / whole**3, -2 * factor * s.tp / whole**3),
        )

    try:
        z, t, weight, where, group = sample(false_alarm_share)

        def definition(z, t, w, factor):
            tp, fp, _, _ = confusion(z, t, w)
            return factor * fp / (tp + fp)

        loss = false_alarm_share.replace(factor=3.0)
        value, gradient, hessian = exact(loss, definition, z, t, weight, where, group)
        got = loss.value_gradient_and_hessian(z, t, group=group, weight=weight, where=where)
        for a, b in zip(got, (value, gradient, hessian), strict=True):
            np.testing.assert_allclose(a, np.array(b, float), rtol=1e-13)
    finally:
        rashin.registry._of_groups.pop("false_alarm_share")
