"""A loss by its formula, on arrays that the sweeps do not reach: in doubles, and without sums that are exact.

Arrays are of any library of the array API, with the classes last, in float64; ``words`` is the vocabulary of
``rashin.arithmetic`` for them, and ``xp`` their namespace. Results are those of each sample, not yet weighted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rashin import checks
from rashin.domain import Domain, Thresholds
from rashin.rule import RESIDUAL, Rule

__all__ = ["Space", "accepts", "derived", "links", "product", "target_slope"]


class Space(NamedTuple):
    """A library's arrays: its namespace, what a formula is computed with, and where they lie, if that must be said."""

    xp: Any
    words: Any
    device: Any = None


class _Row(NamedTuple):
    """A row of logits: log p, p, 1 - p, logsumexp, and how a soft cap bends each logit."""

    u: Any
    p: Any
    away: Any
    lse: Any
    first: Any
    second: Any


def derived(space: Space, rule: Rule, z: Any, t: Any) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian diagonal of samples (n,) or (n, C); labels (n,) or distributions (n, C)."""
    if rule.kind == "labelwise":
        return _of_labels(space, rule, z, t)
    if rule.kind == "classwise":
        return _of_classes(space, rule, z, t)
    if rule.kind == "pointwise":
        return _whole(space, z, rule.formula(space.words, z, t, *rule.parameters))
    if rule.columns:
        value, slopes, corners = _of_columns(space, rule, z, t)
        diagonal = [part for part, (i, j) in zip(corners, _corners(rule), strict=True) if i == j]
        return value, space.xp.stack(slopes, axis=-1), space.xp.stack(diagonal, axis=-1)
    if rule.levels is not None:
        parts = _whole(space, z, rule.formula(space.words, z, t[..., None], _levels(space, rule, z), *rule.parameters))
        value, gradient, hessian = (part / z.shape[-1] for part in parts)
        return space.xp.sum(value, axis=-1), gradient, hessian
    t = _shares(space, t, z.shape[-1])
    if not rule.separable:
        value, gradient, hessian = rule.formula(space.words, z, t, *rule.parameters)
        return value, *_whole(space, z, (gradient, hessian))
    parts = rule.formula(space.words, z, t, *rule.parameters)
    value, gradient, hessian = _whole(space, z, parts)
    if not rule.every_class:
        value, gradient, hessian = (space.words.where(t > 0.0, part, 0.0) for part in (value, gradient, hessian))
    return space.xp.sum(value, axis=-1), gradient, hessian


def product(space: Space, rule: Rule, z: Any, t: Any, v: Any) -> Any:
    """The Hessian of each sample times a vector."""
    checks.products(rule)
    if rule.columns:
        return _matrix_product(space, rule, _of_columns(space, rule, z, t)[2], v)
    if rule.kind == "classwise":
        row, (_, slopes, curvatures), _ = _class_parts(space, rule, z, t)
        return _turned(space, row, slopes, curvatures, v)
    if rule.product is not None:
        shares = _shares(space, t, z.shape[-1])
        return _whole(space, z, (rule.product(space.words, z, shares, v, *rule.parameters),))[0]
    if rule.kind != "labelwise":
        hessian = derived(space, rule, z, t)[2]
        return space.words.where(v == 0.0, 0.0, hessian * v)
    row, _, slopes, curvatures, options = _parts(space, rule, z, t)
    z_loss = options.get("z_loss") or 0.0
    found = _turned(space, row, slopes, curvatures, v * row.first, z_loss)
    if row.second is None:
        return found
    return found * row.first + _by_logit(space, row, slopes, _sum(space, slopes), z_loss) * row.second * v


def _turned(space: Space, row: _Row, slopes: Any, curvatures: Any, v: Any, z_loss: float = 0.0) -> Any:
    """How the slopes by the logits change along a vector."""
    place = _one_hot(space, space.xp.argmax(row.p, axis=-1), v.shape[-1])
    origin = _sum(space, space.words.where(place == 1.0, v, 0.0))
    apart = _sum(space, row.p * (v - origin))
    c = (v - origin) - apart  # of a dominant class the small sum of the others' shares
    bent = curvatures * c
    found = bent * row.away - row.p * _sum_of_others(space, bent)
    bend = 2.0 * z_loss * row.lse - _sum(space, slopes)
    return found + bend * (row.p * c) + 2.0 * z_loss * row.p * (origin + apart)


def target_slope(space: Space, rule: Rule, z: Any, t: Any) -> Any:
    """How the loss of each sample changes with its target, which can vary."""
    if rule.kind == "labelwise":
        options = dict(rule.options)
        loss = rule.formula(space.words, _row(space, z, options).u, *rule.parameters)[0]
        return (1.0 - (options.get("label_smoothing") or 0.0)) * loss
    if rule.kind == "classwise":
        _, (by_share,), temperature = _class_parts(space, rule, z, t, rule.target_slope)
        return temperature * temperature * by_share
    slope: Any = rule.target_slope
    if rule.columns:
        return slope(space.words, *_columns(rule, z), t, *rule.parameters)
    if slope == RESIDUAL:
        gradient = derived(space, rule, z, t)[1]
        return -(space.xp.sum(gradient, axis=-1) if rule.prediction.is_joint else gradient)
    return slope(space.words, z, t, *rule.parameters)


def links(space: Space, z: Any) -> tuple[Any, Any, Any]:
    """softmax, log softmax and logsumexp of rows."""
    row = _row(space, z, {})
    return row.p, row.u, row.lse[..., 0]


def accepts(space: Space, rule: Rule, z: Any, t: Any, tolerance: float) -> Any:
    """Which samples lie in the loss's domains; ``tolerance`` is for the sums of distributions."""
    xp = space.xp
    if rule.columns:
        good = _contains(space, rule.target.entry(), t)
        for place, column in enumerate(_columns(rule, z)):
            good = good & _contains(space, rule.prediction.entry(place), column)
        return good
    good = _contains(space, rule.prediction.entry(), z)
    if z.ndim == 1:
        return good & _contains(space, rule.target.entry(), t)
    good = xp.all(good, axis=-1)
    if isinstance(rule.prediction, Thresholds):
        good = good & xp.all(z[..., 1:-1] >= z[..., :-2], axis=-1)
    if rule.prediction.is_joint:
        return good & _contains(space, rule.target.entry(), t)
    if rule.target.axes:
        return good & ~xp.isnan(_row(space, t, {}).lse[..., 0])
    if t.ndim == 1:
        return good & (t >= 0.0) & (t < z.shape[-1]) & (t == xp.floor(t))
    return good & xp.all((t >= 0.0) & (t <= 1.0), axis=-1) & (xp.abs(xp.sum(t, axis=-1) - 1.0) <= tolerance)


