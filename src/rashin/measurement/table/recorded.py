"""The loss recorded in a file of predictions by the program that wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from rashin.loss import Loss
from rashin.registry import get
from rashin.tables.notes import KEY, note_of
from rashin.tables.opening import BrokenFileError, reading
from rashin.tables.sources import File, Source, find_files

__all__ = ["Recorded", "note_about", "recorded_in"]


class Recorded(NamedTuple):
    """The recorded loss, and the columns of the targets."""

    loss: Loss
    target: str


def note_about(loss: Loss, target: str = "target") -> str:
    """The note for a file of predictions, as JSON: the loss, its parameters, the kind of prediction, the target.

    Parameters
    ----------
    loss : loss for which the predictions are made; a loss of your own is recorded as ``module:name``.
    target : column of the target, or a pattern such as ``target_*``.

    Examples
    --------
    >>> import rashin
    >>> note_about(rashin.huber.replace(delta=2.0))
    '{"loss": "huber", "parameters": {"delta": 2.0}, "prediction": "real", "target": "target"}'
    """
    module = loss.formula.__module__
    name = loss.name if module.startswith("rashin.") else f"{module}:{loss.name}"
    return json.dumps(
        {
            "loss": name,
            "parameters": dict(loss.parameters),
            "prediction": loss.prediction.entry().name,
            "target": target,
        }
    )


def recorded_in(
    source: Source, storage_options: Mapping[str, Any] | None = None, skip: bool = False
) -> Recorded | None:
    """The loss that all files of a source record; None if no file records one. ``skip`` ignores broken files.

    Raises
    ------
    ValueError : a file or a note is broken, a note does not name a loss, or files differ.
    """
    notes: list[tuple[File, Mapping[str, Any] | None]] = []
    for file in find_files(source, storage_options):
        with suppress(*(BrokenFileError,) if skip else ()), reading(file, 0):
            notes.append((file, note_of(file)))
    if not notes:
        return None
    first, wanted = notes[0]
    for file, note in notes:
        if note != wanted:
            raise ValueError(
                f"{file.path}: got {_told(note)}, after {_told(wanted)} in {first.path}; expected files of one "
                "loss; fix: name it with --loss, in Python loss="
            )
    return None if wanted is None else _read(first, wanted)


def _told(note: Mapping[str, Any] | None) -> str:
    if note is None:
        return "no recorded loss"
    told = ", ".join(f"{name}={value}" for name, value in note.get("parameters", {}).items())
    return f"the recorded loss {note.get('loss')}({told})"


def _read(file: File, note: Mapping[str, Any]) -> Recorded:
    try:
        return Recorded(get(note["loss"]).replace(**note["parameters"]), str(note["target"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file.path}, metadata {KEY!r}: got {json.dumps(note)[:80]}; expected a loss and its parameters "
            f"({error}); fix: name the loss with --loss, in Python loss="
        ) from None
