"""docs/how-right.md is what its JSON says; the JSON has a row for every function, ours first and within its bounds."""

from __future__ import annotations

import json

import pytest
from mpmath import mpf

from rightness import JSON, PAGE, measured_row
from rightness_page import page
from rightness_rows import ROWS


@pytest.fixture(scope="module")
def found():
    return json.loads(JSON.read_text(encoding="utf-8"))


def test_the_page_is_what_the_json_says(found):
    assert PAGE.read_text(encoding="utf-8") == page(found)


def test_every_function_has_a_row(found):
    listed = [(row["loss"], row["library"], row["function"]) for row in found["rows"]]
    assert listed == [(row.group, row.library, row.name) for row in ROWS]
    assert all("value" in row or "gradient" in row for row in found["rows"])


def test_ours_is_first_and_within_its_bounds(found):
    groups = {}
    for row in found["rows"]:
        groups.setdefault(row["loss"], row)
    for row in groups.values():
        assert row["library"] == "rashin"
        assert row["value"]["ulps"] <= 0.51
        assert row["gradient"]["ulps"] <= 0.7
        assert not row["accepts"]
        assert not row["sums"]


def test_a_row_is_measured_as_it_is_written(found):
    """One of ours, whose numbers do not depend on the version of another library."""
    place = next(k for k, row in enumerate(ROWS) if row.name == "rashin.sigmoid_cross_entropy")
    assert measured_row(ROWS[place]) == found["rows"][place]
    assert mpf(found["rows"][place]["value"]["exact"]) > 0
