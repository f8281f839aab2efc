"""Classes split over the ranks of a group of real processes: the value and gradients of all classes together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("torch was built without torch.distributed", allow_module_level=True)

import rashin
import shards
from rashin.adapters.torch_sharded import sharded_softmax_cross_entropy
from rashin.backends.torch.memory import array_of, tensor_of
from shards import SIZES

every_size = pytest.mark.parametrize("size", SIZES)

OPTIONS = [
    {},
    {"z_loss": 0.1},
    {"softcap": 5.0},
    {"label_smoothing": 0.2},
    {"label_smoothing": 1.0},
    {"label_smoothing": 0.1, "z_loss": 0.02, "softcap": 30.0},
]
ROWS, CLASSES, WIDTH = 10, 27, 6
MASKED = {"weight": np.linspace(0.0, 2.3, ROWS), "where": np.arange(ROWS) != 2}  # one row of weight 0, one outside


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    processes = shards.Pool(tmp_path_factory.mktemp("ranks"))
    yield processes
    processes.close()


def drawn(seed: int = 1) -> Any:
    """Logits of rows of all kinds, and labels."""
    rng = np.random.default_rng(seed)
    z, t = rng.normal(size=(ROWS, CLASSES)) * 4.0, rng.integers(0, CLASSES, ROWS)
    z[1] += 1e3  # where a rounded logsumexp would show
    z[3, :7] = -np.inf  # all classes of a rank
    t[3] = 20
    z[4, t[4]] += 40.0  # a certain label: 1 - p is what counts
    z[5, (t[5] + 5) % CLASSES] += 60.0  # another class is certain
    z[6, [0, 8, 26]] = z[6].max() + 1.0  # ties between ranks
    t[6] = 8
    z[7] *= 30.0  # most probabilities vanish
    return z, t


def dense(z: Any, t: Any, factor: Any, options: Any) -> tuple[Any, Any]:
    """The same of all logits, in one process."""
    leaf = shards.leaf(z)
    value = rashin.softmax_cross_entropy(leaf, tensor_of(t), **shards.tensors(options))
    value.backward(torch.ones_like(value) * (tensor_of(factor) if isinstance(factor, np.ndarray) else factor))
    return array_of(value), array_of(leaf.grad)


def assert_close(found: Any, exact: Any, tolerance: float, unit: Any = 0.0) -> None:
    """Equal but for so many parts of the exact number, or of the ``unit`` from which a difference is taken."""
    found, exact = np.asarray(found, np.float64), np.asarray(exact, np.float64)
    assert found.shape == exact.shape
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(found - exact) / np.maximum(np.maximum(np.abs(exact), unit), 1e-300))
    assert error.max(initial=0.0) <= tolerance


# ------------------------------------------------------------------------------------------ the same numbers


@every_size
def test_value_and_gradient_are_those_of_all_classes(pool, size):
    z, t = drawn()
    factor = np.linspace(-1.5, 2.0, ROWS)
    cases = [(z, t, -1.7, {**MASKED, **options}) for options in OPTIONS]
    cases += [(z, t, 1.0, {**options, "reduction": "sum"}) for options in OPTIONS]
    cases += [(z, t, factor, {**MASKED, **options, "reduction": "none"}) for options in OPTIONS]
    found = pool.run(size, shards.of_logits, cases)
    for place, (logits, labels, d, options) in enumerate(cases):
        value, gradient = dense(logits, labels, d, options)
        # With smoothing an entry is the difference of p and s / C: as close as those are.
        unit = options.get("label_smoothing", 0.0) / CLASSES * np.abs(d).max()
        for answer in found:
            assert_close(answer[place][0], value, 1e-15)
            assert np.array_equal(answer[place][0], found[0][place][0])
        assert_close(np.concatenate([answer[place][1] for answer in found], -1), gradient, 2e-14, unit)


@every_size
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=lambda dtype: str(dtype)[6:])
def test_other_types_are_rounded_once(pool, size, dtype):
    z, t = drawn(2)
    z = tensor_of(z).clip(-6e4, 6e4).to(dtype)
    cases = [(array_of(z), t, 1.0, {**MASKED, **options}) for options in OPTIONS]
    found = pool.run(size, shards.of_logits, cases)
    spacing = torch.finfo(dtype).eps
    for place, (_, _, d, options) in enumerate(cases):
        value, gradient = dense(array_of(z.double()), t, d, options)
        unit = options.get("label_smoothing", 0.0) / CLASSES * 2.0**-20
        for answer in found:
            assert answer[place][0].dtype == np.float32
            assert_close(answer[place][0], value, 2.0**-24 * (1.0 + 2.0**-20))
        given = np.concatenate([answer[place][1] for answer in found], -1)
        assert given.dtype == array_of(z).dtype
        rounded = array_of(tensor_of(gradient).to(dtype))
        assert_close(given, rounded, spacing, max(unit, torch.finfo(dtype).tiny))


def test_a_scaled_gradient_of_float16_neither_vanishes_nor_overflows(pool):
    z, t = drawn(3)
    z = tensor_of(z).clip(-6e4, 6e4).half()
    scale = 2.0**16
    found = pool.run(2, shards.of_logits, [(array_of(z), t, scale, {})])
    gradient = dense(array_of(z.double()), t, scale, {})[1]
    assert_close(np.concatenate([answer[0][1] for answer in found], -1), gradient.astype(np.float16), 2.0**-10, 6e-5)


@every_size
def test_rows_with_limits_and_without_samples(pool, size):
    z, t = drawn(4)
    z[0, 25], t[0] = np.inf, 25  # a certain class
    z[1, 3], t[1] = np.inf, 9
    z[2, :] = -np.inf  # outside
    z[8, t[8]] = -np.inf  # a label that is masked
    z[9, 1:] = -np.inf
    t[9] = 0
    nobody = {"where": np.zeros(ROWS, bool), "reduction": "sum"}
    finite = [options for options in OPTIONS[:4] if "z_loss" not in options]  # with it, +inf is refused
    cases = [(z, t, 1.0, {"where": MASKED["where"], "reduction": "none", **options}) for options in finite]
    cases += [(z, t, 1.0, nobody), (z[:0], t[:0], 1.0, {"reduction": "sum"})]
    found = pool.run(size, shards.of_logits, cases)
    for place, case in enumerate(cases):
        value, gradient = dense(*case)
        unit = case[3].get("label_smoothing", 0.0) / CLASSES
        for answer in found:
            assert_close(answer[place][0], value, 1e-15)
        assert_close(np.concatenate([answer[place][1] for answer in found], -1), gradient, 2e-14, unit)
    assert np.isinf(found[0][0][0][[1, 8]]).all()


@every_size
def test_the_linear_form_is_the_loss_of_its_logits(pool, size):
    rng = np.random.default_rng(5)
    x, c, b = rng.normal(size=(ROWS, WIDTH)), rng.normal(size=(CLASSES, WIDTH)) * 3.0, rng.normal(size=CLASSES)
    b[4] = -np.inf
    t = rng.integers(5, CLASSES, ROWS)
    x[0] = np.inf  # of weight 0 and outside
    masked = {**MASKED, "where": np.arange(ROWS) > 0}
    cases = [(x, c, b, t, 2.0, {**masked, **options}) for options in OPTIONS[:4]]
    cases += [(x, c, None, t, 1.0, {**masked, "reduction": "sum"})]
    cases += [(x, c, b, t, np.linspace(-1.0, 2.0, ROWS), {**masked, **OPTIONS[5], "reduction": "none"})]
    cases += [(x.astype("f4"), c.astype("f4"), b.astype("f4"), t, 1.0, masked)]
    cases += [(x.astype("f2"), c.astype("f4"), b.astype("f4"), t, 1.0, masked)]
    cases += [(*(array_of(tensor_of(one).bfloat16()) for one in (x, c, b)), t, 1.0, masked)]
    found = pool.run(size, shards.of_layer, cases)
    for place, (*arrays, labels, d, options) in enumerate(cases):
        keywords = shards.tensors(options)
        leaves = [None if one is None else shards.leaf(one.astype("f8")) for one in arrays]
        value = rashin.linear_softmax_cross_entropy(leaves[0], leaves[1], tensor_of(labels), leaves[2], **keywords)
        value.backward(torch.ones_like(value) * (tensor_of(d) if isinstance(d, np.ndarray) else d))
        dtype = arrays[0].dtype
        # Of products by BLAS, on their largest.
        tolerance = {"float64": 1e-14, "float32": 1e-5, "float16": 2.0**-10, "bfloat16": 2.0**-7}[dtype.name]
        for answer in found:
            assert_close(answer[place][0], array_of(value), tolerance, value.abs().max().item())
            assert answer[place][1].dtype == dtype
            assert_close(answer[place][1], array_of(leaves[0].grad), tolerance, leaves[0].grad.abs().max().item())
            assert np.array_equal(answer[place][1], found[0][place][1])
        for which in (1, 2):
            if leaves[which] is not None:
                whole = np.concatenate([answer[place][1 + which] for answer in found])
                assert_close(whole, array_of(leaves[which].grad), tolerance, leaves[which].grad.abs().max().item())


# ---------------------------------------------------------------------------------------------------- errors


def logits_with(place: Any, value: float) -> Any:
    z = np.zeros((4, CLASSES))
    z[place] = value
    return {"logits": z}


Z, T = {"logits": np.zeros((4, CLASSES)), "target": np.array([0, 5, 26, 7])}, np.array([0, 5, 26, 7])
X = {"inputs": np.ones((4, 2)), "classifier": np.zeros((CLASSES, 2)), "target": T}
REFUSED = [
    # function, arguments of all, others of the last rank, message; LAST is the last rank's name
    ("logits", Z, logits_with((2, 26), np.nan), r"^LAST, logits: got nan at index \(2, \d+\); expected a logit"),
    ("logits", {**Z, "logits": np.full((4, CLASSES), np.nan)}, {}, r"^(rank \d, )?logits: got nan at index \(0, 0\)"),
    ("logits", {**Z, **logits_with(1, -np.inf)}, {}, r"^logits: got -inf for all classes at index 1, where"),
    (
        "logits",
        {**Z, **logits_with((3, [0, 26]), np.inf)},
        {},
        r"^logits: got \+inf for 2 of the classes at index 3, where",
    ),
    (
        "logits",
        {**Z, **logits_with((1, 7), np.inf), "z_loss": 0.1},
        {},
        r"^logits: got \+inf for 1 of the classes at index 1, where .*; expected .* for none with z_loss",
    ),
    ("logits", {**Z, "target": T + 1}, {}, r"^target: got 27 at index 2; expected a class label from 0 to 26"),
    ("logits", {**Z, "target": T - 1}, {}, r"^target: got -1 at index 0; .* fix: leave it out by where=target != -1"),
    ("logits", {**Z, "target": np.array([-(1 << 62), 1, 2, 3])}, {}, r"^target: got -4611686018427387904 at index 0"),
    ("logits", {**Z, "target": T + 0.5}, {}, r"^target: got 0.5 at index 0; expected whole labels"),
    ("logits", {**Z, "target": np.ones((4, CLASSES))}, {}, r"^target: got shape \(4, 27\) for 4 rows; expected labels"),
    (
        "logits",
        Z,
        {"target": T[::-1].copy()},
        r"^target: got labels on rank \d other than on rank 0; .*fix: torch.distributed.broadc",
    ),
    ("logits", Z, {"weight": np.ones(4) * 2.0}, r"^weight: got weights or a mask on rank \d other than on rank 0"),
    ("logits", Z, {"where": T > 0}, r"^target: got labels on rank \d other than on rank 0"),
    ("logits", Z, {"reduction": "sum"}, r"^reduction: got a reduction or options on rank \d other than"),
    ("logits", Z, {"z_loss": 0.1}, r"^reduction: got a reduction or options on rank \d other than"),
    ("logits", Z, {"logits": np.zeros((4, CLASSES), "f4")}, r"^logits: got a number of rows or a dtype on rank \d"),
    ("logits", Z, {"label_smoothing": 2.0}, r"^LAST, label_smoothing: got 2.0; expected a probability"),
    ("logits", {**Z, "reduction": "median"}, {}, r"^reduction: got 'median'; expected 'mean', 'sum', 'none'"),
    ("logits", {**Z, "weight": np.array([1.0, -1.0, 1, 1])}, {}, r"^weight: got -1.0 at index 1; expected finite weig"),
    ("logits", {**Z, "weight": np.zeros(4)}, {}, r"^prediction: got 4 samples with reduction='mean', but the weights"),
    ("logits", Z, {"weight": "abc"}, r"^LAST, weight: got str; expected a torch tensor"),
    ("classifier", X, {"inputs": np.zeros((4, 2))}, r"^inputs: got numbers on rank \d other than on rank 0"),
    ("classifier", X, {"bias": np.zeros(7)}, r"^LAST, bias: got shape \(7,\) for a classifier of shape"),
    ("classifier", X, {"classifier": np.full((CLASSES, 2), np.nan)}, r"^LAST, classifier: got nan at index \(0, 0\)"),
    ("classifier", {**X, "classifier": np.zeros((CLASSES, 3))}, {}, r"^(rank \d, )?classifier: got shape \(\d+, 3\)"),
]


@every_size
def test_what_is_wrong_on_one_rank_raises_on_all(pool, size):
    cases = [(function, arguments, others) for function, arguments, others, _ in REFUSED]
    found = pool.run(size, shards.refused, cases)
    for place, (_, _, others, message) in enumerate(REFUSED):
        texts = {answer[place] for answer in found}
        assert len(texts) == 1
        text = texts.pop()
        if size == 1:
            if others and not message.startswith("^LAST"):
                assert isinstance(text, float)  # there is no other rank to differ from
                continue
            message = message.replace("LAST, ", "")
        with pytest.raises((ValueError, TypeError), match=message.replace("LAST", f"rank {size - 1}")):
            raise {"Refusal": ValueError, "ValueError": ValueError, "TypeError": TypeError}[text[0]](text[1])


@every_size
def test_graphs_have_first_derivatives_as_often_as_they_are_asked_for(pool, size):
    rng = np.random.default_rng(6)
    z, x, c = (rng.normal(size=shape) for shape in ((4, CLASSES), (4, 3), (CLASSES, 3)))
    for found in pool.run(size, shards.graphs, z, x, c, T):
        assert found["logits, twice"]
        assert found["linear, twice"]
        for name in ("logits", "linear"):
            kind, message = found[f"{name}, second"]
            assert kind == "NotImplementedError"
            assert "second derivative of a loss whose classes are split over processes" in message
            assert "modified by an inplace operation" in found[f"{name}, changed"][1]
        assert found["no room"][1].endswith("no room")
        assert found["no room"][0] == ("MemoryError" if size == 1 else "RuntimeError")
        assert found["transformed"][0] == "TypeError"
        assert found["transformed"][1].startswith("logits: got a Tensor in a compiled graph, in a transform")
        if size > 1:
            assert found["no room"][1].startswith(f"rank {size - 1}, MemoryError: ")
            assert found["another factor"][1].startswith("loss: got a gradient on rank 1 other than on rank 0")


@pytest.mark.parametrize("size", shards.SIZES)
def test_the_measurement_of_all_processes_has_the_bits_of_one(pool, size):
    z, t, w = np.random.default_rng(4).normal(size=(3, 27)) ** 2
    whole = rashin.measure("huber", z, t, weight=w)
    exact = (whole.mean, whole.sum, whole.weight, whole.count)
    assert pool.run(size, shards.measured, z, t, w) == [exact] * size


def test_a_measurement_is_reduced_in_a_group_only():
    from rashin.adapters.torch import all_reduced

    with pytest.raises(ValueError, match="group: got no process group"):
        all_reduced(rashin.measure("huber", [1.0], [0.0]))


@pytest.fixture
def alone():
    """A group of this process only."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[5]], ids=["plain", "options"])
