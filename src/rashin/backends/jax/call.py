"""A loss with all but its arrays, run by the sweeps of the NumPy backend on the memory of JAX's arrays."""

from __future__ import annotations

import uuid
import weakref
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin.backends import numpy as sweeps
from rashin.backends.named import numbers_of, program_of
from rashin.backends.numpy import sensitivity
from rashin.rule import Rule

__all__ = ["Arrays", "Call", "Fisher", "Groups", "Linear", "Link", "Statistics"]

Arrays: TypeAlias = "list[NDArray[Any]]"


@dataclass(frozen=True)
class Call:
    """What to compute of prediction, target, and weight, mask and vector where there are such, in this order.

    The arrays may have a number of leading axes, of size 1 or that of a batch, which ``jax.vmap`` has put there: then
    there is a loss for each element of the batch. ``asked`` are the names of the results. A value that is not
    ``rounded`` is a double, if JAX has doubles.
    """

    program: sweeps.Program = field(compare=False)
    rule: Rule
    reduction: str
    axis: int  # counted from the end
    weighted: bool
    masked: bool
    asked: tuple[str, ...]
    rounded: bool = True
    batch: int = 0

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the results."""
        for index in np.ndindex(results[0].shape[: self.batch]):
            one = [a[(*(min(i, n - 1) for i, n in zip(index, a.shape, strict=False)), ...)] for a in arrays]
            _run(self, one, [result[(*index, ...)] for result in results])

    def words(self) -> list[Any]:
        """All that distinguishes the call, in names and numbers."""
        rest = (self.reduction, self.axis, self.weighted, self.masked, self.asked, self.rounded, self.batch)
        return ["loss", *_named(self.rule), *rest]

    @classmethod
    def of_words(cls, name: str, numbers: list[str], *rest: Any) -> Call:
        """The call of a program that another process has made."""
        program = program_of(name, tuple(map(float.fromhex, numbers)))
        reduction, axis, weighted, masked, asked, rounded, batch = rest
        return cls(program, program.rule, reduction, axis, weighted, masked, tuple(asked), rounded, batch)


_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def _named(rule: Rule) -> tuple[str, list[str]]:
    """A name and numbers by which a loss is found again."""
    name = rule.name
    if name.endswith("@None"):  # its formula may change without notice: no other has its name
        name += _tokens.setdefault(rule.formula, uuid.uuid4().hex)
    return name, [number.hex() for number in numbers_of(rule)]


def _run(call: Call, arrays: Arrays, results: Arrays) -> None:
    z, t, *others = arrays
    w = others.pop(0) if call.weighted else None
    m = others.pop(0) if call.masked else None
    end = call.reduction, call.axis
    match call.asked:
        case ("product",):
            z = z.astype(np.float32) if z.dtype == np.float16 else z
            results[0][...] = sweeps.hessian_vector_product(call.program, z, t, others[0], w, m, *end, None)
        case ("by_target",):
            results[0][...] = sensitivity.gradient_by_target(call.program, z, t, w, m, *end)
        case ("by_weight",):
            results[0][...] = sensitivity.gradient_by_weight(call.program, z, t, w, m, *end)
        case _:
            _sweep(call, z, t, w, m, dict(zip(call.asked, results, strict=True)))


def _sweep(call: Call, z: Any, t: Any, w: Any, m: Any, results: dict[str, NDArray[Any]]) -> None:
    wanted = "value" in results, "gradient" in results, "hessian" in results
    outputs = sweeps.Outputs(results.get("gradient"), results.get("hessian"))
    answer = sweeps.evaluate_arrays(
        call.program,
        z,
        t,
        w,
        m,
        call.reduction,
        call.axis,
        wanted,
        outputs,
        rounded=False,
    )
    if "value" in results:
        with np.errstate(over="ignore", under="ignore"):
            results["value"][...] = answer.value


@dataclass(frozen=True)
class Fisher:
    """The expected Hessian of predictions, with weight and mask if there are such; the axis is counted from the end."""

    program: sweeps.Program = field(compare=False)
    rule: Rule
    reduction: str
    axis: int
    weighted: bool
    masked: bool

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the result."""
        z, *others = arrays
        w = others.pop(0) if self.weighted else None
        m = others.pop(0) if self.masked else None
        results[0][...] = sweeps.fisher(self.program, z, w, m, self.reduction, self.axis)

    def words(self) -> list[Any]:
        """All that distinguishes the call, in names and numbers."""
        return ["fisher", *_named(self.rule), self.reduction, self.axis, self.weighted, self.masked]

    @classmethod
    def of_words(cls, name: str, numbers: list[str], *rest: Any) -> Fisher:
        """The call of a program that another process has made."""
        program = program_of(name, tuple(map(float.fromhex, numbers)))
        return cls(program, program.rule, *rest)


