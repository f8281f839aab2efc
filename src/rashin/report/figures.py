"""PNG pictures of what is measured around a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rashin.extras import needs
from rashin.learn import Curve, Landscape, MinibatchLosses
from rashin.storage import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARK", "draw_curves", "draw_landscape", "draw_minibatches"]

MARK = "Software\0rashin"  # stands at the top of every picture

_LOSS, _ACCURACY, _STRAIGHT = "#1f4e8c", "#d9622b", "#333333"


def draw_curves(curves: tuple[Curve, ...], way: str, title: str, path: str | Path) -> None:
    """Loss and tangent above, right answers below; a column per view, from the widest to the nearest.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    figure = _figure(title, width=4.0 * len(curves), height=5.6)
    above, below = figure.subplots(2, len(curves), squeeze=False, sharex="col")
    for curve, loss, right in zip(curves, above, below, strict=True):
        _draw_loss(loss, curve)
        _draw_right(right, curve)
        loss.set_title(f"± {curve.offsets[-1]:g}", fontsize="medium")
        right.set_xlabel(way)
    above[0].set_ylabel("loss")
    below[0].set_ylabel(f"right answers, of {curves[0].samples:,}")
    figure.align_ylabels()
    handles = [*above[0].get_legend_handles_labels(), *below[0].get_legend_handles_labels()]
    figure.legend(handles[0] + handles[2], handles[1] + handles[3], loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_landscape(landscape: Landscape, title: str, path: str | Path) -> None:
    """Contours of the loss, and the accuracy beside them.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    from matplotlib.ticker import PercentFormatter

    figure = _figure(title, width=10.5, height=5.4)
    left, right = figure.subplots(1, 2)
    up, across = landscape.offsets
    levels, scale = _levels(landscape.loss)
    hills = left.contourf(across, up, landscape.loss, levels=levels, norm=scale, cmap="cividis_r")  # bright is good
    left.contour(across, up, landscape.loss, levels=levels, norm=scale, colors="black", linewidths=0.4)
    below: dict[str, Any] = {"location": "bottom", "shrink": 0.9, "aspect": 30}
    figure.colorbar(hills, ax=left, label="loss", format="%.2g", ticks=levels[::4], **below)
    fields = right.pcolormesh(across, up, landscape.accuracy, cmap="cividis", shading="nearest")
    figure.colorbar(fields, ax=right, label="right answers", format=PercentFormatter(1.0, decimals=0), **below)
    left.set_ylabel("first direction")
    right.tick_params(labelleft=False)
    for axes in (left, right):
        axes.plot(0, 0, marker="X", color="white", markersize=10, markeredgecolor="black")
        axes.set(xlabel="second direction", aspect="equal")
        axes.locator_params(nbins=5)
    _save(figure, path)


def draw_minibatches(found: MinibatchLosses, title: str, path: str | Path) -> None:
    """The losses of mini-batches as bands around the whole, and how the bands narrow.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    figure = _figure(title, width=10.5, height=4.6)
    left, right = figure.subplots(1, 2)
    for low, high, share, strength in ((0.05, 0.95, "9 of 10 batches", 0.18), (0.25, 0.75, "half of them", 0.35)):
        band = (found.quantile(low), found.quantile(high))
        left.fill_between(found.sizes, *band, color=_LOSS, alpha=strength, linewidth=0, label=share)
    left.plot(found.sizes, found.quantile(0.5), color=_LOSS, linewidth=2, label="median batch")
    left.axhline(found.whole, color=_STRAIGHT, linestyle="--", linewidth=1.2, label=f"all {found.samples:,} samples")
    right.plot(found.sizes, found.spread, "o", color=_LOSS, label="measured")
    right.plot(found.sizes, found.expected_spread, "--", color=_STRAIGHT, linewidth=1.2, label="promised by 1 / √size")
    left.set_ylabel("loss")
    right.set(ylabel="distance from the whole", yscale="log" if found.spread.any() else "linear")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("samples in a mini-batch")
        _dress(axes)
        axes.legend(frameon=False)
    _save(figure, path)


def _figure(title: str, width: float, height: float) -> Figure:
    with needs("matplotlib", "learn", "drawing"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")  # no pyplot: no window, no global state
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_loss(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.offsets, curve.loss, color=_LOSS, linewidth=2.2, label="loss")
    bottom, top = axes.get_ylim()
    axes.plot(curve.offsets, curve.tangent, "--", color=_STRAIGHT, linewidth=1.2, label="tangent, from the gradient")
    axes.set_ylim(bottom, top)  # the tangent leaves the picture where the loss has bent away
    axes.plot(0, curve.value, "o", color=_STRAIGHT, markersize=5)
    axes.locator_params(axis="x", nbins=5)
    _dress(axes)


def _draw_right(axes: Axes, curve: Curve) -> None:
    right = curve.accuracy * curve.samples
    axes.plot(curve.offsets, right, drawstyle="steps-mid", color=_ACCURACY, linewidth=1.8, label="right answers")
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
    """Heights of contours; in equal ratios where the loss changes tenfold."""
    from matplotlib.colors import LogNorm, Normalize

    finite = loss[np.isfinite(loss)]
    low, high = float(finite.min()), float(finite.max())
    if 0.0 < 10.0 * low < high:
        return np.geomspace(low, high, 25), LogNorm(low, high)
    return np.linspace(low, high if high > low else low + 1.0, 25), Normalize(low, high)


def _save(figure: Figure, path: str | Path) -> None:
    with written_beside(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150, metadata={"Software": "rashin"})
