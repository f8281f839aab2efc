"""Losses of several numbers and one target per sample: layouts, weights, matrices, other arrays, training."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from mpmath import mpf

import rashin
from cases import count_of
from losses import ENTRIES
from rashin.domain import COUNT, POSITIVE, REAL, Columns
from rashin.kernels.columnwise import HEIGHT
from rashin.learn import run_training
from shipped import JOINT, changed

every_loss = pytest.mark.parametrize("loss", [changed(loss) for loss in JOINT], ids=lambda loss: loss.name)
with_columns = pytest.mark.parametrize(
    "loss", [changed(loss) for loss in JOINT if loss.prediction.columns], ids=lambda loss: loss.name
)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def samples_of(loss, count, seed=0, dtype=np.float64):
    """Predictions (count, P) and targets of the domains, without their hard samples."""
    rng = np.random.default_rng(seed)
    z = loss.prediction.draw(rng, count + 5, count_of(loss))[5:] / 2
    t = loss.target.draw(rng, count + 5)[5:]
    return z.astype(dtype), t.astype(dtype)


def near(got, wanted, rtol=1e-12):
    """Equal relative to the largest entry."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    return bool(np.all(np.abs(got - wanted) <= rtol * np.max(np.abs(wanted))))


def parts_of(loss, z, t):
    """Value, slopes and matrices of each sample, by the formula on arrays."""
    from rashin.arithmetic import arrays

    count = z.shape[1]
    if not loss.prediction.columns:
        levels, ranked = loss.facts.levels(count, *loss.rule.parameters, **dict(loss.rule.options))
        if ranked:
            levels = levels[np.argsort(np.argsort(z, axis=1), axis=1)]
        value, slopes, bends = loss.formula(arrays, z, t[:, None], levels, *loss.rule.parameters)
        return value.mean(axis=1), slopes / count, np.broadcast_to(bends, z.shape)[:, :, None] * np.eye(count) / count
    value, slopes, corners = loss.formula(arrays, *z.T, t, *loss.rule.parameters)
    matrix = np.empty((len(t), count, count))
    places = [(i, j) for i in range(count) for j in range(i, count)]
    for part, (i, j) in zip(corners, places, strict=True):
        matrix[:, i, j] = matrix[:, j, i] = part
    return value, np.stack(np.broadcast_arrays(*slopes), axis=-1), matrix


@every_loss
@every_reduction
def test_weights_and_masks_of_samples_in_any_layout(loss, reduction):
    z, t = samples_of(loss, 3 * HEIGHT)
    rng = np.random.default_rng(1)
    weight, where = rng.random(t.shape) * (rng.random(t.shape) < 0.9), rng.random(t.shape) < 0.7
    value, slopes, matrix = parts_of(loss, z, t)
    w = np.where(where, weight, 0.0)
    factor = w / (w.sum() if reduction == "mean" else 1.0)
    v = rng.normal(size=z.shape)
    masked, strange = z.copy(), t.copy()
    masked[~where], strange[~where] = np.nan, np.nan
    shape = (3, HEIGHT)
    moved = np.moveaxis(masked.reshape(*shape, -1), -1, 0)  # the numbers along the first axis, with strides
    given = {"weight": weight.reshape(shape), "where": where.reshape(shape), "reduction": reduction, "axis": 0}

    def back(x):
        return np.moveaxis(x, 0, -1).reshape(z.shape)

    got = loss.value_gradient_and_hessian(moved, strange.reshape(shape), **given)
    assert near(
        np.reshape(got[0], -1), np.atleast_1d(factor * value if reduction == "none" else (factor * value).sum())
    )
    assert near(back(got[1]), slopes * factor[:, None])
    assert near(back(got[2]), np.einsum("nii->ni", matrix) * factor[:, None])
    if loss.prediction.columns:
        full = loss.hessian_matrix(moved, strange.reshape(shape), **given)
        assert near(full.reshape(matrix.shape), matrix * factor[:, None, None])
    along = np.moveaxis(v.reshape(*shape, -1), -1, 0)
    product = loss.hessian_vector_product(moved, strange.reshape(shape), along, **given)
    assert near(back(product), np.einsum("nij,nj->ni", matrix, v) * factor[:, None])


