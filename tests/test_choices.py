"""Losses of choices against their definition in mpmath: Cox, listwise softmax, Plackett-Luce, and others like them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from rashin.backends.numpy.groups import choices
from rashin.kernels import threads
from rashin.kernels.formula import Takes, compiled
from ulp import ulp_error

KINDS = ("cox", "list", "rank")


def straight(xp, u, t):
    return -t * u, -t, 0.0


def bent(xp, u, t, factor):
    """Curved in u, and with a parameter."""
    e = factor * t * xp.exp(u)
    return e - t * u, e - t, e


class Program:
    """A formula as the bodies get it."""

    def __init__(self, kind, efron=False, formula=straight, parameters=()):
        self.rule = SimpleNamespace(
            kind="choices" if kind == "list" else "ordered_choices", options=(("efron", efron),)
        )
        self.numbers, self.formula, self.parameters = np.array(parameters), formula, parameters

    def loop(self, order, element):
        self.kept = compiled(self.formula, self.parameters, order, element, Takes.TARGET)
        return self.kept


def of_one_set(program, z, t, w=None, order=2):
    return choices.evaluate(program, np.array(z, float), np.array(t, float), w, np.array([0, len(z)]), order)


# ------------------------------------------------------------------------------------------- the definition


def bent_exactly(u, t, factor):
    e = mpf(factor) * t * mp.exp(u)
    return e - t * u, e - t, e


def straight_exactly(u, t):
    return -t * u, -t, mpf(0)


FORMULAS = {straight: straight_exactly, bent: bent_exactly}


def definition(program, kind, z, t, w):
    """Value, mass, gradient, Hessian diagonal, and the sizes of the summands of the gradient."""
    n, z, w = len(z), [mpf(float(x)) for x in z], [mpf(float(x)) for x in w]
    times = t[:, 0].tolist() if kind == "cox" else (-t).tolist() if kind == "rank" else [0.0] * n
    shares = t[:, 1].tolist() if kind == "cox" else [1.0] * n if kind == "rank" else t.tolist()
    e = [u * mp.exp(x) for x, u in zip(z, w, strict=True)]
    chosen = [i for i in range(n) if shares[i] > 0]
    formula, efron = FORMULAS[program.formula], dict(program.rule.options)["efron"]
    value, gradient, hessian, sizes = mpf(0), [mpf(0)] * n, [mpf(0)] * n, [mpf(0)] * n
    for time in set(times):
        now = [i for i in chosen if times[i] == time]
        risk = [j for j in range(n) if times[j] >= time]
        parts = len(now) if efron else 1
        terms = [{j: e[j] * (1 - mpf(k) / parts if j in now else 1) for j in risk} for k in range(parts)]
        sums = [mp.fsum(part.values()) for part in terms] if now else []
        p = {j: [part[j] / total for part, total in zip(terms, sums, strict=True)] for j in risk} if now else {}
        rest = {
            j: [mp.fsum(y for i, y in part.items() if i != j) / total for part, total in zip(terms, sums, strict=True)]
            for j in p
        }
        for i in now:
            log_risk = mp.fsum(mp.log(total) for total in sums) / parts
            v, s, c = formula(z[i] - log_risk, mpf(shares[i]), *program.parameters)
            value += w[i] * v
            for j in risk:
                slope = mp.fsum(rest[j]) / parts if i == j else -mp.fsum(p[j]) / parts
                gradient[j] += w[i] * s * slope
                sizes[j] += abs(w[i] * s * slope)
                spread = mp.fsum(x * y for x, y in zip(p[j], rest[j], strict=True)) / parts
                hessian[j] += w[i] * (c * slope**2 - s * spread)
    mass = mp.fsum(u * mpf(y) for u, y in zip(w, shares, strict=True))
    return value, mass if kind == "cox" else mpf(mass > 0), gradient, hessian, sizes


def samples(kind, n, rng, scale=1.0, ties=6):
    z, w = rng.normal(0.0, scale, n), rng.uniform(0.5, 2.0, n)
    times = rng.integers(ties, size=n).astype(float)
    if kind == "cox":
        return z, np.stack([times, (rng.random(n) < 0.6).astype(float)], axis=1), w
    return z, times if kind == "rank" else rng.random(n) * (rng.random(n) < 0.5), w


def check(program, kind, z, t, w, body=None):
    body = of_one_set(program, z, t, w) if body is None else body
    with mp.workdps(40):
        value, mass, gradient, hessian, sizes = definition(program, kind, z, t, np.ones(len(z)) if w is None else w)
        assert ulp_error(body.values[0], float(value), np.float64) <= 4
        assert ulp_error(body.masses[0], float(mass), np.float64) <= 1
        for found, exact, size in zip(body.gradient, gradient, sizes, strict=True):
            assert abs(mpf(found) - exact) <= 4 * 2.0**-52 * size + mpf(1e-300), (found, float(exact))
        for found, exact in zip(body.hessian, hessian, strict=True):
            assert abs(mpf(found) - exact) <= 12 * 2.0**-52 * abs(exact) + mpf(1e-290), (found, float(exact))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("efron", [False, True])
@pytest.mark.parametrize(("formula", "parameters"), [(straight, ()), (bent, (0.3,))])
def test_value_and_derivatives_are_those_of_the_definition(kind, efron, formula, parameters):
    rng = np.random.default_rng(len(kind) + efron)
    program = Program(kind, efron, formula, parameters)
    for scale, ties in ((1.0, 6), (8.0, 1000), (100.0, 3)):
        z, t, w = samples(kind, 14, rng, scale, ties)
        check(program, kind, z, t, w)
        check(program, kind, z, t, None)


@pytest.mark.parametrize("kind", KINDS)
def test_no_digit_is_lost_where_one_member_dominates(kind):
    """Its loss is far below the spacing of its logit, and so are its slope and its curvature."""
    z = np.array([0.5, 90.0, -3.0, 45.0, 1.0])
    t = {"cox": np.array([[3, 0], [2, 1], [4, 0], [2.5, 1], [1, 0.0]]), "rank": np.array([1, 4, 0, 3, 2.0])}
    for efron in (False, True):
        check(Program(kind, efron), kind, z, t.get(kind, np.array([0, 1.0, 0, 0, 0])), None)


def test_huge_logits_need_no_common_scale():
    """A common peak would take all but the last to 0."""
    z = np.array([0.25, 0.0, 1e4, 1e4 - 1.0, -1e4, 3e4])
    t = np.stack([np.arange(6.0)[::-1], [1, 1, 1, 1, 0, 1]], axis=1)
    body = of_one_set(Program("cox"), z, t)
    with mp.workdps(40):
        exact = mp.log(1 + mp.exp(mpf(0.25))) + mp.log(1 + mp.e)
    assert ulp_error(body.values[0], float(exact), np.float64) <= 1


def test_sets_of_any_sizes_are_evaluated_as_each_alone():
    rng = np.random.default_rng(3)
    sizes = [0, 1, 2, 1000, 0, 25, 24, 3, 1, 0]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for kind in KINDS:
        z, t, w = samples(kind, int(starts[-1]), rng)
        program = Program(kind, True)
        together = choices.evaluate(program, z, t, w, starts, 2)
        for g, (first, last) in enumerate(itertools.pairwise(starts)):
            alone = of_one_set(program, z[first:last], t[first:last], w[first:last])
            assert together.values[g] == alone.values[0]
            assert together.masses[g] == alone.masses[0]
            np.testing.assert_array_equal(together.gradient[first:last], alone.gradient)
            np.testing.assert_array_equal(together.hessian[first:last], alone.hessian)
        assert together.values[0] == together.masses[0] == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_large_sets_go_by_spans(kind, monkeypatch):
    """The steps of a large set, here a small one, give what the definition says; so do those of a set in segments."""
    monkeypatch.setattr(choices, "LARGE", 8)
    monkeypatch.setattr(choices, "SPAN", 5)
    rng = np.random.default_rng(4)
    for scale in (1.0, 100.0):
        check(Program(kind, True, bent, (0.3,)), kind, *samples(kind, 17, rng, scale))


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(5)
    z, t, w = samples("cox", 150_000, rng, ties=70_000)
    starts = np.concatenate([[0], 80_000 + np.arange(0, 70_001, 50)])
    found = []
    for number in (1, 2):
        with threads.only(number):
            found.append(choices.evaluate(Program("cox", True), z, t, w, starts, 2))
    for one, two in zip(*found, strict=True):
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("n", [20, 3000])
def test_times_of_any_size_keep_their_order(n):
    """Neighbouring doubles, both zeros and infinities: more digits than an integer holds beside a place."""
    rng = np.random.default_rng(n)
    z = rng.normal(size=n)
    near = 1.0 + 2.0**-52 * rng.integers(n // 2, size=n)
    times = rng.choice([*near, *-near, 0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300, np.inf, -np.inf], n)
    ranks = np.unique(times, return_inverse=True)[1].astype(float)
    events = (rng.random(n) < 0.7).astype(float)
    for efron in (False, True):
        first, second = (of_one_set(Program("cox", efron), z, np.stack([x, events], 1)) for x in (times, ranks))
        for one, two in zip(first, second, strict=True):
            assert one.tobytes() == two.tobytes()


# --------------------------------------------------------------------------------------------------- limits


def test_a_set_in_which_nothing_is_chosen_costs_nothing():
    for kind, t in (("cox", [[1, 0], [2, 0]]), ("list", [0, 0])):
        body = of_one_set(Program(kind), [1.0, -2.0], t)
        assert [float(x) for part in body for x in part] == [0.0] * 6
    assert rashin.cox([1.0, 2.0], ([3, 2], [0, 0])) == 0.0
    assert rashin.cox.gradient(np.float32([1, 2]), ([3, 2], [0, 0])).tolist() == [0.0, 0.0]


def test_infinite_predictions_have_the_limit():
    t = np.array([[3, 1], [2, 1], [1, 1.0]])
    ruled_out = of_one_set(Program("cox"), [-np.inf, 2.0, 0.0], t * [1, 1] - [[0, 1], [0, 0], [0, 0]])
    alone = of_one_set(Program("cox"), [2.0, 0.0], t[1:])
    assert ruled_out.values == alone.values
    assert ruled_out.gradient.tolist() == [0.0, *alone.gradient]
    first = of_one_set(Program("cox"), [np.inf, 2.0, 0.0], t * [1, 1] - [[0, 0], [0, 1], [0, 1]])
    assert first.values == 0.0
    assert first.gradient.tolist() == [0.0, 0.0, 0.0]
    later = of_one_set(Program("cox"), [np.inf, 2.0, 0.0], t)
    assert later.values == np.inf
    assert later.gradient.tolist() == [2.0, -1.0, -1.0]
    impossible = of_one_set(Program("cox"), [0.0, -np.inf], t[:2])
    assert impossible.values == np.inf
    assert impossible.gradient.tolist() == [1.0, -1.0]


@pytest.mark.parametrize("z", [[np.inf, np.inf, 0.0], [-np.inf, -np.inf, 0.0]])
def test_predictions_without_a_limit_are_refused(z):
    with pytest.raises(ValueError, match=r"prediction: got (more than one inf|-inf for all) at risk .* in set 1 of 2"):
        rashin.plackett_luce([1.0, *z], [0, 0, 1, 2] if z[0] > 0 else [0, 1, 1, 2], group=[0, 1, 1, 1])


# ------------------------------------------------------------------------------------------------ the losses


def test_what_comes_after_all_events_does_not_count():
    """The widely used form adds 1e-7 inside the logarithm, relative to the largest of all, at risk or not."""
    z, times, events = np.float32([0, 0, 20]), np.float32([3, 2, 1]), np.float32([1, 1, 0])
    value, gradient = rashin.cox.value_and_gradient(z, (times, events))
    assert value == np.log(2.0) / 2
    assert gradient.tolist() == [0.25, -0.25, 0.0]
    torch = pytest.importorskip("torch", reason="torch is not installed")
    log_h, d = torch.tensor(z, requires_grad=True), torch.tensor(events)
    top = log_h.max()
    peer = -(log_h - ((log_h - top).exp().cumsum(0) + 1e-7).log() - top).mul(d).sum() / d.sum()
    peer.backward()
    assert peer.item() == pytest.approx(3.912, rel=1e-3, abs=0)
    assert log_h.grad.tolist() == pytest.approx([-0.48, -0.49, 0.97], rel=2e-2, abs=0)


def test_lists_of_different_lengths_need_no_padding():
    """A list of two, padded by zeros to ten as is usual: the loss is 8 times too large, the gradient's sign flips."""
    z, t = np.array([-0.5, -1.7]), np.array([1.0, 0.0])
    exact = rashin.listwise_softmax(z, t)
    assert exact == pytest.approx(np.log1p(np.exp(-1.2)), rel=1e-15, abs=0)
    padded = np.concatenate([z, np.zeros(8)]), np.concatenate([t, np.zeros(8)])
    assert rashin.listwise_softmax(*padded) > 8 * exact
    assert rashin.listwise_softmax(*padded, where=np.arange(10) < 2) == exact
    ids = np.array(["b", "a", "b", "a", "c"])
    z, t = np.array([1.0, 2.0, -1.0, 0.5, 9.0]), np.array([0.0, 1.0, 2.0, 0.0, 0.0])
    per_list = rashin.listwise_softmax(z, t, group=ids, reduction="none")
    alone = [rashin.listwise_softmax(z[ids == key], t[ids == key]) for key in "abc"]
    assert per_list.tolist() == alone
    assert rashin.listwise_softmax(z, t, group=ids) == pytest.approx(
        sum(alone) / 2, rel=1e-15, abs=0
    )  # c has none relevant


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_two_is_two_members(kind):
    loss = {"cox": rashin.cox, "list": rashin.listwise_softmax, "rank": rashin.plackett_luce}[kind]
    loss = loss if kind == "list" else loss.replace(efron=False)
    rng = np.random.default_rng(6)
    z, t, _ = samples(kind, 12, rng)
    w = rng.integers(3, size=12)
    once = loss.value_gradient_and_hessian(z, t, weight=w, reduction="sum")
    copies = np.repeat(np.arange(12), w)
    value, gradient, _ = loss.value_gradient_and_hessian(z[copies], t[copies], reduction="sum")
    assert once[0] == pytest.approx(value, rel=1e-14, abs=0)
    assert once[1] == pytest.approx(np.bincount(copies, gradient, 12), rel=1e-12, abs=0)


