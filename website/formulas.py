"""Formulas as MathML, which browsers show without a script, and the font for them.

LaTeX is converted while the site is built. The font is STIX Two Math, cut to the characters of mathematics.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from math_core import LatexToMathML

__all__ = ["setup"]

_CONVERTER = LatexToMathML()
_CHARACTERS = (
    *range(0x20, 0x7F),
    *range(0x391, 0x3F6),  # Greek
    *range(0x2010, 0x2063),  # dashes, dots, primes, invisible operators
    *range(0x210A, 0x2138),  # letters that stand apart: h, and that of the loss
    *range(0x2190, 0x2270),  # arrows and operators
    *range(0x27E8, 0x27EA),
    *range(0x1D434, 0x1D468),  # italic letters
    *range(0x1D6FC, 0x1D71C),
)


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer = "mathml"
    app.connect("build-finished", _write_font)


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_CONVERTER.convert_with_local_state(node.astext(), displaystyle=False))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    """In a box of its own, which scrolls where the formula is wider than the page."""
    formula = _CONVERTER.convert_with_local_state(node.astext(), displaystyle=True)
    writer.body.append(f'<div class="formula" tabindex="0">{formula}</div>\n')
    raise nodes.SkipNode


def _write_font(app: Any, error: Exception | None) -> None:
    if error is not None:
        return
    font = TTFont(str(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"), recalcTimestamp=False)
    cut = Subsetter(Options(layout_features=["ssty", "math", "dtls", "flac"]))  # forms for scripts and accents
    cut.populate(unicodes=_CHARACTERS)
    cut.subset(font)
    font.flavor = "woff"
    font.save(Path(app.outdir) / "_static" / "stix-two-math.woff")
