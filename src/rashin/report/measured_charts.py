"""Plotly figures of a measurement; their colours are variables of the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rashin.measurement import Baseline, Interval
from rashin.report.measured import Bars, Part
from rashin.report.numbers import counted, number, percent, range_of

__all__ = [
    "ABOVE",
    "ACCURACY",
    "DASH",
    "FILL",
    "LEGEND",
    "LOSS",
    "MARGINS",
    "QUIET",
    "STRAIGHT",
    "loss_chart",
    "losses_chart",
    "means_chart",
    "name_bars",
    "shares_chart",
    "whisker",
]

LOSS, ACCURACY, STRAIGHT, QUIET = "var(--loss)", "var(--accuracy)", "var(--straight)", "var(--quiet)"
FILL = "var(--core)"
MARGINS = {"l": 10, "r": 20, "t": 30, "b": 10}
LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
ABOVE = {"rangemode": "tozero"}
DASH = {"color": STRAIGHT, "width": 1.5, "dash": "dash"}
_OFF = {"ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"}  # a little room between words and bars
_LONGEST = 22  # letters of a name beside a bar


def loss_chart(mean: float, interval: Interval, baseline: Baseline | None) -> Any:
    """The loss with its interval, and what the best constant prediction costs."""
    figure = _bars([mean], [_reach(mean, interval)], [number(mean, 6)], LOSS)
    names = ["measured"]
    if baseline is not None and np.isfinite(baseline.mean):
        told, names = number(baseline.mean, 6), ["best constant", *names]
        figure.update_traces(y=[1])
        figure.add_bar(
            x=[baseline.mean], y=[0], orientation="h", marker={"color": QUIET}, hovertext=[told], hoverinfo="text",
            width=0.6,
        )  # fmt: skip
    name_bars(figure, names, height=192)
    figure.update_xaxes(title="mean loss", **ABOVE)
    figure.update_layout(showlegend=False, margin={**MARGINS, "t": 10})
    return figure


def shares_chart(parts: Sequence[Part], unit: str) -> Any:
    """Each part's share of the loss with its interval, beside its share of the rows or the weight; worst on top."""
    shown = list(parts)[::-1]
    hover = [
        f"{part.name}: {percent(part.share)} of the loss<br>({percent(part.share_interval.low)} to "
        f"{percent(part.share_interval.high)}), of {percent(part.weight)} of the {unit}"
        for part in shown
    ]
    reach = [_reach(part.share, part.share_interval) for part in shown]
    figure = _bars([part.share for part in shown], reach, hover, FILL, name="share of the loss")
    figure.update_traces(error_x={"symmetric": False, "arrayminus": [p.share - p.share_interval.low for p in shown]})
    mark = {"symbol": "line-ns", "size": 11, "line": {"color": ACCURACY, "width": 3}}
    figure.add_scatter(
        x=[part.weight for part in shown], y=list(range(len(shown))), mode="markers", marker=mark,
        name=f"share of the {unit}", hoverinfo="skip",
    )  # fmt: skip
    name_bars(figure, [part.name for part in shown])
    figure.update_xaxes(tickformat="~%", **ABOVE)
    return figure


def means_chart(parts: Sequence[Part], mean: float) -> Any:
    """Each part's mean loss with its interval, beside the mean over all; in the order given, the first on top."""
    import plotly.graph_objects as go

    shown = [part for part in list(parts)[::-1] if np.isfinite(part.mean)]
    hover = [
        f"{part.name}: {number(part.mean, 5)} over {counted(part.count, 'row')}<br>({range_of(*part.mean_interval)})"
        for part in shown
    ]
    figure = go.Figure()
    place = list(range(len(shown)))
    figure.add_scatter(
        x=[part.mean for part in shown], y=place, mode="markers", name="mean loss", hovertext=hover, hoverinfo="text",
        marker={"color": LOSS, "size": 9},
        error_x=whisker([_reach(part.mean, part.mean_interval) for part in shown]),
    )  # fmt: skip
    if np.isfinite(mean):
        figure.add_scatter(
            x=[mean, mean], y=[-0.6, len(shown) - 0.4], mode="lines", line=DASH, name="over all rows", hoverinfo="skip"
        )
    name_bars(figure, [part.name for part in shown])
    return figure


