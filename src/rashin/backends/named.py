"""A loss in a name and numbers, as compiled graphs and programs keep it, and back."""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

from rashin.native.described import described
from rashin.rule import Rule

__all__ = ["numbers_of", "program_of"]


def numbers_of(rule: Rule) -> tuple[float, ...]:
    """The parameters and then the options, levels last, which are any number; NaN stands for None."""
    settings = (*rule.parameters, *(number for _, number in rule.options))
    numbers = (each for setting in settings for each in (setting if isinstance(setting, tuple) else (setting,)))
    return tuple(math.nan if number is None else float(number) for number in numbers)


@functools.lru_cache(1024)
def program_of(name: str, numbers: tuple[float, ...]) -> Any:
    """The program of the loss that an import finds under the rule's name, with these numbers.

    Raises
    ------
    ValueError : the formula is no longer the one that was named.
    """
    address, _, digest = name.partition("@")
    module, _, attribute = address.partition(":")
    loss: Any = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    if digest and described(loss.formula) != digest:
        raise ValueError(
            f"loss: got {address}, which has changed since it was compiled; expected the same formula; fix: compile it "
            f"again"
        )
    names = [*(n for n in loss.parameters if n not in loss.options), *loss.options]
    settings: dict[str, Any] = {n: None if math.isnan(x) else x for n, x in zip(names, numbers, strict=False)}
    if "levels" in settings:
        settings["levels"] = numbers[len(names) - 1 :]
    return loss.replace(**settings).program
