"""The published files: the four files of each data set, their hashes, and their mirrors."""

from __future__ import annotations

import difflib
import hashlib
import math
from dataclasses import dataclass

from rashin.datasets.idx import idx_content, idx_header

__all__ = ["VARIANTS", "PublishedFile", "Variant", "chosen_variant", "verified"]

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_SHAPES = {
    f"train-{_IMAGES}": (60_000, 28, 28),
    f"train-{_LABELS}": (60_000,),
    f"t10k-{_IMAGES}": (10_000, 28, 28),
    f"t10k-{_LABELS}": (10_000,),
}


@dataclass(frozen=True)
class PublishedFile:
    """One of the four files, uncompressed; with ``is_packed``, the hash is that of its .gz instead."""

    name: str
    shape: tuple[int, ...]
    sha256: str
    is_packed: bool = False

    @property
    def cached_as(self) -> str:
        """The name in the cache, which keeps the form with the published hash: the file or its .gz."""
        return f"{self.name}.gz" if self.is_packed else self.name

    @property
    def limit(self) -> int:
        """The largest size of the file in bytes, gzipped or not: deflate adds less than a thousandth."""
        size = len(idx_header(self.shape)) + math.prod(self.shape)
        return size + size // 1000 + 4096


@dataclass(frozen=True)
class Variant:
    """A data set in the format of MNIST; files in the order training images, labels, held-out images, labels."""

    name: str
    torchvision: str  # its name in torchvision
    files: tuple[PublishedFile, ...]
    mirrors: tuple[str, ...]


def _files(*hashes: str, is_packed: bool = False) -> tuple[PublishedFile, ...]:
    pairs = zip(_SHAPES.items(), hashes, strict=True)
    return tuple(PublishedFile(name, shape, sha256, is_packed) for (name, shape), sha256 in pairs)


_MNIST = Variant(
    "mnist",
    "MNIST",
    _files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    (  # yann.lecun.com, the original source, answers 403 or nothing
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://azureopendatastorage.blob.core.windows.net/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
)

_FASHION = Variant(
    "fashion",
    "FashionMNIST",
    _files(  # hashes of the files in Debian's dataset-fashion-mnist, which repacks them
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
)

_KMNIST = Variant(
    "kmnist",
    "KMNIST",
    _files(  # hashes of the .gz files, as torchvision publishes them; hashes of the contents are not published
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        is_packed=True,
    ),
    (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/KMNIST/",
    ),
)

VARIANTS = {variant.name: variant for variant in (_MNIST, _FASHION, _KMNIST)}


def chosen_variant(name: str) -> Variant:
    """The data set of that name."""
    if name not in VARIANTS:
        close = difflib.get_close_matches(str(name), VARIANTS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"variant: got {name!r}; expected {', '.join(map(repr, VARIANTS))}{hint}")
    return VARIANTS[name]


def verified(data: bytes, file: PublishedFile, name: str) -> bytes:
    """The content of the published file in ``data``, gzipped or not.

    Raises
    ------
    ValueError : ``data`` is not that file; the message says what came and what is expected.
    """
    content = idx_content(data, file.shape, name)
    if file.is_packed and data is content:
        raise ValueError(f"{name}: got an uncompressed file; expected {file.cached_as}, whose SHA-256 is published")
    found = hashlib.sha256(data if file.is_packed else content).hexdigest()
    if found != file.sha256:
        raise ValueError(f"{name}: got other data, of SHA-256 {found}; expected {file.sha256}")
    return content
