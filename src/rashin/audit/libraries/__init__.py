"""One file for each array library: how its functions are called with NumPy arrays, and differentiated."""
