"""What a sample is: the questions that domains and rows answer, in place of the kind of the loss."""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin.domain import DISTRIBUTION, LABEL, LOG_PROBABILITY, LOGIT, POSITIVE, PROBABILITY, REAL, Row
from rashin.measurement.decisions import two_classes

SOURCE = Path(rashin.__file__).parent
ROWS = [Row(LOGIT), Row(PROBABILITY), Row(LOG_PROBABILITY), Row(POSITIVE)]
# The floor of the losses: here a loss is made, and sent to the loop that runs its formula.
FLOOR = {"rule.py", "facts.py", "loss.py", "decorators.py", "registry.py", "backends/numpy/__init__.py"}
FLOOR |= {"backends/numpy/results.py", "kernels/formula.py"}
# These run formulas, each kind in its way.
FLOOR |= {"backends/formula.py", "backends/numpy/sensitivity.py", "backends/jax/plans.py"}
FLOOR |= {f"backends/numpy/groups/{name}.py" for name in ("__init__", "choices", "sums")}
KINDS = {"pointwise", "labelwise", "rowwise"}


@pytest.mark.parametrize("sample", [REAL, LABEL, *ROWS])
@pytest.mark.parametrize("shape", [(), (3,), (5, 3), (2, 5, 3), (0, 3)])
def test_the_shapes_of_the_batch_and_of_a_sample_make_up_that_of_the_array(sample, shape):
    batch, one = sample.batch_shape(shape), sample.sample_shape(shape)
    assert batch + one == shape
    assert len(one) == min(sample.axes, len(shape))


@pytest.mark.parametrize("loss", [rashin.huber, rashin.softmax_cross_entropy, rashin.negative_log_likelihood])
def test_a_loss_has_the_batch_shape_of_its_prediction(loss):
    rng = np.random.default_rng(0)
    prediction, target = loss.prediction.draw(rng, 6), (LABEL if loss.prediction.has_classes else REAL).draw(rng, 6)
    assert loss.per_sample(prediction, target).shape == loss.prediction.batch_shape(prediction.shape) == (6,)
    gradient = loss.gradient(prediction, target)
    assert loss.prediction.sample_shape(gradient.shape) == loss.prediction.sample_shape(prediction.shape)


@pytest.mark.parametrize(
    ("sample", "prediction", "target"),
    [(REAL, (2, 5), (2, 5)), (Row(LOGIT), (2, 5, 3), (2, 5)), (Row(LOGIT), (2, 5, 3), (2, 5, 3))],
)
def test_flattened_samples_keep_their_order_and_their_targets(sample, prediction, target):
    z, t = np.arange(np.prod(prediction)).reshape(prediction), -np.arange(np.prod(target)).reshape(target)
    flat_z, flat_t = sample.flattened(z, t)
    for number, place in enumerate(np.ndindex(sample.batch_shape(prediction))):
        assert np.array_equal(flat_z[number], z[place])
        assert np.array_equal(flat_t[number], t[place])
    assert len(flat_z) == len(flat_t) == 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_drawn_rows_lie_in_their_domain_and_probabilities_sum_to_1(row):
    drawn = row.draw(np.random.default_rng(0), 200, classes=5)
    assert drawn.shape == (200, 5)
    assert row.contains(drawn).all()
    assert row.contains([np.nan, -np.inf]).tolist() == row.entry(1).contains([np.nan, -np.inf]).tolist()
    if row.of in (PROBABILITY, LOG_PROBABILITY):
        shares = drawn if row.of == PROBABILITY else np.exp(drawn)
        assert shares.sum(axis=1) == pytest.approx(1.0, rel=1e-14, abs=0)


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_drawn_labels_and_distributions_are_of_the_classes(classes):
    labels = LABEL.draw(np.random.default_rng(0), 500, classes)
    assert set(labels) == set(range(classes))
    assert DISTRIBUTION.draw(np.random.default_rng(0), 4, classes).shape == (4, classes)


def test_rows_are_equal_by_what_they_hold_also_after_pickling():
    assert pickle.loads(pickle.dumps(Row(LOGIT))) == Row(LOGIT) != Row(PROBABILITY)
    assert Row(LOGIT) != LOGIT
    assert rashin.softmax_cross_entropy.prediction == Row(LOGIT)
    assert rashin.negative_log_likelihood.prediction == Row(LOG_PROBABILITY)
    assert rashin.huber.prediction == REAL
    assert rashin.tweedie.replace(power=0.0).target == REAL != rashin.tweedie.target


def with_copied_target(loss):
    """The loss with an equal domain of another identity, as unpickling makes it."""
    return dataclasses.replace(loss, facts=dataclasses.replace(loss.facts, target=copy.copy(loss.target)))


def test_a_copied_domain_is_the_same_domain():
    of_labels = with_copied_target(rashin.negative_log_likelihood)
    assert of_labels.target is not LABEL
    with pytest.raises(ValueError, match=r"^target"):
        of_labels(np.log([[0.25, 0.75]]), [[0.5, 0.5]])
    assert two_classes(with_copied_target(rashin.sigmoid_cross_entropy)) == (0, 1)


def asks_for_the_kind(node):
    """True if the node reads ``.kind``, but not of a dtype or a calibration, or compares with the name of a kind."""
    if isinstance(node, ast.Attribute) and node.attr == "kind":
        owner = ast.unparse(node.value)
        return "dtype" not in owner and owner not in {"self", "other", "found", "found.calibration"}
    if isinstance(node, ast.Compare):
        sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
        return any(isinstance(side, ast.Constant) and side.value in KINDS for side in sides)
    return isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant) and node.value.value in KINDS


def test_nobody_above_the_losses_asks_for_the_kind_of_a_loss():
    asked = [
        f"{path}:{node.lineno}: {ast.unparse(node)}; ask its prediction: axes, has_classes, batch_shape ..."
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in FLOOR
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if asks_for_the_kind(node)
    ]
    assert not asked, "\n".join(asked)


@pytest.mark.parametrize(
    "code",
    ["loss.kind", "self._loss.kind != word", "kind == 'pointwise'", "x in ('labelwise', 'rowwise')", "rule.kind"],
)
def test_the_law_sees_who_asks(code):
    assert any(map(asks_for_the_kind, ast.walk(ast.parse(code))))
