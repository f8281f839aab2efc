"""The formula of a docstring as a line of plain text for a terminal."""

from __future__ import annotations

import re

__all__ = ["formula_line", "plain"]

_LETTERS = "alpha beta gamma delta epsilon eta theta kappa lambda mu nu pi rho sigma tau phi ell"
_OTHERS = "Gamma Phi varphi infty sum cdot in le ge ne"
_SIGNS = dict(zip(f"{_LETTERS} {_OTHERS}".split(), "αβγδεηθκλμνπρστφℓΓΦφ∞Σ·∈≤≥≠", strict=True))
_SILENT = {"left", "right", "big", "Big", "text", "mathrm", "operatorname", "bigl", "bigr"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"  # the content of braces; it may contain one more pair


def formula_line(docstring: str | None) -> str:
    r"""The first formula of a docstring in plain text, or the docstring's first line if there is none.

    >>> formula_line("Half the square.\n\n.. math:: \\ell = r^2 / 2, \\quad r = z - t\n\nReference: Legendre.")
    'r² / 2, r = z - t'
    """
    text = docstring or ""
    formula = re.search(r"\.\. math::\s*(.+?)(?:\n\s*\n|\Z)", text, re.DOTALL)
    if formula is None:
        return text.strip().partition("\n")[0]
    return plain(formula[1]).removeprefix("ℓ = ")


def plain(latex: str) -> str:
    r"""A formula without its markup.

    >>> plain(r"\frac{e^{2z}}{p - 1} + \delta \sqrt{1 + r^2}")
    '(e^(2z))/(p - 1) + δ √(1 + r²)'
    """
    text = re.sub(rf"\\[td]?frac{_GROUP}{_GROUP}", lambda m: f"{_operand(m[1])}/{_operand(m[2])}", latex)
    text = re.sub(rf"\\sqrt{_GROUP}", r"√(\1)", text)
    text = re.sub(r"\^(\d)", lambda m: m[1].translate(_SUPERSCRIPTS), text)
    text = re.sub(rf"([\^_]){_GROUP}", lambda m: m[1] + _operand(m[2]), text)
    text = re.sub(r"(?<=[\w)])\\(?=[A-Za-z])", r" \\", text)  # log\cosh is two words
    text = re.sub(r"\\([A-Za-z]+)|\\(.)", lambda m: _sign(m[1]), text)
    text = re.sub(r"([(\[]) +| +([)\]])", r"\1\2", " ".join(text.split()))
    return re.sub(r"[{}]", "", text)


def _operand(latex: str) -> str:
    return latex if re.fullmatch(r"\\[A-Za-z]+|\w", latex) else f"({latex})"


def _sign(command: str | None) -> str:
    if command is None or command in ("quad", "qquad"):
        return " "
    return "" if command in _SILENT else _SIGNS.get(command, command)
