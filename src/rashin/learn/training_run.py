"""A training from start to finish, with its files: the model, its history, and a picture of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.learn.history import CSV_HEADER, History
from rashin.learn.network import Network
from rashin.learn.outputs import output_for
from rashin.learn.picture import draw_history
from rashin.learn.storage import PART
from rashin.learn.trainer import train

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["TrainingRun", "run_training"]

Array = NDArray[Any]
Samples = tuple[Array, Array]


@dataclass(frozen=True)
class TrainingRun:
    """The trained network, how it came about, and the files that hold both."""

    network: Network
    history: History
    model_file: Path
    history_file: Path
    picture_file: Path


def run_training(
    loss: Loss,
    training: Samples,
    held_out: Samples,
    *,
    out: str | Path,
    hidden: int = 50,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 0.1,
    seed: int = 0,
    callback: Callable[[History], object] | None = None,
) -> TrainingRun:
    """Train a network with one hidden layer and write ``model.npz``, ``history.csv`` and ``history.png``.

    Parameters
    ----------
    loss, epochs, batch_size, learning_rate, callback : as in ``train``.
    training, held_out : samples (n, inputs) and labels (n,).
    out : the folder to write to; it is made if need be. What an earlier run wrote there is replaced.
    hidden : units of the hidden layer.
    seed : of the starting weights and the order of the samples.

    Raises
    ------
    FileExistsError : ``out`` holds files that no run has written.
    ValueError, Diverged : as in ``train``.
    OSError : the folder cannot be written.
    """
    (x, labels), classes = training, int(np.max(training[1])) + 1
    network = Network((x.shape[1], hidden, classes), output=output_for(loss), seed=seed)
    with _claimed(Path(out)) as folder:
        history = train(
            network,
            loss,
            x,
            labels,
            held_out,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            callback=callback,
        )
        return _written(network, history, folder, loss.name)


def _written(network: Network, history: History, folder: Path, loss_name: str) -> TrainingRun:
    run = TrainingRun(network, history, folder / "model.npz", folder / "history.csv", folder / "history.png")
    history.write_csv(run.history_file)  # first: it marks the folder as ours
    network.save(run.model_file)
    shape = "-".join(str(size) for size in network.sizes)
    draw_history(history, run.picture_file, title=f"{loss_name}, a {shape} network")
    return run


@contextmanager
def _claimed(folder: Path) -> Iterator[Path]:
    """The folder, made if need be; if all was in vain, one that was made here vanishes again."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_ours(folder)
        yield folder
    except BaseException:
        if is_new:
            with suppress(OSError):  # it is not empty: then something was written after all
                folder.rmdir()
        raise


def _check_ours(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: no permission to write there")
    strangers = [entry.name for entry in folder.iterdir() if not entry.name.endswith(PART)]
    if strangers and not _is_history(folder / "history.csv"):
        raise FileExistsError(f"{folder} holds other files, such as {min(strangers)}; name another folder")


def _is_history(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().rstrip() == ",".join(CSV_HEADER).encode()
