"""The questions that are asked of a function, one file for each kind."""