def test_cox_by_strata_is_the_sum_over_them_by_their_events():
    rng = np.random.default_rng(7)
    z, t, w = samples("cox", 40, rng)
    strata = rng.integers(3, size=40)
    parts = [rashin.cox(z[s], t[s], weight=w[s], reduction="sum") for s in (strata == k for k in range(3))]
    assert rashin.cox(z, t, weight=w, group=strata) == pytest.approx(sum(parts) / (w @ t[:, 1]), rel=1e-14, abs=0)


def test_plackett_luce_is_cox_without_censoring():
    rng = np.random.default_rng(8)
    z, t, _ = samples("rank", 30, rng)
    for efron in (False, True):
        lists = rashin.plackett_luce(z, t, efron=efron)
        assert lists == rashin.cox(z, (-t, np.ones(30)), efron=efron, reduction="sum")


@pytest.mark.parametrize(
    ("efron", "value", "score"),
    [(True, 84.98814330539416, 21.750494600730185), (False, 87.3453899357322, 21.561886317334306)],
)
def test_ties_in_strata_are_those_of_statsmodels(efron, value, score):
    """loglike and score of PHReg (statsmodels 0.15.0), with the coefficient 1.3, signs turned."""
    rng = np.random.default_rng(0)
    x, time = rng.normal(size=60), rng.integers(1, 12, 60)
    event, stratum = rng.integers(0, 2, 60), rng.integers(0, 3, 60)
    found, gradient = rashin.cox.value_and_gradient(1.3 * x, (time, event), group=stratum, reduction="sum", efron=efron)
    assert found == pytest.approx(value, rel=1e-15, abs=0)
    assert gradient @ x == pytest.approx(score, rel=1e-14, abs=0)


