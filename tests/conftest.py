"""For all tests: kernels check that their arguments are what the machine code takes them for."""

import os
import tempfile
from importlib.util import find_spec

import pytest

os.environ.setdefault("RASHIN_CHECK_KERNELS", "1")  # read when rashin is imported
os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")  # one backend in a process
os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp(prefix="keras"))  # Keras writes its settings there


@pytest.fixture(scope="session", autouse=True)
def unflushed():
    """Nothing is flushed to disk: no test cuts the power, and a flush takes 5 to 10 ms if the disk is busy.

    That rashin flushes, and what it does when that fails, test_storage.py holds with a flush of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def small_picture(tmp_path_factory):
    """A picture as rashin writes them."""
    from matplotlib.figure import Figure

    path = tmp_path_factory.mktemp("picture") / "small.png"
    Figure((1, 1)).savefig(path, metadata={"Software": "rashin"})
    return path.read_bytes()


@pytest.fixture
def undrawn(small_picture, monkeypatch):
    """Pictures are composed, and a small one is saved in place of each.

    Laying them out and drawing them takes nine tenths of the time of a page, and of a short training.
    """

    def save(figure, path, **_):
        path.write_bytes(small_picture)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)


@pytest.fixture
def sketched(monkeypatch):
    """Pictures are drawn whole, every line, tick and word of them, but small and where they happen to stand."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def save(figure, path, metadata, **_):
        figure.set_layout_engine("none")
        figure.set_dpi(30)
        FigureCanvasAgg(figure).print_png(path, metadata=metadata)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)
