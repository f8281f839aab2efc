"""Samples and targets: read from files, checked once, and cut into mini-batches."""
