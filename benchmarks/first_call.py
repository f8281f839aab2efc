"""What the first call costs in a fresh process, with nothing kept from earlier ones, and again in the next process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

__all__ = ["first_calls"]

# Seconds of each step, in the order in which a user meets them.
STEPS = """
import json, time
import numpy as np
found, start = {}, time.perf_counter()
def step(name):
    global start
    now = time.perf_counter()
    found[name] = round(now - start, 4)
    start = time.perf_counter()
import rashin
step("import")
z, labels, x, y = np.ones((64, 10), np.float32), np.zeros(64, int), np.ones(640, np.float32), np.zeros(640, np.float32)
start = time.perf_counter()
rashin.softmax_cross_entropy.value_and_gradient(z, labels)
step("first call")
rashin.softmax_cross_entropy.hessian(z, labels)
step("a further order")
rashin.huber.value_and_gradient(x, y)
step("first pointwise loss")
rashin.poisson.value_and_gradient(x, y)
step("a further pointwise loss")
z.setflags(write=False)
rashin.softmax_cross_entropy.value_and_gradient(z, labels)
step("read-only")
rashin.huber.value_and_gradient(x[::2], y[::2])
step("strided")
rashin.huber.value_and_gradient(x.astype(int), y.astype(int))
step("integers")
rashin.huber.value_and_gradient(x.astype(np.float16), y.astype(np.float16))
step("float16")
print(json.dumps(found))
"""


def first_calls() -> dict[str, dict[str, float]]:
    """Seconds by step: ``new`` with an empty cache of compiled code, ``kept`` in the process after that."""
    with tempfile.TemporaryDirectory() as cache:
        return {"new": _steps(cache), "kept": _steps(cache)}


def _steps(cache: str) -> dict[str, float]:
    environment = {**os.environ, "RASHIN_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", STEPS], env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
