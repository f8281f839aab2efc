"""Data sets for training."""

from rashin.datasets.digits import load_digits
from rashin.datasets.mnist import fetch_mnist, load_mnist

__all__ = ["fetch_mnist", "load_digits", "load_mnist"]
