"""Data to learn from."""

from rashin.datasets.digits import load_digits

__all__ = ["load_digits"]