def _contains(space: Space, domain: Domain, x: Any) -> Any:
    """As the domain has it, of another library's arrays."""
    if domain.shape == "ends":
        return (x == domain.low) | (x == domain.high)
    if domain.shape == "integers":
        return (x >= domain.low) & (x <= domain.high) & (x == space.xp.floor(x))
    if domain.shape == "outside":
        return ((x <= domain.low) | (x >= domain.high)) & (space.xp.abs(x) <= domain.reach)
    return (x >= domain.low) & (x <= domain.high)


def _whole(space: Space, z: Any, parts: Any) -> tuple[Any, ...]:
    """Parts as arrays, also where a formula gives one number for all."""
    return tuple(space.words.where(True, part, 0.0) + 0.0 * space.xp.zeros_like(z) for part in parts)


def _sum(space: Space, x: Any) -> Any:
    return space.xp.sum(x, axis=-1, keepdims=True)


def _sum_of_others(space: Space, x: Any) -> Any:
    """For each entry of a row the sum of the others, from both sides: a large one would hide them in a difference."""
    xp = space.xp
    zero = xp.zeros_like(x[..., :1])
    before = xp.concat([zero, xp.cumulative_sum(x, axis=-1)[..., :-1]], axis=-1)
    after = xp.concat([zero, xp.cumulative_sum(xp.flip(x, axis=-1), axis=-1)[..., :-1]], axis=-1)
    return before + xp.flip(after, axis=-1)


