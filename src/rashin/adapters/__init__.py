"""Losses in the words of other libraries: one file for each."""
