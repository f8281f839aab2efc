"""Native code: kernels written in Python, compiled with Numba when the package is built, loaded without it.

``language`` is what kernels are written in, ``compiler`` turns them into objects for a ``target``, ``objects`` finds
or makes the object of a kernel, ``engine`` loads it, and ``kernel`` calls it with arrays.
"""
