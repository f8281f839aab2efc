"""For scikit-learn: a loss as a scorer, and linear models that minimise any convex loss.

This package needs scikit-learn and SciPy.
"""

from rashin.adapters.sklearn.classifier import LinearClassifier
from rashin.adapters.sklearn.path import Path, linear_path
from rashin.adapters.sklearn.regressor import LinearRegressor
from rashin.adapters.sklearn.scoring import scorer

__all__ = ["LinearClassifier", "LinearRegressor", "Path", "linear_path", "scorer"]
