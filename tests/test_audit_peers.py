"""What is known to be wrong in other libraries is found by pointing the audit at them."""

from __future__ import annotations

import os

import pytest

from rashin.audit import check
from rashin.audit.findings import CODES
from rashin.audit.libraries.keras import prepare

TABLE = {  # target: what must be found, and the choices that state what cannot be found out
    "torch.nn.functional:binary_cross_entropy_with_logits": (
        "digits:value:float32 digits:gradient:float32 digits:value:float64 nan:value:float32 target:2 target:-1",
        {},
    ),
    "torch.nn:CrossEntropyLoss": ("digits:value:float32 digits:gradient:float32 digits:value:float64", {}),
    "torch.nn.functional:cross_entropy": (
        "nan:value:float32 nan:value:float64 digits:value:float32",
        {"domain": "distributions"},
    ),
    "torch.nn.functional:soft_margin_loss": ("inf:value:float32 nan:gradient:float32 target:0.5", {}),
    "torch.nn.functional:mse_loss": ("broadcast one-target", {}),
    "torch.nn.functional:poisson_nll_loss": ("broadcast target:-1", {}),
    "torch.nn.functional:binary_cross_entropy": ("digits:gradient:float32 clip:value:float32", {}),
    "torch.nn.functional:huber_loss": ("weight", {}),
    "audited.torch_functions:cosine": ("nan:value:float32 nan:gradient:float32", {"domain": "vectors"}),
    "audited.torch_functions:kullback_leibler": ("ulps:value:float32", {"like": "softmax_kullback_leibler"}),
    "audited.torch_functions:student_t_of_many_degrees": (
        "ulps:value:float32",
        {"like": "student_t(degrees=1e6)"},
    ),
    "audited.torch_functions:negative_binomial_of_large_count": (
        "ulps:value:float32",
        {"like": "negative_binomial"},
    ),
    "audited.torch_functions:beta_of_logit_and_precision": ("inf:value:float32 ulps:value:float32", {"like": "beta"}),
    "audited.torch_functions:jensen_shannon": ("ulps:value:float32", {"like": "softmax_jensen_shannon"}),
    "optax:log_cosh": ("digits:value:float32 broadcast", {}),
    "optax:huber_loss": ("digits:gradient:float32", {}),
    "optax:sigmoid_binary_cross_entropy": ("nan:value:float32 broadcast target:2", {}),
    "optax:softmax_cross_entropy": ("digits:value:float32 nan:value:float32", {}),
    "optax.losses:poly_loss_cross_entropy": ("digits:value:float32 nan:value:float32", {}),
    "optax:cosine_distance": ("nan:value:float32", {"domain": "vectors"}),
    "keras.losses:MeanSquaredError": ("weight precision:float64", {}),
    "keras.losses:LogCosh": ("digits:value:float32", {}),
    "keras.losses:BinaryCrossentropy": ("nan:value:float32 target:2", {"settings": {"from_logits": True}}),
    "keras.losses:MeanSquaredLogarithmicError": ("digits:value:float32 target:-1", {"domain": "above"}),
    "sklearn.metrics:hinge_loss": ("digits:value:float64 batch", {}),
    "sklearn.metrics:log_loss": ("clip:value:float32", {}),
    "sklearn.metrics:mean_absolute_percentage_error": ("target:0", {}),
    "sklearn._loss:HalfMultinomialLoss": (
        "digits:value:float32 ulps:value:float32 target:-1",
        {"settings": {"n_classes": 4}},
    ),
    "sklearn._loss:HalfBinomialLoss": ("digits:value:float32 nan:value:float32", {}),
    "torchmetrics:MeanSquaredError": ("stream:float32", {}),
    "torchmetrics.text:Perplexity": ("inf:value:float32", {}),
    "torchmetrics.functional:kl_divergence": ("ulps:value:float32", {}),
    "skglm.datafits:Logistic": ("inf:value:float64 nan:hessian:float64", {}),
    "skglm.datafits:Poisson": ("gradient:full_grad_sparse:float64", {}),
    "skglm.datafits:Gamma": ("batch", {}),
}

SOUND = ("sklearn.metrics:mean_squared_error", "sklearn._loss:HalfSquaredError", "sklearn._loss:PinballLoss")


def needed(target):
    root = target.partition(":")[0].partition(".")[0]
    if root == "keras":
        prepare()
        pytest.importorskip(os.environ.get("KERAS_BACKEND", "jax"))
    for package in {"audited": ("torch",), "optax": ("jax", "optax"), "torchmetrics": ("torch", "torchmetrics")}.get(
        root, (root,)
    ):
        pytest.importorskip(package)


@pytest.mark.filterwarnings("ignore")  # imports of other libraries
@pytest.mark.parametrize("target", TABLE)
def test_known_faults_are_found(target):
    needed(target)
    expected, choices = TABLE[target]
    report = check(target, **choices)
    assert set(expected.split()) <= report.keys
    assert {one.code for one in report.findings} <= set(CODES)
    assert report.seconds < 60.0  # 5 on a free core


@pytest.mark.parametrize("target", SOUND)
def test_sound_functions_are_not_blamed(target):
    needed(target)
    assert not [one for one in check(target).findings if one.severity != "convention"]
