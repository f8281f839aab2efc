"""The loss around a network: its surface, its directions, and a check of the gradient."""
