"""Losses of survival: of the order in which events happen to those at risk."""

from __future__ import annotations

from typing import Any

from rashin.domain import BINARY, LOGIT, REAL, Columns
from rashin.groupwise import groupwise
from rashin.losses.bounds import nonnegative

__all__ = ["cox"]


@groupwise(
    over="ordered_choices",
    prediction=LOGIT,
    target=Columns(time=REAL, event=BINARY),
    options=("efron",),
    convex=True,
    bounds=nonnegative,
)
def cox(xp: Any, u: Any, t: Any) -> tuple[Any, Any, Any]:
    r"""The negative logarithm of Cox's partial likelihood, for proportional hazards with censoring.

    .. math:: \ell = \sum_{i:\ event} w_i \Big(\log \sum_{j:\ time_j \ge time_i} w_j e^{z_j} - z_i\Big)

    Those at risk when an event happens are the members of its set whose time is not before it, events of that time and
    members censored then among them. With ``group`` each stratum has its own.

    Prediction: log-hazards; whoever has -inf is at no risk. Target: a pair (time, event), of which event is 1, or 0 if
    the member was censored at that time. The mean is over the events, by their weights; it is 0 if all are censored.
    Bounds, for weight 1: 0 and infinity.

    Events of equal time are handled as Efron does, or with ``efron=False`` as Breslow does, which is the formula above.
    For d events with the sum S of w e^z, among those at risk with the sum R, Efron's form takes instead of log R

    .. math:: \tfrac{1}{d} \sum_{k=0}^{d-1} \log(R - \tfrac{k}{d} S)

    These are the forms of R's ``coxph`` with case weights; glmnet and pycox know Breslow's only. With Efron's form a
    weight of 2 equals two such members except among tied events, whose number d it does not change; with Breslow's it
    does everywhere.

    Where two members with a prediction of +inf are at risk when an event happens, or all have -inf, there is no limit:
    that raises.

    Parameters
    ----------
    efron : switch; False handles ties as Breslow does.

    Examples
    --------
    >>> import rashin
    >>> rashin.cox([0.0, 0.0, 20.0], ([3, 2, 1], [1, 1, 0]))
    0.34657359027997264
    >>> rashin.cox([0.5, 0.0, 1.0], ([2, 2, 3], [1, 1, 1]), reduction="sum")
    2.5771682240011...
    >>> rashin.cox([0.5, 0.0, 1.0], ([2, 2, 3], [1, 1, 1]), reduction="sum", efron=False)
    2.860539341283...

    Reference: Cox (1972), Regression models and life-tables; Efron (1977), The efficiency of Cox's likelihood function
    for censored data; Breslow (1974), Covariance analysis of censored survival data.
    """
    return -t * u, -t, 0.0
