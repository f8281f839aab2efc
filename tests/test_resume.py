"""A training that was cut off goes on to the bits of one in one go, and a checkpoint of another is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.learn import Network, Trainer, run_training, samples_for, train
from rashin.learn.samples.fingerprint import fingerprint
from rashin.learn.training.checkpoint import is_checkpoint, read_checkpoint, write_checkpoint
from rashin.storage import alone

pytestmark = pytest.mark.usefixtures("undrawn")

CLASSES = 3
LOSS = rashin.softmax_cross_entropy


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, CLASSES, 101)
    return (rng.normal(size=(101, 4)) + labels[:, None]).astype(np.float32), labels


def network(**options):
    return Network((4, 6, CLASSES), **options)


def bits(trained, history):
    return [p.tobytes() for p in trained.parameters], history.steps, history.epochs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "inverse"])
def test_three_epochs_and_three_more_are_six(optimizer, schedule, dtype, data, tmp_path):
    options = {"optimizer": optimizer, "schedule": schedule, "batch_size": 10, "weight_decay": 1e-3, "seed": 2}
    options |= {"weight": np.linspace(0, 2, 101), "held_out": (data[0][:20], data[1][:20])}
    whole = network(dtype=dtype)
    expected = bits(whole, train(whole, LOSS, *data, epochs=6, **options))
    file = tmp_path / "checkpoint.npz"
    train(network(dtype=dtype), LOSS, *data, epochs=3, checkpoint=file, **options)
    second = network(dtype=dtype, seed=99)  # whatever it starts from is overwritten
    assert bits(second, train(second, LOSS, *data, epochs=6, checkpoint=file, resume=True, **options)) == expected
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("step", [1, 27, 44])
def test_a_training_killed_at_any_step_goes_on_to_the_same_bits(step, data, tmp_path):
    """Killed: an error that nothing catches, in the middle of an epoch; a cosine too, as its length is the same."""
    options = {"epochs": 5, "schedule": "cosine", "optimizer": "adam", "batch_size": 10, "patience": 5}
    options |= {"held_out": (data[0][:20], data[1][:20])}
    whole = network()
    expected = bits(whole, train(whole, LOSS, *data, **options))

    def kill(history):
        if len(history.steps) == step:
            raise SystemError

    file = tmp_path / "checkpoint.npz"
    with pytest.raises(SystemError):
        train(network(), LOSS, *data, checkpoint=file, callback=kill, **options)
    assert file.exists() == (step > 11)
    again = network()
    assert bits(again, train(again, LOSS, *data, checkpoint=file, resume=True, **options)) == expected


def test_patience_and_its_best_parameters_outlive_the_cut(data, tmp_path):
    x, labels = data
    options = {"held_out": (x[50:], labels[50:]), "patience": 5, "learning_rate": 0.3}
    whole = network(activation="relu")
    history = train(whole, LOSS, x[:50], labels[:50], epochs=200, **options)
    file, cut = tmp_path / "checkpoint.npz", history.best.epoch + 2
    train(network(activation="relu"), LOSS, x[:50], labels[:50], epochs=cut, checkpoint=file, **options)
    again = network(activation="relu")
    resumed = train(again, LOSS, x[:50], labels[:50], epochs=200, checkpoint=file, resume=True, **options)
    assert bits(again, resumed) == bits(whole, history)
    assert resumed.stopped == "patience"
    third = network(activation="relu")  # nothing is left to do, and the best parameters are there
    train(third, LOSS, x[:50], labels[:50], epochs=200, checkpoint=file, resume=True, **options)
    assert [p.tobytes() for p in third.parameters] == [p.tobytes() for p in whole.parameters]


def test_a_new_training_does_not_take_an_old_checkpoint_for_its_own(data, tmp_path):
    file = tmp_path / "checkpoint.npz"
    train(network(), LOSS, *data, epochs=2, checkpoint=file)

    def kill(history):
        raise SystemError

    with pytest.raises(SystemError):
        train(network(), LOSS, *data, epochs=2, checkpoint=file, callback=kill)
    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 20}, "batch_size: got 10; expected 20"),
        ({"optimizer": "adam"}, "optimizer: got Momentum; expected Adam"),
        ({"learning_rate": 0.05}, r"learning_rate: got 0\.1; expected 0\.05"),
        ({"weight_decay": 0.5}, r"weight_decay: got 0\.0; expected 0\.5"),
        ({"seed": 3}, "seed: got 0; expected 3"),
        ({"schedule": "cosine"}, "schedule: got constant; expected cosine"),
        ({"schedule": lambda step: 1.0}, "schedule: got constant; expected a function"),
        ({"loss": rashin.focal}, r"loss: got softmax_cross_entropy\(.*\); expected focal"),
        ({"network": Network((4, 7, CLASSES))}, r"sizes: got \[4, 6, 3\]; expected \[4, 7, 3\]"),
        ({"network": Network((4, 6, CLASSES), activation="tanh")}, "activation: got sigmoid; expected tanh"),
        ({"network": Network((4, 6, CLASSES), dtype=np.float64)}, "dtype: got float32; expected float64"),
        ({"x": np.ones((101, 4), np.float32)}, "training samples: got 101 x 4 of digest"),
        ({"weight": np.ones(101)}, "training weights: got None; expected 101 of digest"),
        (
            {"held_out": (np.ones((9, 4), np.float32), np.ones(9, int))},
            "held-out samples: got None; expected 9 x 4 of digest",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_training_is_refused(change, words, data, tmp_path):
    file = tmp_path / "checkpoint.npz"
    options = {"network": network(), "loss": LOSS, "x": data[0], "target": data[1], "batch_size": 10}
    train(**options, epochs=1, checkpoint=file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=rf"checkpoint\.npz, {words}"):
        train(**options | change, epochs=2, checkpoint=file, resume=True)
    assert file.read_bytes() == before


def test_schedules_that_are_functions_are_told_apart_by_their_factors(data, tmp_path):
    file, options = tmp_path / "checkpoint.npz", {"batch_size": 10, "checkpoint": tmp_path / "checkpoint.npz"}
    train(network(), LOSS, *data, schedule=lambda step: 1.0 / step, epochs=1, **options)
    steps = -(-len(data[0]) // 10)

    def other(step):
        return 1.0 / step if step < steps else 0.5

    with pytest.raises(
        ValueError,
        match=rf"checkpoint\.npz, schedule: got \[step, factor\] \[{steps}, .*\]; expected \[{steps}, 0\.5\]",
    ):
        train(network(), LOSS, *data, schedule=other, epochs=2, resume=True, **options)
    train(network(), LOSS, *data, schedule=lambda step: 1.0 / step, epochs=2, resume=True, **options)
    assert file.exists()


def test_a_checkpoint_has_one_writer(data, tmp_path):
    file = tmp_path / "checkpoint.npz"
    with alone(file), pytest.raises(BlockingIOError, match=r"checkpoint\.npz: got a file that another run writes to"):
        train(network(), LOSS, *data, epochs=1, checkpoint=file)
    train(network(), LOSS, *data, epochs=1, checkpoint=file)
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("part", range(6))
def test_one_value_that_differs_anywhere_is_other_data(part, data, tmp_path):
    """Also in a row, or a file, that a look at some samples would miss."""
    file, rng = tmp_path / "checkpoint.npz", np.random.default_rng(part)
    arrays = [*data, np.ones(101), data[0][:20] + 1, data[1][:20], np.ones(20)]

    def options():
        x, target, weight, *held_out = arrays
        return {"x": x, "target": target, "weight": weight, "held_out": held_out, "batch_size": 50}

    train(network(), LOSS, **options(), epochs=1, checkpoint=file)
    arrays[part] = arrays[part].copy()
    place = np.unravel_index(rng.integers(arrays[part].size), arrays[part].shape)
    arrays[part][place] = (arrays[part][place] + 1) % CLASSES
    name = f"{'training' if part < 3 else 'held-out'} {('samples', 'targets', 'weights')[part % 3]}"
    with pytest.raises(ValueError, match=f"checkpoint.npz, {name}: got .* of digest"):
        train(network(), LOSS, **options(), epochs=2, checkpoint=file, resume=True)


def test_the_same_data_stored_in_another_way_are_the_same(data, tmp_path, monkeypatch):
    x, labels = data
    trained = network()
    np.save(tmp_path / "x.npy", np.asfortranarray(x.astype(">f8")))
    monkeypatch.setattr("rashin.learn.samples.samples.CELLS", 40)  # several pieces
    expected = fingerprint(samples_for(trained, LOSS, x, labels), None, trained.dtype)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fingerprint(samples_for(trained, LOSS, mapped, labels.astype(np.uint8)), None, trained.dtype) == expected


def _without(content, missing, tmp_path):
    with np.load(content) as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != missing}
    np.savez(tmp_path / "checkpoint.npz", **kept)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "settings", "parameters", "optimizer_velocity_1"])
def test_a_damaged_checkpoint_is_refused_and_kept(damage, data, tmp_path):
    file = tmp_path / "checkpoint.npz"
    train(network(), LOSS, *data, epochs=1, checkpoint=file)
    if damage in ("cut", "empty", "text"):
        content = {"cut": file.read_bytes()[:-200], "empty": b"", "text": b"no archive"}[damage]
        file.write_bytes(content)
    else:
        _without(file, damage, tmp_path)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint\.npz(, the optimizer.s arrays)?: got .+; expected "):
        train(network(), LOSS, *data, epochs=2, checkpoint=file, resume=True)
    assert file.read_bytes() == before


def test_a_checkpoint_whose_writing_fails_leaves_the_old_one(data, tmp_path, monkeypatch):
    file = tmp_path / "checkpoint.npz"
    trained = network()
    samples = samples_for(trained, LOSS, *data)
    trainer, told = Trainer(trained, LOSS), fingerprint(samples, None, trained.dtype)
    trainer.epoch(samples)
    write_checkpoint(file, trainer, trainer.parameters, told)
    before = file.read_bytes()
    monkeypatch.setattr(np, "savez", lambda part, **_: part.write(b"half") / 0)
    with pytest.raises(ZeroDivisionError):
        write_checkpoint(file, trainer, trainer.parameters, told)
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert is_checkpoint(file)
    assert not is_checkpoint(tmp_path / "none.npz")
    np.testing.assert_array_equal(read_checkpoint(file, trainer, told), trainer.parameters)


def test_a_run_goes_on_in_its_folder(data, tmp_path):
    options = {"hidden": (5, 4), "activation": "tanh", "optimizer": "adam", "validation": 0.2, "seed": 1}
    expected = run_training(LOSS, data, data, out=tmp_path / "whole", epochs=6, **options)
    run_training(LOSS, data, data, out=tmp_path / "cut", epochs=3, **options)
    (tmp_path / "cut" / "history.csv").unlink()  # as after a kill, when only the checkpoint was there yet
    found = run_training(LOSS, data, data, out=tmp_path / "cut", epochs=6, resume=True, **options)
    for name in ("model.npz", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert found.scores == expected.scores
    assert found.samples == {"training": 81, "validation": 20, "held out": 101}


def test_a_folder_is_one_trainings_at_a_time(data, tmp_path):
    def second(history):
        with pytest.raises(BlockingIOError, match=r"out: got a folder that another run writes to; expected"):
            run_training(LOSS, data, data, out=tmp_path / "out", epochs=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(LOSS, data, data, out=tmp_path / "out", epochs=1, callback=second)
    assert not (tmp_path / "out").exists()
