"""Rows of predicted probabilities sum to 1, up to what storing them has done to the sum."""

from __future__ import annotations

import json
import math
import pickle
import re
from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import rashin
from rashin import rowwise
from rashin.backends.numpy.rowwise import are_normalized
from rashin.domain import LOG_PROBABILITY, NONNEGATIVE, PROBABILITY
from rashin.registry import parsed

cce, nll = rashin.categorical_cross_entropy, rashin.negative_log_likelihood
METHODS = [cce, cce.gradient, cce.hessian, cce.value_and_gradient, cce.value_gradient_and_hessian, cce.per_sample]
SUM, EXPONENTIALS = "sums to", "exponentials sum to"


@rowwise(prediction=PROBABILITY, options=("normalized",))
def user_brier_of_shares(xp, z, t):
    """A formula of whole rows."""
    r = z - t
    return xp.sum(r * r, axis=-1), 2.0 * r, 2.0


def refused(loss, z, t, words, index, **keywords):
    (place,) = index
    for method in (loss, loss.gradient, loss.hessian, loss.value_and_gradient, loss.value_gradient_and_hessian):
        with pytest.raises(ValueError, match=rf"^prediction: got \[.*\] at index {place}, .*{words}"):
            method(z, t, **keywords)


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("loss", [cce, user_brier_of_shares], ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    "wrong", [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.9, 0.9, 0.0], [0.0, 0.0, 0.0], [0.5, 0.25, 0.125], [0.3, 0.3, 0.3]]
)
def test_rows_that_do_not_sum_to_1_are_named(loss, dtype, wrong):
    z = np.array([[0.5, 0.25, 0.25], wrong, [0.0, 1.0, 0.0]], dtype)
    for t in (np.array([0, 1, 1]), np.eye(3)[[0, 1, 1]]):
        refused(loss, z, t, f"{SUM} ", (1,))
        refused(loss, np.ascontiguousarray(z.T), t.T, f"{SUM} ", (1,), axis=0)
        assert loss(z, t, where=[True, False, True]) == loss(z[[0, 2]], t[[0, 2]])
        with pytest.raises(ValueError, match=r"at index 1"):
            loss(z, t, weight=[1.0, 0.0, 1.0])  # weight 0 is still checked
        assert np.isfinite(loss(z, t, normalized=False, where=[True, wrong[1] > 0, True]))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
@pytest.mark.parametrize(
    "wrong", [[0.0, 0.0, 0.0], [-3.0, -0.25, -1.5], [-np.inf, -np.inf, -np.inf], [-700.0, -1e4, -8.0]]
)
def test_rows_of_no_log_probabilities_are_named(dtype, wrong):
    z = np.log(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [1e-30, 1.0, 1e-30]])).astype(dtype)
    assert nll(z, [0, 1, 1]) > 0
    z[1] = wrong
    refused(nll, z, [0, 1, 1], f"{EXPONENTIALS} ", (1,))
    assert nll(z, [0, 1, 1], where=[True, False, True]) == nll(z[[0, 2]], [0, 1])
    assert nll(z, [0, 1, 1], normalized=False, reduction="none")[1] == -z[1, 1]


def test_the_message_says_what_came_what_is_expected_and_what_to_do():
    words = (
        "prediction: got [1. 1. 1.] at index 0, which sums to 3; expected probabilities, which sum to 1; fix: "
        "divide each row by its sum, pass rashin.softmax of logits, or normalized=False to take such rows as they are"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        cce([[1.0, 1.0, 1.0]], [0])


def test_of_a_class_outside_its_domain_that_is_said_first():
    with pytest.raises(ValueError, match=r"^prediction: got 1.5 at index \(0, 1\); expected a probability"):
        cce([[0.5, 1.5]], [0])
    with pytest.raises(ValueError, match=r"^prediction: got nan at index \(0, 1\)"):
        nll([[0.0, np.nan]], [0])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("rows", "classes"), [(150_000, 9), (700, 1000)])
def test_of_many_rows_the_first_is_named_and_an_error_leaves_out_whole(threads, rows, classes):
    z = np.full((rows, classes), 1 / classes)
    z[rows - 7, 3] += 0.3
    z[rows - 2, 0] += 0.3
    labels, before = np.zeros(rows, int), z.copy()
    with rashin.threads(threads):
        for loss, given in ((cce, z), (nll, np.log(z))):
            with pytest.raises(ValueError, match=rf"^prediction: .* at index {rows - 7},"):
                loss.gradient(given, labels)
        with pytest.raises(ValueError, match=rf"^prediction: .* at index {rows - 7},"):
            cce.gradient(z, labels, out=z)
        assert z.tobytes() == before.tobytes()
        with pytest.raises(ValueError, match=rf"^prediction: .* at index {rows - 7},"):
            rashin.measure(cce, z, labels)


