"""Small data sets in MNIST's form, written byte by byte: what the reader is judged by shares no code with it."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from rashin.datasets.published import PublishedFile, Variant

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

REAL = Path(os.environ.get("RASHIN_DATA_DIR") or "no such folder", "mnist").absolute()
needs_mnist = pytest.mark.skipif(not REAL.is_dir(), reason="RASHIN_DATA_DIR names no folder with the files of MNIST")


def real_content(name):
    plain = REAL / name
    return plain.read_bytes() if plain.exists() else gzip.decompress((REAL / f"{name}.gz").read_bytes())


def idx(array, element_type=8):
    """The bytes of an IDX file."""
    header = bytes([0, 0, element_type, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def packed(content):
    return gzip.compress(content, compresslevel=6, mtime=0)


def four_files(seed=0, train=50, test=10):
    """Name and content of the four: random pixels, and labels that hold every class."""
    random = np.random.default_rng(seed)
    contents = {}
    for names, n in ((NAMES[:2], train), (NAMES[2:], test)):
        contents[names[0]] = idx(random.integers(0, 256, (n, 28, 28), np.uint8))
        contents[names[1]] = idx(random.permutation(np.arange(n, dtype=np.uint8) % 10))
    return contents


def elements(content):
    """The array in an IDX file that is known to be good."""
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def published(contents, name="mnist", torchvision="MNIST", is_packed=False, mirrors=()):
    """The variant that has these files."""
    files = []
    for file, content in contents.items():
        hashed = packed(content) if is_packed else content
        files.append(PublishedFile(file, elements(content).shape, hashlib.sha256(hashed).hexdigest(), is_packed))
    return Variant(name, torchvision, tuple(files), tuple(mirrors))


def write_four(folder, contents, is_packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}{'.gz' if is_packed else ''}").write_bytes(packed(content) if is_packed else content)
    return folder
