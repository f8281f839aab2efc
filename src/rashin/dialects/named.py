"""What the dialects' functions say of themselves, and of what they lack; from the tables of ``rashin.conventions``."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import rashin
from rashin import conventions
from rashin.conventions import Convention

__all__ = ["documented", "made", "missing"]


def documented(library: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a function of a dialect the text of its entry."""
    table = conventions.named(library)

    def with_text(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__doc__ = _text(library, table[function.__name__])
        return function

    return with_text


def made(
    library: str, module: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
) -> dict[str, Callable[..., Any]]:
    """The functions whose entries say all: signature and expression, in the words of ``rashin``."""
    functions = {}
    for entry in conventions.TABLES[library]:
        if entry.signature:
            function = eval(f"lambda {entry.signature}: {entry.expression}", vars(rashin))
            function.__name__ = function.__qualname__ = entry.name
            function.__module__, function.__doc__ = module, _text(library, entry)
            functions[entry.name] = wrapped(function)
    return functions


def _text(library: str, entry: Convention) -> str:
    """The text of a dialect's function."""
    sentences = [f"``{conventions.HOME[library]}.{entry.name}``, which equals ``{entry.expression}``."]
    sentences += [entry.words] if entry.words else []
    sentences += [f"The original {entry.fault}"] if entry.fault else []
    return "\n\n".join(textwrap.fill(sentence, 110) for sentence in sentences)


def missing(library: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a dialect."""

    def refused(name: str) -> Any:
        why = conventions.MISSING[library].get(name)
        raise AttributeError(f"rashin.dialects.{library} has no {name}{(why and f': {why}') or ''}")

    return refused
