"""``python -m benchmarks.training``: an epoch of MNIST, 784-50-10, beside the peers.

The same network for all: sigmoid, softmax cross-entropy, mini-batches of 100 in a new order each epoch, plain gradient
descent at a rate of 0.1, float32, and the loss of each batch is looked at. They take turns, an epoch each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Protocol, race, summaries

Array: TypeAlias = NDArray[Any]
Epoch: TypeAlias = Callable[[], tuple[float, Any]]

INPUTS, HIDDEN, CLASSES, BATCH, RATE = 784, 50, 10, 100, 0.1
ACCURATE = 17  # epochs, 10,200 steps, after which accuracies are compared

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class OurNetwork:
    """``rashin.learn.Trainer``, as ``rashin train`` runs it."""

    title = "rashin"

    def __init__(self, x: Array, t: Array) -> None:
        import rashin
        from rashin.learn import SGD, Network, Trainer, samples_for

        self.network = Network((INPUTS, HIDDEN, CLASSES), seed=0)
        self.samples = samples_for(self.network, rashin.softmax_cross_entropy, x, t)
        self.trainer = Trainer(self.network, rashin.softmax_cross_entropy, SGD(RATE), batch_size=BATCH)

    def epoch(self) -> tuple[float, Any]:
        return self.trainer.epoch(self.samples).training.loss, None

    def scores(self, x: Array) -> Array:
        return self.network.predict(x)


class BareNumPy:
    """The loop of *Deep Learning from Scratch*: two layers, written out, with nothing around them."""

    title = "NumPy, written out"

    def __init__(self, x: Array, t: Array) -> None:
        self.x, self.t, self.rng = x, t, np.random.default_rng(0)
        sizes = {"W1": (INPUTS, HIDDEN), "b1": HIDDEN, "W2": (HIDDEN, CLASSES), "b2": CLASSES}
        self.p = {name: 0.01 * self.rng.standard_normal(size, np.float32) for name, size in sizes.items()}
        self.p["b1"][:] = self.p["b2"][:] = 0.0

    def epoch(self) -> tuple[float, Any]:
        order, total, p = self.rng.permutation(len(self.x)), 0.0, self.p
        everyone = np.arange(BATCH)
        for start in range(0, len(order), BATCH):
            mask = order[start : start + BATCH]
            x, t = self.x[mask], self.t[mask]
            z1 = 1 / (1 + np.exp(-(x @ p["W1"] + p["b1"])))
            a2 = z1 @ p["W2"] + p["b2"]
            e = np.exp(a2 - a2.max(axis=1, keepdims=True))
            y = e / e.sum(axis=1, keepdims=True)
            total += float(-np.sum(np.log(y[everyone, t] + 1e-7)) / BATCH)
            dy = y.copy()
            dy[everyone, t] -= 1
            dy /= BATCH
            dz1 = dy @ p["W2"].T
            da1 = dz1 * z1 * (1 - z1)
            grads = {"W1": x.T @ da1, "b1": da1.sum(axis=0), "W2": z1.T @ dy, "b2": dy.sum(axis=0)}
            for name, grad in grads.items():
                p[name] -= RATE * grad
        return total / (len(order) // BATCH), None

    def scores(self, x: Array) -> Array:
        p = self.p
        return (1 / (1 + np.exp(-(x @ p["W1"] + p["b1"])))) @ p["W2"] + p["b2"]


class Torch:
    """A plain loop over tensors, without a DataLoader."""

    title = "PyTorch"

    def __init__(self, x: Array, t: Array) -> None:
        import torch

        torch.manual_seed(0)
        self.torch, self.x, self.t = torch, torch.from_numpy(x), torch.from_numpy(t)
        layers = torch.nn.Linear(INPUTS, HIDDEN), torch.nn.Sigmoid(), torch.nn.Linear(HIDDEN, CLASSES)
        self.network, self.loss = torch.nn.Sequential(*layers), torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=RATE)

    def epoch(self) -> tuple[float, Any]:
        order, total = self.torch.randperm(len(self.x)), 0.0
        for chosen in order.split(BATCH):
            self.optimizer.zero_grad()
            loss = self.loss(self.network(self.x[chosen]), self.t[chosen])
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / (len(order) // BATCH), None

    def scores(self, x: Array) -> Array:
        with self.torch.no_grad():
            return self.network(self.torch.from_numpy(x)).numpy()  # type: ignore[no-any-return]


class ScikitLearn:
    """``MLPClassifier.partial_fit``, an epoch at a call."""

    title = "scikit-learn"

    def __init__(self, x: Array, t: Array) -> None:
        from sklearn.neural_network import MLPClassifier

        self.x, self.t = x, t
        plain = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False, "alpha": 0.0}
        sizes = {"hidden_layer_sizes": (HIDDEN,), "activation": "logistic", "batch_size": BATCH}
        self.network = MLPClassifier(**sizes, **plain, learning_rate_init=RATE, random_state=0)

    def epoch(self) -> tuple[float, Any]:
        self.network.partial_fit(self.x, self.t, classes=np.arange(CLASSES))
        return self.network.loss_, None

    def scores(self, x: Array) -> Array:
        return self.network.predict_proba(x)  # type: ignore[no-any-return]


CONTESTANTS = {"rashin": OurNetwork, "numpy": BareNumPy, "torch": Torch, "sklearn": ScikitLearn}


@app.command()
def main(
    data: Annotated[
        Path | None, typer.Option(help="A folder with MNIST's four files; else they are looked for.")
    ] = None,
    peers: Annotated[str, typer.Option(help=f"Which of {', '.join(CONTESTANTS)}.")] = ",".join(CONTESTANTS),
    seconds: Annotated[float, typer.Option(min=0.0, help="How long the race lasts at least.")] = 10.0,
    accurate: Annotated[bool, typer.Option("--accurate", help=f"Accuracies after {ACCURATE} epochs too.")] = False,
) -> None:
    """Seconds per epoch, interleaved: median, quartiles, and how many times rashin's."""
    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # torch and BLAS read them once
        os.environ.setdefault(name, threads)
    from rashin.datasets import load_mnist

    (x, t), (x_test, t_test) = load_mnist(path=data)
    chosen = ["rashin", *(name for name in peers.split(",") if name.strip() and name != "rashin")]
    racers = {name: CONTESTANTS[name](x, t) for name in chosen}
    times = race({name: racer.epoch for name, racer in racers.items()}, Protocol(seconds))
    accuracies = {name: _accuracy(CONTESTANTS[name](x, t), x_test, t_test) for name in chosen if accurate}
    _show(summaries(times), len(times["rashin"]), accuracies)


def _accuracy(racer: Any, x: Array, t: Array) -> float:
    for _ in range(ACCURATE):
        racer.epoch()
    return float(np.mean(racer.scores(x).argmax(axis=1) == t))


def _show(found: dict[str, dict[str, Any]], rounds: int, accuracies: dict[str, float]) -> None:
    table = Table(title=f"an epoch of MNIST, 600 steps; {rounds} rounds", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", "seconds", "quartiles", "times rashin's", *(["accuracy"] if accuracies else [])):
        table.add_column(heading, justify="right" if heading else "left")
    for name, record in found.items():
        seconds, ratio = record["seconds"], record.get("over_rashin")
        between = f"{seconds['low']:.4f}-{seconds['high']:.4f}"
        times = f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})" if ratio else "1"
        row = [CONTESTANTS[name].title, f"{seconds['median']:.4f}", between, times]
        table.add_row(*row, *([f"{accuracies[name]:.4f}"] if accuracies else []))
    Console(width=100).print(table)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.training")
