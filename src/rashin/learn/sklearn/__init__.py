"""Estimators with scikit-learn's interface for any loss; ``rashin.learn`` imports them at their first use.

This package needs scikit-learn.
"""

from rashin.learn.sklearn.classifier import NetworkClassifier
from rashin.learn.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]
