"""Exact sums that add up to the same total in any order: by cell, by code, by cluster."""
