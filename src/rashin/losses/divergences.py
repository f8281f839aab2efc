"""Losses that compare softmax(z / T) with a distribution, or with softmax(t / T) of a teacher's logits."""

from __future__ import annotations

from rashin.decorators import classwise
from rashin.domain import LOGIT, OPEN_UNIT, SWITCH, Row
from rashin.losses.bounds import entropy_of_choice, nonnegative
from rashin.losses.constants import tempered_frequencies


def divergence(xp, p, u, q, v, away):
    """p log(p / q) - p + q >= 0, and log(p / q), of numbers, their logarithms u and v, and q - p.

    With s = (q - p) / (q + p), log(q / p) = 2 atanh(s) = 2 s + s R(s^2): near equality nothing cancels. R is that of
    FDLIBM (Ng & Sun 1993, e_log.c).
    """
    total = p + q
    s = away / xp.where(total > 0.0, total, 1.0)
    w = s * s
    r = 0.1818357216161805 + w * (0.15313837699209373 + w * 0.14798198605116586)
    r = w * (
        0.6666666666666735 + w * (0.3999999999940942 + w * (0.2857142874366239 + w * (0.22222198432149784 + w * r)))
    )
    near = xp.abs(s) < 0.17
    far = xp.where(p > 0.0, p * (u - v), 0.0) + away
    return xp.where(near, s * (away - p * r), far), xp.where(near, -(2.0 * s + s * r), u - v)


def kullback_leibler(xp, u, p, v, q, reverse):
    """Value, slope and curvature of both losses of that name."""
    value, logarithm = divergence(
        xp,
        xp.where(reverse, p, q),
        xp.where(reverse, u, v),
        xp.where(reverse, q, p),
        xp.where(reverse, v, u),
        xp.where(reverse, q - p, p - q),
    )
    own = xp.where(p > 0.0, p * logarithm, 0.0)
    return value, xp.where(reverse, own, -q), xp.where(reverse, own + p, 0.0)


def jensen_shannon(xp, u, p, v, q, beta):
    """Value, slope and curvature of both losses of that name."""
    rest = 1.0 - beta
    m = beta * q + rest * p
    some = m > 0.0  # what is smaller than any number adds nothing
    log_m = xp.log(xp.where(some, m, 1.0))
    of_target, _ = divergence(xp, q, v, m, log_m, rest * (p - q))
    of_prediction, logarithm = divergence(xp, p, u, m, log_m, beta * (q - p))
    own = rest * xp.where(some & (p > 0.0), p * logarithm, 0.0)
    bent = rest * p * (beta * q / xp.where(some, m, 1.0))
    return xp.where(some, beta * of_target + rest * of_prediction, 0.0), own, own + bent


def log_ratio(xp, u, p, v, q, reverse):
    """dl/dq of a class: log(q / p), or 1 - p / q."""
    _, logarithm = divergence(xp, q, v, p, u, p - q)
    return xp.where(reverse, (q - p) / q, logarithm)


def log_ratio_to_mixture(xp, u, p, v, q, beta):
    """dl/dq of a class: beta log(q / m)."""
    m = beta * q + (1.0 - beta) * p
    return beta * divergence(xp, q, v, m, xp.log(m), (1.0 - beta) * (p - q))[1]


@classwise(
    parameters={"reverse": SWITCH},
    convex=True,
    best_constant=tempered_frequencies,
    target_slope=log_ratio,
    bounds=nonnegative,
)
def softmax_kullback_leibler(xp, u, p, v, q, reverse=False):
    r"""Kullback-Leibler divergence of softmax(z / T) from a distribution; ``distillation`` takes a teacher's logits.

    .. math:: \ell = T^2 \sum_k t_k \log(t_k / p_k) - t_k + p_k, \quad p = \mathrm{softmax}(z / T)

    Both t and p sum to 1, so that the last two terms cancel; but they make each summand at least 0, and a target whose
    sum is rounded costs no less than that. Against a label it is the cross-entropy.

    temperature : T in [1e-6, 1e6]; it softens the prediction. The factor T^2 keeps gradients in scale.
    reverse : switch. True gives the divergence of t from p, sum_k p_k log(p_k / t_k) - p_k + t_k. It is infinite where
        t has no share in a class that p has, as with labels.

    >>> softmax_kullback_leibler([[2.0, 0.0]], [[0.75, 0.25]])
    0.06459286...

    Reference: Kullback & Leibler (1951), On information and sufficiency.
    """
    return kullback_leibler(xp, u, p, v, q, reverse)


@classwise(target=Row(LOGIT), parameters={"reverse": SWITCH}, bounds=nonnegative)
def distillation(xp, u, p, v, q, reverse=False):
    r"""Kullback-Leibler divergence of softmax(z / T) from that of a teacher's logits t, which is a constant.

    .. math:: \ell = T^2 \sum_k q_k \log(q_k / p_k), \quad p = \mathrm{softmax}(z / T)

    q is softmax(t / T).

    temperature : T in [1e-6, 1e6]; it softens prediction and target. The factor T^2 keeps gradients in scale.
    reverse : switch. True gives sum_k p_k log(p_k / q_k), which seeks a mode of the teacher's.

    >>> distillation([[2.0, 0.0, -1.0]], [[1.0, 0.5, -1.0]], temperature=2.0)
    0.23290683819126193

    Reference: Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network.
    """
    return kullback_leibler(xp, u, p, v, q, reverse)


@classwise(parameters={"beta": OPEN_UNIT}, target_slope=log_ratio_to_mixture, bounds=entropy_of_choice)
def softmax_jensen_shannon(xp, u, p, v, q, beta=0.5):
    r"""Jensen-Shannon divergence of softmax(z / T) and a distribution: bounded, and never infinite.

    .. math:: \ell = T^2 (\beta D(t, m) + (1 - \beta) D(p, m)), \quad m = \beta t + (1 - \beta) p

    p is softmax(z / T), and D(t, m) = sum_k t_k log(t_k / m_k) is the Kullback-Leibler divergence.

    beta : weight in (0, 1) of the target. The loss is at most T^2 times the entropy of (beta, 1 - beta).
    temperature : T in [1e-6, 1e6]; it softens the prediction. The factor T^2 keeps gradients in scale.

    >>> softmax_jensen_shannon([[2.0, 0.0]], [[0.75, 0.25]])
    0.014465145701712137

    Reference: Lin (1991), Divergence measures based on the Shannon entropy.
    """
    return jensen_shannon(xp, u, p, v, q, beta)


@classwise(target=Row(LOGIT), parameters={"beta": OPEN_UNIT}, bounds=entropy_of_choice)
def jensen_shannon_distillation(xp, u, p, v, q, beta=0.5):
    r"""Jensen-Shannon divergence of softmax(z / T) and that of a teacher's logits t, which is a constant.

    .. math:: \ell = T^2 (\beta D(q, m) + (1 - \beta) D(p, m)), \quad m = \beta q + (1 - \beta) p

    p is softmax(z / T), q is softmax(t / T), and D(q, m) = sum_k q_k log(q_k / m_k).

    beta : weight in (0, 1) of the teacher. The loss is at most T^2 times the entropy of (beta, 1 - beta).
    temperature : T in [1e-6, 1e6]; it softens prediction and target. The factor T^2 keeps gradients in scale.

    >>> jensen_shannon_distillation([[2.0, 0.0, -1.0]], [[1.0, 0.5, -1.0]], temperature=2.0)
    0.056776269246723826

    Reference: Agarwal et al. (2024), On-policy distillation of language models: learning from self-generated mistakes.
    """
    return jensen_shannon(xp, u, p, v, q, beta)
