"""Links, statistics and the linear form on torch tensors."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.autograd import gradcheck, gradgradcheck

import rashin
from rashin.backends.torch.memory import array_of, tensor_of
from test_torch import near

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

LINKS = {
    "softmax": (lambda z, axis: rashin.softmax(z, axis=axis), torch.softmax),
    "log_softmax": (lambda z, axis: rashin.log_softmax(z, axis=axis), torch.log_softmax),
    "logsumexp": (lambda z, axis: rashin.logsumexp(z, axis=axis), torch.logsumexp),
    "sigmoid": (lambda z, axis: rashin.sigmoid(z), lambda z, axis: torch.sigmoid(z)),
}
every_link = pytest.mark.parametrize(("ours", "theirs"), LINKS.values(), ids=LINKS)
linear = rashin.linear_softmax_cross_entropy


@every_link
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_links_have_the_bits_of_numpy(ours, theirs, dtype):
    z = torch.linspace(-20, 30, 24).reshape(2, 4, 3).cos().mul(30).to(dtype)
    found = ours(z, axis=1)
    assert found.dtype is dtype
    assert torch.equal(found, tensor_of(np.asarray(ours(array_of(z), axis=1))))


@every_link
def test_links_on_another_device_are_their_formulas(ours, theirs, monkeypatch):
    z = torch.tensor([[20.0, 0.0, -40.0], [-3.0, 1e4, 1e4 - 30.0]])
    exact = ours(z, axis=1)
    monkeypatch.setattr("rashin.backends.torch.device.SWEPT", {"meta"})
    assert torch.allclose(ours(z, axis=1), exact, rtol=2.0**-23, atol=0)
    with pytest.raises(ValueError, match="logits: got nan at index"):
        ours(z * torch.nan, axis=1)


@every_link
def test_links_have_derivatives_of_every_order_and_under_every_transform(ours, theirs):
    z = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda z: ours(z, axis=1), z, check_forward_ad=True, check_batched_grad=False)
    assert gradgradcheck(lambda z: ours(z, axis=-2), z, check_fwd_over_rev=True)
    third = [torch.func.jacrev(torch.func.hessian(lambda z, f=f: f(z, 0).square().sum())) for f in (ours, theirs)]
    z = z.detach()[0, :, 0]
    assert near(third[0](z), third[1](z), 1e-14)
    batch = torch.randn(4, 5, 3, dtype=torch.float64)
    each = torch.stack([ours(one, -1) for one in batch.unbind(1)])
    assert torch.equal(torch.func.vmap(lambda z: ours(z, -1), in_dims=1)(batch), each)
    compiled = torch.compile(lambda z: ours(z, 0).square().sum(), fullgraph=True, backend="aot_eager")
    leaves = [z.clone().requires_grad_() for _ in range(2)]
    compiled(leaves[0]).backward()
    ours(leaves[1], 0).square().sum().backward()
    assert torch.allclose(leaves[0].grad, leaves[1].grad, rtol=1e-14, atol=0)


def test_slopes_of_single_precision_are_rounded_once():
    z = torch.tensor([[12.0, -3.0, 9.5]], requires_grad=True)
    weights = torch.tensor([[1.0, 2.0, -1.5]])
    (rashin.softmax(z) * weights).sum().backward()
    double = z.detach().double().requires_grad_()
    (torch.softmax(double, -1) * weights).sum().backward()
    assert torch.allclose(z.grad.double(), double.grad, rtol=2**-24, atol=0)


def test_statistics_have_the_numbers_of_numpy_and_the_derivatives_of_their_definitions():
    z, t = torch.randn(5, 4, 3, dtype=torch.float64), torch.randint(0, 4, (5, 3))
    where = torch.rand(5, 3) > 0.3
    z[where.logical_not().nonzero()[0][0], :, where.logical_not().nonzero()[0][1]] = torch.nan
    found = rashin.softmax_statistics(z, t, axis=1, where=where)
    exact = rashin.softmax_statistics(z.numpy(), t.numpy(), axis=1, where=where.numpy())
    for a, b in zip(found, exact, strict=True):
        assert np.array_equal(a.numpy(), b)
    z = z.nan_to_num().requires_grad_()
    factors = torch.rand(3, 5, 3, dtype=torch.float64)

    def ours(z):
        return sum(
            (a * b).sum()
            for a, b in zip(factors, rashin.softmax_statistics(z, t, axis=1, where=where)[:3], strict=True)
        )

    def theirs(z):
        u = torch.log_softmax(z, 1)
        each = (u.gather(1, t[:, None])[:, 0], torch.logsumexp(z, 1), -(u.exp() * u).sum(1))
        return sum((a * torch.where(where, b, 0.0)).sum() for a, b in zip(factors, each, strict=True))

    slopes = [torch.autograd.grad(f(z), z)[0] for f in (ours, theirs)]
    assert near(*slopes, 1e-14)
    assert gradgradcheck(ours, z)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft"])
def test_the_linear_form_is_the_loss_of_its_logits(reduction, soft):
    x, c, b = (torch.randn(size, dtype=torch.float64, requires_grad=True) for size in ((6, 3), (4, 3), (4,)))
    t = torch.randn(6, 4, dtype=torch.float64).softmax(-1) if soft else torch.randint(0, 4, (6,))
    keywords = {"weight": torch.rand(6, dtype=torch.float64), "where": torch.arange(6) != 2, "reduction": reduction}
    options = {"label_smoothing": 0.1, "z_loss": 0.2, "softcap": 3.0}
    factor = torch.randn(6, dtype=torch.float64) if reduction == "none" else torch.tensor(-1.7, dtype=torch.float64)
    ours = torch.autograd.grad((linear(x, c, t, b, **keywords, **options) * factor).sum(), (x, c, b))
    dense = rashin.softmax_cross_entropy(x @ c.T + b, t, **keywords, **options)
    theirs = torch.autograd.grad((dense * factor).sum(), (x, c, b))
    for a, exact in zip(ours, theirs, strict=True):
        assert near(a, exact, 1e-14)
    parts = linear.gradient(x.detach(), c.detach(), t, b.detach(), **keywords)
    arrays = {k: v if isinstance(v, str) else v.numpy() for k, v in keywords.items()}
    for a, exact in zip(parts, linear.gradient(*(v.detach().numpy() for v in (x, c, t, b)), **arrays), strict=True):
        assert np.array_equal(a.numpy(), exact)


def test_the_linear_form_is_transformed():
    x, c = (torch.randn(size, dtype=torch.float64) for size in ((6, 3), (4, 3)))
    t, func = torch.randint(0, 4, (6,)), torch.func
    each, dense = lambda x: linear(x, c, t, reduction="none"), lambda x: rashin.softmax_cross_entropy(x @ c.T, t)
    exact = func.jacrev(lambda x: rashin.softmax_cross_entropy(x @ c.T, t, reduction="none"))(x)
    leaf = x.clone().requires_grad_()
    older = torch.autograd.grad(each(leaf), leaf, torch.eye(6, dtype=torch.float64), is_grads_batched=True)[0]
    for jacobian in (func.jacrev(each)(x), older):
        assert near(jacobian, exact, 1e-14)
    moved = func.jvp(lambda x, c: linear(x, c, t), (x, c), (x, c))[1]
    exact = func.jvp(lambda x, c: rashin.softmax_cross_entropy(x @ c.T, t), (x, c), (x, c))[1]
    assert near(moved, exact, 1e-13)
    batch = torch.stack([x, x.cos()])
    assert near(func.vmap(lambda x: linear(x, c, t))(batch), torch.stack([*map(dense, batch)]), 1e-14)
    with pytest.raises(NotImplementedError, match="reduction: got 'none' for a derivative"):
        func.jvp(each, (x,), (x,))
    for further in (
        lambda: linear.gradient(leaf, c, t)[0].sum().backward(),
        lambda: func.jacfwd(func.grad(lambda x: linear(x, c, t)))(x),
    ):
        with pytest.raises(NotImplementedError, match="call for its second derivative"):
            further()


def test_statistics_are_transformed():
    z, t, func = torch.randn(2, 5, 4, dtype=torch.float64), torch.randint(0, 4, (5,)), torch.func

    def of(z):
        return torch.stack(rashin.softmax_statistics(z, t)[:3])

    def definition(z):
        u = torch.log_softmax(z, -1)
        return torch.stack([u.gather(-1, t[:, None])[:, 0], torch.logsumexp(z, -1), -(u.exp() * u).sum(-1)])

    assert torch.allclose(func.vmap(of)(z), torch.stack([*map(of, z)]), rtol=0, atol=0)
    exact = func.jvp(definition, (z[0],), (z[1],))[1]
    assert near(func.jvp(of, (z[0],), (z[1],))[1], exact, 1e-14)


def test_the_linear_form_is_compiled_and_refuses_what_it_has_no_derivative_for():
    torch._dynamo.reset()
    x, c = torch.randn(6, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    t, w = torch.randint(0, 4, (6,)), torch.rand(6)
    value = linear(x, c, t, weight=w)
    exact = torch.autograd.grad(value * 2.0, (x, c), retain_graph=True)
    again = torch.autograd.grad(value * 2.0, (x, c))
    compiled = torch.compile(lambda x, c, w: linear(x, c, t, weight=w) * 2.0, fullgraph=True, backend="aot_eager")
    for found in (again, torch.autograd.grad(compiled(x, c, w), (x, c))):
        assert all(map(torch.equal, found, exact))
    with pytest.raises(TypeError, match="weight: got a tensor that requires a gradient"):
        linear(x, c, t, weight=w.requires_grad_())
    with pytest.raises(NotImplementedError, match="call for its second derivative"):
        torch.autograd.grad(linear(x, c, t), x, create_graph=True)[0].sum().backward()
    with torch.no_grad():
        found = rashin.linear_softmax_statistics(x, c, t)
    exact = rashin.linear_softmax_statistics(x.detach().numpy(), c.detach().numpy(), t.numpy())
    assert all(np.array_equal(a.numpy(), b) for a, b in zip(found, exact, strict=True))
    with pytest.raises(TypeError, match="inputs: got tensors that autograd follows"):
        rashin.linear_softmax_statistics(x, c, t)
