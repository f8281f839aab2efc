"""Copies of published files that may already be on this machine, and their content."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from rashin.datasets.idx import file_bytes, idx_header
from rashin.datasets.published import PublishedFile, Variant, verified

__all__ = ["copy_content", "in_folder", "left_by_others", "places"]

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist
_ROOTS = (".", "data", "datasets", "../data", "~", "~/data", "~/datasets")  # that are often passed to torchvision
_KERAS_ARRAYS = {
    "train-images-idx3-ubyte": "x_train.npy",
    "train-labels-idx1-ubyte": "y_train.npy",
    "t10k-images-idx3-ubyte": "x_test.npy",
    "t10k-labels-idx1-ubyte": "y_test.npy",
}
_NPY_HEADER = 4096  # bytes: the header of a plain array takes 128


def in_folder(folder: Path, file: PublishedFile) -> Iterator[Path]:
    """The paths in the folder with the name of the file: with or without .gz, and with a dot, as some tools write it.

    Kaggle's archive unpacks each file into a folder of the same name; these are found after files.
    """
    found = [folder / name for name in _spellings(file) if os.path.lexists(folder / name)]
    folders = [path for path in found if path.is_dir()]
    inside = [path / name for path in folders for name in _spellings(file) if (path / name).is_file()]
    files = [path for path in found if path not in folders]
    yield from (*files, *inside) or folders


def places(folder: Path, variant: Variant) -> tuple[Path, ...]:
    """The folder, and the folders below it in which downloads and torchvision put the files."""
    return (
        folder,
        folder / variant.name,
        folder / variant.torchvision / "raw",
        folder / variant.torchvision,
        folder / "raw",
    )


def _spellings(file: PublishedFile) -> list[str]:
    stems = (file.name, file.name.replace("-idx", ".idx"))
    return [f"{stem}{suffix}" for stem, suffix in product(stems, ("", ".gz"))]


def left_by_others(variant: Variant, file: PublishedFile) -> Iterator[Path]:
    """The places where torchvision, Keras, TensorFlow and Debian put copies on this machine."""
    for root in _ROOTS:
        yield from in_folder(_expanded(root) / variant.torchvision / "raw", file)
    keras = _expanded(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"
    if variant.name == "mnist" and os.path.lexists(keras / "mnist.npz"):
        yield keras / "mnist.npz"
    if variant.name == "fashion":
        yield from in_folder(keras / "fashion-mnist", file)
        yield from in_folder(_DEBIAN, file)
    tensorflow = _expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets") / "downloads"
    with suppress(OSError):  # no permission to read the folder
        yield from sorted(tensorflow.glob(f"*{file.name}*.gz"))  # a hash is part of the name


def _expanded(folder: str) -> Path:
    with suppress(RuntimeError, OSError):  # a user without a home, as in containers; a working folder that was removed
        return Path(folder).expanduser().resolve()
    return Path(folder)


def copy_content(path: Path, file: PublishedFile) -> bytes:
    """The content of the published file, from a copy; raises ValueError or OSError if it is not a copy."""
    data = _from_keras(path, file) if path.suffix == ".npz" else file_bytes(path, file.limit)
    return verified(data, file, str(path))


def _from_keras(path: Path, file: PublishedFile) -> bytes:
    """The file rebuilt from Keras' arrays. The elements are at the end of the .npy, and the hash verifies them, so that
    nothing else in it is interpreted or unpickled.
    """
    size = math.prod(file.shape)
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(_KERAS_ARRAYS[file.name])
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile("packed as NumPy never does")  # LZMA allocates as much as its header asks for
            with archive.open(member) as stream:
                npy = stream.read(size + _NPY_HEADER)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: got no archive of arrays ({error}); expected Keras' mnist.npz") from None
    return idx_header(file.shape) + npy[-size:]
