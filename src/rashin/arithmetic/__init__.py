"""What a formula is computed with: the same vocabulary for numbers in compiled loops and for arrays.

``scalar`` and ``plain`` are compiled into loops over float64 and float32; ``arrays`` takes arrays of doubles. ``torch``
and ``jax`` need the package they are named after, and ``array_api`` needs ``array_api_compat``. These three make the
vocabulary for an array: ``like(z)``.
"""
