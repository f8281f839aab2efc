"""All 65,536 numbers of float16 and bfloat16 as the prediction of every pointwise loss, at fixed targets."""

from __future__ import annotations

import numpy as np
import pytest

from cases import Case
from losses import ENTRIES
from measuring import doubts, measure_case, referred_to
from shipped import LOSSES, name_of, of_any_rows
from ulp import DTYPES

HALVES = ("float16", "bfloat16")
# Each loss in both types, with other parameters than the defaults in one of them, in turn.
POINTWISE = [
    pytest.param(of_any_rows(loss), dict(others), dtype, id=f"{name_of(loss.replace(**others))}-{dtype}")
    for loss in LOSSES
    if loss.kind == "pointwise"
    for number, others in enumerate(ENTRIES[loss.name].settings)
    for dtype in (HALVES if number == 0 else (HALVES[number % 2],))
]
MOST_DOUBTS = 2000  # a sound loss leaves tens of numbers to the definition
EVERY = 127  # and one without a fast reference leaves this part of them


def targets(where):
    """At most three targets of a domain; 1 is where the gradients of small predictions are differences near 0."""
    return [t for t in (0.0, -7.0, 0.3, 7.0, 2.5, 1.0, -1.0) if where.contains(t)][:3]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "parameters", "dtype"), POINTWISE)
def test_every_16_bit_number(loss, parameters, dtype):
    z = every_number(dtype)
    z = z[loss.facts.prediction.contains(z.astype(float))]
    z = z if ENTRIES[loss.name].fast else z[::EVERY]
    for target in targets(loss.facts.target_domain({**loss.parameters, **parameters})):
        case = Case(f"all {dtype}", z, np.full(z.shape, target).astype(DTYPES[dtype]))
        referred = referred_to(loss, parameters, case)
        for what in ("value", "gradient"):
            function = loss if what == "value" else loss.gradient
            got = function(z, case.t, reduction="none", **parameters)
            doubtful = doubts(loss, dtype, parameters, case, what, got, referred)
            few = doubtful.sum() <= MOST_DOUBTS
            assert few, f"{what} at {z[doubtful][:5]} for {target}: {got[doubtful][:5]}"
            left = case._replace(z=z[doubtful], t=case.t[doubtful])
            outside = [s for s in measure_case(loss, dtype, parameters, left, (what,)) if not s.within]
            assert not outside, "\n".join(map(str, outside[:5]))


def every_number(dtype):
    """The finite numbers of a 16-bit type; infinities are among the cases of test_accuracy."""
    numbers = np.arange(2**16, dtype=np.uint16).view(DTYPES[dtype])
    with np.errstate(invalid="ignore"):  # signalling NaN
        return numbers[np.isfinite(numbers.astype(float))]
