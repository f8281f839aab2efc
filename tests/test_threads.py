"""Any number of threads gives the same bits, and the thread settings do as they are told."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rashin
from rashin.kernels import threads as shared
from rashin.kernels.threads import count

SIZE = 600_011  # four times what one thread does alone, and at least two chunks for each of eight


def _pointwise(dtype):
    rng = np.random.default_rng(1)
    return rng.normal(0, 3, SIZE).astype(dtype), rng.random(SIZE).astype(dtype)


def _rows(dtype, classes=9):
    rng = np.random.default_rng(2)
    z = rng.normal(0, 3, (SIZE // classes, classes)).astype(dtype)
    return z, rng.integers(0, classes, len(z))


def _soft_rows(dtype):
    z, labels = _rows(dtype)
    q = np.full(z.shape, 1 / 64)
    q[np.arange(len(z)), labels] = 56 / 64
    return z, q


def _probabilities(dtype):
    z, labels = _rows(dtype)
    return rashin.softmax(z), labels


def _soft_probabilities(dtype):
    z, q = _soft_rows(dtype)
    return rashin.softmax(z), q


CASES = {
    "pointwise": (rashin.sigmoid_cross_entropy.replace(positive_weight=3.0), lambda: _pointwise(np.float64)),
    "pointwise float32": (rashin.huber.replace(delta=0.5), lambda: _pointwise(np.float32)),
    "pointwise float16": (rashin.log_cosh, lambda: _pointwise(np.float16)),
    "pointwise strided": (rashin.huber, lambda: tuple(a[::-1] for a in _pointwise(np.float64))),
    "labels": (rashin.softmax_cross_entropy.replace(z_loss=0.1), lambda: _rows(np.float32)),
    "labels along axis 0": (rashin.focal.replace(gamma=0.5), lambda: _rows(np.float64)),
    "distributions": (rashin.softmax_cross_entropy.replace(label_smoothing=0.1), lambda: _soft_rows(np.float64)),
    "softcap": (rashin.softmax_cross_entropy.replace(softcap=4.0), lambda: _rows(np.float64)),
    "probabilities": (rashin.categorical_cross_entropy.replace(epsilon=1e-3), lambda: _probabilities(np.float64)),
    "probabilities float32": (rashin.categorical_cross_entropy, lambda: _probabilities(np.float32)),
    "probabilities, soft": (rashin.categorical_cross_entropy, lambda: _soft_probabilities(np.float64)),
    "probabilities along axis 0, soft": (rashin.categorical_cross_entropy, lambda: _soft_probabilities(np.float32)),
}


def bits(loss, z, t, **keywords):
    value, gradient = loss.value_and_gradient(z, t, **keywords)
    hessian = loss.hessian(z, t, **keywords)
    return np.asarray(value).tobytes(), gradient.tobytes(), hessian.tobytes()


@pytest.mark.parametrize("case", CASES)
def test_any_number_of_threads_gives_the_same_bits(case):
    loss, data = CASES[case]
    z, t = data()
    weight = np.random.default_rng(3).gamma(1.0, 2.0, len(z))
    axis = {}
    if "axis" in case:
        z, axis = np.ascontiguousarray(z.T), {"axis": 0}
        t = np.ascontiguousarray(t.T) if t.ndim == 2 else t
    for keywords, numbers in (({}, (3,)), ({"weight": weight, "where": weight > 0.5}, (2, 3, 8))):
        with rashin.threads(1):
            alone = bits(loss, z, t, **keywords, **axis)
        for number in numbers:
            with rashin.threads(number):
                assert bits(loss, z, t, **keywords, **axis) == alone


def test_links_give_the_same_bits_in_any_number_of_threads():
    z, _ = _rows(np.float32)
    for link in (rashin.softmax, rashin.log_softmax, rashin.logsumexp, rashin.sigmoid):
        with rashin.threads(1):
            alone = link(z).tobytes()
        with rashin.threads(3):
            assert link(z).tobytes() == alone


def test_threads_nest_and_are_restored():
    outside = count()
    with rashin.threads(3):
        assert count() == 3
        with rashin.threads(1):
            assert count() == 1
            with rashin.threads(8):
                assert count() == 8
            assert count() == 1
        assert count() == 3
        with pytest.raises(ZeroDivisionError), rashin.threads(2):
            1 / 0  # noqa: B018
        assert count() == 3
    assert count() == outside


def test_threads_of_one_python_thread_are_not_those_of_another():
    seen = {}
    with rashin.threads(7):
        other = threading.Thread(target=lambda: seen.update(other=count()))
        other.start()
        other.join()
        assert count() == 7
    assert seen["other"] == count()


@pytest.mark.parametrize("number", [0, -1, 1.0, 2.5, "2", None, True, np.inf])
def test_threads_refuses_what_is_no_number_of_threads(number):
    before = count()
    with pytest.raises((ValueError, TypeError), match=r"^threads: .*expected a whole number >= 1") as caught:
        rashin.threads(number).__enter__()
    assert repr(number) in str(caught.value)
    assert count() == before


def python(code, **environment):
    """Run code in a fresh interpreter in which a warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_the_environment_sets_the_number_of_threads():
    code = """
        import numpy as np, rashin, threading
        from rashin.kernels.threads import count
        z = np.ones(2_000_000)
        rashin.half_squared_error(z, z)
        print(count(), threading.active_count())
        with rashin.threads(1):
            print(count())
    """
    for number in ("1", "4"):
        done = python(code, RASHIN_NUM_THREADS=number)
        assert done.returncode == 0, done.stderr
        chosen, alive, inside = map(int, done.stdout.split())
        assert chosen == int(number)
        assert inside == 1
        assert min(chosen, 2) <= alive <= chosen
    assert python(code, RASHIN_NUM_THREADS="").returncode == 0  # as if it were not set


