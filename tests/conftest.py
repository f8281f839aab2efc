"""For all tests: kernels check that their arguments are what the machine code takes them for."""

import os

os.environ.setdefault("RASHIN_CHECK_KERNELS", "1")  # read when rashin is imported
