"""How a function that was passed as an object is written, and what must be imported before such lines run."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rashin import registry
from rashin.audit.subject import Target
from rashin.loss import Loss

__all__ = ["PASSED", "expressed", "preparation"]

PASSED = "f"  # as rashin.check calls what was passed to it
_IMPORTS = {
    "np": "import numpy as np",
    "torch": "import torch",
    "jnp": "import jax, jax.numpy as jnp; jax.config.update('jax_enable_x64', True)",
    "functools": "import functools",
    "rashin.audit": "import rashin.audit",
}


def expressed(f: Any, settings: Mapping[str, Any]) -> Target:
    """The target of an object, by names with which a line of Python finds it."""
    if isinstance(f, Loss):
        written = _of_loss(f)
        return Target(
            f, written, settings=dict(settings), expression=written, module=written.rpartition("rashin.")[1][:-1]
        )
    expression, module = _expression(f)
    return Target(f, _name(f, expression), settings=dict(settings), expression=expression, module=module)


def _of_loss(loss: Loss) -> str:
    """An expression for a loss: its name, and the parameters that are not its defaults."""
    known = {one.name: one for one in registry.list_losses()}.get(loss.name)
    others = {key: x for key, x in loss.parameters.items() if known is None or known.parameters.get(key) != x}
    home = "rashin." if loss.formula.__module__.startswith("rashin.") else ""
    settings = ", ".join(f"{key}={x!r}" for key, x in others.items())
    return f"{home}{loss.name}" + (f".replace({settings})" if settings else "")


def _expression(f: Any) -> tuple[str, str]:
    """The expression, and the module to import; ``f`` for what has no name, such as instances and local lambdas."""
    if isinstance(f, functools.partial):
        inner, module = _expression(f.func)
        if not all(map(_is_literal, (*f.args, *f.keywords.values()))):  # such as tensors
            return PASSED, ""
        arguments = [inner, *map(repr, f.args), *(f"{key}={value!r}" for key, value in f.keywords.items())]
        return (PASSED, "") if inner == PASSED else (f"functools.partial({', '.join(arguments)})", module)
    path, module = getattr(f, "__qualname__", ""), getattr(f, "__module__", None) or ""
    if "<locals>" in path:
        name = path.rpartition(".")[2]
        return (name if inspect.isfunction(f) and name.isidentifier() else PASSED), ""
    named = _bound(f, path, vars(sys.modules[module])) if module in sys.modules else ""
    if named and module != "__main__":
        return f"{module}.{named}", module
    return named or _bound(f, path, getattr(f, "__globals__", {})) or PASSED, ""


def _is_literal(x: Any) -> bool:
    """Whether an object is written as it prints."""
    try:
        ast.literal_eval(repr(x))
    except (ValueError, SyntaxError):
        return False
    return True


def _bound(f: Any, path: str, names: Mapping[str, Any]) -> str:
    """The path or the name under which a namespace has the object; "" if it has not."""
    first, *rest = path.split(".")
    if functools.reduce(lambda home, name: getattr(home, name, None), rest, names.get(first)) is f:
        return path
    return next((name for name, x in names.items() if x is f), "")


def _name(f: Any, expression: str) -> str:
    """The name in reports: what has no expression is named by where it comes from."""
    if expression != PASSED:
        return expression
    path = getattr(f, "__qualname__", None) or type(f).__qualname__
    module = getattr(f, "__module__", None) or type(f).__module__
    return path if module == "__main__" or "<locals>" in path else f"{module}.{path}"


def preparation(target: Target, library: str, examples: Iterable[str]) -> str:
    """The imports that the examples need, as one line; "" if there are no examples."""
    text = "\n".join(filter(None, examples))
    if not text:
        return ""
    found = [f"import os; os.environ['KERAS_BACKEND'] = '{library[9:]}'"] if library.startswith("keras on ") else []
    found += [line for name, line in _IMPORTS.items() if re.search(rf"(?<![\w.]){re.escape(name)}\.", text)]
    found += [f"import {target.module}"] if target.module and f"import {target.module}" not in found else []
    passed = "  # f: the function that was checked" if target.expression == PASSED else ""
    return "; ".join(found) + passed
