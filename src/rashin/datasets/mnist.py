"""MNIST and its family: found on this machine or downloaded, verified, and returned in the format of the digits."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from rashin.datasets.cache import cache_folder, keep
from rashin.datasets.copies import copy_content, in_folder, left_by_others, places
from rashin.datasets.download import downloaded
from rashin.datasets.form import CLASSES, Array, Parts, Samples, formed
from rashin.datasets.idx import file_bytes, idx_array, idx_content, idx_header
from rashin.datasets.published import PublishedFile, Variant, chosen_variant

__all__ = ["fetch_mnist", "load_mnist"]

_File = tuple[Path, bytes]  # its path, and its content, checked

_BRIGHTEST = 255


def load_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    variant: str = "mnist",
    path: str | os.PathLike[str] | None = None,
) -> Parts:
    """70,000 images of 28 x 28 pixels in ten classes, split as published: 60,000 for training and 10,000 held out.

    The files are looked up in the folder named by the environment variable ``RASHIN_DATA_DIR``, or else in the user's
    cache folder, and then where torchvision, Keras, TensorFlow and Debian put them. Missing files are downloaded, from
    several mirrors in turn, and cached. Each file is verified by its published SHA-256 at every call.

    Parameters
    ----------
    normalize : switch; True gives float32 pixels in [0, 1], False uint8 from 0 to 255.
    flatten : switch; True gives images of shape (n, 784), False (n, 1, 28, 28).
    one_hot_label : switch; True gives labels as float32 rows (n, 10) of 0 and 1, False integers (n,).
    variant : ``"mnist"``, handwritten digits; ``"fashion"``, clothes; ``"kmnist"``, cursive Japanese.
    path : folder of the four files, gzipped or not; each file may also be in a folder of the same name, as Kaggle's
        archive unpacks. Or the folder above it, if it is named like the variant, ``raw`` or, as in torchvision,
        ``MNIST/raw``. Other folders are not searched and nothing is downloaded. The files may contain your own data:
        any number of images of 28 x 28 bytes, with labels from 0 to 9. Files in the format of the published ones but
        with other content may be your own data or a damaged copy, and give a warning.

    Returns
    -------
    ``(x_train, t_train), (x_test, t_test)``.

    Raises
    ------
    ValueError : the variant is unknown, or a file has other content than it should; the message says what was found.
    FileNotFoundError : ``path`` does not contain the files.
    ConnectionError : no mirror serves a file; the message says what each did, and what to do.
    ImportError : pooch is needed and not installed; the message says how to get it.

    Examples
    --------
    Four training images and two held-out ones of your own; without ``path``, the real ones are loaded:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part, n in [("train", 4), ("t10k", 2)]:
    ...         images = bytes([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(784 * n)
    ...         labels = bytes([0, 0, 8, 1, 0, 0, 0, n]) + bytes(range(n))
    ...         _ = pathlib.Path(folder, f"{part}-images-idx3-ubyte").write_bytes(images)
    ...         _ = pathlib.Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(labels)
    ...     (x_train, t_train), (x_test, t_test) = load_mnist(path=folder)
    >>> x_train.shape, x_train.dtype, t_train
    ((4, 784), dtype('float32'), array([0, 1, 2, 3]))

    Reference: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), Gradient-based learning applied to document
    recognition. H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms. T. Clanuwat et al. (2018), Deep learning for classical Japanese literature.
    """
    chosen = chosen_variant(variant)
    files = (
        _own(chosen, Path(path).expanduser()) if path is not None else _available(chosen, chosen.mirrors, _try_to_keep)
    )

    def part(images: _File, labels: _File) -> Samples:
        x, t = _arrays(images, labels)
        return formed(x, t, _BRIGHTEST, normalize=normalize, flatten=flatten, one_hot_label=one_hot_label)

    return part(*files[:2]), part(*files[2:])


def fetch_mnist(variant: str = "mnist", mirrors: Sequence[str] | None = None) -> tuple[Path, ...]:
    """Download the files that ``load_mnist(variant=...)`` needs and that are not on this machine, and cache them.

    Parameters
    ----------
    variant : ``"mnist"``, ``"fashion"`` or ``"kmnist"``.
    mirrors : URLs of folders that serve the four ``.gz`` files, tried in this order instead of the known ones. The
        files are verified all the same.

    Returns
    -------
    The paths of the four files.

    Raises
    ------
    ValueError, ConnectionError, ImportError : as in ``load_mnist``.
    OSError : a file cannot be written.

    Examples
    --------
    >>> fetch_mnist("letters")
    Traceback (most recent call last):
    ...
    ValueError: variant: got 'letters'; expected 'mnist', 'fashion', 'kmnist'
    """
    chosen = chosen_variant(variant)
    if isinstance(mirrors, str):
        raise TypeError(f"mirrors: got {mirrors!r}; expected a list of addresses: [{mirrors!r}]")
    return tuple(path for path, _ in _available(chosen, chosen.mirrors if mirrors is None else mirrors, keep))


# ----------------------------------------------------------------------------------------------- the published files


def _available(variant: Variant, mirrors: Sequence[str], store: Callable[[bytes, Path], None]) -> list[_File]:
    """The four files, verified; those that are not on this machine are downloaded and stored."""
    named = os.environ.get("RASHIN_DATA_DIR")
    folder = Path(named).expanduser().absolute() if named else cache_folder()
    found = {file: _found(variant, file, folder, is_named=bool(named)) for file in variant.files}
    missing = [file for file, hit in found.items() if hit is None]
    for file, data, content in downloaded(variant, missing, mirrors) if missing else ():
        path = folder / variant.name / file.cached_as
        store(data, path)
        found[file] = path, content
    return [hit for hit in found.values() if hit is not None]


def _found(variant: Variant, file: PublishedFile, folder: Path, is_named: bool) -> _File | None:
    """The first copy that equals the published file.

    A damaged file in the cache is replaced by the download that follows. In a folder that the user names, an existing
    file is never replaced, so it must be correct.
    """
    wrong = []
    for path in in_folder(folder / variant.name, file):
        try:
            return path, copy_content(path, file)
        except (ValueError, OSError) as error:
            wrong.append(str(error))
    if wrong and is_named:
        raise ValueError(
            f"{'; '.join(wrong)}; fix: remove a damaged copy, and it is downloaded again; path= loads data of your own"
        )
    others = (path for place in places(folder, variant) for path in in_folder(place, file))
    for path in (*others, *left_by_others(variant, file)):
        with suppress(ValueError, OSError):
            return path, copy_content(path, file)
    return None


def _try_to_keep(data: bytes, path: Path) -> None:
    try:
        keep(data, path)
    except OSError as error:
        warnings.warn(
            f"{path.parent}: the files cannot be kept there ({error.strerror or error}) and will be downloaded again "
            f"next time; name a folder that can be written to with RASHIN_DATA_DIR",
            stacklevel=4,
        )


# --------------------------------------------------------------------------------------------- files of the user's own


def _own(variant: Variant, folder: Path) -> list[_File]:
    if not folder.is_dir():
        raise NotADirectoryError(
            f"path: got {str(folder)!r}, which is not a folder; expected the folder of the four files"
        )
    files = [_own_file(variant, file, folder) for file in variant.files]
    for file, (path, content) in zip(variant.files, files, strict=True):
        _warn_if_other(content, file, path)
    return files


def _own_file(variant: Variant, file: PublishedFile, folder: Path) -> _File:
    sought = places(folder, variant)
    path = next(chain.from_iterable(in_folder(place, file) for place in sought), None)
    if path is None:
        below = ", ".join(str(place.relative_to(folder)) for place in sought[1:])
        raise FileNotFoundError(
            f"path: got {str(folder)!r}, which holds neither {file.name} nor {file.name}.gz, spelt with - or . before "
            f"idx, nor a folder of that name with the file in it, here or in {below}; expected the folder of the four "
            f"files, or the one above it"
        )
    return path, idx_content(file_bytes(path), (None, *file.shape[1:]), str(path))


def _warn_if_other(content: bytes, file: PublishedFile, path: Path) -> None:
    if file.is_packed or not content.startswith(idx_header(file.shape)):
        return  # the content has no published hash, or has another size: it is not a damaged copy
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        warnings.warn(
            f"{path} has the form of the published file but other content, of SHA-256 {found} in place of "
            f"{file.sha256}: it is data of your own, or a damaged copy",
            stacklevel=4,
        )


def _arrays(images: _File, labels: _File) -> tuple[Array, Array]:
    """Pixels and labels that belong together."""
    (images_path, pixels), (labels_path, classes) = images, labels
    x, t = idx_array(pixels), idx_array(classes)
    if len(x) != len(t):
        raise ValueError(
            f"{labels_path}: got {len(t):,} labels; expected {len(x):,}, one for each image of {images_path}"
        )
    if t.max() >= CLASSES:
        first = int((t >= CLASSES).argmax())
        raise ValueError(f"{labels_path}: got label {t[first]} at index {first:,}; expected 0 to {CLASSES - 1}")
    return x, t