# ------------------------------------------------------------------------------------------- what is accepted


def softmax(logits, dtype, total=np.sum):
    """As one writes it, every step rounded to the dtype."""
    z = logits.astype(dtype)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / total(e, axis=1, dtype=dtype, keepdims=True)


def in_sequence(e, axis, dtype, keepdims):
    return np.cumsum(e, axis=axis, dtype=dtype)[:, -1:]


@pytest.mark.parametrize("classes", [2, 3, 10, 1000, 20_000])
@pytest.mark.parametrize("scale", [0.01, 3.0, 30.0])
def test_probabilities_of_any_precision_pass_however_they_were_stored(classes, scale):
    logits = np.random.default_rng(classes).normal(0, scale, (40, classes))
    single = softmax(logits, np.float32)
    exact = softmax(logits, np.float64)
    stored = [single, softmax(logits, np.float32, in_sequence), single.astype(float), exact]
    stored += [exact.astype(kind).astype(wide) for kind in ("f2", ml_dtypes.bfloat16) for wide in (kind, "f4", "f8")]
    stored += [softmax(logits, np.float16)] if classes < 100 else []
    stored += [np.array([[float(f"{p:.{digits}{how}}") for p in row] for row in exact[:5]])
               for digits, how in ((6, "f"), (7, "f"), (8, "g"), (6, "g"), (6, "e"))]  # fmt: skip
    for p in stored:
        assert cce(p, np.zeros(len(p), int), epsilon=1.0) <= 0.0
    # a mistake that is larger than what any of them misses is seen
    for p in stored[:4]:
        wrong = p.copy()
        wrong[3, 0] += 0.06
        assert not are_normalized(np.minimum(wrong, 1.0), False)[3] or wrong[3, 0] > 1.0


@pytest.mark.parametrize("scale", [0.01, 3.0, 300.0, 1e4])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_log_probabilities_of_any_precision_pass(scale, classes):
    logits = np.random.default_rng(classes).normal(0, scale, (40, classes))
    exact, single = rashin.log_softmax(logits), logits.astype(np.float32)
    peak = single.max(axis=1, keepdims=True)
    # logits minus their logsumexp, in float32: large logits move the whole row
    careless = single - (peak + np.log(np.exp(single - peak).sum(axis=1, keepdims=True)))
    kept = [exact, exact.astype("f4"), exact.astype("f4").astype(float), np.minimum(careless, 0)]
    kept += [exact.astype(ml_dtypes.bfloat16), *(np.round(exact[:5], digits) for digits in (2, 4, 6))]
    kept += [exact.astype("f2"), exact.astype("f2").astype(float)] if scale < 1e4 else []
    for z in kept:
        assert nll(np.minimum(z, 0), np.zeros(len(z), int)) >= 0.0
    assert not are_normalized(np.minimum(logits, 0.0), True).all()


