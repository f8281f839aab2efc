"""A training run on disk after every epoch: all that is needed to resume with the same result to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rashin.learn.training.history import Epoch, Score, Steps
from rashin.refusal import Refusal
from rashin.storage import content_of, read_arrays, written_beside

if TYPE_CHECKING:
    from rashin.learn.training.trainer import Trainer

__all__ = ["A_FUNCTION", "is_checkpoint", "read_checkpoint", "write_checkpoint"]

A_FUNCTION = "a function"  # a schedule without a name

Array = NDArray[Any]
Settings = dict[str, Any]
Fingerprint = Mapping[
    str, str | None
]  # digests of the parts of the data, from ``fingerprint``, and the name of the schedule

_WHAT = "a checkpoint of a training run"
_RESUME = "resume with the settings and data of that run, or start a new one without resuming"
_VERSION = 3  # version 1 compared only some samples and stored no version; version 2 had no schedules
_RATES = 16  # steps already done at which the factors of two schedules are compared


def write_checkpoint(path: Path, trainer: Trainer, best: Array, data: Fingerprint) -> None:
    """Write the state of a trainer of this data and the best parameters so far; an earlier file is replaced."""
    settings = _settings(trainer, data) | {"rates": _rates(trainer, data, len(trainer.history.steps))}
    arrays = {
        "settings": np.array(json.dumps(settings)),
        "parameters": trainer.parameters,
        "best": best,
        **_prefixed("optimizer", trainer.optimizer.state),
        **_prefixed("step", trainer.history.steps.arrays),
        "epochs": _table(trainer.history.epochs),
    }
    with written_beside(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def read_checkpoint(path: Path, trainer: Trainer, data: Fingerprint) -> Array:
    """Restore a trainer of the same settings to the state of the checkpoint; returns the best parameters so far.

    Raises
    ------
    ValueError : the file does not contain a checkpoint, or its training run differs; the message names what differs.
    """
    arrays = read_arrays(path, _WHAT)
    with content_of(path, _WHAT):
        kept = _kept_settings(arrays["settings"])
        rates = kept.pop("rates", None)
        _check_settings(kept, _settings(trainer, data))
        _check_arrays(trainer, arrays)
        _check_rates(rates, _rates(trainer, data, int(arrays["optimizer_steps"])))
    _restore(trainer, arrays)
    return arrays["best"]


def is_checkpoint(path: Path) -> bool:
    """True if ``write_checkpoint`` wrote the file."""
    try:
        return {"settings", "epochs", "optimizer_steps"} <= set(read_arrays(path, _WHAT))
    except (OSError, ValueError):
        return False


def _restore(trainer: Trainer, arrays: dict[str, Array]) -> None:
    trainer.parameters[...] = arrays["parameters"]
    trainer.optimizer.state = _unprefixed(arrays, "optimizer")
    trainer.history.steps = Steps.from_arrays(**_unprefixed(arrays, "step"))
    trainer.history.epochs = [_epoch(row) for row in arrays["epochs"].tolist()]


def _check_arrays(trainer: Trainer, arrays: dict[str, Array]) -> None:
    """Raise unless ``_restore`` can use the arrays; they are checked here and nowhere else."""
    vector, epochs, steps = trainer.parameters, arrays["epochs"], _unprefixed(arrays, "step")
    optimizer = _unprefixed(arrays, "optimizer")
    done, memory = int(_alike("optimizer_steps", optimizer.pop("steps"), (), np.int64)), trainer.optimizer.remembers
    for name in ("parameters", "best"):
        _alike(name, arrays[name], vector.shape, vector.dtype)
    _same("the optimizer's arrays", sorted(optimizer), sorted(f"{name}_1" for name in memory if done))
    for name, array in optimizer.items():
        _alike(f"optimizer_{name}", array, vector.shape, vector.dtype)
    _same("the steps' arrays", sorted(steps), ["accuracy", "epoch", "loss"])
    for name, array in steps.items():
        _alike(f"step_{name}", array, (done,), np.int64 if name == "epoch" else np.float64, finite=name != "accuracy")
    _alike("epochs", epochs, (len(epochs) if epochs.ndim else 0, 6), np.float64, finite=False)
    _same("the epochs' numbers", epochs[:, 0].tolist(), list(range(1, len(epochs) + 1)))
    _same("the epochs' last steps", epochs[:, 1].tolist(), np.flatnonzero(np.diff(steps["epoch"], append=0)) + 1)
    _same("the steps' epochs", np.unique(steps["epoch"]).tolist(), list(range(1, len(epochs) + 1)))


def _alike(name: str, array: Array, shape: tuple[int, ...], dtype: DTypeLike, finite: bool = True) -> Array:
    if array.shape != shape or array.dtype != dtype:
        raise Refusal(name, f"{array.dtype} {array.shape}", f"{np.dtype(dtype)} {shape}")
    if finite and not np.isfinite(array).all():
        raise Refusal(name, "a NaN or an infinite number", "finite numbers")
    return array


def _same(what: str, got: Any, expected: Any) -> None:
    if list(got) != list(expected):
        raise Refusal(what, str(list(got)[:9]), str(list(expected)[:9]))


# ---------------------------------------------------------------------------------------------- the settings


def _kept_settings(array: Array) -> Settings:
    kept = json.loads(str(array))
    if not isinstance(kept, dict):
        raise Refusal("settings", str(kept)[:40], "names and values")
    return kept


def _settings(trainer: Trainer, data: Fingerprint) -> Settings:
    """All settings that the result of the next epoch depends on, apart from the restored state."""
    network, optimizer = trainer.network, trainer.optimizer
    return {
        "version": _VERSION,
        "loss": repr(trainer.loss),
        "sizes": list(network.sizes),
        "activation": network.activation,
        "dtype": str(network.dtype),
        "optimizer": type(optimizer).__name__,
        **optimizer.settings,
        "learning_rate": trainer.learning_rate,
        "batch_size": int(trainer.batch_size),
        "weight_decay": float(trainer.weight_decay),
        "shuffle": trainer.shuffle,
        "seed": trainer.seed,
        **data,
    }


def _check_settings(kept: Settings, wanted: Settings) -> None:
    for name in {**wanted, **kept}:
        if kept.get(name) != wanted.get(name):
            raise Refusal(name, str(kept.get(name)), f"{wanted.get(name)}, as in this run", _RESUME)


def _rates(trainer: Trainer, data: Fingerprint, done: int) -> list[list[float]]:
    """For a schedule that is a function, its factors at some of the steps done, evenly from the first to the last."""
    if data.get("schedule") != A_FUNCTION or trainer.schedule is None:
        return []
    steps = sorted({round(step) for step in np.linspace(1, done, min(done, _RATES))})
    return [[step, float(trainer.schedule(step))] for step in steps]


def _check_rates(kept: Any, wanted: list[list[float]]) -> None:
    if kept == wanted:
        return
    if not isinstance(kept, list) or len(kept) != len(wanted) or not all(isinstance(rate, list) for rate in kept):
        raise Refusal("rates", str(kept)[:40], str(wanted))
    had, has = next((had, has) for had, has in zip(kept, wanted, strict=True) if had != has)
    raise Refusal("schedule", f"[step, factor] {had}", f"{has}, as in this run", _RESUME)


# ------------------------------------------------------------------------------------------------- the arrays


def _prefixed(prefix: str, arrays: dict[Any, Array]) -> dict[str, Any]:
    return {f"{prefix}_{name}": array for name, array in arrays.items()}


def _unprefixed(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    start = f"{prefix}_"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _table(epochs: list[Epoch]) -> Array:
    """A row of doubles for each epoch, NaN for missing values."""
    rows = [(end.epoch, end.step, *_numbers(end.training), *_numbers(end.held_out)) for end in epochs]
    return np.array(rows, np.float64).reshape(-1, 6)


def _numbers(score: Score | None) -> tuple[float, float]:
    if score is None:
        return np.nan, np.nan
    return score.loss, np.nan if score.accuracy is None else score.accuracy


def _epoch(row: list[float]) -> Epoch:
    epoch, step, *numbers = row
    training, held_out = _score(*numbers[:2]), _score(*numbers[2:])
    return Epoch(int(epoch), int(step), training, None if np.isnan(held_out.loss) else held_out)


def _score(loss: float, accuracy: float) -> Score:
    return Score(loss, None if np.isnan(accuracy) else accuracy)
