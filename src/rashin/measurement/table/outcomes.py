"""The two words of a target, such as yes and no, for a loss of two classes: they are found in the first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rashin.measurement.measurement import Measurement
from rashin.measurement.sums.clusters import in_order
from rashin.measurement.table.batch import words_in
from rashin.tables.classes import Key, Outcomes, check_case, is_number, outcomes_of
from rashin.tables.columns import Roles
from rashin.tables.table import Part, Table, Uses

__all__ = ["Words", "labelled"]

_ROWS = 1 << 12


class Words:
    """The words of a target, read until two are found.

    Parameters
    ----------
    positive : word of the positive class, if the user gave one.
    numbers : numbers that the loss takes for the two classes; None if it does not take two, and nothing is read.
    """

    def __init__(self, positive: str | None, numbers: tuple[int, int] | None) -> None:
        self.positive, self.numbers = positive, numbers
        self.counts: Counter[str] = Counter()

    def look(self, table: Table, roles: Roles, parts: Sequence[Part]) -> None:
        """Read as much of a table's target as needed."""
        if self.enough(roles):
            return
        names = [roles.target[0]]
        for part in parts:
            for chunk in table.chunks(names, part, _ROWS, Uses(texts=frozenset(names), looking=True)):
                self.add(chunk.columns[names[0]])
                if self.enough(roles):
                    return

    def add(self, column: Any) -> None:
        """Count the words of a column."""
        self.counts += words_in(column)

    def given_to(self, roles: Roles) -> Roles:
        """The roles with the two words, if the target contains words."""
        if self.numbers is None:
            return roles
        if self.positive is not None:
            check_case(self.positive, list(self.counts))
        return replace(roles, outcomes=self._outcomes(roles, self.numbers))

    def _outcomes(self, roles: Roles, numbers: tuple[int, int]) -> Outcomes | None:
        return outcomes_of(self.counts, roles.prediction[0], self.positive, numbers)

    def enough(self, roles: Roles) -> bool:
        """True if more words would change nothing, except for faults."""
        if self.numbers is None or len(roles.target) != 1:
            return True
        outcomes = self._outcomes(roles, self.numbers)
        if outcomes is not None:
            return outcomes.negative is not None
        return self.positive is None and (len(self.counts) > 1 or any(map(is_number, self.counts)))


def labelled(found: Measurement, labels: Mapping[int, Key] | None) -> Measurement:
    """A measurement with the names of the classes instead of their numbers.

    With more than two classes the order does not change: it is also the order of sums of named measurements.
    """
    if labels is None:
        return found
    return replace(found, classes=in_order({labels[int(number)]: part for number, part in found.classes.items()}))
