"""TARGET: the function that ``package.module:function`` names, its parameters, and the order of its arguments."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rashin.audit.expression import expressed
from rashin.audit.libraries.keras import prepare
from rashin.audit.subject import Target

__all__ = ["ORDERS", "classes_of", "is_clear", "stated_numbers", "target_of"]

ORDERS = ("prediction,target", "target,prediction")

_LEAST = 1e-3  # smaller numbers guard logarithms and quotients

_PREDICTIONS = {
    "approx", "approxes", "input", "inputs", "logit", "logits", "margin", "output", "outputs", "p_hat", "pred",
    "pred_decision", "preds", "predt", "prediction", "predictions", "log_predictions", "raw_prediction", "raw", "score",
    "scores", "y_hat", "y_pred", "y_prob", "y_proba", "y_score", "yhat", "z",
}  # fmt: skip
_TARGETS = {
    "data", "dmatrix", "dataset", "dtrain", "ground_truth", "label", "labels", "t", "target", "targets", "train_data",
    "truth", "y", "y_true",
}  # fmt: skip


def target_of(f: Any, settings: Mapping[str, Any], order: str | None) -> Target:
    """What is to be checked: a class is instantiated with the settings, a function gets them in every call.

    Text is ``"package.module:function"``; a method, ``"package.module:Class.method"``, is that of such an instance.

    Raises
    ------
    ValueError : the order is unknown, there is no such object, or the module cannot be imported.
    TypeError : the class cannot be instantiated.
    """
    if order is not None and order not in ORDERS:
        raise ValueError(f"order: got {order!r}; expected {' or '.join(ORDERS)}")
    found = _named(f, settings) if isinstance(f, str) else expressed(f, settings)
    if inspect.isclass(found.f):
        found = _instantiated(found)
    parameters = _parameters(found.f)
    first = order == ORDERS[1] if order else target_comes_first(parameters)
    return replace(found, parameters=parameters, target_first=first)


def _named(text: str, settings: Mapping[str, Any]) -> Target:
    """The object that ``package.module:function`` names."""
    module, colon, path = text.partition(":")
    if not colon or not module or not path:
        raise ValueError(
            f"target: got {text!r}; expected package.module:function, such as torch.nn:BCEWithLogitsLoss{_fix(text)}"
        )
    owner: Any = None
    found = _module(module, text)
    for name in path.split("."):
        if not hasattr(found, name):
            raise ValueError(f"target: got {text!r}; expected a name that {module} has; it has no {name!r}")
        owner, found = found, getattr(found, name)
    written = f"{module}.{path}"
    if inspect.isclass(owner) and inspect.isfunction(inspect.getattr_static(owner, name)):
        made = _instantiated(Target(owner, written.rpartition(".")[0], settings=settings))
        return Target(getattr(made.f, name), f"{made.name}.{name}", expression=f"{made.name}.{name}", module=module)
    return Target(found, written, settings=dict(settings), expression=written, module=module)


def _module(name: str, text: str) -> Any:
    if name.partition(".")[0] == "keras":
        prepare()
    try:
        return importlib.import_module(name)
    except Exception as error:  # an import runs code of the user's
        fix = _fix(text) if name.endswith(".py") else ""
        raise ValueError(
            f"target: got {text!r}; expected a module that can be imported ({_in_short(error)}){fix}"
        ) from None


def _fix(text: str) -> str:
    """What was meant by a dot instead of the colon, or by the name of a file."""
    module, colon, path = text.partition(":")
    home, dot, name = text.rpartition(".")
    meant = f"{module.removesuffix('.py').replace('/', '.')}:{path}" if colon else f"{home}:{name}"
    return f"; fix: {meant}" if (colon and path) or (dot and name != "py") else ""


def _instantiated(target: Target) -> Target:
    """The target with an instance of its class, made with the settings."""
    try:
        made = target.f(**target.settings)
    except Exception as error:
        raise TypeError(
            f"target: got {target.f.__name__}, which cannot be instantiated ({_in_short(error)}); "
            f"expected a class with defaults; fix: state its arguments with --set NAME=VALUE, or settings="
        ) from None
    arguments = f"({', '.join(f'{key}={value!r}' for key, value in target.settings.items())})"
    return replace(target, f=made, name=target.name + arguments, expression=target.expression + arguments, settings={})


def _parameters(f: Any) -> tuple[str, ...]:
    call = getattr(f, "forward", None) or f  # of a torch module
    call = getattr(call, "call", call) if not inspect.isroutine(call) else call  # of a Keras loss
    try:
        found = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(name for name, parameter in found.items() if not str(parameter).startswith("*"))


def target_comes_first(parameters: tuple[str, ...]) -> bool:
    """Whether the names of the first two parameters say that the target is the first; unknown names do not."""
    first, second = (*parameters, "", "")[:2]
    return first in _TARGETS or (second in _PREDICTIONS and first not in _PREDICTIONS)


def is_clear(parameters: tuple[str, ...]) -> bool:
    """Whether the names of the first two parameters tell the order."""
    first, second = (*parameters, "", "")[:2]
    return first in _PREDICTIONS | _TARGETS or second in _PREDICTIONS | _TARGETS


def stated_numbers(target: Target) -> list[float]:
    """The numbers among its settings, the defaults of its function and what its object holds: maybe parameters."""
    held = getattr(getattr(target.f, "__self__", target.f), "__dict__", {})
    try:
        defaults = [one.default for one in inspect.signature(target.f).parameters.values()]
    except (TypeError, ValueError):
        defaults = []
    found = [*target.settings.values(), *defaults, *held.values()]
    numbers = {float(x) for x in found if isinstance(x, (int, float)) and not isinstance(x, bool)}
    return sorted(x for x in numbers if _LEAST <= abs(x) <= 1.0 / _LEAST)


def classes_of(target: Target) -> int | None:
    """The number of classes that a function states, or that its weights of classes have; None if it states none."""
    given = {**getattr(target.f, "keywords", {}), **target.settings}  # a partial has keywords
    weight, classes = (given.get(name, getattr(target.f, name, None)) for name in ("weight", "n_classes"))
    found = len(weight) if weight is not None and getattr(weight, "ndim", 0) == 1 else classes
    return found if isinstance(found, int) and found > 1 else None


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
