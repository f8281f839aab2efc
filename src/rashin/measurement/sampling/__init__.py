"""The loss estimated from a sample: rows drawn at random, and intervals that hold at every look."""