@with_columns
def test_the_matrix_is_the_derivative_of_the_gradient(loss):
    """Its diagonal is judged against the definition; here the corners, by the definition's cross differences."""
    z, t = samples_of(loss, 6, seed=3)
    got, entry, h = loss.hessian_matrix(z, t, reduction="none"), ENTRIES[loss.name], mpf(2) ** -60
    from mpmath import mp

    with mp.workprec(400):
        for place, row in enumerate(z):
            target = int(t[place]) if loss.target == COUNT else mpf(t[place])

            def at(i, a, j, b, row=row, target=target):
                moved = [mpf(x) for x in row]
                moved[i] += a * h
                moved[j] += b * h
                return entry.value(moved, target, **loss.parameters)

            for i in range(len(row)):
                for j in range(i):
                    exact = (at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)) / (4 * h * h)
                    assert abs(got[place, i, j] - exact) <= 1e-13 * np.abs(got[place]).max()


@every_loss
def test_all_element_types_and_ways_to_pass_the_numbers(loss):
    z, t = samples_of(loss, 40, dtype=np.float32)
    exact = loss.value_gradient_and_hessian(z.astype(np.float64), t.astype(np.float64), reduction="none")
    for dtype in (np.float32, np.float16):
        narrow = [part.astype(dtype) for part in (z, t)]
        wide = loss.value_gradient_and_hessian(*(part.astype(np.float64) for part in narrow), reduction="none")
        for got, wanted in zip(loss.value_gradient_and_hessian(*narrow, reduction="none"), wide, strict=True):
            assert got.dtype == dtype
            assert near(got, wanted, 2 * float(np.finfo(dtype).eps))
    if loss.prediction.columns:
        the_numbers_may_come_as_a_tuple(loss, z.astype(np.float64), t, exact)
    assert loss(z.tolist(), t.tolist()) == loss(z.astype(np.float64), t.astype(np.float64))
    out = np.empty_like(z)
    _value, gradient = loss.value_and_gradient(z, t, out=out)
    assert gradient is out
    assert gradient.tolist() == loss.gradient(z, t).tolist()
    in_place = z.copy()
    loss.gradient(in_place, t, out=in_place)
    assert in_place.tolist() == out.tolist()
    assert pickle.loads(pickle.dumps(loss)) == loss


def the_numbers_may_come_as_a_tuple(loss, z, t, exact):
    as_tuple = loss.value_gradient_and_hessian(tuple(z.T), t, reduction="none")
    assert as_tuple[0].tolist() == exact[0].tolist()
    for parts, wanted in zip(as_tuple[1:], exact[1:], strict=True):
        assert isinstance(parts, tuple)
        assert np.stack(parts, axis=-1).tolist() == wanted.tolist()


@every_loss
def test_the_mean_has_the_same_bits_in_any_order_and_number_of_threads(loss):
    z, t = samples_of(loss, 100_000)
    once = loss.value_and_gradient(z, t)
    with rashin.threads(1):
        alone = loss.value_and_gradient(z[::-1], t[::-1])
    assert once[0] == alone[0]
    assert np.array_equal(once[1][::-1], alone[1])
    assert rashin.measure(loss, z, t).mean == once[0]


def logistic_density(x):
    return np.exp(-np.abs(x)) / (1.0 + np.exp(-np.abs(x))) ** 2


SCORED = {  # the densities of the distributions that a score compares; a likelihood is minus the logarithm of its own
    "crps_normal": lambda x: np.exp(-0.5 * x * x),
    "crps_logistic": logistic_density,
    "crps_laplace": lambda x: np.exp(-np.abs(x)),
}


def distribution_of(loss, z):
    """Targets, and how likely they are if the prediction is right: points from -inf to inf, closer near the middle."""
    if loss.target == COUNT:
        t = np.arange(200.0)
        return t, np.exp(-loss.per_sample(np.tile(z, (t.size, 1)), t))
    u = np.linspace(-12.0, 12.0, 60_001)
    if loss.target != REAL:  # shares
        t = 1.0 / (1.0 + np.exp(-2.0 * u))
        return t, t * (1.0 - t) * np.exp(-loss.per_sample(np.tile(z, (t.size, 1)), t))
    t, step = z[0] + np.exp(z[1]) * np.sinh(u), np.cosh(u)
    if loss.name in SCORED:
        return t, step * SCORED[loss.name](np.sinh(u))
    return t, step * np.exp(-loss.per_sample(np.tile(z, (t.size, 1)), t))


