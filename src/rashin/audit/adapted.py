"""Which library a function is for, and the subject that its adapter makes of it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import Form, paired
from rashin.audit.libraries import arrays, own
from rashin.audit.subject import Subject, Target
from rashin.loss import Loss

__all__ = ["LIBRARIES", "adapted", "library_of", "versions"]

Array = NDArray[Any]

LIBRARIES = ("numpy", "torch", "jax", "keras", "sklearn", "torchmetrics", "skglm", "catboost", "rashin")
_PACKAGES = ("numpy", "torch", "jax", "optax", "keras", "sklearn", "torchmetrics", "skglm", "catboost")
_HOMES = {
    "torch": "torch", "torchvision": "torch", "jax": "jax", "optax": "jax", "flax": "jax", "keras": "keras",
    "sklearn": "sklearn", "torchmetrics": "torchmetrics", "skglm": "skglm",
}  # fmt: skip


def library_of(f: Any) -> str:
    """The library whose arrays a function takes: by where it or its class comes from, or by what its code uses."""
    if isinstance(f, Loss):
        return "rashin"
    if hasattr(f, "calc_ders_range"):
        return "catboost"
    homes = list(_homes(f))
    return next((_HOMES[home] for home in homes if home in _HOMES), "numpy")


def _homes(f: Any) -> Iterator[str]:
    """The top-level packages that may tell, the most telling first."""
    while isinstance(f, functools.partial):
        f = f.func
    function = inspect.unwrap(f) if callable(f) else f
    if inspect.isroutine(function):
        yield str(function.__module__).partition(".")[0]
        yield from _used(function)
        return
    for one in type(f).__mro__:
        yield one.__module__.partition(".")[0]
    yield from _used(vars(type(f)).get("__call__"))


def _used(function: Any) -> Iterator[str]:
    """The packages that the code of a function uses, by the names of its globals."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    for name in code.co_names if code else ():
        owner = known.get(name)
        home = owner.__name__ if inspect.ismodule(owner) else str(getattr(owner, "__module__", ""))
        yield home.partition(".")[0]


def adapted(target: Target, form: Form, library: str) -> Subject:
    """The subject of the target; the form gives the arrays with which its results are looked at.

    What the function raises passes through.
    """
    found = _adapted(target, form, library)
    if found.is_own:
        return found
    weights = found.weights or _first(("sample_weight", "weight", "weights"), target.parameters)
    if "ignore_index" in target.parameters:  # there, weights are of classes
        weights = ""
    masks = _first(("where", "mask"), target.parameters)
    return replace(found, weights=weights, masks=masks, ignored=_ignored(target))


def _adapted(target: Target, form: Form, library: str) -> Subject:
    if library == "numpy":
        return arrays.plain(target, paired(form, np.random.default_rng(0), 6))
    if library == "catboost":
        return arrays.catboost(target)
    if library == "rashin":
        return own.subject(target)
    module = import_module(f"rashin.audit.libraries.{library}")
    is_loss = isinstance(target.f, Loss)
    asked = replace(target, settings={**target.settings, "reduction": "none"}) if is_loss else target
    if library == "sklearn":
        found: Subject = module.objects(target) if hasattr(target.f, "gradient_hessian") else module.metric(target)
    else:
        found = module.subject(asked)
    return replace(found, is_own=True) if is_loss else found


def _first(names: tuple[str, ...], among: tuple[str, ...]) -> str:
    return next((name for name in names if name in among), "")


def _ignored(target: Target) -> int | None:
    """The label to ignore: what an object holds, or the default of a function."""
    if "ignore_index" in target.parameters:
        default = inspect.signature(target.f).parameters["ignore_index"].default
        return int(target.settings.get("ignore_index", default))
    held = getattr(target.f, "ignore_index", getattr(target.f, "ignore_class", None))
    return held if isinstance(held, int) else None


def versions(library: str) -> dict[str, str]:
    """The versions of rashin and of the libraries that took part."""
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in (*_PACKAGES, "rashin")}
    taking_part = {"rashin", *library.split(" on "), *(("optax",) if library == "jax" else ())}
    return {name: str(version) for name, version in found.items() if version and name in taking_part}
