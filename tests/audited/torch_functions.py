"""Losses made of PyTorch's parts, as its users write them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

__all__ = [
    "beta_of_logit_and_precision",
    "cosine",
    "jensen_shannon",
    "kullback_leibler",
    "negative_binomial_of_large_count",
    "smoothed",
    "student_t_of_many_degrees",
]


def cosine(prediction: Any, target: Any) -> Any:
    return F.cosine_embedding_loss(prediction, target, torch.ones(len(prediction)), reduction="none")


def kullback_leibler(logits: Any, target: Any) -> Any:
    return F.kl_div(F.log_softmax(logits, dim=-1), target, reduction="none").sum(dim=-1)


def smoothed(logits: Any, labels: Any) -> Any:
    return F.cross_entropy(logits, labels, label_smoothing=0.3)


def student_t_of_many_degrees(prediction: Any, target: Any) -> Any:
    location, log_scale = prediction.unbind(-1)
    return -torch.distributions.StudentT(1e6, location, log_scale.exp()).log_prob(target)


def negative_binomial_of_large_count(prediction: Any, target: Any) -> Any:
    """Columns are the logarithms of mean and dispersion, as rashin has them."""
    log_mean, log_dispersion = prediction.unbind(-1)
    count = torch.exp(-log_dispersion)
    family = torch.distributions.NegativeBinomial(count, logits=log_mean + log_dispersion, validate_args=False)
    return -family.log_prob(target)


def beta_of_logit_and_precision(prediction: Any, target: Any) -> Any:
    mean_logit, log_precision = prediction.unbind(-1)
    mean, precision = torch.sigmoid(mean_logit), torch.exp(log_precision)
    return -torch.distributions.Beta(mean * precision, (1.0 - mean) * precision, validate_args=False).log_prob(target)


def jensen_shannon(logits: Any, target: Any) -> Any:
    p = torch.softmax(logits, dim=-1)
    middle = torch.log(0.5 * (p + target))
    halves = (F.kl_div(middle, one, reduction="none").sum(dim=-1) for one in (p, target))
    return 0.5 * sum(halves)
