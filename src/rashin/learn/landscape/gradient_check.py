"""A check of the gradient: each parameter is moved a little, and the change of the loss is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.differences import TOLERATED, WIDE, Entry, Probe, Seen, noise_of, tried
from rashin.learn.landscape.surface import in_double
from rashin.learn.network.activations import ACTIVATIONS
from rashin.learn.samples.samples import samples_for
from rashin.learn.training.objective import loss_of_each, loss_per_sample_and_gradient

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["ArrayCheck", "GradientCheck", "check_gradient"]

Array = NDArray[Any]

_BOOK_STEP = 1e-4


@dataclass(frozen=True)
class ArrayCheck:
    """The result for one parameter array.

    Attributes
    ----------
    name, shape : ``weight_1``, ``bias_1``, ... as in the model's file.
    checked, wrong, at_kink : number of entries that were checked, that disagree, and that lie at or next to a kink.
    index : index of the entry that disagrees most, in units of its expected error.
    analytic, numerical : the two derivatives of that entry.
    difference, expected : difference of the two, and expected error of the numerical one, both relative to the largest
        derivative found in this array.
    verdict : result in words.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    wrong: int
    at_kink: int
    index: tuple[int, ...]
    analytic: float
    numerical: float
    difference: float
    expected: float
    verdict: str


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The report of ``check_gradient``: a line per parameter array, and where the gradient is wrong.

    Attributes
    ----------
    loss, method : name of the loss, and method that chose the steps.
    arrays : results in the order of ``network.parameters``.
    conclusion : summary in words.
    """

    loss: str
    method: str
    arrays: tuple[ArrayCheck, ...]
    conclusion: str

    @property
    def ok(self) -> bool:
        """True if no entry disagrees by more than the method can resolve."""
        return not any(array.wrong for array in self.arrays)

    def __repr__(self) -> str:
        heading = ("array", "shape", "entries", "difference", "at", "expected", "verdict")
        rows = [heading, *map(_cells, self.arrays)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        title = f"gradient of {self.loss} against central differences, {self.method}"
        return "\n".join((title, *(line.rstrip() for line in lines), self.conclusion))


def check_gradient(
    network: Network,
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    *,
    method: Literal["optimal", "book"] = "optimal",
    entries: int | None = 100,
    seed: int = 0,
) -> GradientCheck:
    r"""Compare the gradient that ``backward`` gives with central differences of the loss, (L(w + h) - L(w - h)) / 2h.

    Such a difference has errors of its own: the curve bends within the step, and the loss is rounded. Their sum,

    .. math:: \frac{h^2}{6} |L'''| + \frac{\epsilon}{h},

    is estimated for each entry: L''' from wider differences, the noise epsilon from the rounding noise of the loss. The
    step h minimises it. An entry counts as wrong if the disagreement is ten times this error. The check runs on a
    float64 copy and does not change the network. A few dozen samples are enough; the time grows with their number.

    ReLU and losses such as ``absolute_error`` have kinks, where the slopes to the left and to the right differ. The
    step is short enough to keep every sample on its side of each kink. If such a step would be too short to resolve the
    slope, the entry is at a kink, and its gradient must lie between the slopes of both sides.

    Parameters
    ----------
    network, x, target, loss : as in ``evaluate``.
    method : method for the steps; ``"book"`` takes h = 1e-4 everywhere, as *Deep Learning from Scratch* does.
    entries : largest number of entries per array, drawn at random; None checks all.
    seed : seed for the draws.

    Raises
    ------
    ValueError : network, loss and data do not fit together, the loss is infinite here, ``backward`` does not return an
        array per parameter array, or the method is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> x, labels = np.eye(4, dtype=np.float32), [0, 1, 2, 0]
    >>> report = check_gradient(Network((4, 5, 3)), x, labels, rashin.softmax_cross_entropy)
    >>> report.ok, report.arrays[0].name, report.arrays[0].checked
    (True, 'weight_1', 20)

    Reference: W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery (2007), Numerical Recipes, section 5.7;
    J. J. Moré, S. M. Wild (2011), Estimating computational noise.
    """
    _check_choices(method, entries)
    step = _BOOK_STEP if method == "book" else None
    samples, double = samples_for(network, loss, x, target), in_double(network)
    x, target = samples.x.astype(np.float64), samples.target
    trace = double.forward(x)
    value, slope = loss_per_sample_and_gradient(loss, trace.prediction, target)
    if not np.isfinite(value):
        raise ValueError(
            f"x: got samples on which {loss.name} is {value}; expected a finite loss, which has a gradient to check; "
            f"fix: scale the inputs, such as pixels by x / 255, or start with smaller weights"
        )
    gradients = double.backward(trace, slope)
    if len(gradients) != len(double.parameters):
        raise ValueError(f"backward: got {len(gradients)} arrays; expected {len(double.parameters)}, as parameters has")
    probe = Probe(lambda: _seen(loss, double, x, target), _seen(loss, double, x, target), step)
    probe.noise = noise_of(lambda: probe.look().mean, double.parameters, value)
    rng, checks = np.random.default_rng(seed), []
    for number, (parameter, gradient) in enumerate(zip(double.parameters, gradients, strict=True)):
        probe.wide = WIDE / _reach(trace.inputs[number // 2], number)
        checks.append(_checked_array(_name(number), parameter, gradient, probe, _drawn(parameter, entries, rng)))
    return GradientCheck(
        loss.name, f"h = {step:g}" if step else "the best h for each", tuple(checks), _concluded(checks)
    )


# ------------------------------------------------------------------------------------------------ one array


def _checked_array(
    name: str, parameter: Array, gradient: Array, probe: Probe, indices: list[tuple[int, ...]]
) -> ArrayCheck:
    if gradient.shape != parameter.shape:
        verdict = f"WRONG: the gradient has shape {gradient.shape}"
        return ArrayCheck(name, parameter.shape, 0, parameter.size, 0, (), np.nan, np.nan, np.inf, 0.0, verdict)
    entries = [tried(parameter, index, float(gradient[index]), probe) for index in indices]
    worst = max(entries, key=lambda entry: (entry.is_wrong, not entry.at_kink, entry.excess))
    wrong, at_kink = [entry for entry in entries if entry.is_wrong], sum(entry.at_kink for entry in entries)
    largest = max(max(abs(entry.analytic), abs(entry.numerical)) for entry in entries) or 1.0
    difference, expected = abs(worst.analytic - worst.numerical) / largest, worst.expected / largest
    return ArrayCheck(
        name,
        parameter.shape,
        len(entries),
        len(wrong),
        at_kink,
        worst.place,
        worst.analytic,
        worst.numerical,
        difference,
        expected,
        _verdict(wrong, at_kink, expected),
    )


def _verdict(wrong: list[Entry], at_kink: int, expected: float) -> str:
    beside = f", {at_kink} at a kink" if at_kink else ""
    if wrong:
        return f"WRONG in {len(wrong)}{beside}{_common_factor(wrong)}"
    if TOLERATED * expected > 1.0:  # a gradient of 0 would have passed
        return f"too small to be seen{beside}"
    return f"agrees{beside}"


def _common_factor(wrong: list[Entry]) -> str:
    """The factor by which all wrong entries differ, if there is one: it shows a forgotten division or sign."""
    factors = [entry.analytic / entry.numerical for entry in wrong if abs(entry.numerical) > 1e6 * entry.expected]
    if len(factors) < 2 or not np.ptp(factors) < 1e-4 * abs(factors[0]):
        return ""
    return f": {factors[0]:.5g} times the derivative throughout"


def _concluded(checks: list[ArrayCheck]) -> str:
    """The summary. Backward runs from the last layer to the first, so the last layer that is wrong is named first."""
    for layer in range(len(checks) // 2, 0, -1):
        weight, bias = checks[2 * layer - 2 : 2 * layer]
        if weight.wrong and bias.wrong:
            is_last = 2 * layer == len(checks)
            suspects = (
                "the gradient of the loss, or the way back through the output layer"
                if is_last
                else f"the slope of the activation behind layer {layer}, or the weights of layer {layer + 1}"
            )
            return f"It goes astray on the way back to layer {layer}: look at {suspects}."
        if weight.wrong or bias.wrong:
            astray, other = (weight, bias) if weight.wrong else (bias, weight)
            return f"It goes astray at {astray.name} alone: {other.name} is right, and so is what both are made of."
    return "The gradient is the derivative, as far as this can be seen."


# ------------------------------------------------------------------------------------------------ small things


def _cells(array: ArrayCheck) -> tuple[str, ...]:
    at = str(array.index) if array.index else "-"
    size = int(np.prod(array.shape))
    count = f"{array.checked}" if array.checked == size else f"{array.checked} of {size}"
    return (
        array.name,
        str(array.shape),
        count,
        f"{array.difference:.1e}",
        at,
        f"{array.expected:.1e}",
        array.verdict,
    )


def _name(number: int) -> str:
    return f"{('weight', 'bias')[number % 2]}_{number // 2 + 1}"


def _reach(entered: Array, number: int) -> float:
    """The largest number that the parameter is multiplied by: with pixels up to 255 the loss bends 255 times sooner."""
    return float(np.abs(entered).max()) or 1.0 if number % 2 == 0 else 1.0


def _seen(loss: Loss, network: Network, x: Array, target: Array) -> Seen:
    """The loss of each sample, and the side of each kink of activations and loss on which it lies.

    The end of the range of doubles counts as a kink too: differences cannot be taken beyond it.
    """
    trace = network.forward(x)
    with np.errstate(over="ignore"):
        losses = loss_of_each(loss, trace.prediction, target)
    sides = [entered > 0.0 for entered in trace.inputs[1:] if ACTIVATIONS[network.activation].is_kinked]
    if loss.facts.kinks is not None:
        sides += [trace.prediction > kink for kink in loss.facts.kinks(target, **loss.parameters)]
    return Seen(losses, np.concatenate([np.isfinite(losses)[:, None], *sides], axis=1))


def _drawn(parameter: Array, entries: int | None, rng: np.random.Generator) -> list[tuple[int, ...]]:
    if entries is None or parameter.size <= entries:
        return list(np.ndindex(parameter.shape))
    places = np.sort(rng.choice(parameter.size, entries, replace=False))
    return [tuple(int(i) for i in np.unravel_index(place, parameter.shape)) for place in places]


def _check_choices(method: str, entries: int | None) -> None:
    if method not in ("optimal", "book"):
        raise ValueError(f"method: got {method!r}; expected 'optimal' or 'book'")
    if entries is not None and (not isinstance(entries, int | np.integer) or entries < 1):
        raise ValueError(f"entries: got {entries!r}; expected a whole number >= 1, or None for all")
