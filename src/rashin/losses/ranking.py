"""Losses of ranking: of choices from a list."""

from __future__ import annotations

from typing import Any

from rashin.domain import LOGIT, NONNEGATIVE, REAL
from rashin.groupwise import groupwise
from rashin.losses.bounds import nonnegative

__all__ = ["listwise_softmax", "plackett_luce"]


@groupwise(over="choices", prediction=LOGIT, target=NONNEGATIVE, convex=True, bounds=nonnegative)
def listwise_softmax(xp: Any, u: Any, t: Any) -> tuple[Any, Any, Any]:
    r"""The cross-entropy of the relevances of a list with the softmax of its scores.

    .. math:: \ell = \sum_i w_i t_i \Big(\log \sum_j w_j e^{z_j} - z_i\Big)

    The sums are over the members of a list. Lists may differ in length: nothing is padded, and scores that pad a list
    belong outside ``where``.

    Prediction: scores, any real numbers; -inf rules a member out. Target: relevances >= 0, which are used as given: if
    they sum to 1 the loss is a cross-entropy of distributions, if one is 1 that of a label. The mean is over the lists
    with a relevant member. Bounds, for weight 1: 0 and infinity.

    Where two members of a list with relevant members have +inf, or all have -inf, there is no limit: that raises.

    Examples
    --------
    >>> import rashin
    >>> rashin.listwise_softmax([2.0, 0.5, 1.0, 3.0, 1.0], [1, 0, 0, 0, 1], group=[7, 7, 7, 8, 8], reduction="none")
    array([0.46436878, 2.12692801])

    Reference: Cao, Qin, Liu, Tsai & Li (2007), Learning to rank: from pairwise approach to listwise approach (ListNet).
    """
    return -t * u, -t, 0.0


@groupwise(over="ordered_choices", prediction=LOGIT, target=REAL, options=("efron",), convex=True, bounds=nonnegative)
def plackett_luce(xp: Any, u: Any, t: Any) -> tuple[Any, Any, Any]:
    r"""The negative log-likelihood of the order of a list: each member is drawn by the softmax of those left.

    .. math:: \ell = \sum_i w_i \Big(\log \sum_{j:\ t_j \le t_i} w_j e^{z_j} - z_i\Big)

    Also known as ListMLE. It equals :data:`cox` without censoring for times -t, but for the mean, which is over the
    lists here.

    Prediction: scores, any real numbers. Target: relevances, any real numbers, of which only the order counts: the
    highest is drawn first. Bounds, for weight 1: 0 and infinity.

    Members of equal relevance have no order. They are handled as Efron handles ties, close to the mean over all orders
    of them, or with ``efron=False`` as Breslow does, which is the formula above. Implementations elsewhere order them
    by chance or by place, and depend on it.

    Where two members with +inf are left, or all that are left have -inf, there is no limit: that raises.

    Parameters
    ----------
    efron : switch; False handles ties as Breslow does.

    Examples
    --------
    >>> import rashin
    >>> rashin.plackett_luce([2.0, 0.5, 1.0], [2, 0, 1])
    0.938445768288...

    Reference: Xia, Liu, Wang, Zhang & Li (2008), Listwise approach to learning to rank: theory and algorithm; Plackett
    (1975), The analysis of permutations; Luce (1959), Individual choice behavior; Efron (1977) and Breslow (1974) for
    ties.
    """
    return -t * u, -t, 0.0
