"""What docs/accuracy.md says of every float32 prediction: one pattern in 256 is tried again, and so are the judges."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from accuracy_table import PAGE
from exhaustive import (
    BEGIN,
    END,
    LONG_MARGIN,
    MARGIN,
    exact_result,
    in_long_double,
    read,
    table,
    tried,
    worst_error,
)
from measuring import BOUNDS
from one_variable import CASES, OneVariable

EVERY, CHUNK = 256, 2**16
PUBLISHED = read()
each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def sample(case, every, seed=0):
    """Predictions in order, one of each ``every`` patterns; positive and negative ones apart."""
    rng = np.random.default_rng(seed)
    for first, end in case.ranges():
        starts = np.arange(first, end, every, dtype=np.uint32)
        yield np.minimum(starts + rng.integers(every, size=starts.size, dtype=np.uint32), end - 1).view(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", dict.fromkeys(line.case for line in PUBLISHED))
def test_one_pattern_in_256_is_rounded_as_published(name):
    case, lines = CASES[name], [line for line in PUBLISHED if line.case == name]
    with rashin.threads(1):
        chunks = (z[i : i + CHUNK] for z in sample(case, EVERY) for i in range(0, z.size, CHUNK))
        found = reduce(lambda a, b: [x + y for x, y in zip(a, b, strict=True)], (tried(case, z) for z in chunks))
    for line, tally in zip(lines, found, strict=True):
        assert tally.points >= int(line.points) // EVERY, line
        assert round(tally.ulp, 9) <= float(line.ulp), (line, tally)
        assert tally.wrong <= int(line.wrong), (line, tally)


@pytest.mark.parametrize("line", PUBLISHED, ids=lambda line: f"{line.case}-{line.what}")
def test_the_worst_case_is_as_published(line):
    error = worst_error(CASES[line.case], line.what, float.fromhex(line.prediction))
    assert f"{error:.9f}" == line.ulp
    assert error <= BOUNDS[line.what][1]


def test_the_page_shows_the_file():
    shown = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert shown == table(PUBLISHED), "run: python tests/exhaustive.py"
    assert {line.case for line in PUBLISHED} <= set(CASES)
    assert all(float(line.ulp) <= BOUNDS[line.what][1] for line in PUBLISHED)


@each_case
def test_the_references_err_by_an_eighth_of_their_margins_at_most(case):
    z = np.concatenate(list(sample(case, 2**18, seed=1)))
    for entry, double in enumerate(case.references(z)):
        long, largest = in_long_double(case, entry, z)
        with np.errstate(all="ignore"):
            fits = np.isfinite(double) & (np.abs(long) > 1e-50) & (np.abs(long) < 1e50)  # the rest is 0 or infinite
            assert np.all(np.abs(double - long)[fits] <= MARGIN / 8 * np.abs(long)[fits])
        for i in np.flatnonzero(fits)[:: fits.sum() // 15 + 1]:
            with mp.workprec(2000):
                got = mpf(float(long[i])) + mpf(float(long[i] - float(long[i])))  # a double and the digits beyond it
                assert abs(got - exact_result(case, entry, float(z[i]))) <= LONG_MARGIN / 8 * mpf(float(largest[i]))


@each_case
def test_patterns_outside_the_domain_are_refused(case):
    rng = np.random.default_rng(2)
    ends = [end for _, end in case.ranges()]
    nan = [0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, *(0x7F800001 + rng.integers(2**23 - 1, size=8))]
    for pattern in [*nan, *ends]:
        with pytest.raises(ValueError, match="prediction"):
            case.results(np.array([pattern], np.uint32).view(np.float32))


@pytest.mark.parametrize("start", [1.0, 1e-20], ids=["ordinary", "constant"])
def test_a_neighbour_of_the_right_number_is_found(start, monkeypatch):
    case = CASES["sigmoid_cross_entropy(0)"]
    z = np.arange(1000, dtype=np.uint32) + np.float32(start).view(np.uint32)
    right = OneVariable.results
    for entry in (0, 1):

        def wrong(case, z, entry=entry):
            got = right(case, z)
            got[entry][z.size // 2] = np.nextafter(got[entry][z.size // 2], np.float32(9))
            return got

        assert [tally.wrong for tally in tried(case, z.view(np.float32))] == [0, 0]
        with monkeypatch.context() as patched:
            patched.setattr(OneVariable, "results", wrong)
            found = tried(case, z.view(np.float32))
        assert [tally.wrong for tally in found] == [entry == 0, entry == 1]
        assert 0.5 < found[entry].ulp <= 1.5
        assert found[entry].prediction == z.view(np.float32)[500]


def test_nan_and_a_wrong_infinity_are_infinitely_wrong(monkeypatch):
    case, z = CASES["poisson(0)"], np.linspace(1, 2, 9, dtype=np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        with monkeypatch.context() as patched:
            patched.setattr(OneVariable, "results", lambda case, z, bad=bad: [np.full_like(z, bad), np.exp(z)])
            assert tried(case, z)[0][1:3] == (9, np.inf)
