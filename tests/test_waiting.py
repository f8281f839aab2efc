"""While loops compile, whoever watches is told why; nobody else is."""

from __future__ import annotations

import io
import multiprocessing
import threading
import time
from types import SimpleNamespace

import pytest

import rashin
from rashin import waiting

LINE = "rashin: compiling loops for this machine, once for each kind of loss; later calls start at once\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """The terminal of a process that has said nothing so far, and whose user waits a hundredth of a second."""
    monkeypatch.setattr(waiting, "_said", False)
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    monkeypatch.delenv("RASHIN_QUIET", raising=False)
    screen = Terminal()
    show_on(screen, monkeypatch)
    return screen


def show_on(screen, monkeypatch):
    """Make it the stderr of the module alone: pytest puts its own in the place of everyone's."""
    monkeypatch.setattr(waiting, "sys", SimpleNamespace(stderr=screen))


def wait_inside(seconds=0.1):
    with waiting.explained():
        time.sleep(seconds)


def a_new_loss():
    @rashin.pointwise()
    def waited_for(xp, z, t):
        return xp.exp(z) - t * xp.log(t), xp.exp(z), xp.exp(z)

    return waited_for


def test_a_first_call_that_compiles_says_so_once(terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("RASHIN_CACHE_DIR", str(tmp_path))  # where an earlier run has kept nothing
    monkeypatch.setattr(waiting, "PATIENCE", 1e-4)
    a_new_loss()([1.0], [1.0])
    assert terminal.getvalue() == LINE
    a_new_loss()([1.0], [1.0])
    assert terminal.getvalue() == LINE


def test_a_warm_call_says_nothing_and_starts_no_thread(terminal, monkeypatch):
    loss = a_new_loss()
    loss([1.0], [1.0])
    terminal.truncate(0)
    monkeypatch.setattr(waiting, "_said", False)
    monkeypatch.setattr(threading, "Timer", lambda *_: 1 / 0)
    loss([1.0], [1.0])
    assert terminal.getvalue().strip("\0") == ""


def test_what_takes_no_longer_than_that_says_nothing(terminal, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.2)
    wait_inside(0.0)
    time.sleep(0.3)
    assert terminal.getvalue() == ""


def test_many_threads_say_it_once(terminal):
    threads = [threading.Thread(target=wait_inside) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert terminal.getvalue() == LINE


def test_a_notebook_is_told_too(terminal, monkeypatch):
    screen = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    show_on(screen, monkeypatch)
    wait_inside()
    assert screen.getvalue() == LINE


def test_a_failure_inside_passes_and_its_timer_is_over(terminal):
    with pytest.raises(ZeroDivisionError), waiting.explained():
        1 / 0  # noqa: B018
    time.sleep(0.05)
    assert terminal.getvalue() == ""


def asked_for_quiet(monkeypatch):
    monkeypatch.setenv("RASHIN_QUIET", "1")


def in_a_worker_process(monkeypatch):
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: multiprocessing.current_process())


def without_a_stderr(monkeypatch):
    show_on(None, monkeypatch)


class Gone(Terminal):
    def write(self, _):
        raise OSError(5, "Input/output error")


def on_a_terminal_that_is_gone(monkeypatch):
    show_on(Gone(), monkeypatch)


@pytest.mark.parametrize(
    "condition", [asked_for_quiet, in_a_worker_process, without_a_stderr, on_a_terminal_that_is_gone]
)
def test_nobody_else_is_told(condition, terminal, monkeypatch):
    condition(monkeypatch)
    wait_inside()
    assert terminal.getvalue() == ""


def test_files_and_pipes_are_told_nothing(terminal, monkeypatch):
    screen = io.StringIO()
    show_on(screen, monkeypatch)
    wait_inside()
    assert screen.getvalue() == ""
