"""Plotly figures of a measurement; their colours are variables of the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rashin.measurement import Baseline, Interval
from rashin.measurement.reliability import Reliability, Split
from rashin.measurement.thresholds import Thresholds
from rashin.report.measured import Bars, Part
from rashin.report.numbers import number, percent

__all__ = [
    "accuracy_chart",
    "cost_chart",
    "fair_cost_chart",
    "loss_chart",
    "losses_chart",
    "means_chart",
    "reliability_chart",
    "shares_chart",
    "split_chart",
]

_LOSS, _ACCURACY, _STRAIGHT, _QUIET = "var(--loss)", "var(--accuracy)", "var(--straight)", "var(--quiet)"
_FILL = "var(--core)"
_MARGINS = {"l": 10, "r": 15, "t": 30, "b": 10}
_LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
_ABOVE = {"rangemode": "tozero"}
_DASH = {"color": _STRAIGHT, "width": 1.5, "dash": "dash"}
_LONGEST = 22  # letters of a name beside a bar


def loss_chart(mean: float, interval: Interval, baseline: Baseline | None) -> Any:
    """The loss with its interval, and what the best constant prediction costs."""
    names, values, reach = ["measured"], [mean], [_reach(mean, interval)]
    if baseline is not None and np.isfinite(baseline.mean):
        names, values, reach = ["best constant", *names], [baseline.mean, *values], [0.0, *reach]
    figure = _bars(values, reach, [f"{number(value, 6)}" for value in values], [_QUIET, _LOSS][-len(values) :])
    _name_bars(figure, names, height=70 + 45 * len(names))
    figure.update_xaxes(title="mean loss", **_ABOVE)
    figure.update_layout(showlegend=False, margin={**_MARGINS, "t": 10})
    return figure


def shares_chart(parts: Sequence[Part]) -> Any:
    """Each part's share of the loss with its interval, beside its share of the weight; worst on top."""
    shown = list(parts)[::-1]
    hover = [
        f"{part.name}: {percent(part.share)} of the loss<br>({percent(part.share_interval.low)} to "
        f"{percent(part.share_interval.high)}), of {percent(part.weight)} of the weight"
        for part in shown
    ]
    reach = [_reach(part.share, part.share_interval) for part in shown]
    figure = _bars([part.share for part in shown], reach, hover, _FILL, name="share of the loss")
    figure.update_traces(error_x={"symmetric": False, "arrayminus": [p.share - p.share_interval.low for p in shown]})
    mark = {"symbol": "line-ns", "size": 11, "line": {"color": _ACCURACY, "width": 3}}
    figure.add_scatter(
        x=[part.weight for part in shown], y=list(range(len(shown))), mode="markers", marker=mark,
        name="share of the weight", hoverinfo="skip",
    )  # fmt: skip
    _name_bars(figure, [part.name for part in shown])
    figure.update_xaxes(tickformat=".0%" if max(part.share for part in shown) > 0.05 else ".1%", **_ABOVE)
    return figure


def means_chart(parts: Sequence[Part], mean: float) -> Any:
    """Each part's mean loss with its interval, beside the mean over all; in the order given, the first on top."""
    import plotly.graph_objects as go

    shown = [part for part in list(parts)[::-1] if np.isfinite(part.mean)]
    hover = [
        f"{part.name}: {number(part.mean, 5)} over {part.count:,} rows<br>({number(part.mean_interval.low)} to "
        f"{number(part.mean_interval.high)})"
        for part in shown
    ]
    figure = go.Figure()
    place = list(range(len(shown)))
    figure.add_scatter(
        x=[part.mean for part in shown], y=place, mode="markers", name="mean loss", hovertext=hover, hoverinfo="text",
        marker={"color": _LOSS, "size": 9},
        error_x=_whisker([_reach(part.mean, part.mean_interval) for part in shown]),
    )  # fmt: skip
    if np.isfinite(mean):
        figure.add_scatter(
            x=[mean, mean], y=[-0.6, len(shown) - 0.4], mode="lines", line=_DASH, name="over all rows", hoverinfo="skip"
        )
    _name_bars(figure, [part.name for part in shown])
    return figure


