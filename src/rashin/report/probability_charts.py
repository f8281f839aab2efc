"""Plotly figures of calibration and of decisions by a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rashin.measurement.reliability import Reliability, Split
from rashin.measurement.thresholds import Thresholds
from rashin.report.measured_charts import (
    ABOVE,
    ACCURACY,
    DASH,
    FILL,
    LEGEND,
    LOSS,
    MARGINS,
    QUIET,
    STRAIGHT,
    name_bars,
    whisker,
)
from rashin.report.numbers import counted, number, percent

__all__ = ["accuracy_chart", "cost_chart", "fair_cost_chart", "reliability_chart", "split_chart"]


def reliability_chart(found: Reliability) -> Any:
    """How often the event came, by how often it was predicted; below, how the predictions are distributed."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.78, 0.22])
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=DASH, name="calibrated", hoverinfo="skip", row=1, col=1)
    told = [
        f"predicted {percent(p)}, came {percent(f)}<br>({percent(low)} to {percent(high)}), {counted(int(n), 'row')}"
        for p, f, low, high, n in zip(found.predicted, found.frequency, found.low, found.high, found.count, strict=True)
    ]
    reach = {
        **whisker(found.high - found.frequency), "symmetric": False, "arrayminus": found.frequency - found.low
    }  # fmt: skip
    figure.add_scatter(
        x=found.predicted, y=found.frequency, mode="lines+markers", name="observed", hovertext=told, hoverinfo="text",
        line={"color": LOSS, "width": 1.5}, marker={"color": LOSS, "size": 8}, error_y=reach, row=1, col=1,
    )  # fmt: skip
    bars = {"color": FILL, "line": {"color": LOSS, "width": 1}}
    figure.add_bar(
        x=found.predicted, y=found.share, width=0.012, marker=bars, showlegend=False, hovertext=told, hoverinfo="text",
        row=2, col=1,
    )  # fmt: skip
    figure.update_layout(height=520, meta={"height_on_paper": 430}, margin=MARGINS, legend=LEGEND)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_xaxes(title="predicted probability", row=2, col=1)
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
        ("refinement", found.refinement, LOSS),
        ("calibration", found.calibration, ACCURACY),
        ("inside the bins", max(found.within, 0.0), QUIET),
    ):
        if np.isfinite(value) and value > 0.0:
            told = f"{name}: {number(value, 4)}"
            figure.add_bar(
                x=[value], y=[1], name=name, orientation="h", marker={"color": colour}, hovertext=[told],
                hoverinfo="text", width=0.6, textposition="none",
            )  # fmt: skip
    told = f"always the same probability: {number(found.uncertainty, 4)}"
    figure.add_bar(
        x=[found.uncertainty], y=[0], name="uncertainty", orientation="h", hovertext=[told],
        marker={"color": FILL, "line": {"color": LOSS, "width": 1}},
        hoverinfo="text", width=0.6, textposition="none", showlegend=False,
    )  # fmt: skip
    name_bars(figure, ["best constant", "predictions"], height=230)
    figure.update_layout(barmode="stack", legend={**LEGEND, "traceorder": "normal"}, margin={**MARGINS, "t": 60})
    figure.update_xaxes(title="nats", **ABOVE)
    return figure


def accuracy_chart(found: Thresholds, cross_entropy: float) -> Any:
    """The loss, which knows no threshold, and the errors above; accuracy and the two rates below."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.4, 0.6])
    x, accuracy = found.threshold, found.accuracy
    level = {"x": [0, 1], "y": [cross_entropy] * 2, "mode": "lines", "line": {"color": LOSS, "width": 3}}
    if np.isfinite(cross_entropy):
        figure.add_scatter(**level, name="cross-entropy", hovertemplate="%{y:.4g}", row=1, col=1)
    lines: list[tuple[str, Any, dict[str, Any], int]] = [
        ("wrong decisions", 1.0 - accuracy, {"color": ACCURACY, "width": 2, "dash": "dot"}, 1),
        ("accuracy", accuracy, {"color": ACCURACY, "width": 2.5}, 2),
        ("positives found", found.true_positive_rate, {"color": STRAIGHT, "width": 1.5, "dash": "dash"}, 2),
        ("false alarms among negatives", found.false_positive_rate, {"color": QUIET, "width": 1.5}, 2),
    ]
    for name, y, line, row in lines:
        if not np.all(np.isnan(y)):
            figure.add_scatter(x=x, y=y, mode="lines", name=name, line=line, hovertemplate="%{y:.2%}", row=row, col=1)
    figure.update_layout(height=520, meta={"height_on_paper": 430}, margin={**MARGINS, "t": 60}, legend=LEGEND)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(title={"text": "loss", "standoff": 12}, rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title={"text": "share", "standoff": 12}, range=[-0.02, 1.02], tickformat=".0%", row=2, col=1)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", hoverformat=".1%")
    figure.update_xaxes(title="decision threshold", row=2, col=1)
    return figure


def cost_chart(found: Thresholds, ratios: Sequence[float]) -> Any:
    """The mean cost of decisions by the threshold, where a miss costs so many times as much as a false alarm."""
    import plotly.graph_objects as go

    figure = go.Figure()
    styles = (LOSS, "dash"), (ACCURACY, "solid"), (STRAIGHT, "dot")
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
    figure.update_layout(height=420, margin={**MARGINS, "t": 60}, legend=LEGEND, hovermode="x unified")
    figure.update_xaxes(title="decision threshold", range=[-0.01, 1.01], tickformat=".0%", hoverformat=".1%")
    figure.update_yaxes(title={"text": "mean cost of a decision", "standoff": 12}, **ABOVE)
    return figure


def fair_cost_chart(found: Thresholds) -> Any:
    """The cost of decisions at the threshold that is right for it; over log-odds its area is the cross-entropy."""
    import plotly.graph_objects as go

    cost, inner = found.fair_cost, np.isfinite(found.logit)
    worth = inner & (cost > 1e-3 * cost.max())
    told = [f"threshold {percent(t)}: {number(c, 3)}" for t, c in zip(found.threshold[worth], cost[worth], strict=True)]
    figure = go.Figure(
        go.Scatter(
            x=found.logit[worth], y=cost[worth], mode="lines", fill="tozeroy", fillcolor="var(--band)",
            line={"color": LOSS, "width": 2}, hovertext=told, hoverinfo="text", showlegend=False,
        )
    )  # fmt: skip
    shares = (1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9)
    figure.update_xaxes(
        title="threshold, on the scale of log-odds",
        tickvals=[float(np.log(share / (1.0 - share))) for share in shares],
        ticktext=[f"{100 * share:.10g} %" for share in shares],
    )
    figure.update_layout(height=420, margin={**MARGINS, "t": 20})
    figure.update_yaxes(title={"text": "mean cost of a decision", "standoff": 12}, **ABOVE)
    return figure


def _dearer(ratio: float) -> str:
    return f"a miss costs {ratio:g} times" if ratio > 1.0 else f"a false alarm costs {1.0 / ratio:g} times"