@pytest.mark.parametrize("number", ["0", "-2", "two", "1.5", "²", "9" * 5000])
def test_a_bad_number_in_the_environment_is_a_clear_error(number):
    code = "import numpy as np, rashin; z = np.ones(1_000_000); rashin.half_squared_error(z, z)"
    done = python(code, RASHIN_NUM_THREADS=number, PYTHONIOENCODING="utf-8", PYTHONUTF8="1")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: RASHIN_NUM_THREADS: got ")
    assert last.endswith("expected a whole number >= 1")


def test_many_python_threads_may_call_at_once():
    jobs = []
    for loss, data in (CASES["pointwise"], CASES["labels"], CASES["probabilities"]):
        z, t = data()
        jobs.append((loss, z[:150_000], t[:150_000], loss.value_and_gradient(z[:150_000], t[:150_000])))
    wrong = []

    def work(number):
        loss, z, t, (value, gradient) = jobs[number % len(jobs)]
        with rashin.threads(1 + number % 3):
            got = loss.value_and_gradient(z, t)
        if got[0] != value or got[1].tobytes() != gradient.tobytes():
            wrong.append(number)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(60)))
    assert not wrong


def test_many_python_threads_may_compile_at_once():
    done = python("""
        import numpy as np, rashin
        from concurrent.futures import ThreadPoolExecutor
        z, t = np.linspace(-1, 1, 300_000), np.zeros(300_000)
        losses = [rashin.huber, rashin.log_cosh, rashin.pseudo_huber, rashin.absolute_error] * 4
        with ThreadPoolExecutor(16) as pool:
            values = list(pool.map(lambda loss: loss(z, t), losses))
        assert values[:4] * 4 == values, values
        print("fine")
    """)
    assert done.stdout == "fine\n", done.stderr


def test_an_error_in_one_thread_leaves_the_pool_usable():
    z, t = _pointwise(np.float64)
    expected = rashin.huber(z, t)
    bad = z.copy()
    bad[[5, 200_000, 580_000]] = np.nan
    with rashin.threads(4):
        for _ in range(5):
            with pytest.raises(ValueError, match=r"prediction: got nan at index 5"):
                rashin.huber(bad, t)
            assert rashin.huber(z, t) == expected


def test_losses_work_after_a_fork():
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent("""
            import multiprocessing, numpy as np, rashin, threading
            z, t = np.linspace(-3, 3, 2_000_000), np.zeros(2_000_000)

            def work(number):
                with rashin.threads(number):
                    value, gradient = rashin.huber.value_and_gradient(z, t)
                return value, hash(gradient.tobytes())

            if __name__ == "__main__":
                with rashin.threads(3):
                    value, gradient = rashin.huber.value_and_gradient(z, t)  # the parent's pool is alive
                assert threading.active_count() > 1
                context = multiprocessing.get_context("fork")
                with context.Pool(2) as pool:
                    answers = pool.map_async(work, [1, 2, 3, 4]).get(60)
                assert answers == [(value, hash(gradient.tobytes()))] * 4, answers
                assert rashin.huber(z, t) == value
                print("fine")
        """)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert done.stdout == "fine\n", done.stderr