def test_thousands_of_ties_keep_their_digits():
    """All at one time, where the mean of log R over D = R (d - k) / d, and of its derivatives, are sums of d terms."""
    n = 5000
    z = np.random.default_rng(3).normal(size=n)
    value, gradient = rashin.cox.value_and_gradient(z, (np.ones(n), np.ones(n)), reduction="sum")
    e, share = np.exp(z.astype(np.longdouble)), np.arange(n, 0, -1, dtype=np.longdouble) / n
    exact = n * np.log(e.sum()) + np.log(share).sum() - z.astype(np.longdouble).sum()
    assert value == pytest.approx(float(exact), rel=2.0**-50, abs=0)
    apart = e / e.sum() * n  # of each denominator's share f, 1 / f of it; both cancel
    bound = 2.0**-49 * np.asarray(e / e.sum() * (1 / share).sum() + 1, np.float64)
    assert (np.abs(gradient - np.asarray(apart - 1, np.float64)) <= bound).all()


def test_whole_times_that_doubles_cannot_tell_apart_are_refused():
    with pytest.raises(ValueError, match=r"target: got whole numbers up to 46116\d+; expected at most 2\^53.*subtract"):
        rashin.cox([0.0, 1.0], (np.array([2**62, 2**62 + 1]), np.array([1, 0])))
