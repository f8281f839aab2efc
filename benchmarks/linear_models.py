"""``python -m benchmarks.linear_models``: fits of linear models beside scikit-learn's with the same objective.

They take turns; the ratio is the median of ours to theirs within a turn. ``difference`` is that of our objective to
theirs, relative: below 0 is a better fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Protocol, race

Array: TypeAlias = NDArray[Any]

SEED = 0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Match(NamedTuple):
    """Two estimators of one objective, their data, and the objective of a fit."""

    name: str
    ours: Any
    theirs: Any
    x: Any
    y: Array
    objective: Callable[[Any], float]


def matches(scale: float) -> list[Match]:
    """All comparisons; ``scale`` divides the numbers of rows."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, QuantileRegressor, Ridge

    import rashin
    from rashin.adapters.sklearn import LinearClassifier, LinearRegressor

    rng, n, p, alpha = np.random.default_rng(SEED), int(100_000 / scale), 100, 1e-3
    x = rng.normal(size=(n, p))
    z = x @ (rng.normal(size=p) / np.sqrt(p))
    noisy, two, counts = z + rng.normal(size=n), (z + rng.normal(size=n) > 0) * 1, rng.poisson(np.exp(z)) * 1.0
    few = x[: int(10_000 / scale), :20].copy()
    heavy = few @ rng.normal(size=20) + rng.standard_t(3, len(few))
    level = rashin.quantile.replace(quantile=0.8)
    places = (rng.random((n, 50)) ** 3 * n).astype(np.int32)  # 50 words in each text, the first ones often
    words = sparse.csr_matrix((rng.random(50 * n), places.ravel(), np.arange(0, 50 * n + 1, 50)), shape=(n, n))
    words.sum_duplicates()
    topic = (words @ rng.normal(size=n) > 0) * 1
    of = _objective
    return [
        Match("ridge", LinearRegressor(alpha=alpha), Ridge(n * alpha), x, noisy,
              of(rashin.half_squared_error, x, noisy, alpha)),
        Match("logistic", LinearClassifier(alpha=alpha), LogisticRegression(C=1 / (n * alpha)), x, two,
              of(rashin.sigmoid_cross_entropy, x, two, alpha)),
        Match("poisson", LinearRegressor("poisson", alpha=alpha), PoissonRegressor(alpha=alpha), x, counts,
              of(rashin.poisson, x, counts, alpha)),
        Match("quantile", LinearRegressor(level, alpha=alpha, penalty="l1"),
              QuantileRegressor(quantile=0.8, alpha=alpha), few, heavy, of(level, few, heavy, alpha, l1=True)),
        Match("text", LinearClassifier(alpha=1 / n), LogisticRegression(C=1.0, max_iter=1000), words, topic,
              of(rashin.sigmoid_cross_entropy, words, topic, 1 / n)),
    ]  # fmt: skip


def _objective(loss: Any, x: Any, y: Array, alpha: float, l1: bool = False) -> Callable[[Any], float]:
    def value(model: Any) -> float:
        c = np.ravel(model.coef_)
        penalty = np.abs(c).sum() if l1 else 0.5 * float(c @ c)
        return float(loss(x @ c + np.ravel(model.intercept_)[0], y)) + alpha * penalty

    return value


@app.command()
def main(
    scale: Annotated[float, typer.Option(help="Divisor of the numbers of rows.")] = 1.0,
    rounds: Annotated[int, typer.Option(help="Turns, at least.")] = 5,
) -> None:
    """Fit all models and print a table."""
    table = Table("model", "x", "ours, s", "scikit-learn, s", "ratio", "difference")
    for match in matches(scale):
        runs = {"ours": _run(match, match.ours), "theirs": _run(match, match.theirs)}
        times = race(runs, Protocol(seconds=0.0, rounds=rounds))
        best, other = (runs[name]()[0] for name in ("ours", "theirs"))
        ratio = float(np.median(np.divide(times["ours"], times["theirs"])))
        ours, theirs = (f"{np.median(times[name]):.3g}" for name in ("ours", "theirs"))
        shape = " x ".join(map(str, match.x.shape))
        table.add_row(match.name, shape, ours, theirs, f"{ratio:.3g}", f"{(best - other) / abs(other):.1e}")
    Console().print(table)


def _run(match: Match, model: Any) -> Callable[[], tuple[float, Any]]:
    return lambda: (match.objective(model.fit(match.x, match.y)), model.coef_)


if __name__ == "__main__":
    app()
