"""PNG pictures of the measurements around a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rashin.extras import needs
from rashin.language import font_family, said, speaking
from rashin.learn import Curve, Landscape, MinibatchLosses
from rashin.storage import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARK", "draw_curves", "draw_landscape", "draw_minibatches"]

MARK = "Software\0rashin"  # stands at the top of every picture

_LOSS, _ACCURACY, _STRAIGHT = "#1f4e8c", "#d9622b", "#333333"


def draw_curves(curves: tuple[Curve, ...], way: str, title: str, path: str | Path, lang: str = "en") -> None:
    """Loss and tangent above, correct predictions below; a column per view, from the widest to the nearest.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with _lettered(lang):
        figure = _curves_figure(curves, way, title)
        _save(figure, path)


def _curves_figure(curves: tuple[Curve, ...], way: str, title: str) -> Figure:
    figure = _figure(title, width=4.0 * len(curves), height=5.6)
    above, below = figure.subplots(2, len(curves), squeeze=False, sharex="col")
    for curve, loss, right in zip(curves, above, below, strict=True):
        _draw_loss(loss, curve)
        _draw_right(right, curve)
        loss.set_title(f"± {curve.offsets[-1]:g}", fontsize="medium")
        right.set_xlabel(way)
    above[0].set_ylabel(said("loss"))
    below[0].set_ylabel(said("correct predictions, of {samples:,}", samples=curves[0].samples))
    figure.align_ylabels()
    handles = [*above[0].get_legend_handles_labels(), *below[0].get_legend_handles_labels()]
    figure.legend(handles[0] + handles[2], handles[1] + handles[3], loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_landscape(landscape: Landscape, title: str, path: str | Path, lang: str = "en") -> None:
    """Contours of the loss, and the accuracy next to them.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with _lettered(lang):
        figure = _landscape_figure(landscape, title)
        _save(figure, path)


def _landscape_figure(landscape: Landscape, title: str) -> Figure:
    from matplotlib.ticker import PercentFormatter

    figure = _figure(title, width=10.5, height=5.4)
    left, right = figure.subplots(1, 2)
    up, across = landscape.offsets
    levels, scale = _levels(landscape.loss)
    hills = left.contourf(across, up, landscape.loss, levels=levels, norm=scale, cmap="cividis_r")  # bright is good
    left.contour(across, up, landscape.loss, levels=levels, norm=scale, colors="black", linewidths=0.4)
    below: dict[str, Any] = {"location": "bottom", "shrink": 0.9, "aspect": 30}
    figure.colorbar(hills, ax=left, label=said("loss"), format="%.2g", ticks=levels[::4], **below)
    fields = right.pcolormesh(across, up, landscape.accuracy, cmap="cividis", shading="nearest")
    percent = PercentFormatter(1.0, decimals=0)
    figure.colorbar(fields, ax=right, label=said("accuracy"), format=percent, **below)
    left.set_ylabel(said("first direction"))
    right.tick_params(labelleft=False)
    for axes in (left, right):
        axes.plot(0, 0, marker="X", color="white", markersize=10, markeredgecolor="black")
        axes.set(xlabel=said("second direction"), xlim=across[[0, -1]], ylim=up[[0, -1]], aspect="equal")
        axes.locator_params(nbins=5)
    return figure


def draw_minibatches(found: MinibatchLosses, title: str, path: str | Path, lang: str = "en") -> None:
    """The losses of mini-batches as bands around the whole, and how the bands narrow.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with _lettered(lang):
        figure = _minibatches_figure(found, title)
        _save(figure, path)


def _minibatches_figure(found: MinibatchLosses, title: str) -> Figure:
    figure = _figure(title, width=10.5, height=4.6)
    left, right = figure.subplots(1, 2)
    most, half = said("9 of 10 batches"), said("half of them")
    for low, high, share, strength in ((0.05, 0.95, most, 0.18), (0.25, 0.75, half, 0.35)):
        band = (found.quantile(low), found.quantile(high))
        left.fill_between(found.sizes, *band, color=_LOSS, alpha=strength, linewidth=0, label=share)
    left.plot(found.sizes, found.quantile(0.5), color=_LOSS, linewidth=2, label=said("median batch"))
    everyone = said("all {samples:,} samples", samples=found.samples)
    left.axhline(found.whole, color=_STRAIGHT, linestyle="--", linewidth=1.2, label=everyone)
    right.plot(found.sizes, found.spread, "o", color=_LOSS, label=said("measured"))
    expected = said("expected, σ / √size")
    right.plot(found.sizes, found.expected_spread, "--", color=_STRAIGHT, linewidth=1.2, label=expected)
    left.set_ylabel(said("loss"))
    right.set(ylabel=said("root mean squared error"), yscale="log" if found.spread.any() else "linear")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel(said("batch size"))
        _dress(axes)
        axes.legend(frameon=False)
    return figure


@contextmanager
def _lettered(lang: str) -> Iterator[None]:
    """Fonts for the language. Text is laid out when a picture is saved, so drawing and saving both belong inside."""
    with needs("matplotlib", "report", "drawing"):
        from matplotlib import rc_context
    with speaking(lang), rc_context({"font.family": font_family(lang)}):
        yield


def _figure(title: str, width: float, height: float) -> Figure:
    with needs("matplotlib", "report", "drawing"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")  # no pyplot: no window, no global state
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_loss(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.offsets, curve.loss, color=_LOSS, linewidth=2.2, label=said("loss"))
    bottom, top = axes.get_ylim()
    tangent = said("tangent, from the gradient")
    axes.plot(curve.offsets, curve.tangent, "--", color=_STRAIGHT, linewidth=1.2, label=tangent)
    axes.set_ylim(bottom, top)  # the tangent may leave the picture
    axes.plot(0, curve.value, "o", color=_STRAIGHT, markersize=5)
    axes.locator_params(axis="x", nbins=5)
    _dress(axes)


def _draw_right(axes: Axes, curve: Curve) -> None:
    right = curve.accuracy * curve.samples
    label = said("correct predictions")
    axes.plot(curve.offsets, right, drawstyle="steps-mid", color=_ACCURACY, linewidth=1.8, label=label)
    if np.ptp(right) <= 8:
        axes.set_ylim(right.min() - 1.5, min(right.max() + 1.5, curve.samples + 0.5))
        axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _dress(axes)


def _dress(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _levels(loss: Any) -> tuple[Any, Any]:
    """Heights of contours, in equal ratios if the loss changes tenfold."""
    from matplotlib.colors import LogNorm, Normalize

    finite = loss[np.isfinite(loss)]
    low, high = float(finite.min()), float(finite.max())
    if 0.0 < 10.0 * low < high:
        return np.geomspace(low, high, 25), LogNorm(low, high)
    return np.linspace(low, high if high > low else low + 1.0, 25), Normalize(low, high)


def _save(figure: Figure, path: str | Path) -> None:
    with written_beside(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150, metadata={"Software": "rashin"})
