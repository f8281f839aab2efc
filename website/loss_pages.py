"""A page for each loss of the registry: its docstring, curves, facts, accuracy, and its names elsewhere."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from rashin.conventions import HOME, TABLES
from rashin.domain import Columns, Domain, Sample
from rashin.group_loss import GroupLoss
from rashin.loss import Loss
from rashin.report.page.numbers import number
from rashin.synonyms import SYNONYMS
from website.curves import curves_html, thumbnail_html
from website.shipped import SHIPPED

__all__ = ["write_loss_pages"]

AnyLoss = Loss | GroupLoss

_FAMILIES = ("One number per sample", "One number per class", "Several numbers per sample", "Sets of samples")
_FLOATS = ("float64", "float32", "float16", "bfloat16")
_SECTIONS = {"Parameters", "Examples"}
_ENTRY = re.compile(r"(\w+(?:, \w+)*) : (.+)")


def write_loss_pages(folder: Path, accuracy: str) -> None:
    """Write a page for each loss, and the page that lists them; ``accuracy`` is the text of docs/accuracy.md."""
    folder.mkdir()
    errors = _table_rows(accuracy)
    for loss in SHIPPED:
        _write(folder / f"{loss.name}.rst", _page(loss, errors.get(loss.name)))
    _write(folder / "index.rst", _index(SHIPPED))


def _write(path: Path, blocks: Iterable[str]) -> None:
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _table_rows(page: str) -> dict[str, list[str]]:
    """The rows of the table of accuracy, by the loss in the first column."""
    table = page.partition("<!-- table: begin -->")[2].partition("<!-- table: end -->")[0]
    rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "`" in line)
    return {row[0].strip("`"): row[1:] for row in rows}


# -------------------------------------------------------------------------------------------------------- a page


def _page(loss: AnyLoss, errors: Sequence[str] | None) -> Iterator[str]:
    text, _, source = inspect.cleandoc(loss.__doc__ or "").partition("Reference: ")
    yield _title(loss.name, "=")
    yield f".. py:function:: rashin.{loss.name}{_signature(loss)}"
    yield _indented("\n".join(_as_rst(text.rstrip())))
    yield from [_title("Curves", "-"), _raw(curves_html(loss))]
    yield from [_title("Facts", "-"), _table(_facts(loss), widths="30 70")]
    if errors:
        yield _title("Accuracy", "-")
        yield "Largest errors in ULPs; 0.5 is a correctly rounded result. :doc:`What is measured </docs/accuracy>`."
        rows = [(dtype, *cell.split(" · ")) for dtype, cell in zip(_FLOATS, errors, strict=True)]
        yield _table([("", "value", "gradient", "Hessian diagonal"), *rows], header=True)
    rows = [*_conventions(loss.name), *_synonyms(loss.name)]
    if rows:
        yield _title("In other libraries", "-")
        yield _table([("Name there", "Expression here", "Remark"), *rows], header=True, widths="25 40 35")
    yield from [_title("Reference", "-"), _escaped(source)]


def _conventions(name: str) -> Iterator[tuple[str, str, str]]:
    """The functions of the libraries that have a dialect."""
    for library, table in TABLES.items():
        for entry in table:
            if entry.loss == name:
                yield f"``{entry.name}`` of ``{HOME[library]}``", f"``{entry.expression}``", _escaped(entry.words)


def _synonyms(name: str) -> Iterator[tuple[str, str, str]]:
    for entry in SYNONYMS:
        if entry.loss == name:
            yield ", ".join(f"``{each}``" for each in entry.names), f"``{entry.expression}``", entry.remark


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def _signature(loss: AnyLoss) -> inspect.Signature:
    """The signature without types, which are Any."""
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(loss).parameters.values()]
    return inspect.Signature(bare)


def _as_rst(text: str) -> Iterator[str]:
    """A docstring as the content of a directive: no headings, parameters as a list of definitions, bars escaped."""
    is_formula = False
    for line in text.splitlines():
        is_formula = line.startswith(".. math::") or (is_formula and line.startswith(" "))
        entry = _ENTRY.fullmatch(line)
        if line in _SECTIONS or (line and set(line) == {"-"}):
            continue
        if entry and not is_formula:
            yield f"``{entry[1]}``"
            yield f"    {_escaped(entry[2])}"
        else:
            yield line if is_formula or line.startswith(">>>") else _escaped(line)


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")  # in reStructuredText |r| is a substitution


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" if line else "" for line in text.splitlines())


def _raw(html: str) -> str:
    return f".. raw:: html\n\n{_indented(html)}"


def _table(rows: Iterable[Sequence[str]], *, header: bool = False, widths: str = "") -> str:
    lines = [".. list-table::"] + ["   :header-rows: 1"] * header + [f"   :widths: {widths}"] * bool(widths) + [""]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return "\n".join(lines)


# --------------------------------------------------------------------------------------------------------- facts


def _facts(loss: AnyLoss) -> Iterator[tuple[str, str]]:
    facts = loss.facts
    yield "Prediction", _in_words(loss.prediction)
    yield "Target", _in_words(loss.target)
    for name, default in loss.parameters.items():
        domain = facts.parameters.get(name)
        yield f"``{name}``", f"{domain.description if domain else 'a number'}; default ``{default!r}``"
    yield "Convex in the prediction", "yes, with the default parameters" if facts.convex else "no"
    if facts.bounds:
        yield "Bounds", " to ".join(number(bound) for bound in _bounds(loss))
    if facts.link != "identity":
        yield "Link", f"{facts.link}, from the mean of the target to the prediction"
    if facts.best_constant:
        yield "Best constant", "in closed form: ``rashin.best_constant``"


def _in_words(sample: Sample) -> str:
    if isinstance(sample, Domain):
        return sample.description
    if isinstance(sample, Columns):
        return "; ".join(f"``{name}``, {sample.entry(at).description}" for at, name in enumerate(sample.names))
    return f"a row of {sample.name}, each {sample.of.description}"


def _bounds(loss: AnyLoss) -> tuple[float, float]:
    """The bounds with the default parameters, and with three classes where they count."""
    classes = (3,) if loss.prediction.has_classes else ()
    assert loss.facts.bounds is not None
    return loss.facts.bounds(*classes, **loss.parameters)


# -------------------------------------------------------------------------------------------------------- the list


def _index(losses: Sequence[AnyLoss]) -> Iterator[str]:
    yield _title("Losses", "=")
    yield "Each picture shows the loss while one number moves. ``rashin losses`` prints the same list."
    for place, family in enumerate(_FAMILIES):
        yield _title(family, "-")
        yield _raw(
            '<div class="losses">' + "".join(_card(loss) for loss in losses if _family(loss) == place) + "</div>"
        )
    yield ".. toctree::\n   :hidden:\n\n" + "\n".join(f"   {loss.name}" for loss in losses)


def _family(loss: AnyLoss) -> int:
    if isinstance(loss, GroupLoss):
        return 3
    return 2 if loss.prediction.is_joint else loss.prediction.axes


def _card(loss: AnyLoss) -> str:
    summary = (loss.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    told = re.sub(r"``(.+?)``", r"<code>\1</code>", escape(summary))
    return f'<a href="{loss.name}.html">{thumbnail_html(loss)}<strong>{loss.name}</strong><span>{told}</span></a>'
