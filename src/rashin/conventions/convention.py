"""One loss of another library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Convention"]


class Convention(NamedTuple):
    """How one function of another library is written with rashin.

    Parameters
    ----------
    name : their name.
    loss : name of our loss; entries with the same one are namesakes.
    expression : Python in the names of ``rashin`` and of their arguments that gives the same number; it is what
        runs where ``signature`` is given.
    roles : what each of their array arguments holds, in their order, in the words of the examples.
    words : their convention in words: denominators, labels, clips.
    fault : what the original loses, clips or mistakes.
    also : their other names, such as that of a class.
    signature : their arguments, where the expression is the whole function.
    """

    name: str
    loss: str
    expression: str
    roles: Mapping[str, str]
    words: str = ""
    fault: str = ""
    also: tuple[str, ...] = ()
    signature: str = ""
