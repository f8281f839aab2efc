"""A page for each public module, of its docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import rashin
from rashin import domain
from rashin.losses import __all__ as losses

__all__ = ["write_reference"]

_SOURCE = Path(rashin.__file__).parents[1]
_IMPORT = re.compile(
    r"^(?:>>> |\.\.\. )? *(?:from (rashin[\w.]*) import ([\w, ]+)|import (rashin[\w.]+))", re.MULTILINE
)


def write_reference(folder: Path, guides: Iterable[str]) -> None:
    """Write a page for each module that an example in the texts of the guides imports: those are public."""
    folder.mkdir()
    modules = sorted({"rashin", *(module for text in guides for module in _imported(text))})
    for module in modules:
        (folder / f"{module}.rst").write_text("\n\n".join(_page(module)) + "\n", encoding="utf-8")
    index = "Reference\n=========\n\nThe losses have :doc:`pages of their own </losses/index>`.\n\n.. toctree::\n"
    entries = "".join(f"\n   {module}" for module in modules)
    (folder / "index.rst").write_text(f"{index}{entries}\n", encoding="utf-8")


def _imported(text: str) -> Iterator[str]:
    for package, names, module in _IMPORT.findall(text):
        inside = [f"{package}.{name.split()[0]}" for name in names.split(",") if name.strip()]
        yield from filter(_is_module, filter(None, [module, *inside]))
        if package and not all(map(_is_module, inside)):
            yield package


def _file(module: str) -> Path:
    path = _SOURCE.joinpath(*module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"


def _is_module(name: str) -> bool:
    """Whether there is such a file; to import it would need what it adapts."""
    return _file(name).exists()


def _page(module: str) -> Iterator[str]:
    yield f"{module}\n{'=' * len(module)}"
    names_all = "\n__all__ = " in _file(module).read_text(encoding="utf-8")
    options = ["", ":members:", *[":imported-members:"] * names_all]
    options += [f":exclude-members: {', '.join(losses)}"] * (module == "rashin")
    yield f".. automodule:: {module}" + "\n   ".join(options)
    if module == "rashin":
        yield ".. autofunction:: rashin.linear_softmax_cross_entropy"  # an object, which autodoc takes for data
    if module == "rashin.domain":
        yield "Domains\n-------"
        yield ".. list-table::\n\n" + "\n".join(_domains())


def _domains() -> Iterator[str]:
    for name in domain.__all__:
        found = getattr(domain, name)
        if isinstance(found, domain.Domain):
            yield f"   * - ``{name}``\n     - {found.description}"
