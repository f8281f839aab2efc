"""``check``: find out how a function is called, ask every question of it, and report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import rashin.audit.questions.acceptance as acceptance
import rashin.audit.questions.derivatives as derived
import rashin.audit.questions.sums as sums
from rashin import registry
from rashin.audit.adapted import LIBRARIES, adapted, library_of, versions
from rashin.audit.assumed import assumptions, takes_in_words, tested, untested
from rashin.audit.expression import expressed, preparation
from rashin.audit.findings import CODES, SEVERITIES, Finding, Report
from rashin.audit.forms import FORMS, Form, form, of_classes
from rashin.audit.limit import Late, check_seconds, in_words, limited
from rashin.audit.questions.case import Case
from rashin.audit.questions.digits import digits
from rashin.audit.questions.measured import agreement
from rashin.audit.questions.weights import weights
from rashin.audit.reference import ALIKE, Behaviour, Reference, behaviour, form_of
from rashin.audit.resemblance import resemblance, stated, takes
from rashin.audit.subject import Subject, Target
from rashin.audit.target import classes_of, is_clear, stated_numbers, target_of
from rashin.loss import Loss

__all__ = ["QUESTIONS", "SECONDS", "check", "examined"]

SECONDS = 60.0  # most checks take less than 5
_OTHER_ARRAYS = "--library torch or jax if it takes their arrays, "
_MOST_CLASSES = 1000  # rows of more are slow to differentiate number by number
_OF_CLASSES = ("multiclass", "multi_class", "categorical", "softmax")  # words in names

QUESTIONS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    derived.shapes,
    derived.likeness,
    derived.derivatives,
    derived.direction,
    derived.curvature,
    digits,
    acceptance.broadcasting,
    acceptance.foreign,
    acceptance.emptiness,
    acceptance.changes,
    sums.repeats,
    sums.batches,
    sums.reduction,
    weights,
    sums.masks,
    sums.padding,
    sums.streams,
)


def check(
    f: Any,
    like: Loss | str | None = None,
    *,
    domain: str | None = None,
    order: str | None = None,
    library: str | None = None,
    classes: int | None = None,
    settings: Mapping[str, Any] | None = None,
    ignore: Iterable[str] = (),
    seconds: float = SECONDS,
) -> Report:
    """Find the faults of a loss, of any library: wrong derivatives, NaN, lost digits, silent acceptance, odd sums.

    It finds out which library the function is for, the order of its arguments, what it takes, how it reduces a batch,
    and which loss of rashin it resembles. The report says what was assumed. If it resembles one, rashin's core is the
    reference, which is exact within the bounds of docs/accuracy.md: it computes in double. If not, the gradient is
    compared with central differences that know their own error, and NaN at finite inputs is a fault.

    Parameters
    ----------
    f : function ``(prediction, target)`` on arrays of NumPy, PyTorch or JAX; a loss object of PyTorch or Keras; a
        metric of scikit-learn or torchmetrics; a datafit of skglm; an objective ``(prediction, data) -> gradient,
        Hessian`` of XGBoost, LightGBM or CatBoost; a ``Loss``; a class with defaults; or the text
        ``"package.module:function"``.
    like : loss that it must equal, such as ``rashin.huber.replace(delta=0.7)`` or ``"huber(delta=0.7)"``.
    domain : what it takes, one of ``rashin.audit.FORMS``, such as ``"binary"``, if it cannot be found out.
    order : ``"prediction,target"`` or ``"target,prediction"``.
    library : library whose arrays it takes.
    classes : number of classes, at least 2; by default that of its weights of classes, or 4.
    settings : keywords of every call, or arguments of a class.
    ignore : codes of findings to leave out, such as ``"broadcast"``.
    seconds : limit for the whole check, imports included. It interrupts Python code and sleep, but not a single call of
        compiled code, nor anything outside the main thread or on Windows.

    Raises
    ------
    ValueError : there is no such target, or it accepts none of the inputs that were tried.
    TypeError : the target cannot be called.
    TimeoutError : the check takes longer than its limit.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> def log_loss(p, t):
    ...     return np.mean(-np.log(np.where(t == 1.0, p, 1.0 - p)))
    >>> report = rashin.check(log_loss)
    >>> report.like
    'binary_cross_entropy(epsilon=0.0)'
    >>> [finding.key for finding in report.findings if finding.severity == "wrong"][0]
    'digits:value:float32'
    """
    choices = {"domain": domain, "order": order, "library": library, "classes": classes, "settings": settings}
    check_seconds(seconds)
    try:
        with limited(seconds):
            return examined(f, like, ignore=ignore, **choices)[1]
    except Late:
        raise TimeoutError(in_words(f if isinstance(f, str) else expressed(f, {}).name, seconds)) from None


def examined(
    f: Any, like: Loss | str | None = None, *, ignore: Iterable[str] = (), **choices: Any
) -> tuple[Case, Report]:
    """The report, and what it was made from: the results at every hard input."""
    start = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        case, assumed = _case(f, like, **choices)
        ignored = _codes(ignore)
        found = [one for question in QUESTIONS for one in question(case) if one.code not in ignored]
        found.sort(key=lambda one: SEVERITIES.index(one.severity))
        agrees = agreement(case)
    reference = case.reference
    return case, Report(
        case.subject.target.name,
        "" if reference is None else str(reference),
        tuple(assumed),
        tuple(found),
        agrees,
        versions(case.subject.library),
        round(time.perf_counter() - start, 3),
        tested(case),
        untested(case),
        preparation(case.subject.target, case.subject.library, [one.example for one in found]),
    )


def _codes(given: Iterable[str]) -> set[str]:
    codes = {given} if isinstance(given, str) else set(given)
    for code in sorted(codes - set(CODES)):
        raise ValueError(f"ignore: got {code!r}; expected codes of findings: {', '.join(CODES)}")
    return codes


def _case(
    f: Any,
    like: Loss | str | None,
    domain: str | None = None,
    order: str | None = None,
    library: str | None = None,
    classes: int | None = None,
    settings: Any = None,
) -> tuple[Case, list[str]]:
    """What is known of the function, and that in words."""
    if classes is not None and not (isinstance(classes, int) and 1 < classes <= _MOST_CLASSES):
        raise ValueError(f"classes: got {classes!r}; expected a whole number from 2 to {_MOST_CLASSES}")
    meant = _loss(like)
    target = target_of(f, settings or {}, order)
    home = _home(target, library)
    classes = classes or classes_of(target)
    if isinstance(target.f, Loss):
        return _own(target, home, domain, classes)
    orders = [target] if order or is_clear(target.parameters) else [target, replace(target, target_first=True)]
    case = _found(orders, _forms(domain, meant, classes), home, meant)
    case = replace(case, is_guess=domain is None and case.reference is None)
    return case, assumptions(case, meant, domain, order)


def _loss(like: Loss | str | None) -> Loss | None:
    if like is None or isinstance(like, Loss):
        return like
    return registry.parsed(like) if "(" in like else registry.get(like.strip())


def _home(target: Target, library: str | None) -> str:
    if library is not None and library not in LIBRARIES:
        raise ValueError(f"library: got {library!r}; expected one of {', '.join(LIBRARIES)}")
    if not callable(target.f) and not any(hasattr(target.f, name) for name in ("value", "calc_ders_range", "loss")):
        raise TypeError(f"target: got {target.name} of type {type(target.f).__name__}; expected a function or a loss")
    return library or library_of(target.f)


def _own(target: Target, home: str, domain: str | None, classes: int | None) -> tuple[Case, list[str]]:
    loss = target.f.replace(normalized=False) if "normalized" in target.f.options else target.f
    taken = of_classes(form(domain) if domain else form_of(loss), classes)
    subject = adapted(replace(target, f=loss), taken, home)
    seen = behaviour(subject, taken)
    return Case(subject, seen, Reference(loss, seen.form)), [f"takes {takes_in_words(seen.form)}"]


def _forms(domain: str | None, meant: Loss | None, classes: int | None) -> list[Form]:
    forms = [form(domain)] if domain else list(FORMS.values())
    if meant is not None:
        forms = [one for one in forms if takes(meant, one)] or [form_of(meant)]
    return [of_classes(one, classes) for one in forms]


def _found(orders: list[Target], forms: list[Form], home: str, meant: Loss | None) -> Case:
    """The first form, in the first order, with a loss that it resembles; else the first that is accepted at all."""
    accepted: list[tuple[Subject, Behaviour, Reference | None]] = []
    refused, almost = "", None
    for one in orders:
        subject: Subject | None = None
        for each in forms:
            try:
                if subject is None or home == "numpy":  # where the form decides; others keep what they have compiled
                    subject = adapted(one, each, home)
                seen = behaviour(subject, each)
            except ImportError:
                raise
            except Exception as error:  # a function may raise anything at arguments that are not meant for it
                refused = refused or f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                continue
            reference = resemblance(seen, stated_numbers(one)) if meant is None else stated(seen, meant)
            if reference is not None and not reference.is_confirmed:
                almost, reference = almost or reference, None
            accepted.append((subject, seen, reference))
            if reference is not None and reference.error < ALIKE:
                return Case(*accepted[-1])
    if not accepted:
        raise ValueError(
            f"target: got {orders[0].name}, which accepts none of the inputs that were tried ({refused}); expected a "
            f"function of prediction and target in float64; fix: state {_OTHER_ARRAYS if home == 'numpy' else ''}"
            f"--domain, --classes, --order or --set NAME=VALUE, or check a function of these two that calls it"
        )
    return Case(*min(accepted, key=_likeliness), almost=almost)


def _likeliness(found: tuple[Subject, Behaviour, Reference | None]) -> tuple[float, bool, bool]:
    """How little a stated loss fits, and whether the name of the function or its sums speak against what it takes."""
    subject, seen, reference = found
    speaks_of_classes = any(word in subject.target.name.lower() for word in _OF_CLASSES)
    error = np.inf if reference is None else reference.error
    return error, speaks_of_classes and not seen.form.prediction.axes, any(sums.batches(Case(*found)))