@pytest.mark.parametrize("loss", [loss for loss in JOINT if loss.facts.fisher], ids=lambda loss: loss.name)
def test_fisher_is_the_hessian_expected_under_the_prediction(loss):
    """By summing the Hessian over targets with their probabilities."""
    z, _ = samples_of(loss, 3)
    z = z + np.array([0.0, 3.0]) if loss.name == "beta" else z  # else much of it lies within rounding of 0 and 1
    weight = np.array([1.0, 0.0, 2.0])
    got = loss.fisher(z, weight=weight, reduction="sum")
    for place in (0, 2):
        t, likely = distribution_of(loss, z[place])
        hessians = loss.hessian_matrix(np.tile(z[place], (t.size, 1)), t, reduction="none")
        mean = np.einsum("n,nij->ij", likely / likely.sum(), hessians)
        assert near(got[place], weight[place] * mean, 1e-6)
        assert np.linalg.eigvalsh(got[place]).min() > 0.0
    assert not got[1].any()


def test_a_loss_without_a_closed_fisher_says_so():
    with pytest.raises(TypeError, match="got a call of fisher; expected a loss with one in closed form"):
        rashin.negative_binomial.fisher([[0.0, 0.0]])


@every_loss
def test_torch_and_jax_have_the_bits_and_derivatives(loss):
    z, t = samples_of(loss, 7)
    rng = np.random.default_rng(2)
    weight, where = rng.random(7), rng.random(7) < 0.8
    value, gradient = loss.value_and_gradient(z, t, weight=weight, where=where)
    z_torch, (t_torch, w_torch, m_torch) = torch.tensor(z, requires_grad=True), map(torch.tensor, (t, weight, where))
    found = loss(z_torch, t_torch, weight=w_torch, where=m_torch)
    found.backward()
    assert found.item() == value
    assert z_torch.grad.numpy().tolist() == gradient.tolist()
    assert torch.autograd.gradgradcheck(lambda z: loss(z, t_torch, weight=w_torch, where=m_torch), (z_torch,))
    if loss.facts.target_slope is not None:
        varied = t_torch.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda t: loss(z_torch.detach(), t, weight=w_torch, reduction="none"), (varied,)
        )
    with jax.enable_x64(True):
        a, b, w, m = map(jnp.asarray, (z, t, weight, where))
        assert np.asarray(jax.jit(jax.grad(lambda z: loss(z, b, weight=w, where=m)))(a)).tolist() == gradient.tolist()
        blocks = jax.hessian(lambda z: loss(z, b, reduction="sum"))(a)
    if loss.prediction.columns:
        assert near(np.einsum("ninj->nij", np.asarray(blocks)), loss.hessian_matrix(z, t, reduction="sum"))


@every_loss
def test_arrays_of_the_standard(loss):
    xp = pytest.importorskip("array_api_strict")
    z, t = samples_of(loss, 9)
    where = np.arange(9) % 4 != 0
    given = {"where": xp.asarray(where), "reduction": "sum"}
    got = loss.value_gradient_and_hessian(xp.asarray(z), xp.asarray(t), **given)
    wanted = loss.value_gradient_and_hessian(z, t, where=where, reduction="sum")
    for one, other in zip(got, wanted, strict=True):
        assert near(np.asarray(one), other)


def as_torch(x):
    return None if x is None else torch.tensor(x)


def as_jax(x):
    return None if x is None else jnp.asarray(x)


def as_standard(x):
    return None if x is None else pytest.importorskip("array_api_strict").asarray(x)


@pytest.mark.parametrize("of", [as_torch, as_jax, as_standard])
@pytest.mark.parametrize("name", ["gaussian", "student_t", "beta"])
def test_other_arrays_have_the_matrices(name, of):
    loss = rashin.registry.get(name)
    z, t = samples_of(loss, 6)
    z, t, rng = z.reshape(2, 3, -1).swapaxes(1, 2).copy(), t.reshape(2, 3), np.random.default_rng(4)
    w, m = rng.random((2, 3)), np.array([[True, False, True], [True, True, True]])
    for dtype in (np.float64, np.float32):
        x, given = z.astype(dtype), {"reduction": "sum", "axis": 1}
        with jax.enable_x64(True):
            got = loss.hessian_matrix(of(x), of(t), weight=of(w), where=of(m), **given)
            expected = loss.fisher(of(x), weight=of(w), where=of(m), **given)
        assert np.asarray(got).dtype == np.asarray(expected).dtype == dtype
        wanted = loss.hessian_matrix(x, t, weight=w, where=m, **given)
        assert near(np.asarray(got), wanted, 1e-15 if dtype == np.float64 and of != as_standard else 1e-6)
        assert np.array_equal(np.asarray(expected), loss.fisher(x, weight=w, where=m, **given))


