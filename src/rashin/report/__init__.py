"""Reports: pages and pictures of measurements and trained networks."""

from rashin.report.explained.explanation import STAGES, Explanation, explain
from rashin.report.measured.page import measurement_page
from rashin.report.page.frame import Cell, Chart, Listing, Page, Section, Table, View, page_html
from rashin.report.writing import Explained, check_ours, write_explanation, write_measurement

__all__ = [
    "STAGES",
    "Cell",
    "Chart",
    "Explained",
    "Explanation",
    "Listing",
    "Page",
    "Section",
    "Table",
    "View",
    "check_ours",
    "explain",
    "measurement_page",
    "page_html",
    "write_explanation",
    "write_measurement",
]
