"""Which loss of rashin a function resembles, by its results for ordinary batches and for one that reaches further."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import Form
from rashin.audit.reference import ALIKE, OUTER, Behaviour, Reference, simple
from rashin.domain import BINARY, COUNT, DISTRIBUTION, LABEL, LOGIT, NONNEGATIVE, PROBABILITY, REAL, SIGN, Row
from rashin.loss import Loss
from rashin.registry import list_losses

__all__ = ["resemblance", "stated", "takes"]

Array = NDArray[Any]

_ALIKE_FURTHER = 1e-3  # relative: more is lost further out, by clipping and by cancellation
_COMMON: dict[str, tuple[dict[str, float], ...]] = {  # parameters that others have as defaults
    "entmax": ({"alpha": 2.0},),
    "softmax_cross_entropy": ({"label_smoothing": 0.1},),
    "sigmoid_focal": ({"alpha": 0.25},),
}


def resemblance(seen: Behaviour, hints: Iterable[float] = ()) -> Reference | None:
    """The loss that fits best, confirmed or not; None if none fits. Hints are values that parameters may have."""
    fits = [fit for loss in candidates(seen.form, hints) for fit in _fits(seen, loss) if fit.error < ALIKE]
    return min((replace(fit, is_confirmed=_is_confirmed(seen, fit)) for fit in fits), key=_plainness, default=None)


def _is_confirmed(seen: Behaviour, fit: Reference) -> bool:
    """Whether the loss explains the batch that reaches further too: near 0, Huber's is a square like others."""
    if seen.further is None:
        return True
    pairs, results = (seen.batches[0], seen.further[0]), (seen.results[0], seen.further[1])
    if seen.returned == "gradient":
        return _distance(results[1], fit.gradient(*pairs[1])) <= _ALIKE_FURTHER
    with np.errstate(all="ignore"):
        here, there = (OUTER[fit.outer](one) for one in results)
        near, far = (_reduced(fit, one) for one in pairs)
    return _distance(there - here, far - near) <= _ALIKE_FURTHER


def stated(seen: Behaviour, loss: Loss) -> Reference:
    """The fit of a stated loss, however bad it is."""
    best = min(_fits(seen, loss), key=lambda fit: fit.error, default=None)
    if best is None:
        raise ValueError(f"like: got {loss!r}; expected a loss that takes {seen.form.name} inputs; fix: state --domain")
    return best if best.error < ALIKE else Reference(loss, seen.form, 1.0, best.reduction, error=best.error)


def _plainness(fit: Reference) -> tuple[Any, ...]:
    active = [name for name, x in fit.loss.parameters.items() if x not in (None, 0.0) and name != "normalized"]
    return (
        not fit.is_confirmed,
        fit.outer != "",
        fit.offset != "" or fit.constant != 0.0,
        abs(fit.scale) != 1.0,
        len(active),
        fit.error,
    )


def candidates(form: Form, hints: Iterable[float] = ()) -> Iterator[Loss]:
    """The losses that take what the form takes."""
    for loss in list_losses():
        if not _shipped(loss) or not takes(loss, form):
            continue
        yield loss.replace(normalized=False) if "normalized" in loss.options else loss
        yield from (loss.replace(**others) for others in _COMMON.get(loss.name, ()))
        yield from _hinted(loss, hints)


def _hinted(loss: Loss, hints: Iterable[float]) -> Iterator[Loss]:
    """The loss with a hint as one of its parameters: functions have other names for the same."""
    for name, default in loss.parameters.items():
        for hint in hints if isinstance(default, float) else ():
            try:
                yield loss.replace(**{name: hint})
            except ValueError:  # outside the parameter's domain
                continue


def _shipped(loss: Loss) -> bool:
    return loss.formula.__module__.startswith("rashin.losses")