def test_matrices_in_graphs_and_transforms():
    z, t = np.array([[0.5, 0.25], [-1.0, 0.125]]), np.array([2.0, 0.75])
    wanted = rashin.gaussian.hessian_matrix(z, t)
    tensor = torch.tensor(z, requires_grad=True)
    matrix = rashin.gaussian.hessian_matrix(tensor, torch.tensor(t))
    with pytest.raises(RuntimeError, match="third derivative"):
        matrix.sum().backward()
    assert np.array_equal(matrix.detach().numpy(), wanted)
    with pytest.raises(TypeError, match=r"Fisher information; fix: use prediction.detach\(\)"):
        rashin.gaussian.fisher(tensor)
    with jax.enable_x64(True):
        assert np.array_equal(jax.jit(rashin.gaussian.hessian_matrix)(z, t), wanted)
        assert np.array_equal(jax.jit(rashin.gaussian.fisher)(jnp.asarray(z)), rashin.gaussian.fisher(z))


def test_the_fisher_information_of_jax_has_numpys_errors_and_no_derivative():
    z = np.array([[[0.5, 0.25], [-1.0, 0.125]], [[0.0, np.nan], [np.nan, 3.0]]])
    w, m = np.array([0.5, 2.0]), np.array([True, False])
    for settings in ({}, {"where": m, "reduction": "sum"}, {"where": ~m, "weight": -w}):
        with pytest.raises(ValueError) as wanted:  # noqa: PT011
            rashin.gaussian.fisher(z[1], **settings)
        for function in (rashin.gaussian.fisher, jax.jit(rashin.gaussian.fisher, static_argnames="reduction")):
            with pytest.raises(Exception) as found:  # noqa: PT011
                function(jnp.asarray(z[1]), **settings)
            assert str(wanted.value).partition(";")[0] in str(found.value)
        with pytest.raises(type(wanted.value)):
            rashin.gaussian.fisher(jnp.asarray(z[1]), **settings)
    with jax.enable_x64(True):
        batch = jax.vmap(lambda z, w: rashin.gaussian.fisher(z, weight=w, where=m), (0, None))(z[:1], w)
    assert np.array_equal(batch[0], rashin.gaussian.fisher(z[0], weight=w, where=m))
    with pytest.raises(TypeError, match=r"Fisher information; fix: use jax.lax.stop_gradient\(prediction\)"):
        jax.grad(lambda z: jnp.sum(rashin.gaussian.fisher(z)))(jnp.asarray(z[0]))


def test_a_weight_of_another_shape_is_refused_before_the_callback():
    with pytest.raises(ValueError, match=r"weight: got shape \(3,\)"):
        rashin.gaussian.fisher(jnp.zeros((4, 2)), weight=jnp.ones(3))


@pytest.mark.parametrize("of", [as_torch, as_jax])
def test_matrices_of_rows(of):
    rng = np.random.default_rng(3)
    z, labels = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    with jax.enable_x64(True):
        got = rashin.entmax.hessian_matrix(of(z), of(labels), alpha=1.25)
    assert near(np.asarray(got), rashin.entmax.hessian_matrix(z, labels, alpha=1.25), 1e-14)


