"""Measurements, checkpoints and models that were altered: a ValueError at the door, or what they say."""

from __future__ import annotations

import copy
import json
import re
import time

import numpy as np
import pytest

import rashin
from rashin import Measurement
from rashin.learn import Network, train

RNG = np.random.default_rng(11)
WRONG = [None, True, -1, 0.5, "1e999", "x", [], {}, [[1]], 2**70, 10**400, float("nan"), -(10**9), 10**9]


@pytest.fixture(scope="module")
def state():
    p, t = RNG.uniform(0.01, 0.99, 60), RNG.integers(0, 2, 60)
    p[t == 0] *= 0.5
    p[0], t[0] = 0.0, 1
    options = {"group": t, "cluster": np.arange(60) % 7, "weight": RNG.uniform(0.1, 2.0, 60), "worst": 2}
    found = rashin.measure("binary_cross_entropy", p, t, **options, accuracy=True, by_class=True, details=True)
    state = json.loads(json.dumps(found.to_dict()))
    assert Measurement.from_dict(state) == found
    return state


def places(part, path=()):
    """Every place of a nested state, from the outside in."""
    yield path
    for name in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield from places(part[name], (*path, name))


def altered(state, path, change):
    copied = copy.deepcopy({"root": state})
    part, (*way, last) = copied, ("root", *path)
    for name in way:
        part = part[name]
    change(part, last)
    return copied["root"]


def used(state):
    """All that a measurement is asked for."""
    found = Measurement.from_dict(state)
    both = found + found
    return repr(both), both.mean, both.interval(), both.standout(), both.baseline, both.remarks, both.to_dict()


