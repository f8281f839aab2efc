"""Rows of a table as arrays on which a loss can be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin.loss import Loss
from rashin.measurement.decisions import two_classes
from rashin.measurement.sums.codes import Codes, Missing, codes_of, settled, strange_in
from rashin.tables.classes import Classes, Outcomes, is_number
from rashin.tables.columns import Roles
from rashin.tables.dialect import encoding_hint, number_hint
from rashin.tables.faults import Faults
from rashin.tables.keys import AS_TEXT, KEYS
from rashin.tables.table import Chunk, Unreadable

__all__ = ["Batch", "batch_of", "words_in"]

Array = NDArray[Any]

Words: TypeAlias = "tuple[Array, Sequence[str], Array | None]"  # codes, their words, and a mask of the missing ones

_NUMBERS = "numbers"
_NO_GROUP = "missing='group' makes a group of such rows; on_error='skip' leaves them out"
_NO_CLUSTER = "give each a cluster of its own if they are independent; on_error='skip' leaves them out"
_SKIP = "; fix: on_error='skip' leaves such rows out"
_OR_POSITIVE = ", or two words, of which positive= (--positive) names the positive class"
_UNKNOWN: Mapping[str, int] = MappingProxyType({})
_BLOCK = (
    1 << 13
)  # rows that are copied side by side at a time: they stay in the cache. Ten columns of 65,536 float32 take 7.0 ns per
# row in blocks, 9.5 column by column, 10.6 with np.stack; reading a transposed array costs the loss 24 ns more.


@dataclass
class Batch:
    """Rows of one file; ``faults`` contains the rows that are left out, and the reasons."""

    roles: Roles
    prediction: Array
    target: Array
    weight: Array | None
    group: Codes | None
    cluster: Codes | None
    faults: Faults

    @property
    def is_empty(self) -> bool:
        """True if all rows are left out."""
        return self.faults.where is not None and not self.faults.where.any()

    @property
    def next_row(self) -> int:
        """The number of the next row of the file."""
        return self.faults.first_row + self.faults.rows


def batch_of(
    chunk: Chunk,
    roles: Roles,
    loss: Loss,
    path: str,
    skip: bool,
    lengths: Mapping[str, int] = _UNKNOWN,
    missing: Missing = "group",
) -> Batch:
    """The rows of a chunk as a batch, with the columns by role.

    ``lengths`` gives the length of the lists in a column; the default is that of the first list of the chunk.
    ``missing`` is the treatment of rows without a group.

    Raises
    ------
    ValueError : a column has content that its role does not allow; or, unless ``skip``, a row has a null or unexpected
        text.
    """
    faults = Faults(path, chunk.first_row, chunk.rows, skip)
    _leave_out_unreadable(chunk, roles, faults, _or_words(loss, roles))
    _leave_out_nulls(chunk, roles, faults)
    if faults.where is not None and not faults.where.any():
        return Batch(roles, *(np.zeros(0),) * 2, None, None, None, faults)
    prediction = _rows(chunk, roles.prediction, faults, lengths)
    if loss.prediction.axes and faults.where is not None and not faults.where.any():
        prediction = prediction.reshape(
            chunk.rows, -1
        )  # a column of nulls alone does not show that it is a column of lists
    _check_dimensions(prediction, roles, loss, faults)
    target = _target(chunk, roles, loss, faults, lengths, prediction.shape[-1])
    weight = None if roles.weight is None else _numbers(chunk, roles.weight, faults)
    group = None if roles.group is None else _codes(chunk, roles.group, faults, missing, _NO_GROUP)
    cluster = None if roles.cluster is None else _codes(chunk, roles.cluster, faults, "refuse", _NO_CLUSTER)
    return Batch(roles, prediction, target, weight, group, cluster, faults)


def _leave_out_unreadable(chunk: Chunk, roles: Roles, faults: Faults, or_words: str) -> None:
    for column, texts in chunk.unreadable.items():
        for kind, reason in ((bytes, "no text in the file's encoding"), (str, "no number")):
            rows = [row for row, text in texts.items() if isinstance(text, kind)]
            wrong = np.zeros(chunk.rows, bool)
            wrong[rows] = True
            faults.add(wrong, reason, _unread(texts, or_words if column in roles.target else ""), column)


def _leave_out_nulls(chunk: Chunk, roles: Roles, faults: Faults) -> None:
    """Leave out all rows if a column contains only nulls, as its kind is then unknown."""
    weight = () if roles.weight is None else (roles.weight,)
    for name in (*roles.prediction, *roles.target, *weight):
        column = chunk.columns[name]
        if not isinstance(column, np.ndarray) and chunk.rows and column.null_count == chunk.rows:
            faults.add(np.ones(chunk.rows, bool), "null", lambda _: _null(np.zeros(0)), name)


def _unread(texts: Unreadable, or_words: str) -> Callable[[int], str]:
    def words(row: int) -> str:
        text = texts[row]
        if isinstance(text, bytes):
            return f"got {text!r}; expected text in the file's encoding{encoding_hint(text)}"
        return f"got {text!r}; expected a number{number_hint(text) or or_words or _SKIP}"

    return words


# ---------------------------------------------------------------------------------------------- numbers


def _numbers(
    chunk: Chunk, name: str, faults: Faults, accepted: str = _NUMBERS, lengths: Mapping[str, int] = _UNKNOWN
) -> Array:
    """The numbers of a column; rows with a null, or with a list of another length, are left out."""
    column, length = chunk.columns[name], lengths.get(name)
    _leave_out_other_lengths(column, name, length, faults)
    read = _plain if isinstance(column, np.ndarray) else _arrow().numbers
    try:
        values, missing = read(column, length)
    except TypeError as error:
        faults.refuse(name, str(error), accepted)
    if missing is not None:
        faults.add(missing, "null", lambda _: _null(values), name)
    return values


def _null(values: Array) -> str:
    if values.ndim == 2:
        return "got null, or a list with one; expected lists of numbers" + _SKIP
    return "got null; expected a number" + _SKIP


def _leave_out_other_lengths(column: Any, name: str, length: int | None, faults: Faults) -> None:
    """Leave out lists of another length. The first list of the first file sets the number of classes for all files."""
    sizes = _sizes(column)
    if sizes is None or not sizes.size:
        return
    wanted = length or next((int(size) for size in sizes if size > 0), 1)

    def words(row: int) -> str:
        return f"got a list of {sizes[row]}; expected lists of {wanted}, as in the first row"

    faults.add((sizes >= 0) & (sizes != wanted), "a list of another length", words, name)


def _sizes(column: Any) -> Array | None:
    """The length of the list in each row; None if the column does not contain lists."""
    if not isinstance(column, np.ndarray):
        return _arrow().list_lengths(column)  # type: ignore[no-any-return]
    return np.broadcast_to(np.int64(column.shape[1]), len(column)) if column.ndim == 2 else None


def _plain(column: Array, length: int | None) -> tuple[Array, None]:
    if column.dtype.kind not in "biuf" and column.dtype.name != "bfloat16":
        raise TypeError(str(column.dtype))
    if column.ndim == 2 and length not in (None, column.shape[1]):
        return np.zeros((len(column), length), column.dtype), None  # all of them are left out
    return column, None


def _arrow() -> Any:
    from rashin.tables import arrow

    return arrow


def _rows(chunk: Chunk, names: Sequence[str], faults: Faults, lengths: Mapping[str, int]) -> Array:
    """The numbers of a column, or of several columns side by side."""
    columns = [_numbers(chunk, name, faults, lengths=lengths) for name in names]
    if len(columns) == 1:
        return columns[0]
    for name, column in zip(names, columns, strict=True):
        if column.ndim != 1:
            faults.refuse(name, "lists", f"a number in each of the {len(names)} columns, or one column of lists alone")
    beside = np.empty((chunk.rows, len(columns)), np.result_type(*columns))
    for start in range(0, chunk.rows, _BLOCK):
        block = beside[start : start + _BLOCK]
        for k, column in enumerate(columns):
            block[:, k] = column[start : start + _BLOCK]
    return beside


def _check_dimensions(prediction: Array, roles: Roles, loss: Loss, faults: Faults) -> None:
    named = roles.prediction[0]
    several = 1 < len(roles.prediction) == len(roles.target)  # the loss of a row is then the sum over its outputs
    if not loss.prediction.axes and prediction.ndim != 1 and not several:
        what = "lists" if len(roles.prediction) == 1 else f"one of {len(roles.prediction)} predictions"
        faults.refuse(
            named, what, f"one number in each row, as {loss.name} takes it; fix: name one column, such as 'p_1'"
        )
    if loss.prediction.axes and prediction.ndim != 2:
        faults.refuse(
            named, "one number", f"one for each class, as {loss.name} takes them; fix: name a pattern, such as 'p_*'"
        )


# ---------------------------------------------------------------------------------------------- targets


def _target(chunk: Chunk, roles: Roles, loss: Loss, faults: Faults, lengths: Mapping[str, int], classes: int) -> Array:
    if len(roles.target) > 1:
        return _rows(chunk, roles.target, faults, lengths)
    name, column = roles.target[0], _without_dates(chunk.columns[roles.target[0]])
    if not loss.prediction.has_classes:
        return _points(chunk, column, roles, loss, faults)
    named = roles.classes or Classes(roles.prediction, tuple(map(str, range(classes))), listed=True)
    if _holds_words(column) or _is_boolean(column):
        return _places(_words_of(column, name, faults), name, named, faults)
    target = _numbers(chunk, name, faults, lengths=lengths)
    if target.ndim > 1 or (named.listed and not named.misleading):
        return target
    if not named.take_numbers:
        _refuse_numbers_for_names(name, roles, faults)
    return _places(_words_of_numbers(target), name, named, faults)


def _points(chunk: Chunk, column: Any, roles: Roles, loss: Loss, faults: Faults) -> Array:
    """One number for each row: that of the column, or that of its word."""
    name, outcomes = roles.target[0], roles.outcomes
    if outcomes is not None and (_holds_words(column) or _is_boolean(column)):
        return np.array(outcomes.numbers)[_places(_words_of(column, name, faults), name, outcomes, faults)]
    target = _numbers(chunk, name, faults, _NUMBERS + _or_words(loss, roles))
    if target.ndim != 1:
        faults.refuse(name, "lists", f"one number in each row, as {loss.name} takes it")
    if outcomes is None:
        return target
    return np.array(outcomes.numbers)[_places(_words_of_numbers(target), name, outcomes, faults)]


def _or_words(loss: Loss, roles: Roles) -> str:
    """For messages: the words that a target may also contain, if the positive word is known."""
    may = two_classes(loss) is not None and roles.outcomes is None and len(roles.target) == 1
    return _OR_POSITIVE if may else ""


def _refuse_numbers_for_names(name: str, roles: Roles, faults: Faults) -> None:
    """Refuse numbers if a pattern found the classes by name; only a list of columns is in the order of the labels."""
    listed = ", ".join(roles.prediction[:4])
    accepted = f"the name of a class in each row; fix: list the columns in the order of the labels, such as {listed}"
    faults.refuse(name, "numbers", accepted)


def _holds_words(column: Any) -> bool:
    return column.dtype.kind in "US" if isinstance(column, np.ndarray) else bool(_arrow().holds_words(column))


def _is_boolean(column: Any) -> bool:
    return column.dtype == bool if isinstance(column, np.ndarray) else bool(_arrow().is_boolean(column))


def _without_dates(column: Any) -> Any:
    return column if isinstance(column, np.ndarray) else _arrow().without_dates(column)


def _words_of(column: Any, name: str, faults: Faults) -> Words:
    try:
        return _words(column)
    except TypeError as error:
        faults.refuse(name, str(error), "text in UTF-8")
        raise


def _words(column: Any) -> Words:
    """A column of text or booleans as codes, the words of the codes, and a mask of the missing values."""
    if _is_boolean(column):
        values, missing = (column, None) if isinstance(column, np.ndarray) else _arrow().numbers(column)
        return values.astype(np.int64), ("False", "True"), missing
    if isinstance(column, np.ndarray):
        found = codes_of(column)
        return found.codes, [str(key) for key in found.keys], None
    return _arrow().coded(column)  # type: ignore[no-any-return]


def _words_of_numbers(target: Array) -> Words:
    if target.dtype.kind in "iu":
        found = codes_of(target)
        return found.codes - found.low, [str(key) for key in found.keys], None
    values, codes = np.unique(target, return_inverse=True)
    return codes, [str(value) for value in values], None


def words_in(column: Any) -> Counter[str]:
    """The count of each text, boolean or number in a column; empty for a column of other types."""
    column = _without_dates(column)
    if _holds_words(column) or _is_boolean(column):
        codes, known, missing = _words(column)
        codes = codes if missing is None else codes[~missing]
    else:
        try:
            values, missing = _plain(column, None) if isinstance(column, np.ndarray) else _arrow().numbers(column)
        except TypeError:
            return Counter()
        codes, known, _ = _words_of_numbers(values if missing is None else values[~missing])
    counts = np.bincount(codes, minlength=len(known))
    return Counter({word: int(count) for word, count in zip(known, counts, strict=True) if count})


def _places(words: Words, name: str, named: Classes | Outcomes, faults: Faults) -> Array:
    """The index of each row's word among the classes."""
    codes, known, missing = words
    if missing is not None:
        faults.add(missing, "null", lambda _: f"got null; expected {named}{_SKIP}", name)
    if isinstance(named, Classes) and named.misleading and any(map(is_number, known)):
        _refuse_numbers_for_a_list(name, named, faults)
    labels = np.array([*named.places(known), -1], np.int64)[codes]
    faults.add(labels < 0, "no class", lambda row: _unknown(known[codes[row]], named), name)
    return np.maximum(labels, 0)


