"""``rashin.measure``: the loss of arrays, of memory maps, and of iterables of batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, overload

import numpy as np

from rashin import checks
from rashin.group_loss import GroupLoss
from rashin.kernels import threads
from rashin.loss import Loss
from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.dask import measure_arrays, of_dask
from rashin.measurement.measurement import Measurement
from rashin.measurement.sets import SetMeasurement, measure_sets
from rashin.measurement.sums.codes import Missing, check_missing, keys_of
from rashin.refusal import Refusal
from rashin.registry import get, group_loss

__all__ = ["chosen", "measure"]

SAMPLES = 1 << 18  # per thread and chunk: their losses stay in the cache
NUMBERS = 1 << 22  # of a prediction, per thread and chunk


@overload
def measure(
    loss: Loss | str,
    prediction: Any,
    target: Any = ...,
    weight: Any = ...,
    where: Any = ...,
    group: Any = ...,
    worst: int = ...,
    *,
    cluster: Any = ...,
    missing: Missing = ...,
    by_class: bool = ...,
    accuracy: bool = ...,
    baseline: bool = ...,
    details: bool = ...,
) -> Measurement: ...


@overload
def measure(
    loss: GroupLoss,
    prediction: Any,
    target: Any,
    weight: Any = ...,
    where: Any = ...,
    group: Any = ...,
    *,
    missing: Missing = ...,
) -> SetMeasurement: ...


def measure(
    loss: Loss | GroupLoss | str,
    prediction: Any,
    target: Any = None,
    weight: Any = None,
    where: Any = None,
    group: Any = None,
    worst: int = 0,
    *,
    cluster: Any = None,
    missing: Missing = "group",
    by_class: bool = False,
    accuracy: bool = False,
    baseline: bool = False,
    details: bool = False,
) -> Measurement | SetMeasurement:
    """The loss of a data set, exact and mergeable, with its confidence interval and its sources.

    Parameters
    ----------
    loss : loss, or its name. For a loss of groups, such as ``tversky``, ``group`` names the set of each member, and the
        result is a ``SetMeasurement``; it also takes ``weight``, ``where`` and ``missing``.
    prediction, target : arrays as the loss takes them, with the class axis last; memory maps are read in chunks. Or
        ``prediction`` is an iterable of batches ``(prediction, target)`` or ``(prediction, target, weight)``, and
        ``target`` is left out: batches of any sizes are measured as they arrive, and not kept. A Dask array is measured
        block by block where Dask computes it, and only measurements are transferred; the other arrays may then be Dask
        arrays or not.
    weight, where : weights and mask as the loss takes them.
    group : key of each sample, in an array, a list or a series; the loss is also given for each key. Whole numbers of
        any type, including floats, and booleans become whole-number keys; text, dates, times, durations and other
        decimals become text keys. Values that compare equal are one key.
    worst : number of samples with the largest losses to list, by their number in C order.
    cluster : key of each sample, as for ``group``. Samples of one cluster, such as those of one patient, are not
        independent, and the interval allows for that. Missing keys are refused, because it is unknown whether such
        samples belong together.
    missing : treatment of groups that are None, NaN, NaT or NA: ``"group"`` makes them one group with the key
        ``"(missing)"``; ``"refuse"`` raises.
    by_class : switch; True also gives the loss for each class of the target.
    accuracy : switch; True also gives the share of the weight with a correct prediction.
    baseline : switch; True also gives the loss of the best constant prediction, if it is known for the loss; for row
        losses this includes ``by_class``.
    details : switch; True also keeps the data that a report shows: the distribution of the losses, and calibration.

    Returns
    -------
    A measurement. Its mean equals ``loss(prediction, target, weight=weight, where=where)`` to the last bit, and
    ``a + b`` of two parts is the measurement of both.

    Raises
    ------
    TypeError, ValueError : as the loss does, or another argument is not valid.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> rng = np.random.default_rng(0)
    >>> logits, labels, site = rng.normal(size=(1000, 3)), rng.integers(3, size=1000), rng.integers(2, size=1000)
    >>> found = rashin.measure("softmax_cross_entropy", logits, labels, group=site, worst=1)
    >>> found.mean == rashin.softmax_cross_entropy(logits, labels)
    True
    >>> found.interval(), found.groups[1].mean, found.worst[0].row
    (Interval(low=1.34..., high=1.45...), 1.45..., 159)
    >>> batches = ((logits[i : i + 64], labels[i : i + 64]) for i in range(0, 1000, 64))
    >>> rashin.measure("softmax_cross_entropy", batches).mean == found.mean
    True
    """
    check_missing(missing)
    loss = (group_loss(loss) or loss) if isinstance(loss, str) else loss
    if isinstance(loss, GroupLoss):
        beside = {"cluster": cluster, "worst": worst, "by_class": by_class, "accuracy": accuracy}
        _refuse_of_groups(**beside, baseline=baseline, details=details)
        return measure_sets(loss, prediction, target, weight, where, group, missing)
    options = Options(_whole(worst), by_class, accuracy, baseline, details)
    running = Accumulator(chosen(loss), options)
    if target is None:
        _refuse_beside_batches(weight=weight, where=where, group=group, cluster=cluster)
        _add_batches(running, prediction)
    elif of_dask(prediction):
        beside = {"target": target, "weight": weight, "where": where, "group": group, "cluster": cluster}
        return measure_arrays(partial(measure, missing=missing), chosen(loss), options, prediction, beside)
    else:
        _add_arrays(running, chosen(loss), prediction, target, weight, where, group, cluster, missing)
    return running.result()


def chosen(loss: Loss | str) -> Loss:
    """The loss, given as an object or a name."""
    if isinstance(loss, str):
        return get(loss)
    if not isinstance(loss, Loss):
        raise TypeError(f"loss: got {type(loss).__name__}; expected a loss, such as rashin.huber, or its name")
    return loss


def _whole(worst: Any) -> int:
    if isinstance(worst, bool) or not isinstance(worst, (int, np.integer)) or worst < 0:
        raise ValueError(f"worst: got {worst!r}; expected a whole number >= 0")
    return int(worst)


def _refuse_beside_batches(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise TypeError(
                f"{name}: got one beside batches; expected None; fix: pass weights in the batches, as (prediction, "
                "target, weight)"
            )


def _refuse_of_groups(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None and value is not False and value != 0:
            raise TypeError(
                f"{name}: got {value!r} for a loss of groups; expected none; fix: leave it out; the measurement has "
                f"losses and worst(n) of the sets"
            )


def _add_batches(running: Accumulator, batches: Iterable[Any]) -> None:
    if not isinstance(batches, Iterable) or hasattr(batches, "shape"):
        raise TypeError("target: got none; expected an array, or batches (prediction, target) in its place")
    first = 0
    for number, batch in enumerate(batches):
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            got = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
            raise TypeError(f"batch {number}: got {got}; expected (prediction, target) or (prediction, target, weight)")
        try:
            first += running.add(*batch[:2], weight=batch[2] if len(batch) == 3 else None, first_row=first)
        except Refusal as refusal:
            raise refusal.within(f"batch {number}") from None
        except (TypeError, ValueError) as error:
            raise type(error)(f"batch {number}, {error}") from None


def _add_arrays(
    running: Accumulator,
    loss: Loss,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    group: Any,
    cluster: Any,
    missing: Missing,
) -> None:
    z, t = checks.array("prediction", prediction, where), checks.array("target", target, where)
    samples = loss.prediction.batch_shape(z.shape)
    weight = None if weight is None else checks.weights(weight, samples, where)
    where = None if where is None else checks.selection(where, samples)
    groups = None if group is None else keys_of("group", group, samples, where, missing)
    clusters = None if cluster is None else keys_of("cluster", cluster, samples, where, "refuse")
    if not samples or z.shape[:1] != t.shape[:1]:
        running.add(z, t, weight=weight, where=where, group=groups, cluster=clusters)
        return
    each = math.prod(samples[1:])
    step = max(1, min(SAMPLES // max(1, each), NUMBERS // max(1, z.size // max(1, len(z)))))

    def add(some: Accumulator, start: int) -> None:
        rows, inside = slice(start, start + step), slice(start * each, (start + step) * each)
        try:
            some.add(
                z[rows],
                t[rows],
                weight=None if weight is None else weight[rows],
                where=None if where is None else where[rows],
                group=None if groups is None else groups.of(inside),
                cluster=None if clusters is None else clusters.of(inside),
                first_row=start * each,
            )
        except Refusal as refusal:
            raise refusal.moved(start) from None

    _in_threads(running, add, range(0, max(1, len(z)), step))


def _in_threads(running: Accumulator, add: Callable[[Accumulator, int], None], starts: Sequence[int]) -> None:
    """Add all chunks; if there are several, each thread has its own accumulator, and they are merged at the end.

    If several chunks fail, the error of the earliest is raised. Chunks are started in order, so it has been seen.
    """
    workers = min(threads.count(), len(starts))
    if workers == 1:
        for start in starts:
            add(running, start)
        return

    def work(mine: Iterator[int]) -> tuple[Accumulator, tuple[int, Exception] | None]:
        own, start = running.like(), 0
        with threads.only(1):
            try:
                for start in mine:
                    add(own, start)
            except (TypeError, ValueError) as error:
                return own, (start, error)
        return own, None

    answers = threads.share(work, starts, workers)
    failures = [failure for _, failure in answers if failure is not None]
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]
    for own, _ in answers:
        running.absorb(own)