def decimals(digits, classes, rng):
    """A row of decimals that sums to 1 but for the last digit, as far off as rounding can bring it."""
    unit = 10**digits
    counts = rng.multinomial(unit, rng.dirichlet(np.ones(classes)))
    counts[: classes // 2] += 1
    return counts, Fraction(int(counts.sum()), unit)


def allowed(row, exact_sum):
    """The rule by its words, in exact numbers, for rows that are float64 numbers of decimals."""
    miss, classes = abs(exact_sum - 1), len(row)
    each = [Fraction(classes, 10**6)]
    for digits in (2, 3, 4, 5):
        if all(Fraction(x).limit_denominator(10**9) * 10**digits % 1 == 0 for x in row):
            each.append(each[0] + min(Fraction(classes, 2 * 10**digits), Fraction(1, 20)))
    for digits in (2, 3, 4, 5):
        if all(x == float(f"{x:.{digits}g}") for x in row):
            tops = [Decimal(repr(x)).adjusted() + 1 for x in row if x]
            each.append(each[0] + sum(Fraction(10) ** (top - digits) for top in tops) / 2)
            break
    return miss <= max(each)


@pytest.mark.parametrize("digits", [2, 3, 4, 5])
@pytest.mark.parametrize("classes", [2, 3, 7, 10, 40])
def test_stored_decimals_may_miss_1_by_half_a_unit_for_each_class(digits, classes):
    rng = np.random.default_rng(digits)
    for _ in range(5):
        counts, total = decimals(digits, classes, rng)
        row = [int(c) / 10**digits for c in counts]
        if max(row) <= 1.0:
            for dtype in (np.float64, np.float32):
                assert bool(are_normalized(np.array([row], dtype), False)[0]) == allowed(row, total)
        # further off than rounding to decimals explains; few significant digits may still explain it
        counts[-1] += classes // 2 + 2
        worse = [int(c) / 10**digits for c in counts]
        assert bool(are_normalized(np.array([worse]), False)[0]) == allowed(
            worse, Fraction(int(counts.sum()), 10**digits)
        )


@pytest.mark.parametrize(
    ("row", "fine"),
    [
        ([0.33, 0.33, 0.33], True), ([0.333, 0.333, 0.333], True), ([0.3333, 0.3333, 0.3333], True),
        ([0.33, 0.33, 0.34], True), ([0.334, 0.334, 0.334], False), ([0.3, 0.3, 0.3], False),
        ([0.5, 0.52], False), ([0.5, 0.51], True), ([0.5, 0.5 + 1.5e-6], True), ([0.5, 0.5 + 2.5e-6], False),
        ([1.0], True), ([0.9999995], True), ([0.999998], False), ([0.9], False), ([0.1] * 10, True),
        ([0.11] * 9, True), ([0.02] * 47, False),
        ([1.0, 0.0, 1e-7], True), ([1.0, 1e-320], True),
        ([0.04534, 0.9547], True), ([1.0, 4.651e-05], True), ([0.6449, 0.2869, 0.06823], True),  # %.4g
        ([0.912, 0.0881], True), ([0.912, 0.0885], True), ([0.912, 0.0895], False), ([0.04534, 0.9557], False),
    ],
)  # fmt: skip
def test_the_rule_by_example(row, fine):
    assert bool(are_normalized(np.array([row]), False)[0]) is fine
    if fine:
        assert np.isfinite(cce([row], [0]))
    else:
        with pytest.raises(ValueError, match=SUM):
            cce([row], [0])


def test_log_probabilities_of_few_significant_digits_pass():
    rows = np.log(np.random.default_rng(0).dirichlet([0.5] * 3, 200))
    for digits in (3, 4, 5):
        stored = np.array([[float(f"{x:.{digits}g}") for x in row] for row in rows])
        assert are_normalized(stored, True).all()
        assert not are_normalized(stored + np.log(1.03), True).any()


def test_no_class_may_be_masked_without_the_others():
    assert cce([[0.0, 1.0, 0.0]], [1]) == 0.0
    assert nll([[-np.inf, 0.0, -np.inf]], [1]) == 0.0
    assert cce([[0.0, 0.0, 1.0]], [0]) == math.inf


# ---------------------------------------------------------------------------------------------- the way out


def test_the_way_out_is_a_parameter_by_name():
    free = cce.replace(normalized=False)
    assert free([[1.0, 1.0, 1.0]], [0]) == 0.0 == cce([[1.0, 1.0, 1.0]], [0], normalized=0)
    assert repr(cce) == "categorical_cross_entropy(epsilon=0.0)"
    assert repr(free) == "categorical_cross_entropy(epsilon=0.0, normalized=False)"
    assert parsed(repr(free)) == free != cce
    assert pickle.loads(pickle.dumps(free)) == free
    for wrong in (2, "no", None, 0.5, [True]):
        with pytest.raises(ValueError, match=r"^normalized: got .*; expected True or False"):
            cce.replace(normalized=wrong)
    p, labels = np.random.default_rng(0).dirichlet(np.ones(5), 30), np.arange(30) % 5
    assert free.value_and_gradient(p, labels)[1].tobytes() == cce.gradient(p, labels).tobytes()
    assert rashin.measure(free, np.ones((2, 3)), [0, 1], baseline=True, details=True).mean == 0.0


def test_only_rows_of_probabilities_have_it():
    assert {loss.name for loss in rashin.list_losses() if "normalized" in loss.parameters} >= {cce.name, nll.name}
    with pytest.raises(TypeError, match=r"^options: got \('normalized',\) for a prediction of non-negative; expected "):
        rowwise(prediction=NONNEGATIVE, options=("normalized",))
    with pytest.raises(TypeError, match="softmax_cross_entropy: got the parameter 'normalized'"):
        rashin.softmax_cross_entropy.replace(normalized=False)


def test_a_separable_loss_of_the_users_own_may_ask_for_it():
    @rowwise(separable=True, prediction=LOG_PROBABILITY, options=("normalized",))
    def user_likelihood_of_shares(xp, z, t):
        return -t * z, -t, 0.0

    assert user_likelihood_of_shares(np.log([[0.25, 0.75]]), [[0.5, 0.5]]) == pytest.approx(
        0.8369882167858358, rel=1e-15, abs=0
    )
    refused(user_likelihood_of_shares, np.zeros((1, 2)), [[0.5, 0.5]], EXPONENTIALS, (0,))


def test_finite_differences_leave_the_simplex_by_name():
    p, step = np.random.default_rng(1).dirichlet(np.ones(4), 1), 2.0**-20
    loss = cce.replace(epsilon=0.25, normalized=False)
    slopes = [(loss(p + step * e, [2]) - loss(p - step * e, [2])) / (2 * step) for e in np.eye(4)]
    assert np.allclose(loss.gradient(p, [2])[0], slopes, rtol=1e-8, atol=0.0)


def test_the_books_functions_take_rows_as_they_are():
    from rashin.dialects.scratch import cross_entropy_error, cross_entropy_gradient

    assert cross_entropy_error([0.5, 0.75], 1) == pytest.approx(-math.log(0.75 + 1e-7), rel=1e-15, abs=0)
    assert cross_entropy_gradient([0.5, 0.75], 1).tolist() == [0.0, -1 / (0.75 + 1e-7)]


# ------------------------------------------------------------------------------------------------- tables


@pytest.fixture
def stranger(tmp_path):
    """A file whose pattern ``p_*`` takes a column that is no probability of a class."""
    path = tmp_path / "held-out.csv"
    lines = [
        f"{p},{1 - p},{value},{word}" for p, value, word in ((0.25, 0.0, "cat"), (0.5, 0.04, "dog"), (1, 0.7, "cat"))
    ]
    path.write_text("\n".join(["p_cat,p_dog,p_value,target", *lines]) + "\n")
    return path


ASKED = {"prediction": "p_*", "target": "target"}


def test_a_column_that_a_pattern_took_by_mistake_is_named(stranger):
    words = (
        rf"^{re.escape(str(stranger))}, row 1: got \[0.5  0.5  0.04\] in the columns p_cat, p_dog, p_value, which "
        r"sums to 1.04; expected probabilities, which sum to 1; fix: .*normalized=False.*, or leave out "
        r"'p_value', without which the columns sum to 1$"
    )
    for keywords in ({}, {"batch_rows": 1}):
        with pytest.raises(ValueError, match=words):
            rashin.measure_table(cce, stranger, **ASKED, **keywords)


def test_skipped_rows_are_counted_by_that_reason_and_the_way_out_is_the_loss(stranger):
    found = rashin.measure_table(cce, stranger, **ASKED, on_error="skip")
    assert (found.count, dict(found.skipped)) == (1, {"predictions that do not sum to 1": 2})
    assert found.mean == -math.log(0.25)
    free = rashin.measure_table(cce.replace(normalized=False), stranger, **ASKED)
    assert (free.count, free.skipped) == (3, {})


def test_rows_in_a_column_of_lists_name_the_column_and_the_row(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [[0.0, 0.0], [-0.5, -0.25], [math.log(0.5)] * 2]
    parquet.write_table(pa.table({"p": rows, "target": [0, 1, 0]}), tmp_path / "a.parquet")
    settings = {"prediction": "p", "target": "target"}
    words = r"a.parquet, column 'p', row 0: got \[0. 0.\], whose exponentials sum to 2; expected log-probabilities, "
    with pytest.raises(ValueError, match=words):
        rashin.measure_table(nll, tmp_path / "a.parquet", **settings)
    found = rashin.measure_table(nll, tmp_path / "a.parquet", **settings, on_error="skip")
    assert dict(found.skipped) == {"predictions that do not sum to 1 in column 'p'": 2}
    assert found.mean == math.log(2)


def test_workers_say_the_same(stranger):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        with pytest.raises(ValueError, match=r"row 1: got .* in the columns p_cat, p_dog, p_value, which sums to 1.04"):
            rashin.measure_table(cce, stranger, **ASKED, engine="dask", client=client)
        there = rashin.measure_table(cce, stranger, **ASKED, engine="dask", client=client, on_error="skip")
    assert there == rashin.measure_table(cce, stranger, **ASKED, on_error="skip")


def test_the_command_says_it_in_one_line_and_has_the_way_out(stranger, monkeypatch, capsys):
    from rashin.cli import main

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["rashin", "measure", str(stranger), *arguments])
        return main(), *capsys.readouterr()

    code, out, err = run()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "row 1: got [0.5 0.5 0.04] in the columns p_cat, p_dog, p_value, which sums to 1.04; " in err
    for off in ("0", "false", "False"):
        code, out, err = run("--json", "--loss", "categorical_cross_entropy", "--loss-parameter", f"normalized={off}")
        assert (code, err) == (0, "")
        assert json.loads(out)["loss"] == "categorical_cross_entropy(epsilon=0.0, normalized=False)"
