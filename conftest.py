"""Examples that need an optional package which the tests do not bring are left out where it is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["docs/torch.md", "src/rashin/adapters/torch.py"]
