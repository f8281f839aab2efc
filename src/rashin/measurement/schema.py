"""The schema of ``Measurement.to_dict``: a state that passes can be restored without further checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import isnan
from typing import Any

from rashin.exact import DIGITS, UNIT_EXPONENT
from rashin.kernels.bins import BINS
from rashin.measurement.distribution import LAST_BIN
from rashin.refusal import Refusal

__all__ = ["check_measurement"]

Check = Callable[[str, Any], None]  # arguments: a place, such as "state.total.count", and its value

_LARGEST = 2**63 - 1
_LIMB = 2**32 - 1
_TOP = 32 * (DIGITS + 2)  # bits of a sum, far more than any sum of doubles needs
_WORDS = ("inf", "-inf", "nan")
_SUMS = ("losses", "weights", "squares", "weight_squares", "cross", "second")


def check_measurement(state: Any, version: int) -> None:
    """Raise a ValueError that names the place, unless ``Measurement.to_dict`` could have given the state."""
    _expect(isinstance(state, Mapping), "state", state, "what Measurement.to_dict() gives")
    got = state.get("measurement")
    if got != version or isinstance(got, bool):
        raise Refusal("state", f"version {got!r}", f"what Measurement.to_dict() gives, version {version}")
    _MEASUREMENT("state", state)
    worst, most = len(state["worst"]), state["most_worst"]
    _expect(worst <= most, "state.worst", worst, f"at most {most} rows")


# ------------------------------------------------------------------------------------------------- what may stand


def _expect(holds: bool, place: str, got: Any, expected: str) -> None:
    if not holds:
        shown = f"{got!r:.40}" if isinstance(got, str | float | bool | None) else _outline(got)
        raise Refusal(place, shown, expected, "take it from Measurement.to_dict()")


def _outline(got: Any) -> str:
    if isinstance(got, int):
        return str(got) if abs(got) <= _LARGEST else f"a whole number of {got.bit_length()} bits"
    return f"{type(got).__name__} of {len(got)}" if hasattr(got, "__len__") else type(got).__name__


def _entries(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}

    def check(place: str, got: Any) -> None:
        _expect(isinstance(got, Mapping), place, got, "names and values")
        for name in required:
            _expect(name in got, place, got, f"an entry {name!r}")
        for name, value in got.items():
            _expect(name in known, place, name, f"no other entries than {', '.join(known)}")
            known[name](f"{place}.{name}", value)

    return check


def _named(each: Check) -> Check:
    def check(place: str, got: Any) -> None:
        _expect(isinstance(got, Mapping), place, got, "names and values")
        for name, value in got.items():
            _text(place, name)
            each(f"{place}.{name}", value)

    return check


def _list(each: Check) -> Check:
    def check(place: str, got: Any) -> None:
        _expect(isinstance(got, list | tuple), place, got, "a list")
        for index, value in enumerate(got):
            each(f"{place}[{index}]", value)

    return check


def _row(*parts: Check) -> Check:
    def check(place: str, got: Any) -> None:
        _expect(isinstance(got, list | tuple) and len(got) == len(parts), place, got, f"a list of {len(parts)}")
        for index, (part, value) in enumerate(zip(parts, got, strict=True)):
            part(f"{place}[{index}]", value)

    return check


def _whole(least: int, most: int = _LARGEST) -> Check:
    def check(place: str, got: Any) -> None:
        is_whole = isinstance(got, int) and not isinstance(got, bool)
        _expect(is_whole and least <= got <= most, place, got, f"a whole number from {least} to {most}")

    return check


def _text(place: str, got: Any) -> None:
    _expect(isinstance(got, str), place, got, "text")


def _key(place: str, got: Any) -> None:
    _expect(isinstance(got, int | str) and not isinstance(got, bool), place, got, "a whole number or text")


def _double(place: str, got: Any) -> None:
    is_word = isinstance(got, str) and got in _WORDS
    is_number = isinstance(got, float) or (isinstance(got, int) and not isinstance(got, bool) and abs(got) < 2**1023)
    _expect(is_word or is_number, place, got, f"a number, or one of {', '.join(_WORDS)}")


def _by_key(each: Check) -> Check:
    pairs = _list(_row(_key, each))

    def check(place: str, got: Any) -> None:
        pairs(place, got)
        _expect(len({key for key, _ in got}) == len(got), place, got, "every key once")

    return check


# -------------------------------------------------------------------------------------------------- what there is

_COUNT = _whole(0)
_SUM_PARTS = _entries(
    {"exponent": _whole(UNIT_EXPONENT, UNIT_EXPONENT + _TOP), "limbs": _list(_whole(-_LIMB, _LIMB))},
    {"infinities": _row(_COUNT, _COUNT)},
)


def _sum(place: str, got: Any) -> None:
    _SUM_PARTS(place, got)
    reach = got["exponent"] - UNIT_EXPONENT + 32 * len(got["limbs"])
    _expect(reach <= _TOP + 32, f"{place}.limbs", got["limbs"], "no more than a sum of doubles has")


_MOMENTS_PARTS = _entries(
    {"count": _COUNT, "maximum": _double, **dict.fromkeys(_SUMS, _sum)},
    {
        "right": _sum,
        "infinite": _row(_COUNT, _sum, _sum),
        "clusters": _by_key(_entries({"losses": _sum, "weights": _sum}, {"infinite": _sum})),
        "bounds": _row(_double, _double),
    },
)


def _moments(place: str, got: Any) -> None:
    _MOMENTS_PARTS(place, got)
    count, infinite, weights = got["count"], got.get("infinite", (0,))[0], got["weights"]
    _expect(infinite <= count, f"{place}.infinite", infinite, f"at most {count} rows")
    limbs, infinities = weights["limbs"], weights.get("infinities", (0, 0))
    is_positive = bool(limbs and min(limbs) >= 0 and any(limbs)) or infinities[0] > 0
    _expect(is_positive == (count > 0), f"{place}.weights", limbs, "a weight > 0 where rows count, else 0")
    maximum = float(got["maximum"])
    _expect(not (count and isnan(maximum)), f"{place}.maximum", maximum, "the largest loss")


def _codes(most: int, content: Check, least: int = 0, codes: str = "codes", values: str = "counts") -> Check:
    """Entries of which two are lists of equal length: sorted codes, and a value for each."""

    def check(place: str, got: Any) -> None:
        content(place, got)
        found = got[codes]
        _list(_whole(least, most))(f"{place}.{codes}", found)
        rises = all(a < b for a, b in pairwise(found))
        _expect(rises, f"{place}.{codes}", found, "numbers in order, each once")
        _expect(len(found) == len(got[values]), f"{place}.{values}", got[values], f"a list of {len(found)}")

    return check


def _anything(place: str, got: Any) -> None:
    pass


_TALLY_PARTS = {"first": _whole(-40, 40), "codes": _anything, "digits": _list(_list(_whole(0, _LIMB)))}


def _tally(size: int) -> Check:
    parts = _codes(size - 1, _entries(_TALLY_PARTS), values="digits")

    def check(place: str, got: Any) -> None:
        parts(place, got)
        widths = {len(digits) for digits in got["digits"]}
        _expect(len(widths) <= 1 and max(widths, default=0) <= DIGITS + 2, f"{place}.digits", got, "rows of one length")

    return check


def _kind(place: str, got: Any) -> None:
    _expect(isinstance(got, str) and got in ("binary", "top label"), place, got, "'binary' or 'top label'")


_CALIBRATION = _codes(
    2 * BINS - 1,
    _entries(
        {
            "kind": _kind,
            "codes": _anything,
            "counts": _list(_COUNT),
            "weight": _tally(2 * BINS),
            "square": _tally(BINS),
            "minor": _tally(BINS),
            "cross_entropy": _tally(1),
            "impossible": _COUNT,
        }
    ),
)


def _maybe_calibration(place: str, got: Any) -> None:
    if got is not None:
        _CALIBRATION(place, got)


_LOSSES = _codes(LAST_BIN, _entries({"bins": _anything, "counts": _list(_COUNT)}), -LAST_BIN, "bins")
_MEASUREMENT = _entries(
    {
        "measurement": _anything,
        "loss": _text,
        "total": _moments,
        "groups": _by_key(_moments),
        "classes": _by_key(_moments),
        "worst": _list(_row(_double, _text, _COUNT)),
        "most_worst": _COUNT,
        "skipped": _named(_COUNT),
    },
    {"targets": _moments, "details": _entries({"losses": _LOSSES, "calibration": _maybe_calibration})},
)
