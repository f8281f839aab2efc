"""The programs of the page on trainers, where these are installed: one step is that of the mean over all tokens."""

from __future__ import annotations

import copy
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
PAGE = Path(__file__).parent.parent / "docs" / "torch-trainers.md"


def run(title, monkeypatch, folder, package):
    """The names of the program under a title, with the model as it was ``before`` training."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    program = re.search(rf"^## {title}\n.*?```python\n(.*?)```", PAGE.read_text(), re.M | re.S)[1]
    program = re.sub(r"^(model = .*)$", r"\1; before = copy.deepcopy(model)", program, count=1, flags=re.M)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if package == "accelerate":  # the trainer before it left its state, in which every step ends an accumulation
        state = pytest.importorskip("accelerate.state")
        state.AcceleratorState._reset_state(reset_partial_state=True)
        state.GradientState._reset_state()
    made = {"copy": copy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the trainers
        exec(compile(program, title, "exec"), made)
    return made


def cross_entropy(z, labels):
    """Of the rows with labels, in NumPy, and its gradient by z."""
    z = z - z.max(-1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    counted = labels != -100
    hot = np.eye(z.shape[-1])[np.where(counted, labels, 0)]
    return -np.log((p * hot).sum(-1))[counted].mean(), np.where(counted[..., None], p - hot, 0.0) / counted.sum()


@pytest.mark.parametrize(("title", "package"), [("The Hugging Face trainer", "transformers"), ("accelerate",) * 2])
def test_a_step_is_that_of_the_mean_over_all_tokens(title, package, monkeypatch, tmp_path):
    made = run(title, monkeypatch, tmp_path, package)
    x, labels = made["x"].double().numpy(), made["labels"].numpy()
    weight, bias = (p.detach().double().numpy() for p in made["before"].parameters())
    slopes = cross_entropy(x @ weight.T + bias, labels)[1]
    step = 0.1 * np.einsum("btc,btf->cf", slopes, x)
    after = next(made["model"].parameters()).detach().double().numpy()
    assert np.abs((weight - step) - after).max() <= 1e-6 * np.abs(step).max()


def test_the_loss_of_validation_is_the_mean_over_all_that_counts(monkeypatch, tmp_path):
    made = run("Lightning", monkeypatch, tmp_path, "lightning")
    weight, bias = (p.detach().double().numpy() for p in made["model"].net.parameters())
    mean, _ = cross_entropy(made["x"].double().numpy() @ weight.T + bias, made["labels"].numpy())
    assert made["model"].measured.mean == pytest.approx(mean, rel=1e-6, abs=0)
    assert made["model"].measured.count == 52
    assert made["trainer"].callback_metrics["loss"].item() == pytest.approx(mean, rel=1e-6, abs=0)
