"""The exception for a number or a row that cannot be used: which argument, where, what is expected, how to fix it."""

from __future__ import annotations

__all__ = ["Refusal", "place_in_words"]


class Refusal(ValueError):
    """One sample that a computation refuses; whoever cut the arrays into chunks moves the index back.

    Parameters
    ----------
    argument : the caller's name for the array.
    got : what stands there.
    expected : what is accepted.
    fix : what to do.
    index : where it stands in the caller's array; () for a number by itself.
    also : what follows the place, such as ``"which sums to 3"``.

    Examples
    --------
    >>> refusal = Refusal("weight", "-1.0", "finite weights >= 0", index=(2,))
    >>> str(refusal.moved(4096))
    'weight: got -1.0 at index 4098; expected finite weights >= 0'
    """

    def __init__(
        self, argument: str, got: str, expected: str, fix: str = "", index: tuple[int, ...] = (), also: str = ""
    ) -> None:
        super().__init__(argument, got, expected, fix, index, also)
        self.argument, self.got, self.expected, self.fix = argument, got, expected, fix
        self.index, self.also = tuple(map(int, index)), also

    @property
    def finding(self) -> str:
        """The message without the argument's name."""
        parts = (f"got {self.got}{place_in_words(self.index)}{self.also and f', {self.also}'}",
                 self.expected and f"expected {self.expected}", self.fix and f"fix: {self.fix}")  # fmt: skip
        return "; ".join(filter(None, parts))

    def __str__(self) -> str:
        return f"{self.argument}: {self.finding}"

    def at(self, index: tuple[int, ...]) -> Refusal:
        """The same at another place."""
        return Refusal(self.argument, self.got, self.expected, self.fix, index, self.also)

    def within(self, place: str) -> Refusal:
        """The same with a place before the argument's name, such as ``"batch 3"`` or a file."""
        return Refusal(f"{place}, {self.argument}", self.got, self.expected, self.fix, self.index, self.also)

    def moved(self, start: int) -> Refusal:
        """The same in an array of which this chunk begins at row ``start``."""
        return self.at((self.index[0] + start, *self.index[1:])) if self.index else self


def place_in_words(index: tuple[int, ...]) -> str:
    """Where something is: along the one axis, or along all of them; a number by itself needs no place."""
    return f" at index {index[0] if len(index) == 1 else index}" if index else ""
