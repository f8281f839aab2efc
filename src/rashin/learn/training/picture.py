"""The picture of a training run: loss above, accuracy below, over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rashin.extras import needs
from rashin.language import font_family, said, speaking
from rashin.learn.training.history import History
from rashin.storage import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_history"]

_BATCH: dict[str, Any] = {"color": "#b4c8df", "linewidth": 0.6}
_BOLD: dict[str, Any] = {"linewidth": 2.0, "marker": "."}
_TRAINING = {"color": "#1f4e8c", **_BOLD}
_JUDGED = {"color": "#d9622b", "linestyle": "--", **_BOLD}
_CONSTANT: dict[str, Any] = {"color": "#777777", "linestyle": ":", "linewidth": 1.5}


def draw_history(
    history: History, path: str | Path, title: str = "", *, judged: str | None = None, lang: str = "en"
) -> None:
    """Write a PNG picture of the loss and, if there are classes, the accuracy over the steps.

    Parameters
    ----------
    history : history of a training run, of at least one step.
    path : file to write; an earlier file of that name is replaced.
    title : title above the picture.
    judged : name of the data that were scored after each epoch; None is "held out", in the language.
    lang : language of the words, "en" or "ja"; Japanese needs a font such as Noto Sans CJK.

    Raises
    ------
    ValueError : rashin is not translated into that language.
    LookupError : no font with its letters is installed; the message names one.
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with needs("matplotlib", "learn", "drawing"):
        from matplotlib import rc_context
    with speaking(lang), rc_context({"font.family": font_family(lang)}):
        figure = _figure(history, title, judged or said("held out"))
        with written_beside(Path(path)) as part:
            figure.savefig(part, format="png", dpi=150)


def _figure(history: History, title: str, judged: str) -> Figure:
    with needs("matplotlib", "learn", "drawing"):
        from matplotlib.figure import Figure
    quantities = ["loss"] if history.steps[0].batch.accuracy is None else ["loss", "accuracy"]
    figure = Figure(figsize=(8, 3.4 * len(quantities)), layout="constrained")  # no pyplot: no window, no global state
    panels = figure.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0]
    for axes, quantity in zip(panels, quantities, strict=True):
        _draw_curves(axes, history, quantity, judged)
        _dress(axes, quantity)
        axes.set_ylabel(said("loss") if quantity == "loss" else said("accuracy"))
    panels[0].set_title(title, loc="left")
    panels[-1].set_xlabel(said("step"))
    figure.align_ylabels()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_curves(axes: Axes, history: History, quantity: str, judged: str) -> None:
    batches, ends = history.steps.arrays[quantity], [epoch.step for epoch in history.epochs]
    axes.plot(np.arange(1, len(batches) + 1), batches, label=said("mini-batch"), **_BATCH)
    means = [getattr(epoch.training, quantity) for epoch in history.epochs]
    axes.plot(ends, means, label=said("training, mean of an epoch"), **_TRAINING)
    held_out: list[Any] = [epoch.held_out for epoch in history.epochs]
    if None not in held_out:
        axes.plot(ends, [getattr(score, quantity) for score in held_out], label=judged, **_JUDGED)
    if history.constant is not None:
        label = said("best constant prediction")
        axes.axhline(y=getattr(history.constant, quantity), label=label, **_CONSTANT)


def _dress(axes: Axes, quantity: str) -> None:
    if quantity == "loss":
        _scale(axes)
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _scale(axes: Axes) -> None:
    """Set a logarithmic scale if the loss stays positive and changes tenfold."""
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    if 0 < 10 * values.min() < values.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