def _unknown(word: str, named: Classes | Outcomes) -> str:
    got = word if is_number(word) else repr(word)
    if isinstance(named, Outcomes):
        return f"got {got}; expected {named}{named.remedy}"
    return f"got {got}; expected {named}{named.remedy(word) if is_number(word) else ''}"


def _refuse_numbers_for_a_list(name: str, named: Classes, faults: Faults) -> None:
    """Refuse numbers as targets: 1 could be the first column, or the column with a 1 in its name."""
    by_name, by_place = named.by_label(named.names), named.by_label(range(len(named.names)))
    accepted = (
        "names of classes, as the columns are not numbered by their places in the list; fix: say which label each "
        f"stands for, {by_name} or {by_place}"
    )
    faults.refuse(name, "numbers", accepted)


# ---------------------------------------------------------------------------------------------- groups


def _codes(chunk: Chunk, name: str, faults: Faults, missing: Missing, fix: str) -> Codes:
    column = chunk.keys.get(name, chunk.columns[name])
    if isinstance(column, np.ndarray) and column.ndim != 1:
        faults.refuse(name, "lists", KEYS)
    try:
        codes = codes_of(column)
    except TypeError as error:
        faults.refuse(name, str(error), KEYS)
    strange = strange_in(codes)
    if strange.refused is not None:
        if strange.refused.all():  # the column is not a column of keys
            faults.skip = False
        faults.add(
            strange.refused,
            "no key",
            lambda row: f"got {codes.keys[codes.codes[row] - codes.low]}; expected {KEYS}; fix: {AS_TEXT}",
            name,
        )
    if strange.missing is not None and missing == "refuse":
        faults.add(strange.missing, "null", lambda _: f"got null; expected {KEYS}; fix: {fix}", name)
    return settled(codes)