def test_rows_of_many_classes_are_swept_in_spans_and_by_threads(alone, dtype, options):
    z, t = torch.randn(5000, 40, generator=torch.Generator().manual_seed(7)).mul(9.0).to(dtype).t(), torch.arange(40)
    assert not z.is_contiguous()
    ours, theirs = z.clone().requires_grad_(), z.double().requires_grad_()
    value, exact = sharded_softmax_cross_entropy(ours, t, **options), rashin.softmax_cross_entropy(theirs, t, **options)
    value.backward()
    exact.backward()
    rounding = {torch.float32: 2.0**-24, torch.float64: 4e-15}[dtype]
    assert_close(array_of(value), array_of(exact), rounding * (1.0 + 2.0**-20))
    unit = 1e-7 if options else 2.0**-100  # 1e-7 is half of s / (C N)
    assert_close(array_of(ours.grad), array_of(theirs.grad), rounding * (1.0 + 2.0**-20), unit)


def test_a_process_needs_a_group():
    with pytest.raises(ValueError, match="group: got no process group; expected one that is initialised"):
        sharded_softmax_cross_entropy(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))


def test_what_has_no_form_is_refused_by_name(alone):
    z, t = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    assert sharded_softmax_cross_entropy(z, t).item() == rashin.softmax_cross_entropy(z, t).item()
    with pytest.raises(TypeError, match="group: got int; expected a process group that this process is in"):
        sharded_softmax_cross_entropy(z, t, group=3)
    for name in ("target", "weight"):
        given = {"target": torch.zeros(2), "weight": torch.ones(2)}
        given[name].requires_grad_()
        with pytest.raises(TypeError, match=f"{name}: got a tensor that requires a gradient"):
            sharded_softmax_cross_entropy(z, **given)
    with pytest.raises(TypeError, match="logits: got a Tensor in a compiled graph"):
        sharded_softmax_cross_entropy(z.to("meta"), t.to("meta"))
    with pytest.raises(ValueError, match="logits: got no classes on any rank"):
        sharded_softmax_cross_entropy(z[:, :0], t)
    with pytest.raises(ValueError, match=r"logits: got shape \(2, 3, 1\); expected \(N, C\), a row per sample"):
        sharded_softmax_cross_entropy(z[..., None], t)
