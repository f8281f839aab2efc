"""Losses on torch tensors: the numbers of NumPy, and derivatives of every order that autograd asks for."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.autograd import gradcheck, gradgradcheck

import rashin
from cases import is_share, numbers_of
from rashin.backends.numpy.sensitivity import gradient_by_target
from rashin.backends.torch.memory import array_of, tensor_of
from rashin.domain import REAL
from shipped import LOSSES, changed, of_any_rows
from test_reduction import CASES

# torch itself still scripts what it needs for forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
REDUCTIONS = ["mean", "sum", "none"]
ce = rashin.softmax_cross_entropy


def smooth(case, n=4, seed=3):
    """Loss, prediction, target, weight and mask: far from kinks, so that differences of the loss say something."""
    loss, rng = of_any_rows(CASES[case][0]), np.random.default_rng(seed)
    if loss.kind != "pointwise":
        z, t = CASES[case][1](rng, n), CASES[case][2](rng, n)
    else:
        z = rng.uniform(0.2, 0.8, n) if is_share(loss.prediction.entry()) else rng.normal(size=n) + 0.05
        domain = loss.target
        t = rng.normal(size=n) if domain.contains([-0.3, 0.3]).all() else numbers_of(domain, rng, n)
    return loss, *map(torch.tensor, (z, t, rng.random(n) + 0.5, np.arange(n) != 2))


def near(found, exact, rtol):
    """Within a share of the largest entry, for entries that are sums of such, which may cancel."""
    return found.shape == exact.shape and bool((found - exact).abs().max() <= rtol * exact.abs().max())


every_case = pytest.mark.parametrize("case", CASES)
# The derivative of each sample's loss for every loss, and of what is made of them for one loss of each kind.
KINDS = ["huber", "softmax_cross_entropy, soft", "categorical_cross_entropy, soft"]
DERIVED = [(case, "none") for case in CASES] + [(case, reduction) for case in KINDS for reduction in ("mean", "sum")]
every_derivative = pytest.mark.parametrize(("case", "reduction"), DERIVED)


# ------------------------------------------------------------------------------------------ the same numbers


@every_case
@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype)[6:])
def test_value_and_gradient_have_the_bits_of_numpy(case, dtype):
    loss, draw_z, draw_t = CASES[case]
    rng = np.random.default_rng(5)
    z, t = torch.tensor(draw_z(rng, 40)).to(dtype), torch.tensor(draw_t(rng, 40))
    weight, where = torch.tensor(rng.random(40)), torch.tensor(rng.random(40) > 0.3)
    leaf = z.clone().requires_grad_()
    loss = of_any_rows(loss)
    for reduction in REDUCTIONS:
        keywords = {"weight": weight, "where": where, "reduction": reduction}
        value, gradient = loss.value_and_gradient(
            array_of(z), array_of(t), **{k: v if isinstance(v, str) else array_of(v) for k, v in keywords.items()}
        )
        found = loss(leaf, t, **keywords)
        given = torch.autograd.grad(found, leaf, torch.ones_like(found))[0]
        wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
        assert found.dtype is wide
        assert given.dtype is dtype
        if reduction == "none":
            value = loss.per_sample(array_of(z), array_of(t), where=array_of(where)) * np.where(where, weight, 0.0)
        assert torch.equal(found, torch.tensor(value, dtype=torch.float64).to(wide))
        assert torch.equal(given, tensor_of(gradient))
        assert torch.equal(loss.gradient(z, t, **keywords), given)
        assert torch.equal(loss.value_and_gradient(z, t, **keywords)[1], given)


@every_case
def test_the_other_methods_have_the_bits_of_numpy(case):
    loss, z, t, weight, where = smooth(case)
    arrays = [array_of(x) for x in (z, t)]
    keywords, of_arrays = {"weight": weight, "where": where}, {"weight": array_of(weight), "where": array_of(where)}
    assert torch.equal(loss.hessian(z, t, **keywords), torch.tensor(loss.hessian(*arrays, **of_arrays)))
    everything = loss.value_gradient_and_hessian(z, t, **keywords)
    assert torch.equal(everything[2], torch.tensor(loss.value_gradient_and_hessian(*arrays, **of_arrays)[2]))
    samples = torch.tensor(loss.per_sample(*arrays, where=array_of(where)))
    assert torch.equal(loss.per_sample(z, t, where=where), samples)
    if not loss.rule.has_products:
        return
    vector = torch.cos(torch.arange(z.numel(), dtype=z.dtype)).reshape(z.shape)
    product = loss.hessian_vector_product(*arrays, array_of(vector), **of_arrays)
    assert torch.equal(loss.hessian_vector_product(z, t, vector, **keywords), torch.tensor(product))


def test_tensors_of_any_strides_and_axis_are_read_where_they_lie():
    z, t = torch.randn(3, 5, 4).transpose(0, 2), torch.randint(0, 5, (4, 3))
    value = ce(z, t, axis=1)
    assert value.item() == np.float32(ce(z.numpy(), t.numpy(), axis=1))
    out = torch.empty(2, 3, 5, 4).transpose(1, 3)[1]
    assert ce.gradient(z, t, axis=1, out=out) is out
    assert np.array_equal(out.numpy(), ce.gradient(z.numpy(), t.numpy(), axis=1))
    negated = torch.randn(3, dtype=torch.complex64).conj().imag  # a view that negates as it is read
    assert negated.is_neg()
    assert rashin.huber(negated, torch.zeros(3)).item() == np.float32(
        rashin.huber(negated.clone().numpy(), np.zeros(3))
    )


def test_integers_single_numbers_and_parameters_of_modules_are_predictions():
    assert rashin.squared_error(torch.tensor([1, 2]), torch.tensor([0, 4])) == torch.tensor(2.5, dtype=torch.float64)
    assert rashin.huber(torch.tensor(3.0), torch.tensor(0.0)) == 2.5
    weight = torch.nn.Parameter(torch.tensor([0.5, 5.0]))
    rashin.huber(weight, torch.zeros(2), delta=2.0, reduction="sum").backward()
    assert weight.grad.tolist() == [0.5, 2.0]


# ------------------------------------------------------------------------------------------------ derivatives


@every_derivative
def test_derivatives_of_first_and_second_order(case, reduction):
    loss, z, t, weight, where = smooth(case)
    z.requires_grad_()

    def of(z, weight=weight):
        return loss(z, t, weight=weight, where=where, reduction=reduction)

    assert gradcheck(of, (z,), check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    if loss.kind == "rowwise" and not loss.facts.separable:
        return
    assert gradgradcheck(of, (z,), check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True)


@every_derivative
def test_the_gradient_by_the_weights(case, reduction):
    loss, z, t, weight, where = smooth(case)
    weight.requires_grad_()
    assert gradcheck(lambda w: loss(z, t, weight=w, where=where, reduction=reduction), weight, check_forward_ad=True)


def varies(case):
    return case.endswith("soft") or (CASES[case][0].kind == "pointwise" and CASES[case][0].facts.target_slope)


@pytest.mark.parametrize(("case", "reduction"), [each for each in DERIVED if varies(each[0])])
def test_the_gradient_by_the_target_is_that_of_the_formula(case, reduction):
    loss, z, t, weight, where = smooth(case)
    t = t.clip(0.1, 0.9) if loss.target.low >= 0.0 and loss.target.high <= 1.0 and loss.kind == "pointwise" else t
    t = (t if loss.kind == "pointwise" else 0.9 * t + 0.1 / t.shape[-1]).requires_grad_()

    def of(t):
        return loss(z, t, weight=weight, where=where, reduction=reduction)

    if loss.kind == "pointwise":
        assert gradcheck(of, t, check_forward_ad=True)
        return
    move = torch.softmax(torch.randn(t.shape, dtype=t.dtype), -1) - t.detach()  # within the distributions
    given = torch.autograd.grad(of(t).sum(), t)[0]
    step = 1e-6
    slope = (of(t.detach() + step * move) - of(t.detach() - step * move)).sum() / (2 * step)
    assert torch.isclose((given * move).sum(), slope, rtol=1e-6, atol=0)


OF_SHARES = [
    loss
    for loss in LOSSES
    if loss.kind == "pointwise" and callable(loss.facts.target_slope) and loss.facts.target_degree == 1
]


@pytest.mark.parametrize("loss", [loss for loss in OF_SHARES if loss.target.contains([0.0, 1.0]).all()], ids=str)
def test_a_target_at_the_end_of_its_range_has_the_derivative_too(loss):
    """Autograd through a formula would give 0 or NaN there, as `where(t > 0, ...)` hides a term."""
    loss = changed(loss)
    z = torch.tensor([0.3, 0.3], dtype=torch.float64)
    t = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    given = torch.autograd.grad(loss(z, t, reduction="sum"), t)[0]
    zero, one = loss(z, t.detach(), reduction="none")  # the loss is of degree one in the target
    assert torch.isclose(given, one - zero, rtol=1e-12, atol=0).all()


def test_residual_losses_and_soft_labels_differentiate_at_the_same_time_by_all_that_varies():
    z, t, w = (torch.randn(9, dtype=torch.float64) for _ in range(3))
    w = w.abs() + 0.5
    reference = torch.nn.functional.huber_loss
    ours = [x.clone().requires_grad_() for x in (z, t, w)]
    theirs = [x.clone().requires_grad_() for x in (z, t, w)]
    rashin.huber(*ours[:2], weight=ours[2], delta=0.7).backward()
    losses = reference(*theirs[:2], delta=0.7, reduction="none")
    ((losses * theirs[2]).sum() / theirs[2].sum()).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.isclose(a.grad, b.grad, rtol=1e-13, atol=0).all()


def test_transforms_of_torch_func_agree_with_each_other_and_with_the_hessian():
    z, t = torch.randn(5, 4, dtype=torch.float64), torch.randint(0, 4, (5,))
    loss = ce.replace(label_smoothing=0.1, z_loss=0.2, softcap=3.0)

    def of(z):
        return loss(z, t)

    eye = torch.eye(20, dtype=torch.float64).reshape(20, 5, 4)
    exact = torch.stack([loss.hessian_vector_product(z, t, v) for v in eye])
    func = torch.func
    for found in (
        func.hessian(of)(z),
        func.jacrev(func.jacrev(of))(z),
        func.jacrev(func.jacfwd(of))(z),
        func.jacfwd(func.grad(of))(z),
        torch.autograd.functional.hessian(of, z),
        torch.autograd.functional.hessian(of, z, vectorize=True),
        func.vmap(lambda v: func.jvp(func.grad(of), (z,), (v,))[1])(eye).reshape(5, 4, 5, 4),
    ):
        assert torch.allclose(found.reshape(20, 5, 4), exact, rtol=1e-13, atol=0)
    each = func.vmap(func.grad(lambda z, t: loss(z[None], t[None])))(z, t)  # gradients of single samples
    assert torch.equal(each, loss.gradient(z, t, reduction="none"))
    assert torch.allclose(func.jvp(of, (z,), (z,))[1], (loss.gradient(z, t) * z).sum(), rtol=1e-14, atol=0)
    assert torch.allclose(
        torch.autograd.functional.hvp(of, z, z)[1], loss.hessian_vector_product(z, t, z), rtol=1e-14, atol=0
    )


def test_forward_mode_follows_prediction_target_and_weight():
    z, t, w = (torch.rand(7, dtype=torch.float64) + 0.1 for _ in range(3))
    tangents = [torch.randn(7, dtype=torch.float64) for _ in range(3)]

    def of(z, t, w):
        return rashin.log_cosh(z, t, weight=w)

    found = torch.func.jvp(of, (z, t, w), tuple(tangents))[1]
    slopes = torch.autograd.grad(of(*(x.requires_grad_() for x in (z, t, w))), (z, t, w))
    assert torch.isclose(found, sum((a * b).sum() for a, b in zip(slopes, tangents, strict=True)), rtol=1e-13, atol=0)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype)[6:])
def test_a_tangent_has_the_dtype_of_the_value(dtype):
    z, t = torch.linspace(-1, 2, 20).reshape(5, 4).to(dtype), torch.tensor([0, 1, 2, 3, 0])
    exact = (ce.gradient(z.double(), t) * z.double()).sum()
    for of in (lambda z: ce(z, t), lambda z: ce.per_sample(z, t).mean()):
        value, tangent = torch.func.jvp(of, (z,), (z,))
        assert tangent.dtype is value.dtype
        assert torch.isclose(tangent.double(), exact, rtol=8 * torch.finfo(dtype).eps, atol=0)


def test_a_gradient_by_integers_stays_a_fraction_where_autograd_follows_the_weight():
    z, t = torch.tensor([2, -3, 0]), torch.tensor([0.0, 0.5, 0.25])
    weight = torch.tensor([0.5, 1.0, 2.5], requires_grad=True)
    assert torch.equal(rashin.huber.gradient(z, t, weight=weight), rashin.huber.gradient(z.double(), t, weight=weight))


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_a_traced_function_has_the_derivatives_of_every_mode(mode):
    """Such a mode sees the operators of the dispatcher, which alone would have tangents of 0."""
    from torch.fx.experimental.proxy_tensor import make_fx

    z, t = torch.linspace(-1, 2, 20, dtype=torch.float64).reshape(5, 4), torch.tensor([0, 1, 2, 3, 0])
    func, other = torch.func, z.cos()
    for of in (
        lambda z, t: func.jvp(lambda z: ce(z, t), (z,), (z,))[1],
        lambda z, t: func.jvp(rashin.logsumexp, (z,), (z,))[1],
        lambda z, t: func.hessian(lambda z: ce(z, t))(z),
    ):
        assert torch.allclose(make_fx(of, tracing_mode=mode)(z, t)(other, t), of(other, t), rtol=1e-14, atol=0)


def test_derivatives_under_a_dispatch_mode_and_of_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    z, t = torch.randn(5, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 1, 2, 3, 0])
    weight = torch.rand(5, dtype=torch.float64, requires_grad=True)
    with FlopCounterMode(display=False):
        slope = torch.autograd.grad(ce(z, t, weight=weight), z, create_graph=True)[0]
        product = torch.autograd.grad(slope.square().sum(), z, retain_graph=True)[0]
        tangent = torch.func.jvp(lambda z: ce(z, t), (z.detach(),), (z.detach(),))[1]
        with pytest.raises(NotImplementedError, match="second derivative by target or weight"):
            torch.autograd.grad(slope.sum(), weight)
    keywords = {"weight": weight.detach()}
    exact = ce.gradient(z.detach(), t, **keywords)
    assert torch.equal(slope, exact)
    assert torch.equal(product, ce.hessian_vector_product(z.detach(), t, 2.0 * exact, **keywords))
    assert torch.isclose(tangent, (ce.gradient(z.detach(), t) * z).sum(), rtol=1e-14, atol=0)
    with FakeTensorMode():
        z = torch.randn(5, 4, dtype=torch.float16, requires_grad=True)
        slope = torch.autograd.grad(ce(z, torch.zeros(5).long()), z, create_graph=True)[0]
        slope.sum().backward()
        assert (slope.dtype, z.grad.shape) == (z.dtype, z.shape)
        assert ce.per_sample(z, torch.zeros(5).long()).dtype is torch.float64


def test_a_subclass_that_dispatches_may_be_the_target_alone():
    from torch.testing._internal.two_tensor import TwoTensor

    z, t = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    assert torch.equal(ce(z, TwoTensor(t, t.clone())).a, ce(z, t))


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype)[6:])
def test_the_kept_gradient_is_scaled_once_and_made_again_for_a_second_backward(dtype):
    z, t = torch.randn(8, 5).to(dtype).requires_grad_(), torch.randint(0, 5, (8,))
    value = ce(z, t, label_smoothing=0.1)
    first = torch.autograd.grad(3.0 * value, z, retain_graph=True)[0]
    second = torch.autograd.grad(3.0 * value, z)[0]
    assert torch.equal(first, second)
    exact = ce.gradient(z.detach().double(), t, label_smoothing=0.1) * 3.0
    assert torch.allclose(first.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_logits_may_change_between_loss_and_backward():
    z, t = torch.randn(8, 5, requires_grad=True), torch.randint(0, 5, (8,))
    logits = z * 1.0
    exact = ce.gradient(logits.detach(), t)
    value = ce(logits, t)
    with torch.no_grad():
        logits.zero_()
    value.backward()
    assert torch.equal(z.grad, exact)


def test_scaled_float16_neither_overflows_nor_vanishes():
    """A gradient scaler multiplies by 2^16: the loss must not be infinite, nor a gradient of 1e-8 be 0 before that."""
    z, t = torch.zeros(4096, 2, dtype=torch.float16), torch.zeros(4096, dtype=torch.int64)
    z[:, 0] = 9.0
    z.requires_grad_()
    value = ce(z, t) + 3.0
    (value * 65536.0).backward()
    exact = ce.gradient(z.detach().double(), t) * 65536.0
    assert torch.isfinite(value * 65536.0)
    assert (z.grad != 0).all()
    assert torch.allclose(z.grad.double(), exact, rtol=2**-10, atol=0)


def test_checkpoints_inference_mode_and_no_grad():
    from torch.utils.checkpoint import checkpoint

    z, t = torch.randn(8, 5, requires_grad=True), torch.randint(0, 5, (8,))
    checkpoint(ce, z, t, use_reentrant=False).backward()
    assert torch.equal(z.grad, ce.gradient(z.detach(), t))
    with torch.inference_mode():
        assert not ce(z, t).requires_grad
    with torch.no_grad():
        assert ce(z, t).grad_fn is None
    with torch.device("meta"):
        assert ce(z, t).device.type == "cpu"


def test_first_derivatives_by_labels_and_all_third_derivatives_raise():
    z = torch.randn(4, dtype=torch.float64, requires_grad=True)
    sign = torch.ones(4, dtype=torch.float64, requires_grad=True)
    with pytest.raises(TypeError, match="target: got a tensor that requires a gradient"):
        rashin.hinge(z, sign)
    first = torch.autograd.grad(rashin.log_cosh(z, sign), z, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), z, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="third derivative"):
        second.sum().backward()
    with pytest.raises(NotImplementedError, match="third derivative"):
        rashin.log_cosh.hessian(z, sign).sum().backward()
    with pytest.raises(NotImplementedError, match="second derivative by target or weight"):
        torch.autograd.grad(first.sum(), sign)
    with pytest.raises(NotImplementedError, match="forward mode inside forward mode"):
        torch.func.jacfwd(torch.func.jacfwd(lambda z: rashin.log_cosh(z, torch.zeros(4, dtype=z.dtype))))(z.detach())


@rashin.rowwise(prediction=REAL)
def squared_sum(xp, z, t):
    """The square of a sum: its Hessian is dense, and the formula gives the diagonal."""
    total = xp.sum(z - t, axis=-1)
    return total * total, 2.0 * total[..., None] + 0.0 * z, 2.0 + 0.0 * z


@pytest.mark.parametrize("swept", [{"cpu", "meta"}, {"meta"}], ids=["cpu", "elsewhere"])
def test_a_formula_of_whole_rows_has_no_second_derivative(swept, monkeypatch):
    monkeypatch.setattr("rashin.backends.torch.device.SWEPT", swept)
    z = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([[0.5, 0.25, 0.25, 0.0]] * 3, dtype=torch.float64)
    slope = torch.autograd.grad(squared_sum(z, t), z, create_graph=True)[0]
    assert torch.isclose(slope, (2.0 / 3.0) * (z - t).sum(-1, keepdim=True), rtol=1e-13, atol=0).all()
    with pytest.raises(TypeError, match="has no hessian_vector_product"):
        slope.sum().backward()
    with pytest.raises(TypeError, match="has no hessian_vector_product"):
        squared_sum.hessian_vector_product(z.detach(), t, z.detach())


def test_a_call_uses_as_many_threads_as_torch_may(monkeypatch):
    from rashin.backends import numpy as sweeps
    from rashin.kernels import threads

    seen, evaluate, before = [], sweeps.evaluate_arrays, torch.get_num_threads()
    monkeypatch.setattr(sweeps, "evaluate_arrays", lambda *a: (seen.append(threads.count()), evaluate(*a))[1])
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.delenv("RASHIN_NUM_THREADS", raising=False)
    z = torch.zeros(1 << 18)
    try:
        torch.set_num_threads(3)
        rashin.huber(z, z)
        with rashin.threads(2):
            rashin.huber(z, z)
        monkeypatch.setenv("RASHIN_NUM_THREADS", "5")
        rashin.huber(z, z)
    finally:
        torch.set_num_threads(before)
    assert seen == [3, 2, 5]


def test_a_module_holds_a_loss_and_no_tensors():
    from rashin.adapters.torch import LossModule, measure

    module = LossModule("huber", reduction="none")
    again = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    assert module.state_dict() == {}
    assert (repr(again), again.loss) == ("LossModule(huber(delta=1.0), reduction='none')", rashin.huber)
    z, t, w = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4, 3)
    assert torch.equal(again(z, t, w, w > 0.5), rashin.huber(z, t, weight=w, where=w > 0.5, reduction="none"))
    rows = LossModule(ce, axis=1)
    assert torch.equal(rows(z, torch.tensor([0, 1, 2, 0])), ce(z, torch.tensor([0, 1, 2, 0]), axis=1))
    found = measure(rashin.huber, z.requires_grad_(), t, weight=w, where=w > 0.5)
    exact = rashin.measure(rashin.huber, z.detach().numpy(), t.numpy(), weight=w.numpy(), where=(w > 0.5).numpy())
    assert (found.mean, found.count) == (exact.mean, exact.count)


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z, t: ce(z, t.numpy()), "target: got ndarray; expected a torch tensor"),
        (lambda z, t: ce(z, t.tolist()), "target: got list; expected a torch tensor"),
        (lambda z, t: ce(z.numpy(), t), "target: got a torch tensor beside"),
        (lambda z, t: ce(z, t.to("meta")), "target: got a tensor on meta; expected cpu"),
        (lambda z, t: ce(z.to_sparse(), t), "prediction: got a tensor of layout torch.sparse_coo"),
        (lambda z, t: ce(z.to(torch.complex64), t), "prediction: got dtype torch.complex64"),
        (lambda z, t: ce(z.to(torch.float8_e4m3fn), t), "prediction: got dtype torch.float8_e4m3fn"),
        (lambda z, t: ce(z, t + 4), r"target: got \d+ at index \d; expected a class label from 0 to 3"),
        (lambda z, t: ce(z * torch.nan, t), r"prediction: got nan at index \(0, 0\)"),
        (lambda z, t: ce(z, t, weight=-torch.ones(5)), "weight: got -1.0 at index 0"),
        (lambda z, t: ce(z, t[:, None]), r"target: got shape \(5, 1\)"),
        (lambda z, t: ce(z[:0], t[:0]), "prediction: got 0 samples"),
        (lambda z, t: ce(z, t, reduction="avg"), "reduction: got 'avg'"),
        (lambda z, t: ce.gradient(z.requires_grad_(), t, out=torch.empty(5, 4)), "out: got a tensor where autograd"),
        (lambda z, t: ce.gradient(z, t, out=torch.empty(5, 4).double()), r"out: got shape \(5, 4\), torch.float64"),
        (lambda z, t: ce.gradient(z, t, out=z.clone().requires_grad_()), "out: got a tensor that requires a gradient"),
        (lambda z, t: ce.gradient(z, t, out=torch.empty(5, 1).expand(5, 4)), "out: got a view without memory for each"),
        (lambda z, t: torch.jit.trace(lambda z, t: ce(z, t), (z, t)), "torch.jit.trace"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0]))


def test_a_backward_notices_that_an_output_was_written_to():
    factor = torch.ones(3, requires_grad=True)
    buffer = factor * 2.0
    loss = buffer.square().sum()
    rashin.huber.gradient(torch.ones(3), torch.zeros(3), out=buffer.detach())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    rashin.huber.hessian_vector_product(torch.ones(3), torch.zeros(3), torch.ones(3), out=buffer.detach())
    assert buffer._version == 2


# --------------------------------------------------------------------------------- compile, export, the meta device


@pytest.fixture
def fresh_graphs():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("case", ["huber", "softmax_cross_entropy", "softmax_cross_entropy, soft", "poly_one"])
def test_a_compiled_loss_has_the_bits_of_the_loss(case, fresh_graphs):
    loss, z, t, weight, where = smooth(case)
    name, parameters = loss.name, {k: v for k, v in loss.parameters.items() if k != "normalized"}

    def step(z, t, weight, where):
        return getattr(rashin, name)(z, t, weight=weight, where=where, **parameters) * 2.0

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    both = []
    for run in (step, compiled):
        leaf = z.clone().requires_grad_()
        value = run(leaf, t, weight, where)
        value.backward()
        both.append((value.detach(), leaf.grad))
    assert torch.equal(both[0][0], both[1][0])
    assert torch.equal(both[0][1], both[1][1])


def test_a_compiled_loss_takes_varying_shapes_and_targets_that_vary(fresh_graphs):
    def distilled(z, teacher, w):
        squares = rashin.huber.gradient(z, teacher.detach()).square().sum()
        return ce(z, teacher.softmax(-1), weight=w, reduction="sum") + squares

    compiled = torch.compile(distilled, fullgraph=True, dynamic=True, backend="aot_eager")
    for rows in (3, 5):
        z = torch.linspace(-1, 2, rows * 4, dtype=torch.float64).reshape(rows, 4).cos()
        leaves = [leaf.detach().requires_grad_() for leaf in (z, z.sin(), torch.ones(rows, dtype=torch.float64))]
        exact = torch.autograd.grad(distilled(*leaves), leaves)
        for a, b in zip(torch.autograd.grad(compiled(*leaves), leaves), exact, strict=True):
            assert torch.allclose(a, b, rtol=1e-14, atol=0)


def test_a_graph_is_not_reused_for_another_loss_or_another_number(fresh_graphs):
    z, t = torch.linspace(-1, 2, 20, dtype=torch.float64).reshape(5, 4), torch.tensor([0, 1, 2, 3, 0])
    compiled = torch.compile(lambda loss, **numbers: loss(z, t, **numbers), fullgraph=True, backend="eager")
    for loss in (ce, rashin.focal, ce.replace(softcap=2.0)):
        assert torch.equal(compiled(loss), loss(z, t))
    for smoothing in (0.1, 0.2, 0.3):  # of the third number on, torch would make a symbol
        assert torch.equal(compiled(ce, label_smoothing=smoothing), ce(z, t, label_smoothing=smoothing))
    assert torch.equal(compiled(ce, softcap=3), ce(z, t, softcap=3.0))


@pytest.mark.parametrize(
    "method",
    [
        lambda z, t, v: ce.per_sample(z, t).square().sum(),
        lambda z, t, v: ce.hessian_vector_product(z.detach(), t, z).square().sum(),
        lambda z, t, v: rashin.linear_softmax_cross_entropy(z, v, t, reduction="none").cos().sum(),
        lambda z, t, v: z.sum() * sum(rashin.linear_softmax_statistics(z.detach(), v, t)[:3]).sum(),
    ],
    ids=["per_sample", "hessian_vector_product", "linear", "linear_statistics"],
)
def test_other_methods_are_compiled_too(method, fresh_graphs):
    z, v = (torch.linspace(a, b, 20, dtype=torch.float64).reshape(5, 4) for a, b in ((-1, 2), (3, -1)))
    t, leaves = torch.tensor([0, 1, 2, 3, 0]), [z.clone().requires_grad_() for _ in range(2)]
    values = [
        f(leaf, t, v)
        for f, leaf in zip((method, torch.compile(method, fullgraph=True, backend="aot_eager")), leaves, strict=True)
    ]
    for value in values:
        value.backward()
    assert torch.allclose(*values, rtol=1e-14, atol=0)
    assert near(leaves[0].grad, leaves[1].grad, 1e-15)


def test_a_compiled_region_has_no_silent_zeros(fresh_graphs):
    """torch has neither forward mode nor third derivatives for an operator, and would take 0 for them."""
    z, t = torch.linspace(-1, 2, 20).reshape(5, 4), torch.tensor([0, 1, 2, 3, 0])
    for of in (lambda z: ce(z, t), lambda z: rashin.logsumexp(z).sum()):
        moved = torch.compile(lambda z, of=of: torch.func.jvp(of, (z,), (z,))[1], fullgraph=True, backend="aot_eager")
        with pytest.raises(torch._dynamo.exc.Unsupported, match="skipped"):
            moved(z)
    weight = torch.ones(5, requires_grad=True)
    second = torch.compile(lambda w: ce.gradient(z, t, weight=w).square().sum(), fullgraph=True, backend="aot_eager")
    with pytest.raises(Exception, match="second derivative by target or weight"):
        second(weight).backward()


def test_operators_pass_torchs_own_checks():
    from rashin.backends.torch.call import Call

    z, t = torch.randn(5, 4, requires_grad=True), torch.randint(0, 4, (5,))
    loss = Call(ce.program, "mean", -1).described()
    for operator in (torch.ops.rashin.value_and_gradient, torch.ops.rashin.gradient):
        torch.library.opcheck(operator.default, (z, t, torch.rand(5), None, *loss))
    vector = torch.randn(5, 4, requires_grad=True)
    torch.library.opcheck(torch.ops.rashin.hessian_vector_product.default, (z.detach(), t, None, None, vector, *loss))


def test_an_exported_program_runs_when_it_is_loaded(tmp_path):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.loss = torch.nn.Linear(4, 3), rashin.focal.replace(gamma=1.5)

        def forward(self, x, t):
            return self.loss(self.linear(x), t, reduction="sum")

    model, x, t = Model(), torch.randn(8, 4), torch.randint(0, 3, (8,))
    torch.export.save(torch.export.export(model, (x, t)), tmp_path / "model.pt2")
    assert torch.equal(torch.export.load(tmp_path / "model.pt2").module()(x, t), model(x, t))


def test_meta_tensors_have_the_shapes_and_types():
    z, t = (
        torch.empty(6, 4, device="meta", dtype=torch.float16, requires_grad=True),
        torch.empty(6, device="meta").long(),
    )
    value = ce(z, t, reduction="none")
    assert (value.shape, value.dtype, value.device.type) == ((6,), torch.float32, "meta")
    value.sum().backward()
    assert (z.grad.shape, z.grad.dtype) == (z.shape, z.dtype)


@rashin.pointwise()
def cubed_residual(xp, z, t):
    """|r|^3, at the top of a module as compiled graphs need."""
    r = xp.abs(z - t)
    return r * r * r, 3.0 * xp.sign(z - t) * r * r, 6.0 * r


def test_a_loss_whose_formula_may_change_is_not_compiled():
    factor = [2.0]

    def loose(xp, z, t):
        """Depends on a list."""
        return factor[0] * (z - t), factor[0], 0.0

    loose.__qualname__ = "loose"  # as if it stood at the top of the module
    from rashin.backends.torch.call import Call

    with pytest.raises(TypeError, match="loss: got loose, whose formula uses what may change"):
        Call(rashin.pointwise()(loose).program, "mean", -1).described()


def made_inside():
    @rashin.pointwise()
    def half_square(xp, z, t):
        """Not at the top of a module."""
        return 0.5 * (z - t) * (z - t), z - t, 1.0

    return half_square


def test_a_loss_of_ones_own_is_compiled_by_its_name(fresh_graphs):
    z = torch.tensor([0.5, -2.0], requires_grad=True)
    torch.compile(lambda z: cubed_residual(z, torch.zeros(2)), fullgraph=True, backend="eager")(z).backward()
    assert z.grad.tolist() == [0.375, -6.0]
    local = made_inside()
    with pytest.raises(Exception, match="defined inside a function"):
        torch.compile(lambda z: local(z, torch.zeros(2)), fullgraph=True, backend="eager")(z)


def test_a_loss_that_has_changed_since_it_was_compiled_is_noticed():
    from rashin.backends.torch.call import Call

    name, *rest = Call(cubed_residual.program, "mean", -1).described()
    address, _, digest = name.partition("@")
    with pytest.raises(ValueError, match="has changed since it was compiled"):
        torch.ops.rashin.gradient.default(*torch.ones(2, 3), None, None, f"{address}@{digest[::-1]}", *rest)


# ------------------------------------------------------------------------------------------------ other devices


@pytest.fixture
def elsewhere(monkeypatch):
    """The CPU taken for a device that the sweeps do not reach."""
    monkeypatch.setattr("rashin.backends.torch.device.SWEPT", {"meta"})


OF_DEVICES = [(case, torch.float32) for case in CASES] + [(case, dtype) for case in KINDS for dtype in TYPES[::2]]


@pytest.mark.parametrize(("case", "dtype"), [*OF_DEVICES, *((case, torch.float16) for case in KINDS)])
def test_another_device_has_the_numbers_of_numpy_rounded_once(case, dtype, elsewhere):
    loss, draw_z, draw_t = CASES[case]
    loss, rng = of_any_rows(loss), np.random.default_rng(6)
    z, t = torch.tensor(draw_z(rng, 20)).to(dtype).requires_grad_(), torch.tensor(draw_t(rng, 20))
    weight, where = torch.tensor(rng.random(20)), torch.tensor(rng.random(20) > 0.3)
    of_arrays = {"weight": array_of(weight), "where": array_of(where), "reduction": "none"}
    exact = loss.value_gradient_and_hessian(array_of(z.double()), array_of(t), **of_arrays)
    keywords = {"weight": weight, "where": where, "reduction": "none"}
    value = loss(z, t, **keywords)
    value.backward(torch.ones_like(value))
    samples = loss.per_sample(z, t, where=where)  # attached, and doubles all the same
    assert samples.dtype is torch.float64
    doubles = loss.per_sample(array_of(z.double()), array_of(t), where=array_of(where))
    assert torch.allclose(samples, torch.tensor(doubles), rtol=2.0**-40, atol=0)
    for found, part in zip((value.detach(), z.grad, loss.hessian(z.detach(), t, **keywords)), exact, strict=True):
        rounded = torch.tensor(part).to(found.dtype)
        rtol = 2.0**-40 if dtype is torch.float64 else torch.finfo(found.dtype).eps
        assert torch.allclose(found, rounded, rtol=rtol, atol=0)


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_another_device_has_the_derivatives_too(case, reduction, elsewhere):
    loss, z, t, weight, where = smooth(case)
    varying = (z.requires_grad_(), weight.requires_grad_())

    def of(z, weight):
        return loss(z, t, weight=weight, where=where, reduction=reduction)

    assert gradcheck(of, varying, check_forward_ad=True)
    assert gradgradcheck(lambda z: of(z, weight.detach()), (z,), check_fwd_over_rev=True)
    slope = torch.autograd.grad(loss(z, t.requires_grad_()), t)[0]
    exact = gradient_by_target(loss.program, array_of(z), array_of(t), None, None, "mean", -1)
    assert torch.allclose(slope, torch.tensor(exact), rtol=1e-12, atol=0)
    with pytest.raises(TypeError, match="out: got a tensor where autograd follows"):
        loss.gradient(z.detach(), t.detach(), out=torch.empty_like(z))


def test_a_device_without_doubles_is_refused(monkeypatch):
    monkeypatch.setattr("rashin.backends.torch.device.SWEPT", set())
    monkeypatch.setattr("rashin.backends.torch.device.WITHOUT_DOUBLES", {"cpu"})
    with pytest.raises(TypeError, match="which has no float64"):
        rashin.huber(torch.zeros(2), torch.zeros(2))