def _shares(space: Space, t: Any, classes: int) -> Any:
    """Labels as distributions."""
    return t if t.ndim == 2 else _one_hot(space, t, classes)


def _one_hot(space: Space, labels: Any, classes: int) -> Any:
    numbers = space.xp.arange(classes, dtype=labels.dtype, device=space.device)
    return space.words.where(labels[..., None] == numbers, 1.0, 0.0)


# -------------------------------------------------------------------------------------- several numbers a sample


def _columns(rule: Rule, z: Any) -> list[Any]:
    return [z[..., place] for place in range(rule.columns)]


def _corners(rule: Rule) -> list[tuple[int, int]]:
    """The places of the upper triangle of the Hessian, row by row."""
    return [(i, j) for i in range(rule.columns) for j in range(i, rule.columns)]


def _levels(space: Space, rule: Rule, z: Any) -> Any:
    """The level of each member: of its place, or of its rank, which costs K steps for K members."""
    xp, count = space.xp, z.shape[-1]
    found, ranked = rule.levels(count, *rule.parameters, **dict(rule.options))  # type: ignore[misc]
    levels = xp.asarray(found, dtype=xp.float64, device=space.device)
    if not ranked:
        return levels
    below, above = xp.zeros_like(z), xp.zeros_like(z)
    for k in range(count):
        below = below + space.words.where(z[..., k : k + 1] < z, 1.0, 0.0)
        above = above + space.words.where(z[..., k : k + 1] > z, 1.0, 0.0)
    step = float(found[-1] - found[0]) / max(count - 1, 1)  # levels are linear in the rank
    return float(found[0]) + 0.5 * step * (below - above + (count - 1.0))


def _of_columns(space: Space, rule: Rule, z: Any, t: Any) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    value, slopes, corners = rule.formula(space.words, *_columns(rule, z), t, *rule.parameters)
    return _whole(space, t, (value,))[0], _whole(space, t, slopes), _whole(space, t, corners)


def _matrix_product(space: Space, rule: Rule, corners: tuple[Any, ...], v: Any) -> Any:
    """Symmetric matrices, by their upper triangles, times vectors; 0 wherever the vector is 0."""
    columns, found = _columns(rule, v), [0.0] * rule.columns
    for part, (i, j) in zip(corners, _corners(rule), strict=True):
        found[i] = found[i] + space.words.where(columns[j] == 0.0, 0.0, part * columns[j])
        if i != j:
            found[j] = found[j] + space.words.where(columns[i] == 0.0, 0.0, part * columns[i])
    return space.xp.stack(found, axis=-1)


# ------------------------------------------------------------------------------------------- losses of labels


def _of_labels(space: Space, rule: Rule, z: Any, t: Any) -> tuple[Any, Any, Any]:
    """The chain rule of losses of u = log softmax(z)."""
    row, q, slopes, curvatures, options = _parts(space, rule, z, t)
    z_loss, total = options.get("z_loss") or 0.0, _sum(space, slopes)
    losses = rule.formula(space.words, row.u, *rule.parameters)[0]
    value = space.xp.sum(space.words.where(q > 0.0, q * losses, 0.0), axis=-1)
    gradient = _by_logit(space, row, slopes, total, z_loss)
    bent = curvatures * row.away * row.away + row.p * row.p * _sum_of_others(space, curvatures)
    hessian = bent - row.p * row.away * total
    if z_loss:
        lse = row.lse[..., 0]
        value = value + z_loss * lse * lse + (lse - lse)  # NaN where it is infinite: the gradient has no limit
        hessian = hessian + 2.0 * z_loss * row.p * (row.lse * row.away + row.p)
    if row.second is None:
        return value, gradient, hessian
    return value, gradient * row.first, hessian * row.first * row.first + gradient * row.second


def _parts(space: Space, rule: Rule, z: Any, t: Any) -> tuple[_Row, Any, Any, Any, dict[str, Any]]:
    """The row, its smoothed distribution, and phi' and phi'' of each class times its share."""
    options = dict(rule.options)
    row, q = _row(space, z, options), _shares(space, t, z.shape[-1])
    smoothing = options.get("label_smoothing") or 0.0
    if smoothing:
        q = (1.0 - smoothing) * q + smoothing / z.shape[-1]
    _, first, second = rule.formula(space.words, row.u, *rule.parameters)
    slopes, curvatures = (space.words.where(q > 0.0, q * part, 0.0) for part in _whole(space, z, (first, second)))
    return row, q, slopes, curvatures, options