def losses_chart(bars: Bars, marks: Sequence[tuple[str, float]], *, cost: bool) -> Any:
    """How many rows have such a loss, or which share of the loss they hold; with some losses marked by name."""
    import plotly.graph_objects as go

    place = np.log10 if bars.is_log else np.asarray
    low, high = place(bars.low), place(bars.high)
    heights = bars.cost / (bars.cost.sum() or 1.0) if cost else bars.count
    told = [
        f"{number(a)} to {number(b)}: {percent(h) + ' of the loss' if cost else f'{h:,.0f} rows'}"
        for a, b, h in zip(bars.low, bars.high, heights, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=(low + high) / 2, width=(high - low) * 0.94, y=heights, hovertext=told, hoverinfo="text",
            marker={"color": _LOSS, "line": {"width": 0}}, showlegend=False, textposition="none",
        )
    )  # fmt: skip
    colours, top = (_STRAIGHT, _ACCURACY, _QUIET), float(heights.max()) * 1.05
    for (name, loss), colour, dash in zip(marks, colours, ("dash", "solid", "dot"), strict=False):
        if np.isfinite(loss) and (loss > 0.0 or not bars.is_log):
            line = {"color": colour, "width": 2, "dash": dash}
            at = float(place(loss))
            figure.add_scatter(x=[at, at], y=[0, top], mode="lines", line=line, name=name, hoverinfo="skip")
    figure.update_layout(height=380, margin={**_MARGINS, "t": 50}, legend=_LEGEND)
    figure.update_yaxes(
        title={"text": "share of the loss" if cost else "rows", "standoff": 12}, tickformat=".0%" if cost else ",d"
    )
    figure.update_xaxes(title="loss of a row", **(_powers(low[0], high[-1]) if bars.is_log else {}))
    return figure


def reliability_chart(found: Reliability, event: str) -> Any:
    """How often the event came, by how often it was predicted; below, how the predictions are distributed."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.78, 0.22])
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=_DASH, name="calibrated", hoverinfo="skip", row=1, col=1)
    told = [
        f"predicted {percent(p)}, came {percent(f)}<br>({percent(low)} to {percent(high)}), {count:,} rows"
        for p, f, low, high, count in zip(
            found.predicted, found.frequency, found.low, found.high, found.count, strict=True
        )
    ]
    whisker = {
        **_whisker(found.high - found.frequency), "symmetric": False, "arrayminus": found.frequency - found.low
    }  # fmt: skip
    figure.add_scatter(
        x=found.predicted, y=found.frequency, mode="lines+markers", name="observed", hovertext=told, hoverinfo="text",
        line={"color": _LOSS, "width": 1.5}, marker={"color": _LOSS, "size": 8}, error_y=whisker, row=1, col=1,
    )  # fmt: skip
    bars = {"color": _FILL, "line": {"color": _LOSS, "width": 1}}
    figure.add_bar(
        x=found.predicted, y=found.share, width=0.012, marker=bars, showlegend=False, hovertext=told, hoverinfo="text",
        row=2, col=1,
    )  # fmt: skip
    figure.update_layout(height=520, meta={"height_on_paper": 430}, margin=_MARGINS, legend=_LEGEND)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_xaxes(title=f"predicted probability that {event}", row=2, col=1)
    figure.update_yaxes(
        title={"text": "how often it came", "standoff": 12}, range=[-0.02, 1.02], tickformat=".0%", row=1, col=1
    )
    figure.update_yaxes(title={"text": "weight", "standoff": 12}, tickformat=".0%", nticks=3, row=2, col=1)
    return figure


def split_chart(found: Split) -> Any:
    """Cross-entropy as refinement and calibration, above what the event's frequency alone costs."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, value, colour in (
        ("refinement", found.refinement, _LOSS),
        ("calibration", found.calibration, _ACCURACY),
        ("inside the bins", max(found.within, 0.0), _QUIET),
    ):
        if np.isfinite(value):
            told = f"{name}: {number(value, 4)}"
            figure.add_bar(
                x=[value], y=[1], name=name, orientation="h", marker={"color": colour}, hovertext=[told],
                hoverinfo="text", width=0.6, textposition="none",
            )  # fmt: skip
    told = f"always the same probability: {number(found.uncertainty, 4)}"
    figure.add_bar(
        x=[found.uncertainty], y=[0], name="uncertainty", orientation="h", marker={"color": _FILL}, hovertext=[told],
        hoverinfo="text", width=0.6, textposition="none",
    )  # fmt: skip
    _name_bars(figure, ["best constant", "predictions"], height=230)
    figure.update_layout(barmode="stack", legend={**_LEGEND, "traceorder": "normal"}, margin={**_MARGINS, "t": 60})
    figure.update_xaxes(title="cross-entropy of the event, in nats", **_ABOVE)
    return figure


