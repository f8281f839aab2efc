"""Losses of ranking: of choices from a list, and of its pairs."""

from __future__ import annotations

from typing import Any

from rashin.domain import LOGIT, MODERATE, NONNEGATIVE, REAL, RELEVANCE
from rashin.groupwise import groupwise
from rashin.losses.binary import softplus
from rashin.losses.bounds import nonnegative

__all__ = ["listwise_softmax", "pairwise_logistic", "plackett_luce"]


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


@groupwise(
    over="pairs",
    prediction=MODERATE,
    target=lambda ndcg, truncation: RELEVANCE if ndcg else MODERATE,
    options=("ndcg", "truncation"),
    convex=True,
    bounds=nonnegative,
)
def pairwise_logistic(xp: Any, z: Any, t: Any) -> tuple[Any, Any, Any]:
    r"""The logistic loss of the pairs of a list that differ in relevance: RankNet, BPR, and LambdaRank by ``ndcg``.

    .. math:: \ell = \sum_{t_i > t_j} w_i w_j c_{ij} \log(1 + e^{-(z_i - z_j)})

    Here c is 1, or with ``ndcg=True`` what swapping the two changes in the NDCG of the list as it is ranked now,

    .. math:: c_{ij} = \frac{2^{t_i} - 2^{t_j}}{\text{ideal DCG}} \left|\frac{1}{\log_2(1 + r_i)} - \frac{1}{\log_2(1
              + r_j)}\right|

    with the ranks r = 1, 2, ... of the scores; equal scores keep their order. The derivatives hold c constant. The
    ideal DCG is the sum of (2^t - 1) / log2(1 + r) over the best order.

    Prediction: scores in [-1e100, 1e100]. Target: relevance, any number in that range; with ``ndcg`` in [0, 500]. The
    mean is over the pairs: the sum is divided by that of w_i w_j. A list of equal targets has no pair and costs 0.
    Bounds: 0 and infinity.

    ``lambdarank`` in LightGBM, with ``lambdarank_norm=False`` and weights of 1, has the gradient and the Hessian
    diagonal of ``ndcg=True, truncation=30, reduction="sum"``, up to the steps of its table of sigmoids. By default,
    ``lambdarank_norm=True``, it divides c by 0.01 + abs(z_i - z_j), unless all scores of the list are equal, and scales
    the derivatives of each list by log2(1 + S) / S, where S is the sum of the absolute slopes of both samples of all
    pairs. Weights multiply the derivatives of their sample there, and the pairs here. XGBoost's ``rank:pairwise`` and
    ``rank:ndcg`` have other normalizations and choose pairs by ``lambdarank_pair_method``.

    Parameters
    ----------
    ndcg : switch; True weights each pair by its change of NDCG. The weights of samples then do not change ranks.
    truncation : whole number k; only pairs with a sample among the first k by score count, and the ideal DCG is that of
        the k best. None for all.

    Examples
    --------
    >>> import rashin
    >>> rashin.pairwise_logistic([2.0, 0.5, 1.0, 3.0], [1, 0, 0, 1], group=["a", "a", "b", "b"], reduction="none")
    array([0.20141328, 0.12692801])
    >>> rashin.pairwise_logistic.gradient([2.0, 0.5, 1.0], [2, 0, 1], ndcg=True, reduction="sum")
    array([-0.1300369,  0.0889771,  0.0410598])

    Reference: Burges et al. (2005), Learning to rank using gradient descent; Rendle et al. (2009), BPR: Bayesian
    personalized ranking from implicit feedback; Burges (2010), From RankNet to LambdaRank to LambdaMART: an overview.
    """
    _, value, e, up = softplus(xp, z)
    large = 1.0 / (1.0 + e)
    small = e * large
    return value, -xp.where(up, small, large), small * large