def _row(space: Space, z: Any, options: dict[str, Any]) -> _Row:
    """Exact beside a dominant class: its log-probability is -log1p of the others, which are summed without it."""
    xp, words = space.xp, space.words
    first, second, cap = 1.0, None, options.get("softcap")
    if cap:
        bend, far = words.tanh(z / cap), words.exp(-2.0 * words.abs(z / cap))
        first = 4.0 * far / ((1.0 + far) * (1.0 + far))  # 1 - tanh^2 without cancellation
        second, z = -2.0 * bend * first / cap, cap * bend
    peak = xp.max(z, axis=-1, keepdims=True)
    below = words.where(z == peak, 0.0, z - peak)  # also where the peak is infinite
    temperature = options.get("temperature") or 1.0
    place = _one_hot(space, xp.argmax(z, axis=-1), z.shape[-1])
    back = below + peak
    lost = (z - back) - (peak - (back - below))  # the rounding error of z - peak (Knuth, TAOCP 2, 4.2.2)
    below, lost = below / temperature, lost / temperature
    e = words.exp(below)
    e = words.where(xp.abs(lost) < 1.0, e + e * lost, e)
    others = _sum(space, words.where(place == 1.0, 0.0, e))
    rest, p = words.log1p(others), e / (1.0 + others)
    away = words.where(place == 1.0, others / (1.0 + others), 1.0 - p)
    top = _sum(space, words.where(z == peak, 1.0, 0.0))
    limit = (xp.abs(peak) < xp.inf) | ((peak == xp.inf) & (top == 1.0))  # not all -inf, and at most one +inf
    lse = words.where(limit, peak + rest, xp.nan)
    return _Row(below - words.where(limit, rest, xp.nan), p, away, lse, first, second)


# ---------------------------------------------------------------------------------- losses of all classes


def _of_classes(space: Space, rule: Rule, z: Any, t: Any) -> tuple[Any, Any, Any]:
    """T^2 times the sum of a formula of the classes' probabilities at the temperature T."""
    row, (value, slopes, curvatures), temperature = _class_parts(space, rule, z, t)
    total = _sum(space, slopes)
    gradient = slopes * row.away - row.p * _sum_of_others(space, slopes)
    # A class without a share in the target may cost inf: away from it, whatever the others do.
    limit = space.words.where(slopes == space.xp.inf, slopes, space.words.where(row.p > 0.0, -space.xp.inf, 0.0))
    gradient = space.words.where(total == space.xp.inf, limit, gradient)
    bent = curvatures * row.away * row.away + row.p * row.p * _sum_of_others(space, curvatures)
    hessian = bent - row.p * row.away * total
    return temperature * temperature * space.xp.sum(value, axis=-1), temperature * gradient, hessian


def _class_parts(space: Space, rule: Rule, z: Any, t: Any, formula: Any = None) -> tuple[_Row, tuple[Any, ...], float]:
    """The row, what the formula, or another of its arguments, gives for each class, and the temperature."""
    options = dict(rule.options)
    row = _row(space, z, options)
    if rule.target.axes:
        target = _row(space, t, options)
        v, q = target.u, target.p
    else:
        q = _shares(space, t, z.shape[-1])
        v = space.words.log(q)
    found = (formula or rule.formula)(space.words, row.u, row.p, v, q, *rule.parameters)
    return row, _whole(space, z, found if formula is None else (found,)), options["temperature"] or 1.0


def _by_logit(space: Space, row: _Row, slopes: Any, total: Any, z_loss: float) -> Any:
    """q_j phi'_j - p_j S; where a class has all of q, (1 - p_j) S, which loses no digits."""
    gradient = space.words.where(slopes == total, total * row.away, slopes - row.p * total)
    return gradient + 2.0 * z_loss * row.lse * row.p if z_loss else gradient
