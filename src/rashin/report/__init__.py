"""Pictures and pages: what the numbers look like."""

from rashin.report.explanation import STAGES, Explanation, explain
from rashin.report.page import Chart, Page, Section, Table, View, page_html
from rashin.report.writing import Explained, check_ours, write_explanation

__all__ = [
    "STAGES",
    "Chart",
    "Explained",
    "Explanation",
    "Page",
    "Section",
    "Table",
    "View",
    "check_ours",
    "explain",
    "page_html",
    "write_explanation",
]