def losses_chart(bars: Bars, marks: Sequence[tuple[str, float]], *, cost: bool) -> Any:
    """How many rows have such a loss, or which share of the loss they hold; with some losses marked by name."""
    import plotly.graph_objects as go

    place = np.log10 if bars.is_log else np.asarray
    low, high = place(bars.low), place(bars.high)
    heights = bars.cost / (bars.cost.sum() or 1.0) if cost else bars.count
    told = [
        f"{number(a)} to {number(b)}: {percent(h) + ' of the loss' if cost else counted(round(h), 'row')}"
        for a, b, h in zip(bars.low, bars.high, heights, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=(low + high) / 2, width=(high - low) * 0.94, y=heights, hovertext=told, hoverinfo="text",
            marker={"color": FILL, "line": {"color": LOSS, "width": 1}}, showlegend=False, textposition="none",
        )
    )  # fmt: skip
    colours, top = (STRAIGHT, ACCURACY, QUIET), float(heights.max()) * 1.05
    for (name, loss), colour, dash in zip(marks, colours, ("dash", "solid", "dot"), strict=False):
        if np.isfinite(loss) and (loss > 0.0 or not bars.is_log):
            line = {"color": colour, "width": 2, "dash": dash}
            at = float(place(loss))
            figure.add_scatter(x=[at, at], y=[0, top], mode="lines", line=line, name=name, hoverinfo="skip")
    figure.update_layout(height=380, margin={**MARGINS, "t": 50}, legend=LEGEND)
    figure.update_yaxes(
        title={"text": "share of the loss" if cost else "rows", "standoff": 12}, tickformat=".0%" if cost else ",d"
    )
    if not cost and top < 6.0:
        figure.update_yaxes(dtick=1)
    figure.update_xaxes(title="loss of a row", tickangle=0, **(_powers(low[0], high[-1]) if bars.is_log else {}))
    return figure


def _bars(values: Sequence[float], reach: Sequence[float], hover: Sequence[str], colour: Any, name: str = "") -> Any:
    import plotly.graph_objects as go

    line = {"color": LOSS, "width": 1} if colour == FILL else {"width": 0}
    shown = [value if np.isfinite(value) else None for value in values]
    return go.Figure(
        go.Bar(
            x=shown, y=list(range(len(values))), orientation="h", marker={"color": colour, "line": line},
            error_x=whisker(reach), hovertext=list(hover), hoverinfo="text", textposition="none", name=name, width=0.6,
        )
    )  # fmt: skip


def name_bars(figure: Any, names: Sequence[str], height: int | None = None) -> None:
    """Names beside bars that stand at 0, 1, ... from below; the figure is as high as they need."""
    height = height or max(110 + 24 * len(names), 192)
    short = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=short, range=[-0.7, len(names) - 0.3], **_OFF)
    figure.update_layout(height=height, meta={"height_on_paper": height}, margin=MARGINS, legend=LEGEND)


def whisker(reach: Any) -> dict[str, Any]:
    """The line of an interval that reaches so far to both sides."""
    return {"type": "data", "array": reach, "color": STRAIGHT, "thickness": 1.5, "width": 4}


def _reach(middle: float, interval: Interval) -> float:
    reach = interval.high - middle
    return reach if np.isfinite(reach) else 0.0


def _powers(low: float, high: float) -> dict[str, Any]:
    """Ticks of an axis that shows decimal logarithms from ``low`` to ``high``."""
    decades = np.arange(np.ceil(low), np.floor(high) + 1)
    if decades.size <= 3:
        decades = np.array(
            [e + np.log10(d) for e in range(int(np.floor(low)), int(np.ceil(high)) + 1) for d in (1, 2, 5)]
        )
        decades = decades[(decades >= low) & (decades <= high)]
    if decades.size < 2:
        decades = np.array([low, high])
    decades = decades[:: max(1, -(-decades.size // 9))]
    return {"tickvals": decades, "ticktext": [number(float(10.0**tick)) for tick in decades]}
