"""Machine code that computes several doubles at a time, in every compiled sweep and in the loop of every loss.

A call, a branch or a Python bool in a loop would cost a factor of five to ten and fail no other test.
"""

from __future__ import annotations

import re

import llvmlite.binding
import numpy as np
import pytest

from machine_code import PACKED_LOAD, TAKEN_APART, assembly_of, called_functions, reads_objects
from rashin.archives import codes, loops_of
from rashin.kernels import halves, moments
from rashin.native.kernel import KERNELS
from rashin.native.objects import object_of
from rashin.native.targets import of_this_machine
from shipped import LOSSES

pytestmark = [
    pytest.mark.slow,
    reads_objects,
    pytest.mark.skipif(
        not llvmlite.binding.get_host_cpu_features().get("avx2", False), reason="this processor has no wide vectors"
    ),
]

ARITHMETIC = r"\bv(?:(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)pd|(?:xor|and|or)p[sd])\b[^\n]*[yz]mm"
CHECKS = r"\bv(?:cmp\w*p[sd]|p?(?:max|min)\w*)\b[^\n]*[yz]mm"  # of domains; peaks
EXACT_SUM = r"\bvpaddq\b[^\n]*[yz]mm"
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]


# These compare, count and add to scattered places, or hand blocks to functions of their own, of which below.
WITHOUT_ARITHMETIC = {
    "custom_call.direct",
    "decisions.first_largest",
    "halves.round_to_bfloat",
    "halves.round_to_half",
    "halves.widen_bfloats",
    "halves.widen_halves",
    "moments.add_by_cell",
    "moments.add_together",
    "moments.carry",
    "moments.extent",
    "order.count_digits",
    "order.deal",
    "order.sort_dealt",
    "pairs.discounts",  # each is a sum that goes on from the one before
    "tally.add_by_code",
}


def sweeps():
    """Every kernel of sums, checks and rows."""
    codes()
    found = {name.removeprefix("kernels."): made for name, made in KERNELS.items() if name.startswith("kernels.")}
    return [pytest.param(made, id=name) for name, made in found.items() if name not in WITHOUT_ARITHMETIC]


def test_the_sweeps_are_found():
    names = {parameter.id for parameter in sweeps()}
    assert {"pointwise.sweep", "labelwise.sweep_labels", "rowwise.sweep_distributions", "rows.links"} <= names


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("made", sweeps())
def test_a_sweep_computes_several_doubles_at_a_time(made, dtype):
    content = object_of(made.code(dtype), of_this_machine())
    assembly = assembly_of(content)
    assert len(re.findall(ARITHMETIC, assembly)) >= (1 if made.name.endswith("fill_bins") else 10)
    if "limbs" in {argument.name for argument in made.arguments}:
        assert re.search(CHECKS, assembly)
        assert re.search(EXACT_SUM, assembly)
    assert called_functions(content) <= {"memset", "memcpy"}


def test_sums_of_a_measurement_are_several_doubles_at_a_time():
    """Products on four grids; and the largest loss, by integers."""
    assembly = assembly_of(object_of(moments.add_together.code(np.dtype(np.float64)), of_this_machine()))
    assert re.search(ARITHMETIC, assembly)
    assert re.search(EXACT_SUM, assembly)
    assert re.search(r"\bvp(?:cmpgt|max)\w*q\b[^\n]*[yz]mm", assembly)


HALVES = [halves.round_to_bfloat, halves.round_to_half, halves.widen_bfloats, halves.widen_halves]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("made", HALVES, ids=lambda made: made.name)
def test_numbers_of_16_bits_are_taken_several_at_a_time(made, dtype):
    assembly = assembly_of(object_of(made.code(dtype), of_this_machine()))
    assert len(re.findall(r"\bvp(?:add|sub|and|or|sll|srl)\w*\b[^\n]*[yz]mm", assembly)) >= 4


LOOPS = [pytest.param(made, id=made.code().name) for loss in LOSSES for made in loops_of(loss)]


@pytest.mark.parametrize("made", LOOPS)
def test_the_loop_of_a_loss_computes_several_doubles_at_a_time(made):
    content = object_of(made.code(), of_this_machine())
    assembly = assembly_of(content)
    assert re.search(PACKED_LOAD, assembly)
    assert not re.search(TAKEN_APART, assembly), "a part of the loop is taken out element by element"
    assert re.search(ARITHMETIC, assembly)
    assert not called_functions(content)
