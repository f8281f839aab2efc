"""Measures losses by their formula, as other devices run it: ``python tests/device_table.py [loss ...]``.

It writes the second table of docs/accuracy.md. The CPU's tensors are taken for those of another device.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from accuracy_table import PAGE, cells_of, replaced, rows_of, table, worst_samples
from rashin.backends.torch import device
from rashin.backends.torch.memory import array_of, tensor_of
from shipped import LOSSES, of_any_rows

__all__ = ["BEGIN", "END", "ByFormula"]

BEGIN, END = "<!-- devices: begin -->\n", "<!-- devices: end -->"


class ByFormula:
    """A loss of NumPy arrays that is computed by its formula, on tensors."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loss, name)

    def __call__(self, z: Any, t: Any, **keywords: Any) -> Any:
        """The value, in the prediction's dtype."""
        with _elsewhere():
            found = self.loss(_tensor(z), _tensor(t), **keywords)
        return array_of(found.to(_tensor(z).dtype))

    def gradient(self, z: Any, t: Any, **keywords: Any) -> Any:
        """The gradient."""
        with _elsewhere():
            return array_of(self.loss.gradient(_tensor(z), _tensor(t), **keywords))

    def hessian(self, z: Any, t: Any, **keywords: Any) -> Any:
        """The Hessian's diagonal."""
        with _elsewhere():
            return array_of(self.loss.hessian(_tensor(z), _tensor(t), **keywords))


def _tensor(array: Any) -> torch.Tensor:
    return tensor_of(np.ascontiguousarray(array))


@contextmanager
def _elsewhere() -> Iterator[None]:
    before, device.SWEPT = device.SWEPT, {"meta"}
    try:
        yield
    finally:
        device.SWEPT = before


def main(names: list[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = rows_of(page, BEGIN, END)
    for loss in LOSSES:
        if not names or loss.name in names:
            worst = worst_samples(ByFormula(of_any_rows(loss)))
            rows[loss.name] = cells_of(worst)
            for sample in worst.values():
                if not sample.within:
                    print(sample)  # noqa: T201
    PAGE.write_text(replaced(page, BEGIN, END, table(rows)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
