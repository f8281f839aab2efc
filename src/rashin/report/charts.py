"""Plotly figures of what is measured around a network; their colours are variables of the page's style."""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.learn import Curve, Landscape, MinibatchLosses

__all__ = ["accuracy_map", "band_chart", "curve_chart", "loss_map", "spread_chart"]

_LOSS, _ACCURACY, _STRAIGHT = "var(--loss)", "var(--accuracy)", "var(--straight)"
_MARGINS = {"l": 10, "r": 10, "t": 30, "b": 10}
_LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
_NOTHING = {"hoverinfo": "skip", "showlegend": False}


def curve_chart(curve: Curve, way: str) -> Any:
    """The loss with its tangent above, the right answers below, over the same way."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.58, 0.42])
    x, right = curve.offsets, curve.accuracy * curve.samples
    figure.add_scatter(x=x, y=curve.loss, name="loss", line={"color": _LOSS, "width": 3}, row=1, col=1)
    tangent = {"color": _STRAIGHT, "width": 1.5, "dash": "dash"}
    figure.add_scatter(x=x, y=curve.tangent, name="tangent, from the gradient", line=tangent, row=1, col=1)
    stairs = {"color": _ACCURACY, "width": 2.5, "shape": "hvh"}
    figure.add_scatter(x=x, y=right, name=f"right answers, of {curve.samples:,}", line=stairs, row=2, col=1)
    here = {"color": _STRAIGHT, "size": 9}
    figure.add_scatter(x=[0], y=[curve.value], mode="markers", marker=here, **_NOTHING, row=1, col=1)
    figure.update_layout(height=460, margin=_MARGINS, legend=_LEGEND, hovermode="x unified")
    figure.update_yaxes(title={"text": "loss", "standoff": 12}, range=_room(curve.loss), row=1, col=1)
    figure.update_yaxes(
        title={"text": "right", "standoff": 12}, range=_room(right, least=3.0, most=curve.samples), row=2, col=1
    )
    figure.update_yaxes(dtick=1 if np.ptp(right) <= 8 else None, tickformat=",d", row=2, col=1)
    figure.update_xaxes(range=[x[0], x[-1]])
    figure.update_xaxes(title=way, row=2, col=1)
    return figure


def loss_map(landscape: Landscape) -> Any:
    """Contours of the loss; on a logarithmic scale where it changes tenfold."""
    loss = landscape.loss
    low, high = float(np.nanmin(loss)), float(np.max(loss[np.isfinite(loss)]))
    is_log = 0.0 < 10.0 * low < high
    bar: dict[str, Any] = {}
    if is_log:
        ticks = _round_numbers(low, high)
        bar = {"tickvals": np.log10(ticks), "ticktext": [f"{tick:g}" for tick in ticks]}
    z, colours = np.log10(loss) if is_log else loss, "Cividis_r"  # in both maps what is good is bright
    return _map(landscape, z, loss, "loss %{customdata:.4g}", bar, colorscale=colours, smooth=True)


def accuracy_map(landscape: Landscape) -> Any:
    """The share of right answers as fields of colour."""
    share = landscape.accuracy
    bar = {"tickformat": ".0%"}
    return _map(landscape, share, share, "%{customdata:.1%} right", bar, colorscale="Cividis", smooth=False)


def _map(
    landscape: Landscape, z: Any, shown: Any, hover: str, bar: dict[str, Any], *, colorscale: str, smooth: bool
) -> Any:
    import plotly.graph_objects as go

    vertical, horizontal = landscape.offsets  # the first direction is the first axis, drawn upwards
    below = {"orientation": "h", "y": -0.17, "yanchor": "top", "thickness": 12, "outlinewidth": 0, **bar}
    surface = {"x": horizontal, "y": vertical, "z": z, "customdata": shown, "colorscale": colorscale, "colorbar": below}
    place = "<br>%{x:.2f} to the right, %{y:.2f} up<extra></extra>"
    if smooth:
        field = go.Contour(**surface, hovertemplate=hover + place, ncontours=25, line={"width": 0.6})
    else:
        field = go.Heatmap(**surface, hovertemplate=hover + place)
    figure = go.Figure(field)
    here = {"symbol": "x", "size": 11, "color": "white", "line": {"color": "black", "width": 1.5}}
    figure.add_scatter(x=[0], y=[0], mode="markers", marker=here, **_NOTHING)
    figure.update_layout(height=460, margin={**_MARGINS, "t": 10})
    figure.update_xaxes(title={"text": "second direction", "standoff": 4}, constrain="domain")
    figure.update_yaxes(title={"text": "first direction", "standoff": 12}, scaleanchor="x", constrain="domain")
    return figure


def band_chart(found: MinibatchLosses) -> Any:
    """The losses of mini-batches, as bands around the loss of all data, over the size of the batch."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for low, high, name, colour in (
        (0.05, 0.95, "9 of 10 batches", "var(--band)"),
        (0.25, 0.75, "half", "var(--core)"),
    ):
        edge = {"mode": "lines", "line": {"width": 0, "color": colour}}
        figure.add_scatter(x=found.sizes, y=found.quantile(low), **edge, **_NOTHING)
        top = {"y": found.quantile(high), "fill": "tonexty", "fillcolor": colour, "hoverinfo": "skip"}
        figure.add_scatter(x=found.sizes, **top, **edge, name=f"{name} lie here")
    middle = {"color": _LOSS, "width": 2.5}
    figure.add_scatter(x=found.sizes, y=found.quantile(0.5), name="median batch", line=middle, mode="lines")
    whole, dash = np.full(found.sizes.size, found.whole), {"color": _STRAIGHT, "width": 1.5, "dash": "dash"}
    figure.add_scatter(x=found.sizes, y=whole, name=f"all {found.samples:,} samples", line=dash, mode="lines")
    return _over_sizes(figure, found, "loss")


