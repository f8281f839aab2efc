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
from rashin.audit.findings import CODES, SEVERITIES, Finding, Report
from rashin.audit.forms import FORMS, Form, form
from rashin.audit.questions.case import Case
from rashin.audit.questions.digits import digits
from rashin.audit.questions.measured import agreement
from rashin.audit.questions.weights import weights
from rashin.audit.reference import ALIKE, Behaviour, Reference, behaviour, form_of
from rashin.audit.resemblance import resemblance, stated, takes
from rashin.audit.subject import Subject, Target
from rashin.audit.target import ORDERS, is_clear, named, stated_numbers, target_of
from rashin.loss import Loss

__all__ = ["QUESTIONS", "check", "examined"]

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
    settings: Mapping[str, Any] | None = None,
    ignore: Iterable[str] = (),
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
    settings : keywords of every call, or arguments of a class.
    ignore : codes of findings to leave out, such as ``"broadcast"``.

    Raises
    ------
    ValueError : there is no such target, or it accepts none of the inputs that were tried.
    TypeError : the target cannot be called.

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
    choices = {"domain": domain, "order": order, "library": library, "settings": settings}
    return examined(f, like, ignore=ignore, **choices)[1]


def examined(
    f: Any, like: Loss | str | None = None, *, ignore: Iterable[str] = (), **choices: Any
) -> tuple[Case, Report]:
    """The report, and what it was made from: the results at every hard input."""
    start = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        case, assumed = _case(f, like, **{"domain": None, "order": None, "library": None, "settings": None, **choices})
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
    )


def _codes(given: Iterable[str]) -> set[str]:
    codes = {given} if isinstance(given, str) else set(given)
    for code in sorted(codes - set(CODES)):
        raise ValueError(f"ignore: got {code!r}; expected codes of findings: {', '.join(CODES)}")
    return codes


def _case(
    f: Any, like: Loss | str | None, domain: str | None, order: str | None, library: str | None, settings: Any
) -> tuple[Case, list[str]]:
    """What is known of the function, and that in words."""
    name = None
    if isinstance(f, str):
        name, f = f.replace(":", "."), named(f)
    meant = _loss(like)
    target = target_of(f, name, settings or {}, order)
    home = _home(target, library)
    if isinstance(target.f, Loss):
        return _own(target, home, domain, name)
    orders = [target] if order or is_clear(target.parameters) else [target, replace(target, target_first=True)]
    case = _found(orders, _forms(domain, meant), home, meant)
    case = replace(case, is_guess=domain is None and case.reference is None)
    return case, _assumptions(case, meant, domain, order)


def _loss(like: Loss | str | None) -> Loss | None:
    if like is None or isinstance(like, Loss):
        return like
    return registry.parsed(like if like.rstrip().endswith(")") else f"{like}()")


def _home(target: Target, library: str | None) -> str:
    if library is not None and library not in LIBRARIES:
        raise ValueError(f"library: got {library!r}; expected one of {', '.join(LIBRARIES)}")
    if not callable(target.f) and not any(hasattr(target.f, name) for name in ("value", "calc_ders_range", "loss")):
        raise TypeError(f"target: got {target.name} of type {type(target.f).__name__}; expected a function or a loss")
    return library or library_of(target.f)


def _own(target: Target, home: str, domain: str | None, name: str | None) -> tuple[Case, list[str]]:
    loss = target.f.replace(normalized=False) if "normalized" in target.f.options else target.f
    target = replace(target, name=name or _written(target.f), f=loss)
    taken = form(domain) if domain else form_of(loss)
    subject = adapted(target, taken, home)
    seen = behaviour(subject, taken)
    return Case(subject, seen, Reference(loss, seen.form)), [f"takes {_takes_in_words(seen.form)}"]


def _written(loss: Loss) -> str:
    """An expression for a loss: its name, and the parameters that are not its defaults."""
    known = {one.name: one for one in registry.list_losses()}.get(loss.name)
    others = {key: x for key, x in loss.parameters.items() if known is None or known.parameters.get(key) != x}
    home = "rashin." if loss.formula.__module__.startswith("rashin.") else ""
    settings = ", ".join(f"{key}={x!r}" for key, x in others.items())
    return f"{home}{loss.name}" + (f".replace({settings})" if settings else "")


def _forms(domain: str | None, meant: Loss | None) -> list[Form]:
    forms = [form(domain)] if domain else list(FORMS.values())
    if meant is None:
        return forms
    return [one for one in forms if takes(meant, one)] or [form_of(meant)]


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
            f"function of prediction and target; fix: state --domain, --order or --set"
        )
    return Case(*min(accepted, key=_likeliness), almost=almost)


def _likeliness(found: tuple[Subject, Behaviour, Reference | None]) -> tuple[float, bool]:
    """How little a stated loss fits, and whether the name of the function speaks against what it takes."""
    subject, seen, reference = found
    speaks_of_classes = any(word in subject.target.name.lower() for word in _OF_CLASSES)
    return np.inf if reference is None else reference.error, speaks_of_classes and not seen.form.prediction.axes


def _assumptions(case: Case, meant: Loss | None, domain: str | None, order: str | None) -> list[str]:
    target, reference = case.subject.target, case.reference
    kinds = {"none": "returns a number per sample", "gradient": "returns gradient and Hessian"}
    reduction = f"returns the {reference.reduction}" if reference and case.fits else "returns one number per batch"
    said = [f"takes {_takes_in_words(case.form)}{'' if domain else ' (state another with --domain)'}"]
    if not order and case.subject.library not in ("skglm", "catboost"):
        said.append(f"is called with ({ORDERS[target.target_first].replace(',', ', ')})")
    said += [f"is a function of {case.subject.library} arrays", kinds.get(case.seen.returned, reduction)]
    if reference is None:
        said.append("does not resemble a loss of rashin: digits are not checked; state one with --like")
    elif not case.fits:
        said.append(f"differs from {meant!r} on ordinary inputs by {reference.error:.2g} of the largest result")
    elif reference.offset == "unknown":
        said.append("its value has a term of the target alone, so that only derivatives are compared")
    elif reference.constant:
        said.append(f"its value is {reference.constant:.7g} more than that")
    elif reference.offset == "self":
        said.append("its value is 0 where prediction and target agree")
    return said


def _takes_in_words(form: Form) -> str:
    target = form.target.name
    return (
        f"{form.prediction.name} and {target}"
        if form.name not in FORMS
        else f"{form.name}: {form.prediction.name}, {target}"
    )
