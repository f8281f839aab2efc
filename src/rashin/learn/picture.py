"""The picture of a training: loss above, accuracy below, over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rashin.learn.history import History
from rashin.learn.storage import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_history"]

_BATCH: dict[str, Any] = {"label": "mini-batch", "color": "#b4c8df", "linewidth": 0.6}
_BOLD: dict[str, Any] = {"linewidth": 2.0, "marker": "."}
_TRAINING = {"label": "training data", "color": "#1f4e8c", **_BOLD}
_HELD_OUT = {"label": "held-out data", "color": "#d9622b", "linestyle": "--", **_BOLD}


def draw_history(history: History, path: str | Path, title: str = "") -> None:
    """Write a PNG picture of the loss and the accuracy over the steps.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("drawing needs matplotlib: pip install 'rashin[learn]'") from error
    figure = Figure(figsize=(8, 6.4), layout="constrained")  # no pyplot: no window, no global state
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_curves(above, history, "loss")
    _draw_curves(below, history, "accuracy")
    _dress(above, below, title)
    figure.align_ylabels()
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    with written_beside(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150)


def _draw_curves(axes: Axes, history: History, quantity: str) -> None:
    steps = [step.step for step in history.steps]
    ends = [epoch.step for epoch in history.epochs]
    axes.plot(steps, [getattr(step.batch, quantity) for step in history.steps], **_BATCH)
    axes.plot(ends, [getattr(epoch.training, quantity) for epoch in history.epochs], **_TRAINING)
    held_out: list[Any] = [epoch.held_out for epoch in history.epochs]
    if None not in held_out:
        axes.plot(ends, [getattr(score, quantity) for score in held_out], **_HELD_OUT)
    axes.set_ylabel(quantity)


def _dress(above: Axes, below: Axes, title: str) -> None:
    _scale(above)
    above.set_title(title, loc="left")
    below.set_ylim(-0.02, 1.02)
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)


def _scale(axes: Axes) -> None:
    """A logarithmic scale where the loss falls by factors: where it stays positive and changes tenfold."""
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    if 0 < 10 * values.min() < values.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