def test_a_formula_may_call_rashin_from_any_thread():
    """The thread of a piece does the calls inside it itself: companions are at work on other pieces."""

    def soft_rows(xp, z, t):
        inner = rashin.softmax(np.broadcast_to(z[:1], (8, 200_000 // 8 * 8))) if z.shape[1] == 200_000 else z
        return xp.sum(inner[:1] * t, axis=-1), t, 0.0

    loss = rashin.rowwise(prediction=rashin.domain.REAL)(soft_rows)
    z, labels, found = np.zeros((8, 200_000)), np.arange(8), []
    try:

        def call():
            with rashin.threads(2):
                found.append(loss(z, labels))

        caller = threading.Thread(target=call, daemon=True)  # were it to wait for ever, the test would not
        caller.start()
        caller.join(100)
        assert found == [pytest.approx(1 / 200_000, rel=1e-14, abs=0)]
    finally:
        del rashin.registry._registry["soft_rows"]


def test_the_threads_of_the_largest_number_serve_all_others():
    z = np.zeros(1 << 18)
    for number in (*range(1, 13), *range(12, 0, -1)):
        with rashin.threads(number):
            rashin.half_squared_error(z, z)
    for _ in range(500):  # those of smaller pools end when their work does
        alive = [thread for thread in threading.enumerate() if thread.name.startswith("rashin")]
        if len(alive) <= 11:
            break
        threading.Event().wait(0.01)
    assert len(alive) <= max(11, count() - 1)


def test_no_thread_to_be_had_is_no_error(monkeypatch):
    z = np.linspace(-3, 3, 1 << 18)
    expected = rashin.huber(z, 0 * z)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    with rashin.threads(3):
        monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
        assert rashin.huber(z, 0 * z) == expected


def test_calls_while_python_exits_and_forks_while_a_thread_compiles():
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent("""
            import atexit, os, signal, threading
            import numpy as np, rashin
            from rashin.native.objects import compiling
            from numba.core.compiler_lock import global_compiler_lock

            z = np.ones(1 << 18)
            atexit.register(lambda: print(rashin.half_squared_error(z, 0 * z), flush=True))
            rashin.threads(2).__enter__()
            held, done = threading.Event(), threading.Event()

            def compile():
                with compiling, global_compiler_lock:
                    held.set()
                    done.wait(0.2)

            threading.Thread(target=compile).start()
            held.wait()
            child = os.fork()
            if child == 0:
                signal.alarm(100)
                assert rashin.pseudo_huber([0.0], [0.0]) == 0.0
                os._exit(0)
            print(os.waitpid(child, 0)[1])
        """)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "0\n0.5\n", done.stderr


LABELS_WRITTEN = """
import sys, threading, time, numpy as np, rashin

z, p, t = np.ones((20000, 4)), np.full((20000, 4), 0.25), np.zeros(20000, np.int64)
calls = [
    lambda: rashin.softmax_cross_entropy.gradient(z, t),
    lambda: rashin.categorical_cross_entropy.gradient(p, t),
    lambda: rashin.focal(z, t),
    lambda: rashin.measure("softmax_cross_entropy", z, t, by_class=True),
    lambda: rashin.linear_softmax_cross_entropy(z, np.ones((4, 4)), t),
]
for call in calls:
    call()


def write():
    while True:
        t[:] = 10**15
        t[:] = 0


threading.Thread(target=write, daemon=True).start()
refused, end = 0, time.monotonic() + 2
while time.monotonic() < end:
    for call in calls:
        try:
            call()
        except ValueError as error:
            assert "target" in str(error), error
            refused += 1
print(refused)
"""


def test_labels_that_another_thread_writes_to_are_read_once():
    run = subprocess.run([sys.executable, "-c", LABELS_WRITTEN], capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) > 0


def test_no_fork_begins_while_the_limit_of_blas_changes(monkeypatch):
    """The library holds a lock meanwhile, which a child would never get: 7 of 878 forks hung."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    held = []

    class Limits(threadpoolctl.threadpool_limits):
        def __init__(self, *arguments, **options):
            held.append(shared._undivided.locked())
            super().__init__(*arguments, **options)

        def restore_original_limits(self):
            held.append(shared._undivided.locked())
            super().restore_original_limits()

    monkeypatch.setattr(threadpoolctl, "threadpool_limits", Limits)
    with rashin.threads(2):
        assert not shared._undivided.locked()
    assert held == [True, True]
