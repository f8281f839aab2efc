"""Measuring tables of any size: in batches and partitions, with the rows that are refused."""