def takes(loss: Loss, form: Form) -> bool:
    """Whether the loss has a value for what the form takes, by itself or by another encoding."""
    prediction, target = loss.prediction, loss.target
    counts = prediction == REAL and target in (COUNT, NONNEGATIVE)
    if form.target == SIGN:
        return prediction in (REAL, LOGIT) and target in (SIGN, BINARY, PROBABILITY)
    if form.link == "log" or form.name in ("count", "positive"):
        return counts or (loss.name == "gamma" and form.name in ("positive", "amount"))
    if form.target == BINARY:
        return prediction == form.prediction and target in (BINARY, PROBABILITY)
    if form.name.startswith("log-probability"):
        return loss.name == ("negative_log_likelihood" if form.has_labels else "categorical_cross_entropy")
    rows = prediction == form.prediction or (form.prediction == Row(LOGIT) and prediction == Row(REAL))
    if form.has_labels:
        return rows and target in (LABEL, DISTRIBUTION)
    return rows and target == form.target


def _fits(seen: Behaviour, loss: Loss) -> Iterator[Reference]:
    ours = Reference(loss, seen.form)
    try:
        exact = [ours.gradient(z, t) if seen.returned == "gradient" else ours.losses(z, t) for z, t in seen.batches]
    except (ValueError, TypeError):
        return
    if seen.returned in ("gradient", "none"):
        yield _fit(ours, seen, list(seen.results), exact, "none", "")
        return
    for outer, undone in OUTER.items():
        with np.errstate(all="ignore"):
            got = [undone(one) for one in seen.results]
        if all(np.isfinite(one) for one in got):
            yield _fit(ours, seen, got, [one.mean() for one in exact], "mean", outer)
            yield _fit(ours, seen, got, [one.sum() for one in exact], "sum", outer)


def _fit(ours: Reference, seen: Behaviour, got: list[Any], exact: list[Any], reduction: str, outer: str) -> Reference:
    """The factor, from differences of batches with the same targets, and whether it explains the values too."""
    a, b = _flat(got), _flat(exact)
    if seen.returned != "gradient":
        a, b = (_flat(list(_differences(x, seen))) for x in (got, exact))
    scale = simple(float(np.sum(a * b) / np.sum(b * b))) if np.any(b) else 0.0
    found = Reference(ours.loss, ours.form, scale, reduction, outer, _distance(a, scale * b))
    if _distance(_flat(got), scale * _flat(exact)) <= ALIKE or found.error > ALIKE:
        return found
    if reduction != "sum" and not outer:
        more = _flat(got) - scale * _flat(exact)
        if np.ptp(more) <= ALIKE * np.max(np.abs(_flat(got))):
            return replace(found, constant=float(np.median(more)))
    without = replace(found, offset="self")
    is_divergence = (
        _has_itself(ours.form)
        and _distance(_flat(got), _flat([_reduced(without, one) for one in seen.batches])) <= ALIKE
    )
    return without if is_divergence else replace(found, offset="unknown")


def _differences(results: list[Any], seen: Behaviour) -> Iterator[Array]:
    """Of each batch from the first one with the same targets."""
    sizes = [len(z) for z, _ in seen.batches]
    for place, size in enumerate(sizes):
        first = sizes.index(size)
        if place > first:
            yield np.asarray(results[place] - results[first])


def _has_itself(form: Form) -> bool:
    """Whether a target can be a prediction."""
    return form.link != "" or form.name == "probability-distributions"


def _reduced(reference: Reference, batch: tuple[Array, Array]) -> Array:
    """The losses of a batch on the scale of the function, as it reduces them."""
    found = reference.losses(*batch) * reference.scale
    return found if reference.reduction == "none" else np.asarray(getattr(found, reference.reduction)())


def _flat(arrays: list[Any]) -> Array:
    return np.concatenate([np.ravel(one) for one in arrays])


def _distance(a: Array, b: Array) -> float:
    largest = float(np.max(np.abs(a), initial=0.0))
    distance = float(np.max(np.abs(a - b), initial=0.0)) / largest if largest else np.inf
    return distance if np.isfinite(distance) else np.inf
