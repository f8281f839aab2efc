"""The losses that ship with rashin, from its registry, and the parameters at which each is tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rashin
from losses import ENTRIES
from rashin.domain import ABOVE_MINUS_ONE, Thresholds
from rashin.learn import class_targets, output_for

__all__ = [
    "JOINT",
    "LOSSES",
    "PATHS",
    "SETTINGS",
    "SHIPPED",
    "changed",
    "every_loss",
    "every_path",
    "in_order",
    "learns_classes",
    "name_of",
    "of_any_rows",
    "settings_of",
    "takes_logits",
]

# Those that other tests and the documentation's examples register are not ours to judge.
SHIPPED = [loss for loss in rashin.list_losses() if loss.formula.__module__.startswith("rashin.losses")]
# Samples of several numbers with one target have tests of their own, in test_joint.
LOSSES = [loss for loss in SHIPPED if not loss.prediction.is_joint]
JOINT = [loss for loss in SHIPPED if loss.prediction.is_joint]


def _path_of(loss: Any) -> tuple[Any, ...]:
    """What decides the code that a loss runs, beside its formula."""
    facts = loss.facts
    return loss.kind, loss.prediction, loss.target.name, loss.options, facts.separable, facts.every_class, facts.link


# One loss for each path through the code, with a parameter if there is such: for tests that do not depend on formulas.
# They draw predictions that are real numbers, probabilities or their logarithms.
_ORDERED = sorted(LOSSES, key=lambda loss: (len(loss.parameters) == 1, loss.name == "huber"))
PATHS = list({_path_of(loss): loss for loss in _ORDERED if loss.prediction != ABOVE_MINUS_ONE}.values())
every_path = pytest.mark.parametrize("loss", PATHS, ids=lambda loss: loss.name)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)


def of_any_rows(loss: Any) -> Any:
    """The loss without the demand that rows sum to 1: for hard rows, and for changes of one entry at a time."""
    return loss.replace(normalized=False) if "normalized" in loss.options else loss


def settings_of(loss: Any) -> list[Any]:
    """The loss at its defaults and at the other parameters of its entry."""
    entry = ENTRIES.get(loss.name)
    return [loss] if entry is None else [loss.replace(**others) for others in entry.settings]


def changed(loss: Any) -> Any:
    """The loss with another value than the default for each of its parameters."""
    switches = {name: not loss.parameters[name] for name in loss.options if loss.parameters[name] is True}
    others = {name: value for others in ENTRIES[loss.name].others for name, value in others.items()}
    return loss.replace(**switches, **others)


def in_order(loss: Any, z: Any) -> Any:
    """The predictions, the thresholds of each sample in order, if that is what they are."""
    if not isinstance(loss.prediction, Thresholds):
        return z
    return np.concatenate([np.sort(z[..., :-1], axis=-1), z[..., -1:]], axis=-1)


def takes_logits(loss: Any) -> bool:
    """Whether the target is a row of a teacher's logits."""
    return bool(loss.target.axes)


def learns_classes(loss: Any) -> bool:
    """Whether a network can learn classes with it; not with thresholds, or targets that are all positive."""
    try:
        output_for(loss)
        class_targets(loss, [0], 3)
    except ValueError:
        return False
    return True


def name_of(loss: Any) -> str:
    """As a test's name: the loss and the parameters that it has beside the defaults."""
    default = rashin.registry.get(loss.name).parameters
    others = {key: value for key, value in loss.parameters.items() if value != default[key] and key != "normalized"}
    return f"{loss.name}{others or ''}".replace(" ", "")


SETTINGS = [pytest.param(of_any_rows(each), id=name_of(each)) for loss in LOSSES for each in settings_of(loss)]
