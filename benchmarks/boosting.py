"""``python -m benchmarks.boosting``: trees with our objectives beside the libraries' own.

The same data, parameters and number of rounds for both, which take turns. The time is that of the processor, of
training alone: the best of a few turns.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import rashin

Array: TypeAlias = NDArray[Any]
Pair: TypeAlias = tuple[Callable[[], Any], Callable[[], Any]]  # trains with their objective, and with ours

CLASSES = 5
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def samples(rows: int, features: int) -> tuple[Array, Array, Array]:
    """Features in float32, classes of two and classes of five."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, features), dtype=np.float32)
    score = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * np.sin(3.0 * x[:, 3])
    two = (rng.random(rows) < 1.0 / (1.0 + np.exp(-score))).astype(np.float32)
    five = np.digitize(score + rng.logistic(size=rows), [-2.0, -0.5, 0.5, 2.0]).astype(np.float32)
    return x, two, five


def in_xgboost(x: Array, two: Array, five: Array, rounds: int, threads: int) -> dict[str, Pair]:
    """Logistic loss and softmax."""
    import xgboost

    from rashin.adapters.xgboost import train

    params = {"max_depth": 6, "eta": 0.1, "nthread": threads}
    pairs = {}
    for title, y, own, loss in (
        ("logistic", two, {"objective": "binary:logistic"}, rashin.sigmoid_cross_entropy),
        ("softmax", five, {"objective": "multi:softprob", "num_class": CLASSES}, rashin.softmax_cross_entropy),
    ):
        data = xgboost.DMatrix(x, label=y)
        pairs[title] = (
            lambda data=data, own=own: xgboost.train({**params, **own}, data, rounds),
            lambda data=data, loss=loss: train(params, data, rounds, loss=loss),
        )
    return pairs


def in_lightgbm(x: Array, two: Array, five: Array, rounds: int, threads: int) -> dict[str, Pair]:
    """Logistic loss and softmax."""
    import lightgbm

    from rashin.adapters.lightgbm import train

    params = {"num_leaves": 63, "learning_rate": 0.1, "num_threads": threads, "verbosity": -1, "force_row_wise": True}
    pairs = {}
    for title, y, own, loss in (
        ("logistic", two, {"objective": "binary"}, rashin.sigmoid_cross_entropy),
        ("softmax", five, {"objective": "multiclass", "num_class": CLASSES}, rashin.softmax_cross_entropy),
    ):
        data = lightgbm.Dataset(x, label=y, params=params, free_raw_data=False).construct()
        pairs[title] = (
            lambda data=data, own=own: lightgbm.train({**params, **own}, data, rounds),
            lambda data=data, loss=loss: train(params, data, rounds, loss=loss),
        )
    return pairs


def in_catboost(x: Array, two: Array, five: Array, rounds: int, threads: int) -> dict[str, Pair]:
    """The logistic loss; classes are computed one row at a time, on a hundredth of the rows."""
    import catboost

    from rashin.adapters.catboost import train

    params = {
        "iterations": rounds, "depth": 6, "learning_rate": 0.1, "thread_count": threads, "verbose": False,
        "bootstrap_type": "No", "boosting_type": "Plain", "allow_writing_files": False, "random_seed": 0,
        "leaf_estimation_method": "Newton", "leaf_estimation_iterations": 1,
    }  # fmt: skip
    few = slice(0, max(len(x) // 100, 200))
    pools = catboost.Pool(x, two), catboost.Pool(x[few], five[few])
    return {
        "logistic": (
            lambda: catboost.CatBoost({**params, "loss_function": "Logloss"}).fit(pools[0]),
            lambda: train(params, pools[0], loss=rashin.sigmoid_cross_entropy),
        ),
        "softmax, 1 % of the rows": (
            lambda: catboost.CatBoost({**params, "loss_function": "MultiClass"}).fit(pools[1]),
            lambda: train(params, pools[1], loss=rashin.softmax_cross_entropy),
        ),
    }


LIBRARIES = {"xgboost": in_xgboost, "lightgbm": in_lightgbm, "catboost": in_catboost}


def seconds(run: Callable[[], Any]) -> float:
    """Processor time of one run."""
    gc.collect()
    start = time.process_time()
    run()
    return time.process_time() - start


@app.command()
def main(
    rows: Annotated[int, typer.Option(min=200)] = 1_000_000,
    features: Annotated[int, typer.Option(min=4)] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of boosting.")] = 20,
    turns: Annotated[int, typer.Option(min=1, help="Trainings with each; the best counts.")] = 3,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    only: Annotated[str, typer.Option(help="Some of xgboost, lightgbm and catboost.")] = ",".join(LIBRARIES),
) -> None:
    """Train with the libraries' objectives and with ours."""
    data = samples(rows, features)
    table = Table("library", "loss", "its own, s", "ours, s", "ratio", title=f"{rows:,} x {features}, {rounds} rounds")
    for library in only.split(","):
        for title, (theirs, ours) in LIBRARIES[library](*data, rounds, threads).items():
            times = np.array([(seconds(theirs), seconds(ours)) for _ in range(turns)]).min(axis=0)
            table.add_row(library, title, f"{times[0]:.2f}", f"{times[1]:.2f}", f"{times[1] / times[0]:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    app()
