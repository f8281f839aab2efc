"""A loss of another library in the words of rashin, and what its namesakes give for the same samples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rashin import conventions
from rashin.conventions import HOME, MISSING, TABLES, Convention
from rashin.dialects import keras, optax, sklearn, torch
from rashin.logits import log_softmax, sigmoid, softmax
from rashin.synonyms import advice

__all__ = ["EXAMPLES", "Number", "Translation", "numbers", "signature", "translate", "translations"]

_DIALECTS = {"torch": torch, "optax": optax, "keras": keras, "sklearn": sklearn}

_LOGITS, _LABELS = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 1.0, 1.0]]), np.array([0, 2, 1])
_LOGIT, _BITS, _WEIGHTS = np.array([1.0, -2.0, 0.5]), np.array([1, 0, 0]), np.array([1.0, 2.0, 5.0])
_PREDICTED, _SHARES = np.array([1.5, 1.0, 5.0]), np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]])

# The same three samples in every form in which a library takes them.
EXAMPLES: dict[str, np.ndarray] = {
    "predicted": _PREDICTED,
    "observed": np.array([1.0, 2.0, 3.0]),
    "variance": np.array([0.5, 1.0, 2.0]),
    "log-rate": np.log(_PREDICTED),
    "weights": _WEIGHTS,
    "logit": _LOGIT,
    "probability": sigmoid(_LOGIT),
    "bit": _BITS,
    "sign": 2.0 * _BITS - 1.0,
    "logits": _LOGITS,
    "probabilities": softmax(_LOGITS),
    "log-probabilities": log_softmax(_LOGITS),
    "features": _LOGITS,
    "classifier": np.eye(3),
    "labels": _LABELS,
    "label lists": np.array([[0, -1, -1], [2, 1, -1], [1, -1, -1]]),
    "one-hot": np.eye(3)[_LABELS],
    "distributions": _SHARES,
    "log-distributions": np.log(_SHARES),
    "relevances": np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 0.0]]),
    "class weights": _WEIGHTS,
    "row weights": _WEIGHTS[_LABELS],  # those of the classes
}


class Number(NamedTuple):
    """What a function gives for the examples, without weights and with them; None where it takes none."""

    name: str
    takes: str
    plain: Any
    weighted: Any


class Translation(NamedTuple):
    """An entry, and the numbers of its family: its own first."""

    library: str
    entry: Convention
    numbers: tuple[Number, ...]

    @property
    def name(self) -> str:
        """The full name in its library."""
        return f"{HOME[self.library]}.{self.entry.name}"


def translate(name: str) -> Translation:
    """The translation of a loss by its name in torch, optax, Keras or scikit-learn, with or without the library.

    Raises
    ------
    ValueError : no loss has that name, or rashin has none like it.

    Examples
    --------
    >>> found = translate("torch.nn.HuberLoss")
    >>> found.name, found.entry.expression
    ('torch.nn.functional.huber_loss',
     "huber(input, target, delta=delta, weight=weight, reduction='sum') / np.prod(input.shape)")
    >>> [(number.name, round(float(number.weighted), 3)) for number in found.numbers if number.weighted is not None]
    [('torch.nn.functional.huber_loss', 2.875), ('keras.losses.Huber()', 2.875)]
    """
    for library, entry in _named(name):
        return Translation(library, entry, tuple(numbers(library, entry)))
    last = name.rpartition(".")[2]
    for library, reasons in MISSING.items():
        if last in reasons:
            raise ValueError(
                f"name: got {name}; expected a loss that rashin has; {HOME[library]}.{last}: {reasons[last]}"
            )
    known = {word for entries in TABLES.values() for entry in entries for word in (entry.name, *entry.also)}
    fix = advice(name, known) or "fix: `rashin translate --all` lists them"
    raise ValueError(f"name: got {name!r}; expected the name of a loss of torch, optax, Keras or scikit-learn; {fix}")


def translations() -> Iterator[Translation]:
    """All of them, library by library, each with its own numbers alone."""
    for library, entries in TABLES.items():
        for entry in entries:
            yield Translation(library, entry, (_number(library, entry),))


def _named(name: str) -> Iterator[tuple[str, Convention]]:
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    own = {"F": "torch", "nn": "torch", "tf": "keras", "metrics": "sklearn"}.get(first, first)
    libraries = [own] if own in TABLES and own != name else list(TABLES)
    return ((library, entry) for library in libraries for entry in TABLES[library] if last in (entry.name, *entry.also))


def numbers(library: str, entry: Convention) -> Iterator[Number]:
    """The numbers of an entry and of the others of its family."""
    family = next((names for names in conventions.FAMILIES if entry.loss in names), {entry.loss})
    yield _number(library, entry)
    for other, entries in TABLES.items():
        for each in entries:
            if each.loss in family and (other, each) != (library, entry):
                yield _number(other, each)


def _number(library: str, entry: Convention) -> Number:
    given = {name: EXAMPLES[role] for name, role in entry.roles.items() if not role.endswith("weights")}
    weights = {name: EXAMPLES[role] for name, role in entry.roles.items() if name not in given}
    takes = ", ".join(entry.roles[name] for name in given)
    function, name = getattr(_DIALECTS[library], entry.name), f"{HOME[library]}.{entry.name}"
    if library == "keras":  # the class has the mean and the weights
        made, name = getattr(keras, entry.also[0]), f"{HOME[library]}.{entry.also[0]}()"
        rows = any(array.ndim == 2 for array in given.values())
        given = {name: array if rows else array[:, None] for name, array in given.items()}
        if np.ndim(made(reduction="none")(**given)):  # a loss of one set has none
            weights = {"sample_weight": EXAMPLES["row weights" if rows else "weights"]}
        function = made()
    return Number(name, takes, function(**given), function(**given, **weights) if weights else None)


def signature(library: str, entry: Convention) -> inspect.Signature:
    """The arguments of the dialect's function."""
    return inspect.signature(getattr(_DIALECTS[library], entry.name))
