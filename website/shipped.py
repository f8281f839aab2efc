"""The losses of the package, without those that a program that builds the site has defined."""

from __future__ import annotations

from rashin import list_group_losses, list_losses
from rashin.group_loss import GroupLoss
from rashin.loss import Loss

__all__ = ["SHIPPED"]

SHIPPED: list[Loss | GroupLoss] = [
    loss for loss in (*list_losses(), *list_group_losses()) if loss.formula.__module__.startswith("rashin.losses.")
]
