"""What the rule of a loss must have."""

from __future__ import annotations

from rashin.rule import Rule

__all__ = ["fisher", "matrix", "products", "several_numbers"]


def products(rule: Rule) -> None:
    """The rule must have products of its Hessian with vectors."""
    if not rule.has_products:
        raise TypeError(
            f"{rule.formula.__name__}: has no hessian_vector_product: its formula of whole rows gives the diagonal of "
            f"the Hessian only; fix: use hessian, or make the loss with product=..., or with separable=True if it is a "
            f"sum over the classes"
        )


def matrix(rule: Rule) -> None:
    """The rule must have the whole Hessian of a sample."""
    if not rule.has_matrix:
        several_numbers(rule, "hessian_matrix")


def several_numbers(rule: Rule, method: str) -> None:
    """The rule must have several numbers per sample."""
    if not rule.columns:
        raise TypeError(
            f"{rule.formula.__name__}: got a call of {method}; expected a loss whose samples have several numbers of "
            f"different meaning; fix: use hessian, or hessian_vector_product"
        )


def fisher(rule: Rule) -> None:
    """The rule must have an expected Hessian."""
    several_numbers(rule, "fisher")
    if rule.fisher is None:
        raise TypeError(
            f"{rule.formula.__name__}: got a call of fisher; expected a loss with one in closed form; fix: use "
            f"hessian_matrix"
        )