@dataclass(frozen=True)
class Groups:
    """A loss of groups, and its derivatives up to an order, of prediction, target, and keys, weight and mask.

    The last three are there as the switches say. The axis is a tuple of axes, or None.
    """

    program: sweeps.Program = field(compare=False)
    rule: Rule
    reduction: str
    axis: tuple[int, ...] | None
    keyed: bool
    weighted: bool
    masked: bool
    order: int = 0

    def names(self) -> list[str]:
        """The names of the arrays."""
        optional = {"group": self.keyed, "weight": self.weighted, "where": self.masked}
        return ["prediction", "target", *(name for name, there in optional.items() if there)]

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the results."""
        given = dict(zip(self.names(), arrays, strict=True))
        z, t = given["prediction"], given["target"]
        z = z.astype(np.float32) if z.dtype == np.float16 else z
        keys, w, m = map(given.get, ("group", "weight", "where"))
        found = sweeps.evaluate_groups(self.program, z, t, keys, w, m, self.reduction, self.axis, self.order)
        with np.errstate(over="ignore", under="ignore"):
            for result, part in zip(results, found, strict=False):  # of a lower order, the last are None
                result[...] = part

    def words(self) -> list[Any]:
        """All that distinguishes the call, in names and numbers."""
        switches = (self.keyed, self.weighted, self.masked, self.order)
        return ["groups", *_named(self.rule), self.reduction, self.axis, *switches]

    @classmethod
    def of_words(cls, name: str, numbers: list[str], reduction: str, axis: list[int] | None, *rest: Any) -> Groups:
        """The call of a program that another process has made."""
        program = program_of(name, tuple(map(float.fromhex, numbers)))
        return cls(program, program.rule, reduction, None if axis is None else tuple(axis), *rest)


# ------------------------------------------------------------------------------------------- rows of logits


@dataclass(frozen=True)
class Link:
    """A link of logits, by its name; the axis is counted from the end."""

    name: str
    axis: int

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the result."""
        axis = () if self.name == "sigmoid" else (self.axis,)
        results[0][...] = getattr(sweeps, self.name)(*arrays, *axis)

    def words(self) -> list[Any]:
        """Name and number."""
        return ["link", self.name, self.axis]

    @classmethod
    def of_words(cls, *words: Any) -> Link:
        """Of another process."""
        return cls(*words)


@dataclass(frozen=True)
class Statistics:
    """The statistics of rows of logits with their labels, and their mask if there is one; the classes lie last."""

    masked: bool

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the four results."""
        found = sweeps.softmax_statistics(arrays[0], arrays[1], -1, arrays[2] if self.masked else None)
        for result, array in zip(results, found, strict=True):
            result[...] = array

    def words(self) -> list[Any]:
        """The switch."""
        return ["statistics", self.masked]

    @classmethod
    def of_words(cls, *words: Any) -> Statistics:
        """Of another process."""
        return cls(*words)


@dataclass(frozen=True)
class Linear:
    """The loss after a linear layer of inputs, classifier and target, and bias, weight and mask where there are such.

    The results are the value, and the gradients by inputs, classifier and bias if they are asked for.
    """

    program: sweeps.Program = field(compare=False)
    rule: Rule
    reduction: str
    biased: bool
    weighted: bool
    masked: bool
    derive: bool

    def run(self, arrays: Arrays, results: Arrays) -> None:
        """Fill the results."""
        x, w, t, b, weight, where = self.sorted(arrays)
        value, gradients = sweeps.evaluate_linear(self.program, x, w, t, b, weight, where, self.reduction, self.derive)
        for result, array in zip(results, [value, *(gradients or ())], strict=False):  # without a bias one is None
            result[...] = array

    def sorted(self, arrays: Any) -> list[Any]:
        """The arrays, None where there is none."""
        x, w, t, *others = arrays
        return [x, w, t, *(others.pop(0) if there else None for there in (self.biased, self.weighted, self.masked))]
