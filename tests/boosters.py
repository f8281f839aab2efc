"""Real data, small, and a loss for each objective that the boosters have."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine


@cache
def samples(kind, weighted=False):
    """Features, targets and weights of one of scikit-learn's data sets."""
    load = {"binary": load_breast_cancer, "classes": load_wine}.get(kind, load_diabetes)
    x, y = load(return_X_y=True)
    y = {
        "number": y / 100.0,
        "count": np.floor(y / 25.0),
        "positive": y / 100.0,
        "zeros": np.maximum(y / 100.0 - 1.0, 0.0),
    }.get(kind, y.astype(np.float64))
    return x, y, np.random.default_rng(0).uniform(0.5, 3.0, len(y)) if weighted else None