def accuracy_chart(found: Thresholds, cross_entropy: float) -> Any:
    """The loss, which knows no threshold, and the errors above; accuracy and the two rates below."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.4, 0.6])
    x, accuracy = found.threshold, found.accuracy
    level = {"x": [0, 1], "y": [cross_entropy] * 2, "mode": "lines", "line": {"color": _LOSS, "width": 3}}
    if np.isfinite(cross_entropy):
        figure.add_scatter(**level, name="cross-entropy", hovertemplate="%{y:.4g}", row=1, col=1)
    lines: list[tuple[str, Any, dict[str, Any], int]] = [
        ("wrong decisions", 1.0 - accuracy, {"color": _ACCURACY, "width": 2, "dash": "dot"}, 1),
        ("accuracy", accuracy, {"color": _ACCURACY, "width": 2.5}, 2),
        ("positives found", found.true_positive_rate, {"color": _STRAIGHT, "width": 1.5, "dash": "dash"}, 2),
        ("false alarms among negatives", found.false_positive_rate, {"color": _QUIET, "width": 1.5}, 2),
    ]
    for name, y, line, row in lines:
        if not np.all(np.isnan(y)):
            figure.add_scatter(x=x, y=y, mode="lines", name=name, line=line, hovertemplate="%{y:.2%}", row=row, col=1)
    figure.update_layout(height=520, meta={"height_on_paper": 430}, margin={**_MARGINS, "t": 60}, legend=_LEGEND)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(title={"text": "loss", "standoff": 12}, rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title={"text": "share", "standoff": 12}, range=[-0.02, 1.02], tickformat=".0%", row=2, col=1)
    figure.update_xaxes(range=[0, 1], tickformat=".0%", hoverformat=".1%")
    figure.update_xaxes(title="decision threshold", row=2, col=1)
    return figure


def cost_chart(found: Thresholds, ratios: Sequence[float]) -> Any:
    """The mean cost of decisions by the threshold, where a miss costs so many times as much as a false alarm."""
    import plotly.graph_objects as go

    figure = go.Figure()
    styles = (_LOSS, "dash"), (_ACCURACY, "solid"), (_STRAIGHT, "dot")
    for ratio, (colour, dash) in zip(ratios, styles, strict=False):
        cost = found.cost(1.0 / (1.0 + ratio))
        best = int(np.argmin(cost))
        name = "both cost the same" if ratio == 1.0 else _dearer(ratio)
        line = {"color": colour, "width": 2.5, "dash": dash}
        figure.add_scatter(
            x=found.threshold, y=cost, mode="lines", name=name, line=line, hovertemplate="%{y:.4f}", legendgroup=name
        )
        figure.add_scatter(
            x=[found.threshold[best]], y=[cost[best]], mode="markers", marker={"color": colour, "size": 10},
            legendgroup=name, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.update_layout(height=420, margin={**_MARGINS, "t": 60}, legend=_LEGEND, hovermode="x unified")
    figure.update_xaxes(title="decision threshold", range=[0, 1], tickformat=".0%", hoverformat=".1%")
    figure.update_yaxes(title={"text": "mean cost of a decision", "standoff": 12}, **_ABOVE)
    return figure


def fair_cost_chart(found: Thresholds) -> Any:
    """The cost of decisions at the threshold that is right for it; over log-odds its area is the cross-entropy."""
    import plotly.graph_objects as go

    cost, inner = found.fair_cost, np.isfinite(found.logit)
    worth = inner & (cost > 1e-4 * cost.max())
    told = [f"threshold {percent(t)}: {number(c, 3)}" for t, c in zip(found.threshold[worth], cost[worth], strict=True)]
    figure = go.Figure(
        go.Scatter(
            x=found.logit[worth], y=cost[worth], mode="lines", fill="tozeroy", fillcolor="var(--band)",
            line={"color": _LOSS, "width": 2}, hovertext=told, hoverinfo="text", showlegend=False,
        )
    )  # fmt: skip
    shares = (1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9)
    figure.update_xaxes(
        title="threshold, on the scale of log-odds",
        tickvals=[float(np.log(share / (1.0 - share))) for share in shares],
        ticktext=[f"{100 * share:.10g} %" for share in shares],
    )
    figure.update_layout(height=420, margin={**_MARGINS, "t": 20})
    figure.update_yaxes(title={"text": "mean cost of a decision", "standoff": 12}, **_ABOVE)
    return figure


def _dearer(ratio: float) -> str:
    return f"a miss costs {ratio:g} times" if ratio > 1.0 else f"a false alarm costs {1.0 / ratio:g} times"


def _bars(values: Sequence[float], reach: Sequence[float], hover: Sequence[str], colour: Any, name: str = "") -> Any:
    import plotly.graph_objects as go

    shown = [value if np.isfinite(value) else None for value in values]
    return go.Figure(
        go.Bar(
            x=shown, y=list(range(len(values))), orientation="h", marker={"color": colour, "line": {"width": 0}},
            error_x=_whisker(reach), hovertext=list(hover), hoverinfo="text", textposition="none", name=name, width=0.6,
        )
    )  # fmt: skip


def _name_bars(figure: Any, names: Sequence[str], height: int | None = None) -> None:
    """Names beside bars that stand at 0, 1, ... from below; the figure is as high as they need."""
    height = height or 110 + 24 * len(names)
    short = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=short, range=[-0.7, len(names) - 0.3])
    figure.update_layout(height=height, meta={"height_on_paper": height}, margin=_MARGINS, legend=_LEGEND)


def _whisker(reach: Any) -> dict[str, Any]:
    return {"type": "data", "array": reach, "color": _STRAIGHT, "thickness": 1.5, "width": 4}


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
    decades = decades[:: max(1, -(-decades.size // 9))]
    return {"tickvals": decades, "ticktext": [number(float(10.0**tick)) for tick in decades]}
