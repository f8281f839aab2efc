"""The groups or classes of a measurement as a table with a row for each, for pandas and Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rashin import checks
from rashin.extras import needs

if TYPE_CHECKING:
    from rashin.measurement.measurement import Measurement

__all__ = ["By", "as_arrow", "as_pandas", "columns_of"]

By = Literal["group", "class"]


def columns_of(found: Measurement, by: By | None, confidence: float) -> dict[str, list[Any]]:
    """Lists of equal length by name; the first contains the keys and is named ``group`` or ``class``.

    Raises
    ------
    ValueError : there are neither groups nor classes, or not the requested ones.
    """
    if by is not None:
        checks.choice("by", by, ("group", "class"))
    kind = by or ("group" if found.groups else "class")
    parts = found.groups if kind == "group" else found.classes
    if not parts:
        lacking = {None: "groups and classes", "group": "groups", "class": "classes"}[by]
        raise ValueError(
            f"by: got {by!r} for a measurement without {lacking}; expected one measured with group= or by_class=True"
        )
    some = {key: part for key, part in parts.items() if part.count}
    moments = list(some.values())
    intervals = [part.interval(confidence) for part in moments]
    columns: dict[str, list[Any]] = {
        kind: list(some) if len({type(key) for key in some}) == 1 else [str(key) for key in some],
        "rows": [part.count for part in moments],
        "weight": [part.weight for part in moments],
        "mean": [part.mean for part in moments],
        "low": [interval.low for interval in intervals],
        "high": [interval.high for interval in intervals],
        "sum": [part.sum for part in moments],
        "maximum": [part.maximum for part in moments],
        "infinite": [part.infinite.rows for part in moments],
    }
    if found.accuracy is not None:
        columns["accuracy"] = [part.accuracy for part in moments]
    return columns


def as_arrow(columns: dict[str, list[Any]]) -> Any:
    """A ``pyarrow.Table``."""
    with needs("pyarrow", "parquet", "to_arrow"):
        import pyarrow
    return pyarrow.table(columns)


def as_pandas(columns: dict[str, list[Any]]) -> Any:
    """A ``pandas.DataFrame``."""
    with needs("pandas", "dask", "to_pandas", instead="pip install pandas"):
        import pandas as pd  # type: ignore[import-untyped]
    return pd.DataFrame(columns)