def test_whatever_is_altered_is_refused_in_words_or_has_a_meaning(state):
    everywhere = list(places(state))
    shallow = [path for path in everywhere if len(path) < 4]
    some = shallow + [everywhere[i] for i in RNG.integers(0, len(everywhere), 150)]
    refused, start = [], time.perf_counter()
    for number, path in enumerate(some):
        wrong = WRONG[number % len(WRONG)]
        for change in (
            lambda part, name, wrong=wrong: part.__setitem__(name, wrong),
            lambda part, name: part.pop(name),
        ):
            try:
                used(altered(state, path, change) if path else wrong)
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > len(some)
    assert all(len(message) < 400 for message in refused)
    assert time.perf_counter() - start < 60.0


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("total", "losses", "exponent"), 10**9, r"state\.total\.losses\.exponent: got 1000000000; expected a whole"),
        (
            ("total", "losses", "limbs", 0),
            2**4000,
            r"state\.total\.losses\.limbs\[0\]: got a whole number of 4001 bits",
        ),
        (("total", "count"), 0, r"state\.total\.infinite: got 1; expected at most 0 rows"),
        (("total", "count"), True, r"state\.total\.count: got True; expected a whole number from 0"),
        (("groups", 0, 0), 1, r"state\.groups: got list of 2; expected every key once"),
        (
            ("details", "losses", "bins", 0),
            -(2**40),
            r"state\.details\.losses\.bins\[0\]: got -1099511627776; expected",
        ),
        (("details", "calibration", "weight", "first"), 10**8, r"calibration\.weight\.first: got 100000000; expected"),
        (("worst", 0, 2), -1, r"state\.worst\[0\]\[2\]: got -1; expected"),
        (("total", "rigth"), 1, r"state\.total: got 'rigth'; expected no other entries than"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_the_message_names_the_place(path, value, words, state):
    with pytest.raises(ValueError, match=words):
        Measurement.from_dict(altered(state, path, lambda part, name: part.__setitem__(name, value)))


@pytest.mark.parametrize("position", [[-1, 0, 0], [0, 0, 0], [0, -1, 61], [9, 0, 61], [0.0, 0, 61], [0, 61], "abc"])
@pytest.mark.parametrize("signed", [True, False])
def test_a_position_in_a_table_that_cannot_be_is_refused(signed, position, tmp_path):
    from rashin.measurement.table.checkpoint import _digest

    (tmp_path / "some.csv").write_text("p,target\n" + "1,2\n" * 61)
    options = {"prediction": "p", "target": "target", "checkpoint": tmp_path / "state.json"}
    rashin.measure_table("absolute_error", tmp_path / "some.csv", **options)
    state = json.loads((tmp_path / "state.json").read_text())
    state["position"] = position
    if signed:
        del state["digest"]
        state["digest"] = _digest(json.dumps(state))
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(
        ValueError,
        match=r"state\.json(: got .*; expected a checkpoint of a|, (position|digest): got .*; fix: name another file)",
    ):
        rashin.measure_table("absolute_error", tmp_path / "some.csv", **options)


# ------------------------------------------------------------------------------------------- trainings and models

X, LABELS = RNG.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 3


def trained(file, **options):
    options = {"optimizer": "momentum", "batch_size": 7, "held_out": (X[:5], LABELS[:5])} | options
    return train(Network((4, 5, 3)), rashin.softmax_cross_entropy, X, LABELS, checkpoint=file, **options)


def changes_of(array):
    """Arrays that are not what was written."""
    yield from (array[..., None], np.zeros(0), np.array(3))
    if array.dtype.kind != "U":
        yield from (array.astype(">f8"), array.astype("U9"))
    if array.dtype.kind == "f":
        yield np.full_like(array, np.nan)
    if array.ndim:
        yield from (array[1:], np.concatenate([array, array]))


def test_an_altered_checkpoint_of_a_training_is_refused_by_name(tmp_path):
    file = tmp_path / "checkpoint.npz"
    trained(file, epochs=2)
    with np.load(file) as opened:
        arrays = {name: opened[name] for name in opened.files}
    for name, array in arrays.items():
        others = (
            [None, *changes_of(array)]
            if name not in ("step_accuracy", "epochs")
            else [None, array[1:], array[..., None]]
        )
        for other in others:
            np.savez(file, **{key: a for key, a in {**arrays, name: other}.items() if a is not None})
            with pytest.raises(ValueError, match=r"checkpoint\.npz(, [^:;]+)?: got .*; expected"):
                trained(file, epochs=3, resume=True)


def test_a_file_with_a_bit_flipped_or_an_end_lost_is_refused_by_name(tmp_path):
    file = tmp_path / "model.npz"
    Network((4, 5, 3)).save(file)
    content, before, refused = file.read_bytes(), Network.load(file), []
    for place in RNG.integers(0, len(content), 150):
        bit = 1 << int(RNG.integers(8))
        flipped = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
        for damaged in (flipped, content[:place]):
            file.write_bytes(damaged)
            try:
                after = Network.load(file)
            except ValueError as error:
                refused.append(str(error))
            else:  # a date, for example, is in the file too
                assert all(map(np.array_equal, before.parameters, after.parameters))
    assert len(refused) > 150
    assert all(
        re.fullmatch(rf"{re.escape(str(file))}(, [^:;]+)?: got .*; expected .*", message, re.DOTALL)
        for message in refused
    )


def test_a_directory_of_an_archive_that_begins_elsewhere_is_refused_by_name(tmp_path):
    """The system then refuses to go to a place before the file."""
    file = tmp_path / "model.npz"
    Network((4, 5, 3)).save(file)
    content = bytearray(file.read_bytes())
    content[-4] ^= 1 << 4  # of the offset of the directory, before the length of a comment
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.npz(: got|, array .*: got) .*; expected "):
        Network.load(file)


@pytest.mark.parametrize(
    "missing",
    [("weight_2",), ("bias_2",), ("weight_2", "bias_2"), ("weight_1", "bias_1"), ("activation",)],
    ids="+".join,
)
def test_a_model_without_an_array_is_no_smaller_network(missing, tmp_path):
    file, network = tmp_path / "model.npz", Network((4, 5, 3))
    np.savez(file, **{name: array for name, array in network.arrays.items() if name not in missing})
    with pytest.raises(ValueError, match=r"model\.npz(, (arrays|layers))?: got .*; expected "):
        Network.load(file)


def test_a_header_that_asks_for_all_memory_is_refused_before_it_gets_any(tmp_path):
    import zipfile

    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("weight_1.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"model\.npz, array 'weight_1', header: got shape"):
        Network.load(tmp_path / "model.npz")
