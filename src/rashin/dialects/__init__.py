"""Other conventions for the same losses, by their own names."""

from rashin.dialects import scratch

__all__ = ["scratch"]
