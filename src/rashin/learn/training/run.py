"""A training run from start to finish, with its files: model, history, picture and checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.language import font_family, said, speaking
from rashin.learn.network.network import Network
from rashin.learn.network.outputs import output_for
from rashin.learn.samples.batches import set_aside
from rashin.learn.samples.targets import are_classes, named_labels, outputs_for
from rashin.learn.training.checkpoint import is_checkpoint
from rashin.learn.training.epochs import Interrupted, train
from rashin.learn.training.history import CSV_HEADER, History, Score
from rashin.learn.training.objective import evaluate
from rashin.learn.training.picture import draw_history
from rashin.learn.training.predictions import check_predictions_file, write_predictions
from rashin.storage import PART, alone

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["TrainingRun", "run_training"]

Array = NDArray[Any]
Data = tuple[Array, Array]

_LOCK = f"training{PART}"  # held while a run writes to its folder


@dataclass(frozen=True)
class TrainingRun:
    """The trained network, its history, its scores, and the files written.

    ``scores`` contains the scores of the network as written, by the name of the data: ``"training"``, ``"validation"``
    if a share was set aside, ``"held out"``. ``classes`` contains the names of classes that were given as text, in the
    order of the outputs; otherwise it is None.
    """

    network: Network
    history: History
    scores: dict[str, Score]
    samples: dict[str, int]
    model_file: Path
    history_file: Path
    picture_file: Path
    checkpoint_file: Path
    predictions_file: Path | None
    classes: tuple[str, ...] | None = None


def run_training(
    loss: Loss,
    training: Data,
    held_out: Data,
    *,
    out: str | Path,
    hidden: int | Sequence[int] = 50,
    activation: str = "sigmoid",
    classes: bool | None = None,
    validation: float = 0.0,
    predictions: str | Path | None = None,
    seed: int = 0,
    resume: bool = False,
    lang: str = "en",
    **options: Any,
) -> TrainingRun:
    """Train a network and write ``model.npz``, ``history.csv``, ``history.png`` and ``checkpoint.npz``.

    Parameters
    ----------
    loss : loss to minimise.
    training, held_out : samples (n, inputs), and targets: classes (n,), as whole numbers from 0 or as text, or numbers
        (n,) or (n, outputs). Rows are matched by position.
    out : folder to write to; it is created if necessary. The files of an earlier run there are replaced.
    hidden : units of the hidden layers, from the inputs to the outputs.
    activation : activation after each hidden layer, a key of ``ACTIVATIONS``.
    classes : True for classes, with an output for each; a pointwise loss then gets them one-hot. False for numbers.
        None: classes if the loss takes labels, numbers for a pointwise loss, whatever their dtype.
    validation : share of the training data, in [0, 1), that is set aside to compare epochs; with 0 the held-out data
        are scored after each epoch.
    predictions : file for the held-out predictions and targets, ``.parquet`` or ``.npz``.
    seed : seed for the initial weights, the order of the samples, and the share set aside.
    resume : switch; True continues from the checkpoint in ``out``, with the same settings; only ``epochs`` and
        ``patience`` may change.
    lang : language of the picture, "en" or "ja"; Japanese needs a font such as Noto Sans CJK.
    **options : other options of ``train``, such as ``epochs``, ``optimizer`` or ``callback``.

    Returns
    -------
    The run. After Ctrl-C it contains the best of the epochs done, ``history.stopped`` is ``"interrupted"``, and
    ``resume=True`` continues from the last of them.

    Raises
    ------
    FileExistsError : ``out`` contains files that no run has written.
    BlockingIOError : another run is writing to ``out``.
    ValueError, Diverged : as in ``train``; or rashin is not translated into that language.
    LookupError : no font with its letters is installed; the message names one.
    ImportError : a file needs a package that is not installed.
    OSError : the folder cannot be written.
    KeyboardInterrupt : Ctrl-C was pressed before the first epoch was done.
    """
    font_family(lang)  # raises before the training, not after it
    hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
    if predictions is not None:
        check_predictions_file(Path(predictions))
    training, held_out, names = _prepared(loss, training, held_out, classes)
    outputs = outputs_for(loss, np.concatenate([training[1], held_out[1]]), classes)
    if outputs < 2 and are_classes(loss, classes):
        raise ValueError("target: got one class; expected two or more")
    parts = _parts(training, held_out, validation, seed)
    (x, target), judged = parts["training"], parts.get("validation", held_out)
    network = Network((x.shape[1], *hidden, outputs), activation=activation, output=output_for(loss), seed=seed)
    with _claimed(Path(out)) as folder:
        checkpoint = folder / "checkpoint.npz"
        if resume and not checkpoint.exists():
            raise ValueError(f"{folder}: got no checkpoint to resume from; expected one; fix: leave resume out")
        options |= {"seed": seed, "checkpoint": checkpoint, "resume": resume}
        try:
            history = train(network, loss, x, target, judged, **options)
        except Interrupted as interruption:
            history = interruption.history
            if not history.epochs:
                raise
        file = None if predictions is None else Path(predictions)
        return _written(network, loss, history, parts, folder, file, names, lang)


def _prepared(
    loss: Loss, training: Data, held_out: Data, classes: bool | None
) -> tuple[Data, Data, tuple[str, ...] | None]:
    """Samples and targets as arrays, by position; named classes become labels, and their names are returned."""
    (t_train, t_test), names = named_labels(training[1], held_out[1])
    if names and not are_classes(loss, classes):
        raise ValueError(
            f"target: got text, such as {names[0]!r}; expected numbers, as {loss.name} takes them; fix: a loss of "
            "labels, such as softmax_cross_entropy, or --classes (in Python classes=True)"
        )
    learnt, unseen = (
        (checks.array("x", x), checks.array("target", t)) for x, t in ((training[0], t_train), (held_out[0], t_test))
    )
    for x in (learnt[0], unseen[0]):
        if x.ndim != 2:
            fix = "np.reshape(x, (len(x), -1))" if x.ndim else "a row of numbers for each sample"
            raise ValueError(f"x: got shape {x.shape}; expected (n, inputs); fix: {fix}")
    if learnt[1].shape[1:] != unseen[1].shape[1:]:
        raise ValueError(
            f"target: got shape {learnt[1].shape} to train on and {unseen[1].shape} held out; expected the same but "
            "for n"
        )
    return learnt, unseen, names


def _parts(training: Data, held_out: Data, validation: float, seed: int) -> dict[str, Data]:
    """The data by name, with a random share of the training data set aside."""
    x, target = training
    if not 0.0 <= validation < 1.0:
        raise ValueError(f"validation: got {validation}; expected a share in [0, 1)")
    aside = round(validation * len(x))
    if aside == 0:
        return {"training": training, "held out": held_out}
    if aside == len(x):
        raise ValueError(
            f"validation: got {validation}, which leaves none of {len(x)} samples to train on; expected less"
        )
    chosen, rest = set_aside(len(x), aside, seed)
    return {"training": (x[rest], target[rest]), "validation": (x[chosen], target[chosen]), "held out": held_out}


def _written(
    network: Network,
    loss: Loss,
    history: History,
    parts: dict[str, Data],
    folder: Path,
    predictions: Path | None,
    classes: tuple[str, ...] | None,
    lang: str,
) -> TrainingRun:
    run = TrainingRun(
        network,
        history,
        {name: evaluate(network, loss, *data) for name, data in parts.items()},
        {name: len(x) for name, (x, _) in parts.items()},
        folder / "model.npz",
        folder / "history.csv",
        folder / "history.png",
        folder / "checkpoint.npz",
        predictions,
        classes,
    )
    history.write_csv(run.history_file)  # first: it marks the folder as that of a run
    network.save(run.model_file)
    shape = "-".join(str(size) for size in network.sizes)
    with speaking(lang):
        title = said("{loss}, a {network} network", loss=loss.name, network=shape)
        judged = said("validation") if "validation" in parts else said("held out")
    draw_history(history, run.picture_file, title, judged=judged, lang=lang)
    if predictions is not None:
        write_predictions(predictions, network, *parts["held out"], classes=classes, loss=loss)
    return run


@contextmanager
def _claimed(folder: Path) -> Iterator[Path]:
    """The folder, created if necessary; if nothing was written, a folder created here is removed again."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_ours(folder)
        with alone(folder, folder / _LOCK):
            yield folder
    except BaseException:
        if is_new:
            with suppress(OSError):  # raised if it is not empty: something was written
                folder.rmdir()
        raise


def _check_ours(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: got a folder without permission to write; expected one with it")
    strangers = [entry.name for entry in folder.iterdir() if not entry.name.endswith(PART)]
    if strangers and not (_is_history(folder / "history.csv") or is_checkpoint(folder / "checkpoint.npz")):
        raise FileExistsError(
            f"{folder}: got other files, such as {min(strangers)}; expected those of a run; fix: name another"
        )


def _is_history(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().rstrip() == ",".join(CSV_HEADER).encode()
