"""What a check assumed of a function, what it tested and what it could not test, in words."""

from __future__ import annotations

from rashin.audit.forms import FORMS, Form
from rashin.audit.questions.case import Case
from rashin.audit.target import ORDERS
from rashin.loss import Loss

__all__ = ["assumptions", "takes_in_words", "tested", "untested"]


def assumptions(case: Case, meant: Loss | None, domain: str | None, order: str | None) -> list[str]:
    """What was found out or assumed about the function."""
    target, reference = case.subject.target, case.reference
    kinds = {"none": "returns a number per sample", "gradient": "returns gradient and Hessian"}
    reduction = f"returns the {reference.reduction}" if reference and case.fits else "returns one number per batch"
    said = [f"takes {takes_in_words(case.form)}{'' if domain else ' (state another with --domain)'}"]
    if not order and case.subject.library not in ("skglm", "catboost"):
        said.append(f"is called with ({ORDERS[target.target_first].replace(',', ', ')})")
    said += [f"is a function of {case.subject.library} arrays", kinds.get(case.seen.returned, reduction)]
    if reference is None and case.almost is not None:
        said.append(f"agrees with {case.almost} for small predictions only, so that it is not compared with that")
    if reference is None:
        return said
    if not case.fits:
        said.append(f"differs from {meant!r} on ordinary inputs by {reference.error:.2g} of the largest result")
    elif reference.offset == "unknown":
        said.append("its value has a term of the target alone, so that only derivatives are compared")
    elif reference.constant:
        said.append(f"its value is {reference.constant:.7g} more than that")
    elif reference.offset == "self":
        said.append("its value is 0 where prediction and target agree")
    return said


def takes_in_words(form: Form) -> str:
    """The domains of prediction and target."""
    target = form.target.name
    return (
        f"{form.prediction.name} and {target}"
        if form.name not in FORMS
        else f"{form.name}: {form.prediction.name}, {target}"
    )


def tested(case: Case) -> tuple[str, ...]:
    """What was tested of a function that resembles no loss; () for others, of which everything is."""
    if case.reference is not None:
        return ()
    subject = case.subject
    derived = [f"the {name} as the derivative of the value" for name in subject.gradients if subject.value is not None]
    if subject.hessian is not None:
        derived.append("the Hessian as the derivative of the gradient")
    weighted = ["weights"] if subject.weights else []
    return (*derived, "NaN", "shapes", "bad input", "batches", *weighted)


def untested(case: Case) -> tuple[str, ...]:
    """What was not tested, as nothing says what is right."""
    if case.reference is not None:
        return ()
    return (f"whether the {next(iter(case.subject.outputs))} is right", "infinities", "lost digits")
