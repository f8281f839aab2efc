"""The registry of losses by name."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from typing import TypeVar

from rashin import synonyms
from rashin.group_loss import GroupLoss
from rashin.loss import Loss
from rashin.parametric import Parametric

__all__ = [
    "get",
    "group_loss",
    "list_group_losses",
    "list_losses",
    "parsed",
    "parsed_group_loss",
    "register",
    "register_group_loss",
]

_Found = TypeVar("_Found", bound=Parametric)

_registry: dict[str, Loss] = {}
_of_groups: dict[str, GroupLoss] = {}


def register(loss: Loss) -> Loss:
    """Register a loss under its name; a loss of the same name from the same module is replaced.

    Raises
    ------
    ValueError : another module has registered a loss of that name.
    """
    _refuse_other(loss)
    _registry[loss.name] = loss
    return loss


def register_group_loss(loss: GroupLoss) -> GroupLoss:
    """Register a loss of groups, as ``register`` does."""
    _refuse_other(loss)
    _of_groups[loss.name] = loss
    return loss


def _refuse_other(loss: Parametric) -> None:
    """A name belongs to the module that registered it first."""
    known = _registry.get(loss.name) or _of_groups.get(loss.name)
    if known is not None and known.formula.__module__ != loss.formula.__module__:
        raise ValueError(
            f"{loss.name}: got a name that {known.formula.__module__} has registered; expected another name"
        )


def list_losses() -> list[Loss]:
    """Every registered loss, sorted by name.

    >>> import rashin
    >>> [loss.name for loss in rashin.list_losses()][:2]
    ['absolute_error', 'absolute_percentage_error']
    """
    return [_registry[name] for name in sorted(_registry)]


def list_group_losses() -> list[GroupLoss]:
    """Every registered loss whose sample is a set, sorted by name.

    >>> import rashin
    >>> [loss.name for loss in rashin.list_group_losses()][:2]
    ['concordance', 'correlation']
    """
    return [_of_groups[name] for name in sorted(_of_groups)]


def get(name: str) -> Loss:
    """The loss of that name; name a loss of your own as ``"module:name"``.

    Raises
    ------
    ValueError : no loss has that name; the message suggests the nearest name, or the loss that other libraries call so.
    """
    module, colon, attribute = name.partition(":")
    if colon and synonyms.synonym(name) is None:  # reg:squarederror is a name from XGBoost
        return _from_module(module, attribute)
    if name in _of_groups:
        raise ValueError(
            f"loss: got {name!r}, a loss of groups; expected a loss of single samples; fix: call rashin.{name}, or "
            f"rashin.measure in Python"
        )
    if name not in _registry:
        nearest = synonyms.advice(name, _registry) or "fix: `rashin losses` lists them"
        raise ValueError(f"loss: got {name!r}; expected the name of a loss; {nearest}")
    return _registry[name]


def group_loss(name: str) -> GroupLoss | None:
    """The loss of groups of that name; None if there is none."""
    return _of_groups.get(name)


def parsed(text: str) -> Loss:
    """The loss that prints as ``text``, such as ``focal(gamma=3.0)``.

    Raises
    ------
    ValueError : no loss has that name, or the text is not the text of a loss.
    """
    return _parsed(text, get)


def parsed_group_loss(text: str) -> GroupLoss:
    """The loss of groups that prints as ``text``.

    Raises
    ------
    ValueError : no loss of groups has that name, or the text is not the text of a loss.
    """
    return _parsed(text, _of_groups.__getitem__)


def _parsed(text: str, get: Callable[[str], _Found]) -> _Found:
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError("it is not a call")
        return get(ast.unparse(call.func)).replace(
            **{str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        )
    except (KeyError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"loss: got {text!r}; expected text such as focal(gamma=3.0) ({error})") from None


def _from_module(module: str, attribute: str) -> Loss:
    try:
        loss = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"loss: got {module}:{attribute}; expected a loss that can be imported ({error})") from None
    if not isinstance(loss, Loss):
        raise ValueError(f"loss: got {module}:{attribute}, of type {type(loss).__name__}; expected a Loss")
    return loss
