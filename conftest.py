"""Examples that need an optional package which the tests do not bring are left out where it is missing."""

from importlib.util import find_spec

OF_TORCH = ["docs/torch*.md", "docs/dialects.md", "src/rashin/adapters/torch*.py", "tests/shards.py"]
OF_JAX = ["docs/jax.md"]
OF_BOOSTERS = ("xgboost", "lightgbm", "catboost")
collect_ignore_glob = [] if find_spec("torch") else list(OF_TORCH)
collect_ignore_glob += [] if find_spec("jax") else OF_JAX
collect_ignore_glob += [f"src/rashin/adapters/{name}.py" for name in OF_BOOSTERS if not find_spec(name)]
collect_ignore_glob += [] if all(map(find_spec, OF_BOOSTERS)) else ["docs/boosting.md"]
