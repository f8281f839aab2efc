"""Calibration of predicted probabilities, and decisions by a threshold."""
