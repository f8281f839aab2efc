"""Estimates from mini-batches: intervals hold as often as they say, at all looks together, and all rows are exact."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

import rashin
from rashin.measurement.sampling.estimates import MINIMUM
from rashin.measurement.sampling.sequences import Asymptotic, EmpiricalBernstein
from rashin.measurement.sampling.shuffle import Shuffle

CONFIDENCE = 0.95
# Of intervals that miss twice as often as they may, 400 runs are rejected with a probability of 98 %.
RUNS, ROWS, LOOK = 400, 10_000, 100


def rejects(misses, runs, rate=1 - CONFIDENCE):
    """Whether so many misses are significantly (5 %) more than the rate allows: the exact binomial test."""
    return sum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(misses, runs + 1)) < 0.05


# ------------------------------------------------------------------------- coverage at all looks together


def looks(sequence, weight, losses, first):
    """The intervals after every LOOK rows, from ``first`` rows on."""
    for start in range(0, losses.shape[1], LOOK):
        part = slice(start, start + LOOK)
        sequence.add(weight[:, part], weight[:, part] * losses[:, part])
        if sequence.count >= first:
            yield sequence.interval()


def misses(intervals, truth):
    """In how many runs an interval missed the mean; the last one, of all rows, is a point, up to rounding."""
    slack, missed = 1e-9 * np.abs(truth), np.zeros(truth.shape, bool)
    for _, low, high in intervals:
        missed |= ~((low <= truth + slack) & (truth - slack <= high))
    return int(np.count_nonzero(missed))


@cache
def drawn(kind, seed):
    """A row for each run; rows drawn together lie together, since all runs add them together."""
    rng, shape = np.random.default_rng(seed), (ROWS, RUNS)
    return {
        "uniform": lambda: rng.random(shape),
        "rare": lambda: (rng.random(shape) < 0.02) * 1.0,
        "skew": lambda: rng.beta(0.5, 3.0, shape),
        "normal": lambda: rng.normal(5.0, 1.0, shape),
        "lognormal": lambda: rng.lognormal(0.0, 1.0, shape),
    }[kind]().T


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    yield
    drawn.cache_clear()  # 32 MB for each kind


@pytest.mark.parametrize(("kind", "tolerance"), [("uniform", 0.01), ("uniform", 0.05), ("rare", 0.1), ("skew", 0.03)])
def test_bounded_losses_are_covered_at_all_looks(kind, tolerance):
    losses = drawn(kind, 1)
    sequence = EmpiricalBernstein(ROWS, float(ROWS), 1.0, (0.0, 1.0), tolerance, CONFIDENCE)
    assert not rejects(misses(looks(sequence, np.ones((1, ROWS)), losses, 1), losses.mean(1)), RUNS)


@pytest.mark.parametrize("tolerance", [0.003, 0.02])
def test_normal_losses_are_covered_at_all_looks(tolerance):
    losses = drawn("normal", 2)
    sequence = Asymptotic(ROWS, MINIMUM, tolerance, CONFIDENCE)
    assert not rejects(misses(looks(sequence, np.ones((1, ROWS)), losses, MINIMUM), losses.mean(1)), RUNS)


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 1.0])
def test_lognormal_losses_are_covered_at_all_looks(tolerance):
    losses = drawn("lognormal", 3)
    sequence = Asymptotic(ROWS, MINIMUM, tolerance, CONFIDENCE)
    assert not rejects(misses(looks(sequence, np.ones((1, ROWS)), losses, MINIMUM), losses.mean(1)), RUNS)


def test_unequal_weights_are_covered_at_all_looks():
    rng = np.random.default_rng(4)
    weight = rng.exponential(size=ROWS)
    each = np.stack([rng.permutation(ROWS) for _ in range(RUNS)], axis=1).T
    heavier_is_worse = rng.random(ROWS) * weight / weight.max()
    truth = np.full(RUNS, np.average(heavier_is_worse, weights=weight))
    weights, losses = weight[each], heavier_is_worse[each]
    bounded = EmpiricalBernstein(ROWS, float(weight.sum()), float(weight.max()), (0.0, 1.0), 0.05, CONFIDENCE)
    free = Asymptotic(ROWS, MINIMUM, 0.05, CONFIDENCE)
    for sequence, first in ((bounded, 1), (free, MINIMUM)):
        assert not rejects(misses(looks(sequence, weights, losses, first), truth), RUNS)


def test_an_interval_for_one_look_would_fail():
    """The test has power: the usual interval, looked at again and again, is rejected."""
    losses = drawn("normal", 5)

    def usual():
        sums, squares = losses.cumsum(1), (losses**2).cumsum(1)
        for n in range(MINIMUM, ROWS, LOOK):
            mean = sums[:, n - 1] / n
            error = np.sqrt((squares[:, n - 1] / n - mean**2) * (1 / n) * (1 - n / ROWS))
            yield mean, mean - 1.96 * error, mean + 1.96 * error

    assert rejects(misses(usual(), losses.mean(1)), RUNS)


# --------------------------------------------------------------- the sequences against plain formulas


def plain_bernstein(weight, losses, rows, total, heaviest, bounds, tolerance):
    """Row by row, as the paper writes it."""
    low, high = bounds
    scale, log = heaviest * (high - low), math.log(2 / (1 - CONFIDENCE))
    gain = slope = cost = 0.0
    sum_w, sum_wl, squares = heaviest, heaviest * (low + high) / 2, scale**2 / 4
    for i, (w, loss) in enumerate(zip(weight, losses, strict=True)):
        c, v, left = sum_wl / sum_w, squares / (1 + i), rows - i
        stake = min(tolerance * abs(c) * total / left / v, 0.5 / scale)
        before = sum(weight[:i] * (losses[:i] - c))  # expectation of w (l - c) is ((m - c) total - before) / left
        y = w * (loss - c)
        gain += stake * (y + (c * total + before) / left)
        slope += stake * total / left
        cost += (-math.log(1 - stake * scale) - stake * scale) * (y / scale) ** 2
        sum_w, sum_wl, squares = sum_w + w, sum_wl + w * loss, squares + y * y
    limits = [(weight @ losses + (total - weight.sum()) * bound) / total for bound in bounds]
    return [min(max((gain + sign * (log + cost)) / slope, limits[0]), limits[1]) for sign in (-1, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_empirical_bernstein_is_its_formula_however_the_rows_come(seed):
    rng = np.random.default_rng(seed)
    weight, losses = rng.exponential(size=400) + 0.1, rng.uniform(-1.0, 3.0, 400) ** 2
    total, heaviest, bounds = weight.sum() * 2.5, weight.max() * 1.5, (-0.5, 9.0)
    sequence = EmpiricalBernstein(1000, total, heaviest, bounds, 0.05, CONFIDENCE)
    for part in np.split(np.arange(400), [1, 8, 200]):
        sequence.add(weight[part], weight[part] * losses[part])
    mean, *interval = sequence.interval()
    assert interval == pytest.approx(
        plain_bernstein(weight, losses, 1000, total, heaviest, bounds, 0.05), rel=1e-10, abs=0
    )
    assert mean == pytest.approx(np.average(losses, weights=weight), rel=1e-12, abs=0)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_the_asymptotic_sequence_is_its_formula(shift):
    rng = np.random.default_rng(5)
    rows, n, tolerance = 5000, 1000, 0.05
    weight, losses = rng.exponential(size=n), rng.lognormal(size=n) + shift
    sequence = Asymptotic(rows, n, tolerance, CONFIDENCE)
    for part in np.split(np.arange(n), [300, 301]):
        sequence.add(weight[part], weight[part] * losses[part])
    m = np.average(losses, weights=weight)
    r = weight * (losses - m) / weight.mean()
    s, skew, time = r.std(ddof=1), np.mean(r**3) / np.mean(r**2) ** 1.5, n * rows / (rows - n)
    # rho^2 makes the interval narrowest at the time when it is as narrow as asked, or now if that is past.
    grid = np.linspace(1.0, 30.0, 2_900_001)
    best = grid[np.argmin((1 + 1 / grid) * (np.log1p(grid) - 2 * math.log(0.05)))]
    z2_best = (1 + 1 / best) * (math.log1p(best) - 2 * math.log(0.05))
    x = time * best / max(time, z2_best * (s / (tolerance * m)) ** 2)
    z2 = (1 + 1 / x) * (math.log1p(x) - 2 * math.log(0.05))
    margin, further = s * math.sqrt(z2 / time), r.std() * skew * (2 * z2 + 1) / (6 * time)
    mean, low, high = sequence.interval()
    assert mean == pytest.approx(m, rel=1e-12, abs=0)
    assert mean - low == pytest.approx(margin, rel=1e-5, abs=0)
    assert high - mean == pytest.approx(margin + further, rel=1e-5, abs=0)


def test_few_rows_and_equal_losses_have_no_asymptotic_interval():
    sequence = Asymptotic(1000, 10, 0.01, CONFIDENCE)
    sequence.add(np.ones(9), np.arange(9.0))
    assert sequence.interval()[1:] == (-math.inf, math.inf)
    alike = Asymptotic(1000, 10, 0.01, CONFIDENCE)
    alike.add(np.ones(20), np.full(20, 3.0))
    assert alike.interval()[1:] == (-math.inf, math.inf)
    alike.add(np.ones(980), np.arange(980.0))
    assert alike.interval()[1] == alike.interval()[2]


@pytest.mark.parametrize("confidence", [0.01, 0.5, 0.95, 0.9999])
def test_more_confidence_is_a_wider_interval(confidence):
    losses = np.random.default_rng(6).random(1000)
    widths = []
    for level in (confidence, 0.5 + confidence / 2):
        for sequence in (
            EmpiricalBernstein(9000, 9000.0, 1.0, (0.0, 1.0), 0.05, level),
            Asymptotic(9000, 100, 0.05, level),
        ):
            sequence.add(np.ones(1000), losses)
            _, low, high = sequence.interval()
            widths.append(high - low)
    assert 0.0 < widths[0] < widths[2]
    assert 0.0 < widths[1] < widths[3]


# ------------------------------------------------------------------------------------- the random order


@pytest.mark.parametrize("size", [1, 2, 3, 10, 255, 256, 257, 5000])
def test_a_shuffle_has_every_row_once(size):
    for seed in range(5):
        shuffle = Shuffle(size, seed)
        step = 7 + size // 50
        parts = [shuffle.rows(start, min(start + step, size)) for start in range(0, size, step)]
        assert sorted(np.concatenate(parts).tolist()) == list(range(size))


@pytest.mark.parametrize("size", [60, 300])  # of 256 places, the fewest, and of 512, whose bits have unequal halves
def test_a_shuffle_puts_every_row_everywhere_alike(size):
    counts, seeds = np.zeros((size, size)), 400
    for seed in range(seeds):
        counts[np.arange(size), Shuffle(size, seed).rows(0, size)] += 1
    expected = seeds / size
    square, freedom = ((counts - expected) ** 2 / expected).sum(), (size - 1) ** 2
    assert square < freedom + 4 * math.sqrt(2 * freedom)


def test_a_shuffle_of_very_many_rows_takes_no_memory():
    rows = Shuffle(10**15, 3).rows(10**14, 10**14 + 10_000)
    assert np.unique(rows).size == 10_000
    assert rows.min() >= 0
    assert rows.max() < 10**15
    assert abs(rows.mean() / (10**15 / 2) - 1) < 4 / math.sqrt(3 * 10_000)


# --------------------------------------------------------------------------------------------- estimate


def lognormal(size, seed=7):
    """Predictions whose absolute errors are lognormal."""
    return np.random.default_rng(seed).lognormal(size=size), np.zeros(size)


@pytest.mark.parametrize(("tolerance", "bounds", "batch"), [(0.1, None, 250), (0.05, (0.0, 60.0), 1000)])
def test_where_it_stops_the_exact_mean_is_covered(tolerance, bounds, batch):
    z, t = lognormal(30_000)
    assert z.max() < 60.0
    exact, missed, runs = rashin.absolute_error(z, t), 0, 150
    for seed in range(runs):
        found = rashin.estimate("absolute_error", z, t, tolerance=tolerance, seed=seed, batch=batch, bounds=bounds)
        assert found.reached
        assert found.count < found.rows == 30_000
        assert (found.high - found.low) / 2 <= tolerance * found.mean
        missed += not found.low <= exact <= found.high
    assert not rejects(missed, runs)


def test_the_seed_decides():
    z, t = lognormal(30_000)
    first, again, other = (rashin.estimate("huber", z, t, tolerance=0.1, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.mean != other.mean


def test_a_finer_tolerance_takes_more_rows():
    z, t = lognormal(200_000)
    counts = [rashin.estimate("absolute_error", z, t, tolerance=x).count for x in (0.2, 0.05, 0.02)]
    assert MINIMUM <= counts[0] < counts[1] < counts[2] < 200_000
    found = rashin.estimate("absolute_error", z, t, tolerance=0.05)
    assert found.share == found.count / 200_000
    assert found.method == "asymptotic"


ALL = [
    ("huber", {"delta": 0.7}, (700,), "f8"),
    ("sigmoid_cross_entropy", {"positive_weight": 3.0}, (300, 3), "f4"),
    ("softmax_cross_entropy", {"label_smoothing": 0.1}, (400, 6), "f4"),
    ("softmax_cross_entropy", {"softcap": 2.0}, (60, 7, 5), "f2"),
    ("categorical_cross_entropy", {"epsilon": 1e-3}, (500, 4), "f8"),
]


def data_of(loss, shape, dtype, seed=8):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=shape).astype(dtype)
    if loss.facts.prediction == rashin.categorical_cross_entropy.facts.prediction:
        z = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    samples = shape if loss.kind == "pointwise" else shape[:-1]
    t = rng.random(samples).astype(dtype) if loss.kind == "pointwise" else rng.integers(0, shape[-1], samples)
    return z, t, rng.exponential(size=samples).astype(dtype) * (rng.random(samples) < 0.8), rng.random(samples) < 0.7


@pytest.mark.parametrize(("name", "parameters", "shape", "dtype"), ALL)
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_all_rows_give_the_exact_bits(name, parameters, shape, dtype, weighed, masked):
    loss = getattr(rashin, name).replace(**parameters)
    z, t, weight, where = data_of(loss, shape, dtype)
    weight, where = weight if weighed else None, where if masked else None
    exact = loss(z, t, weight=weight, where=where)
    for batch in (7, 64, 10**6):
        found = rashin.estimate(loss, z, t, weight, where, tolerance=1e-9, batch=batch)
        assert (found.mean, found.low, found.high) == (exact, exact, exact)
        assert found.count == found.rows
        assert found.share == 1.0
        assert found.method == "exact"
        assert not found.reached


@pytest.mark.parametrize(("name", "parameters", "shape", "dtype"), ALL)
def test_weights_masks_and_rows_of_many_samples_are_estimated(name, parameters, shape, dtype):
    loss = getattr(rashin, name).replace(**parameters)
    z, t, weight, where = data_of(loss, (20_000, *shape[1:]), dtype)
    exact = loss(z, t, weight=weight, where=where)
    missed = 0
    for seed in range(20):
        found = rashin.estimate(loss, z, t, weight, where, tolerance=0.05, seed=seed)
        assert found.reached
        assert found.low <= found.mean <= found.high
        missed += not found.low <= exact <= found.high
    assert not rejects(missed, 20)
    bounded = loss.facts.bounds is not None and math.isfinite(
        loss.facts.bounds(*_classes(loss, z), **loss.parameters)[1]
    )
    assert found.method == ("empirical-bernstein" if bounded else "asymptotic")


def _classes(loss, z):
    return () if loss.kind == "pointwise" else (z.shape[-1],)


def test_what_is_left_out_is_neither_drawn_nor_evaluated():
    z, t = lognormal(20_000)
    where = np.random.default_rng(9).random(20_000) < 0.5
    weight = np.where(np.arange(20_000) % 3 == 0, 0.0, 2.0)
    z[~where | (weight == 0.0)] = np.nan
    found = rashin.estimate("absolute_error", z, t, weight, where, tolerance=0.1)
    assert found.rows == np.count_nonzero(where & (weight > 0.0))
    assert math.isfinite(found.mean)
    with pytest.raises(ValueError, match=r"^prediction: got nan at index \d+"):
        rashin.estimate("absolute_error", z, t, tolerance=0.1)


def test_a_function_reads_the_rows_drawn_and_no_others():
    z, t = lognormal(50_000)
    where = np.random.default_rng(10).random(50_000) < 0.5
    asked = []

    def read(indices):
        asked.append(indices)
        return z[indices], t[indices]

    found = rashin.estimate("absolute_error", read, where=where, rows=50_000, tolerance=0.1, batch=100)
    rows = np.concatenate(asked)
    assert all((np.diff(indices) > 0).all() for indices in asked)
    assert np.unique(rows).size == rows.size == found.count < found.rows == np.count_nonzero(where)
    assert where[rows].all()
    assert found == rashin.estimate("absolute_error", z, t, where=where, tolerance=0.1, batch=100)


def test_a_function_may_read_weights_or_have_them_beside_it():
    z, t = lognormal(20_000)
    weight = np.random.default_rng(11).exponential(size=20_000)
    known = rashin.estimate("huber", lambda i: (z[i], t[i]), weight=weight, rows=20_000, tolerance=0.05)
    read = rashin.estimate("huber", lambda i: (z[i], t[i], weight[i]), rows=20_000, tolerance=0.05)
    assert known == read == rashin.estimate("huber", z, t, weight, tolerance=0.05)
    bounds = (0.0, float(rashin.huber.per_sample(z, t).max()))
    known = rashin.estimate("huber", lambda i: (z[i], t[i]), weight=weight, rows=20_000, tolerance=0.1, bounds=bounds)
    read = rashin.estimate("huber", lambda i: (z[i], t[i], weight[i]), rows=20_000, tolerance=0.1, bounds=bounds)
    assert (known.method, read.method) == ("empirical-bernstein", "asymptotic")


def test_a_memory_map(tmp_path):
    z, t = lognormal(20_000)
    np.save(tmp_path / "z.npy", z.astype(np.float32))
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    assert rashin.estimate("huber", mapped, t) == rashin.estimate("huber", np.asarray(mapped), t)


def test_an_infinite_loss_makes_an_infinite_mean():
    z = np.random.default_rng(12).random(20_000)
    z[::50] = 0.0
    found = rashin.estimate("binary_cross_entropy", z, np.ones(20_000))
    assert (found.mean, found.method) == (math.inf, "exact")


def test_a_mean_of_zero_takes_all_rows():
    z = np.r_[np.ones(3000), -np.ones(3000)]
    found = rashin.estimate("negative_log_likelihood", np.full((2000, 1), 0.0), np.zeros(2000, int))
    assert (found.mean, found.method) == (0.0, "exact")
    found = rashin.estimate("poisson", np.log(np.full(6000, 2.0)), (2.0 - 0.1 * z) / math.log(2.0), tolerance=0.5)
    assert found.method == "exact"


def test_a_user_loss_with_bounds_of_its_own():
    @rashin.pointwise(parameters={"scale": rashin.domain.POSITIVE}, bounds=lambda scale: (0.0, 1.0))
    def welsch_of_the_test(xp, z, t, scale=1.0):
        x = (z - t) / scale
        e = xp.exp(-0.5 * x * x)
        return -xp.expm1(-0.5 * x * x), x * e / scale, (1 - x * x) * e / (scale * scale)

    z, t = lognormal(30_000)
    found = rashin.estimate(welsch_of_the_test.replace(scale=2.0), z, t, tolerance=0.05)
    assert found.method == "empirical-bernstein"
    assert found.low <= welsch_of_the_test(z, t, scale=2.0) <= found.high


# ---------------------------------------------------------------------------------------------- refusals

Z, T = lognormal(2000)
BAD = [
    ({"tolerance": 0.0}, ValueError, r"^tolerance: got 0.0; expected a number > 0$"),
    ({"tolerance": math.nan}, ValueError, r"^tolerance: got nan"),
    ({"tolerance": "small"}, TypeError, r"^tolerance: got 'small'"),
    ({"confidence": 1.0}, ValueError, r"^confidence: got 1.0; expected a number > 0 and < 1$"),
    ({"confidence": 0.0}, ValueError, r"^confidence: got 0.0"),
    ({"seed": -1}, ValueError, r"^seed: got -1; expected a whole number >= 0"),
    ({"batch": 0}, ValueError, r"^batch: got 0; expected a whole number >= 1"),
    ({"batch": 2.5}, ValueError, r"^batch: got 2.5"),
    ({"minimum": 0}, ValueError, r"^minimum: got 0"),
    ({"method": "exact"}, ValueError, r"^method: got 'exact'; expected 'empirical-bernstein', 'asymptotic'"),
    ({"method": "empirical-bernstein"}, ValueError, r"^method: .* huber\(delta=1.0\); fix: pass bounds="),
    ({"bounds": (1.0, 0.0)}, ValueError, r"^bounds: got \(1.0, 0.0\); expected two finite numbers"),
    ({"bounds": 3.0}, ValueError, r"^bounds: got 3.0; expected two finite numbers"),
    ({"bounds": (0.0, 0.5)}, ValueError, r"^bounds: got \(0.0, 0.5\), and then a loss of .* in row \d+"),
    ({"rows": 5}, TypeError, r"^rows: got 5 beside arrays"),
    ({"target": T[:5]}, ValueError, r"^target: got shape \(5,\) for a prediction of shape \(2000,\)"),
    ({"weight": np.full(2000, -1.0)}, ValueError, r"^weight: got -1.0 at index 0"),
    ({"weight": np.zeros(2000)}, ValueError, r"the weights are all 0"),
    ({"where": np.zeros(2000, bool)}, ValueError, r"`where` selects nothing"),
    ({"prediction": Z[:0], "target": T[:0]}, ValueError, r"there are no samples"),
    ({"prediction": 1.0, "target": 1.0}, ValueError, r"^target: got shape \(\) for a prediction of shape \(\)"),
    ({"loss": 3}, TypeError, r"^loss: got int"),
    ({"prediction": lambda i: (Z[i], T[i]), "target": None}, TypeError, r"^rows: got none"),
    ({"prediction": lambda i: Z[i], "target": None, "rows": 9}, TypeError, r"^read: got ndarray; expected"),
    ({"prediction": lambda i: (Z, T), "target": None, "rows": 9}, ValueError, r"^read: .* \(2000,\) for 9 rows"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind", "message"), BAD)
def test_what_is_refused(changes, kind, message):
    with pytest.raises(kind, match=message):
        rashin.estimate(**{"loss": "huber", "prediction": Z, "target": T, **changes})


def test_weights_that_come_late_are_refused():
    calls = []

    def read(indices):
        calls.append(indices)
        return (Z[indices], T[indices], Z[indices])[: 2 if len(calls) == 1 else 3]

    with pytest.raises(TypeError, match=r"^read: .* weights"):
        rashin.estimate("huber", read, rows=2000, batch=10, bounds=(0.0, 100.0), tolerance=1e-6)