def spread_chart(found: MinibatchLosses) -> Any:
    """How far mini-batches lie from the whole, beside the promise of statistics, both axes logarithmic."""
    import plotly.graph_objects as go

    figure = go.Figure()
    promised = {"color": _STRAIGHT, "width": 1.5, "dash": "dash"}
    figure.add_scatter(
        x=found.sizes, y=found.expected_spread, name="promised by 1 / √size", line=promised, mode="lines"
    )
    dots = {"color": _LOSS, "size": 9}
    figure.add_scatter(x=found.sizes, y=found.spread, name="measured", mode="markers", marker=dots)
    spread = found.spread[found.spread > 0.0]  # where all samples cost the same there is none
    ticks = _round_numbers(float(spread.min()), float(spread.max())) if spread.size else []
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return _over_sizes(figure, found, "distance from the whole")


def _over_sizes(figure: Any, found: MinibatchLosses, quantity: str) -> Any:
    figure.update_layout(height=400, margin={**_MARGINS, "t": 60}, legend={**_LEGEND, "traceorder": "normal"})
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(title={"text": quantity, "standoff": 12})
    labels = [f"{size:,}" for size in found.sizes]
    figure.update_xaxes(title="samples in a mini-batch", type="log", tickvals=found.sizes, ticktext=labels)
    return figure


def _round_numbers(low: float, high: float) -> Any:
    """1, 2 and 5 times powers of ten between two positive numbers."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    numbers = np.array([float(f"{digit}e{exponent}") for exponent in exponents for digit in (1, 2, 5)])
    return numbers[(numbers >= low) & (numbers <= high)]


def _room(values: Any, least: float = 0.0, most: float = np.inf) -> list[float]:
    """A range with a margin, at least so wide, and hardly above what is possible; infinite values are left out."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    margin = max(0.08 * (high - low), (least - (high - low)) / 2)
    return [low - margin, min(high + margin, most + margin / 3)]
