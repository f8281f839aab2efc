"""The picture of a training: loss above, accuracy below, over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rashin.extras import needs
from rashin.learn.history import History
from rashin.storage import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_history"]

_BATCH: dict[str, Any] = {"label": "mini-batch", "color": "#b4c8df", "linewidth": 0.6}
_BOLD: dict[str, Any] = {"linewidth": 2.0, "marker": "."}
_TRAINING = {"label": "training, mean of an epoch", "color": "#1f4e8c", **_BOLD}
_JUDGED = {"color": "#d9622b", "linestyle": "--", **_BOLD}
_CONSTANT: dict[str, Any] = {
    "label": "best constant prediction",
    "color": "#777777",
    "linestyle": ":",
    "linewidth": 1.5,
}


def draw_history(history: History, path: str | Path, title: str = "", *, judged: str = "held out") -> None:
    """Write a PNG picture of the loss and, where there are classes, the accuracy over the steps.

    Parameters
    ----------
    history : of the training, of at least one step.
    path : the file; an earlier one of that name is replaced.
    title : above the picture.
    judged : what to call the data that were scored after each epoch.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with needs("matplotlib", "learn", "drawing"):
        from matplotlib.figure import Figure
    quantities = ["loss"] if history.steps[0].batch.accuracy is None else ["loss", "accuracy"]
    figure = Figure(figsize=(8, 3.4 * len(quantities)), layout="constrained")  # no pyplot: no window, no global state
    panels = figure.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0]
    for axes, quantity in zip(panels, quantities, strict=True):
        _draw_curves(axes, history, quantity, judged)
        _dress(axes, quantity)
    panels[0].set_title(title, loc="left")
    panels[-1].set_xlabel("step")
    figure.align_ylabels()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    with written_beside(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150)


def _draw_curves(axes: Axes, history: History, quantity: str, judged: str) -> None:
    batches, ends = history.steps.arrays[quantity], [epoch.step for epoch in history.epochs]
    axes.plot(np.arange(1, len(batches) + 1), batches, **_BATCH)
    axes.plot(ends, [getattr(epoch.training, quantity) for epoch in history.epochs], **_TRAINING)
    held_out: list[Any] = [epoch.held_out for epoch in history.epochs]
    if None not in held_out:
        axes.plot(ends, [getattr(score, quantity) for score in held_out], label=judged, **_JUDGED)
    if history.constant is not None:
        axes.axhline(y=getattr(history.constant, quantity), **_CONSTANT)


def _dress(axes: Axes, quantity: str) -> None:
    if quantity == "loss":
        _scale(axes)
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(quantity)
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
