"""Minimisers of a loss of linear predictions plus a penalty; they know nothing of scikit-learn."""
