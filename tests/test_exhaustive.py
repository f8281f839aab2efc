"""All 65,536 numbers of float16 and bfloat16 as the prediction of every pointwise loss, at fixed targets."""

from __future__ import annotations

import json

import numpy as np
import pytest

from accuracy_table import wave_losses
from cases import PARAMETERS, REGRESSION, Case
from measuring import BOUNDS, measure_case
from references import REFERENCES, clearly_right, reference
from ulp import DTYPES

LOSSES = {name: loss for name, loss in wave_losses().items() if loss.kind == "pointwise"}
SETTINGS = [(name, parameters) for name in LOSSES for parameters in PARAMETERS.get(name, [])]
TARGETS = {
    **dict.fromkeys(REGRESSION, (0.0, 0.3, -7.0)),
    "sigmoid_cross_entropy": (0.0, 1.0, 0.3),
    "binary_cross_entropy": (0.0, 1.0, 0.3),
    "sigmoid_focal": (0.0, 1.0),
    "poisson": (0.0, 3.0),
    "gamma": (0.3, 7.0),
    "tweedie": (0.3, 7.0),
    "hinge": (-1.0, 1.0),
    "squared_hinge": (-1.0, 1.0),
}
MOST_DOUBTS = 2000  # a sound loss leaves tens of numbers to the oracle


def setting_name(value):
    return json.dumps(value) if isinstance(value, dict) else None


def test_every_pointwise_loss_has_a_fast_reference_and_targets():
    assert set(LOSSES) <= set(REFERENCES)
    assert set(LOSSES) <= set(TARGETS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "parameters"), SETTINGS, ids=setting_name)
def test_every_16_bit_number(name, parameters, dtype):
    loss = LOSSES[name]
    z = every_number(dtype)
    z = z[loss.facts.prediction.contains(z.astype(float))]
    for target in TARGETS[name]:
        t = np.full(z.shape, target).astype(DTYPES[dtype])
        for what, summands in zip(("value", "gradient"), reference(name, z, t, parameters)[:2], strict=True):
            function = loss if what == "value" else loss.gradient
            got = function(z, t, reduction="none", **parameters)
            doubtful = ~clearly_right(got, summands, dtype, BOUNDS[what][1])
            few = doubtful.sum() <= MOST_DOUBTS
            assert few, f"{what} at {z[doubtful][:5]} for {target}: {got[doubtful][:5]}"
            case = Case(f"all {dtype}", z[doubtful], t[doubtful])
            outside = [s for s in measure_case(loss, dtype, parameters, case, (what,)) if not s.within]
            assert not outside, "\n".join(map(str, outside[:5]))


def every_number(dtype):
    """The finite numbers of a 16-bit type; infinities are among the cases of test_accuracy."""
    numbers = np.arange(2**16, dtype=np.uint16).view(DTYPES[dtype])
    with np.errstate(invalid="ignore"):  # signalling NaN
        return numbers[np.isfinite(numbers.astype(float))]
