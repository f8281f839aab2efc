"""``python -m rashin``: the same as the command ``rashin``."""

import sys

from rashin.cli import main

if __name__ == "__main__":
    sys.exit(main())