def test_errors_name_the_number_and_the_shape():
    loss = rashin.gaussian
    with pytest.raises(ValueError, match=r"prediction: got nan at index \(1, 0\); expected a real number, not NaN"):
        loss([[0.0, 1.0], [np.nan, 0.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"prediction: got nan at index \(1, 0\)"):
        loss(np.array([[0.0, 1.0], [np.nan, 0.0]]), [1.0, 2.0], axis=0)
    with pytest.raises(ValueError, match=r"target: got nan at index 1; expected a real number"):
        loss([[0.0, 1.0]] * 2, [1.0, np.nan])
    with pytest.raises(ValueError, match=r"prediction: got 3 numbers per sample; expected 2 \(location, log_scale\)"):
        loss([[0.0, 1.0, 2.0]], [1.0])
    with pytest.raises(ValueError, match=r"target: got shape \(1, 1\) for a prediction of shape \(1, 2\)"):
        loss([[0.0, 1.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"where the loss has no limit"):
        loss([[np.inf, np.inf]], [0.0])
    with pytest.raises(TypeError, match=r"huber: got a call of fisher; expected a loss whose samples have several"):
        rashin.huber.fisher([1.0])
    with pytest.raises(ValueError, match=r"prediction: got arrays of the shapes \(1,\), \(2,\); expected equal shapes"):
        loss((np.zeros(1), np.zeros(2)), np.zeros(1))


def test_a_loss_of_ones_own_with_three_numbers_and_a_domain_each():
    @rashin.columnwise(prediction=Columns(a=REAL, b=POSITIVE, c=REAL), target=COUNT, parameters={"scale": POSITIVE})
    def mine(xp, a, b, c, t, scale=2.0):
        r = a * b + scale * c - t
        return 0.5 * r * r, (b * r, a * r, scale * r), (b * b, r + a * b, scale * b, a * a, scale * a, scale * scale)

    z, t = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]]), np.array([4.0, 0.0])
    value, slopes, matrix = parts_of(mine, z, t)
    assert mine(z, t, reduction="none").tolist() == value.tolist()
    assert mine.gradient(z, t, reduction="none").tolist() == slopes.tolist()
    assert mine.hessian_matrix(z, t, reduction="none").tolist() == matrix.tolist()
    with pytest.raises(ValueError, match=r"prediction: got 0.0 at index \(1, 1\); expected a finite number > 0"):
        mine([[1.0, 2.0, 3.0], [1.0, 0.0, 1.0]], t)
    with pytest.raises(ValueError, match=r"target: got 0.5 at index 0; expected a whole number >= 0"):
        mine(z, [0.5, 1.0])


def test_a_network_learns_location_and_scale_and_the_file_names_them(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    t = x @ [1.0, 2.0] + np.exp(x[:, 0] / 2) * rng.normal(size=400)
    run_training(
        rashin.gaussian, (x[:300], t[:300]), (x[300:], t[300:]), hidden=(8,), epochs=15, optimizer="adam",
        learning_rate=0.02, batch_size=32, out=tmp_path / "run", predictions=tmp_path / "held-out.npz",
    )  # fmt: skip
    file = np.load(tmp_path / "held-out.npz")
    assert {"z_location", "z_log_scale", "target"} <= set(file)
    z = np.stack([file["z_location"], file["z_log_scale"]], axis=-1)
    found = rashin.measure_table(
        rashin.gaussian, tmp_path / "held-out.npz", prediction="z_*", target="target", baseline=True
    )
    assert found.mean == rashin.gaussian(z, file["target"])
    assert found.mean < found.baseline.mean


def test_columns_of_a_table_are_found_by_their_names(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"z_log_scale": rng.normal(size=30), "z_location": rng.normal(size=30), "target": rng.normal(size=30)}
    np.savez(tmp_path / "a.npz", **columns)
    wanted = rashin.gaussian(np.stack([columns["z_location"], columns["z_log_scale"]], axis=-1), columns["target"])
    for prediction in ("z_*", ["z_location", "z_log_scale"]):
        assert (
            rashin.measure_table(rashin.gaussian, tmp_path / "a.npz", prediction=prediction, target="target").mean
            == wanted
        )
    np.savez(tmp_path / "b.npz", **{name.replace("scale", "deviation"): x for name, x in columns.items()})
    with pytest.raises(ValueError, match=r"expected one for each of location, log_scale; fix: list them in this order"):
        rashin.measure_table(rashin.gaussian, tmp_path / "b.npz", prediction="z_*", target="target")


@pytest.mark.parametrize("loss", [rashin.student_t, rashin.quantiles], ids=lambda loss: loss.name)
def test_without_numba_the_formula_runs_as_arrays(loss, monkeypatch):
    from rashin.kernels import formula

    z, t = samples_of(loss, 2 * HEIGHT + 3)
    weight = np.random.default_rng(5).random(t.shape)
    wanted = loss.value_gradient_and_hessian(z, t, weight=weight)

    def missing(code):
        raise ModuleNotFoundError("no numba", name="numba")

    monkeypatch.setattr(formula, "loaded", missing)
    monkeypatch.setattr(formula, "_loops", {})
    other = type(loss)(loss.name, loss.kind, loss.formula, loss.parameters, loss.facts, loss.options, loss.optional)
    for got, exact in zip(other.value_gradient_and_hessian(z, t, weight=weight), wanted, strict=True):
        assert near(got, exact)
