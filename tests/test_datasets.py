"""The digits are the real ones, split the same way every time; so are MNIST and its family, and in the same form."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits as embedded_digits

import rashin
from idx_files import NAMES, REAL, elements, four_files, idx, needs_mnist, packed, published, real_content, write_four
from rashin.datasets import fetch_mnist, load_digits, load_mnist
from rashin.datasets.published import VARIANTS

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
needs_fashion = pytest.mark.skipif(not DEBIAN.is_dir(), reason="the package dataset-fashion-mnist is not installed")

# ------------------------------------------------------------------------------------------------------- the digits


def test_shapes_and_types_by_default():
    (x_train, t_train), (x_test, t_test) = load_digits()
    assert (x_train.shape, x_test.shape) == ((1437, 64), (360, 64))
    assert (t_train.shape, t_test.shape) == ((1437,), (360,))
    assert x_train.dtype == x_test.dtype == np.float32
    assert t_train.dtype.kind == "i"
    assert (x_train.min(), x_train.max()) == (0.0, 1.0)


def test_the_forms_agree():
    (x, t), _ = load_digits()
    (image, row), _ = load_digits(normalize=False, flatten=False, one_hot_label=True)
    assert (image.shape, image.dtype) == ((1437, 1, 8, 8), np.uint8)
    assert (row.shape, row.dtype) == ((1437, 10), np.float32)
    np.testing.assert_array_equal(image.reshape(-1, 64) / np.float32(16), x)
    np.testing.assert_array_equal(row.argmax(axis=1), t)
    np.testing.assert_array_equal(row.sum(axis=1), 1)


def test_both_parts_together_are_all_digits():
    images, labels = embedded_digits(return_X_y=True)
    (x_train, t_train), (x_test, t_test) = load_digits(normalize=False)
    found = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([t_train, t_test])])
    expected = np.column_stack([images, labels])
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


def test_the_split_is_fixed_and_fair():
    (first, t_train), (_, t_test) = load_digits()
    np.testing.assert_array_equal(first, load_digits()[0][0])
    share = np.bincount(t_test) / (np.bincount(t_test) + np.bincount(t_train))
    np.testing.assert_allclose(share, 0.2, rtol=0.02)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"scikit-learn, which is not installed; fix: pip install '\.\[learn\]'"):
        load_digits()


# ------------------------------------------------------------------------------------------------- MNIST: the form


@pytest.fixture
def own(tmp_path):
    """A folder with 50 + 10 images, and what is in it."""
    contents = four_files()
    return write_four(tmp_path / "own", contents), [elements(content) for content in contents.values()]


def test_mnist_comes_in_the_form_of_the_digits(own):
    folder, (images, labels, test_images, test_labels) = own
    (x_train, t_train), (x_test, t_test) = load_mnist(path=folder)
    (digits, t_digits), _ = load_digits()
    assert (x_train.shape, x_test.shape, t_train.shape, t_test.shape) == ((50, 784), (10, 784), (50,), (10,))
    assert (x_train.dtype, t_train.dtype) == (digits.dtype, t_digits.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(x_train, images.reshape(50, 784).astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(x_test, test_images.reshape(10, 784).astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(t_train, labels)
    np.testing.assert_array_equal(t_test, test_labels)


def test_unnormalized_unflattened_and_one_hot(own):
    folder, (images, labels, *_) = own
    (x, t), (x_test, t_test) = load_mnist(normalize=False, flatten=False, one_hot_label=True, path=folder)
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((50, 1, 28, 28), np.uint8, (50, 10), np.float32)
    assert (x_test.shape, t_test.shape) == ((10, 1, 28, 28), (10, 10))
    np.testing.assert_array_equal(x[:, 0], images)
    np.testing.assert_array_equal(t, labels[:, None] == np.arange(10))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_number_of_threads_scales_alike(tmp_path, count):
    contents = four_files(seed=6, train=3001)  # more than one piece of work
    write_four(tmp_path, contents)
    with rashin.threads(count):
        (x, _), _ = load_mnist(path=tmp_path)
    np.testing.assert_array_equal(x * np.float32(255), elements(contents[NAMES[0]]).reshape(3001, 784))


def test_the_arguments_stand_in_the_order_of_the_book(own):
    (x, t), _ = load_mnist(False, False, True, path=own[0])
    assert (x.shape, x.dtype, t.shape) == ((50, 1, 28, 28), np.uint8, (50, 10))


@pytest.mark.parametrize("normalize", [True, False])
def test_the_arrays_may_be_written_to(own, normalize):
    for x, t in load_mnist(normalize, path=own[0]):
        x[0] = 1
        t[0] = 7
        assert (x[0, 0], t[0]) == (1, 7)


# ----------------------------------------------------------------------------------------- MNIST: files of one's own


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("subfolder", ["", "kmnist"], ids=["directly", "under the name"])
def test_path_is_the_folder_of_the_files_or_the_one_above(tmp_path, is_packed, subfolder):
    contents = four_files(seed=3)
    write_four(tmp_path / subfolder, contents, is_packed)
    (x, t), _ = load_mnist(normalize=False, variant="kmnist", path=str(tmp_path))
    np.testing.assert_array_equal(x, elements(contents[NAMES[0]]).reshape(50, 784))
    np.testing.assert_array_equal(t, elements(contents[NAMES[1]]))


def test_files_spelt_with_a_dot_are_found(tmp_path):
    contents = four_files(seed=4)
    write_four(tmp_path, {name.replace("-idx", ".idx"): content for name, content in contents.items()})
    np.testing.assert_array_equal(load_mnist(path=tmp_path)[1][1], elements(contents[NAMES[3]]))


@pytest.mark.parametrize("spelling", ["-idx", ".idx"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("subfolder", ["", "MNIST/raw", "MNIST", "raw", "mnist"])
def test_each_file_may_lie_in_a_folder_of_its_name(tmp_path, subfolder, suffix, spelling):
    contents = four_files(seed=6)
    for name, content in contents.items():
        own = write_four(tmp_path / subfolder / name, {})
        data = packed(content) if suffix else content
        (own / f"{name.replace('-idx', spelling)}{suffix}").write_bytes(data)
    (x, _), (_, t) = load_mnist(normalize=False, path=tmp_path)
    np.testing.assert_array_equal(x, elements(contents[NAMES[0]]).reshape(50, 784))
    np.testing.assert_array_equal(t, elements(contents[NAMES[3]]))


def test_a_file_beside_the_folder_of_its_name_is_taken(tmp_path):
    contents = four_files(seed=7)
    write_four(tmp_path, {name.replace("-idx", ".idx"): content for name, content in contents.items()})
    for name in NAMES:
        (tmp_path / name).mkdir()
    np.testing.assert_array_equal(load_mnist(path=tmp_path)[0][1], elements(contents[NAMES[1]]))


def test_the_data_folder_may_be_that_of_torchvision(tmp_path, monkeypatch):
    contents = four_files(seed=8)
    monkeypatch.setitem(VARIANTS, "mnist", published(contents))
    monkeypatch.setenv("RASHIN_DATA_DIR", str(tmp_path))
    for name, content in contents.items():
        write_four(tmp_path / "MNIST" / "raw" / name, {name.replace("-idx", ".idx"): content})
    np.testing.assert_array_equal(load_mnist()[0][1], elements(contents[NAMES[1]]))


def test_path_may_be_long_in_any_script_and_with_dots(tmp_path):
    folder = tmp_path.joinpath(*["羅針" + "ü" * 60] * 12)
    folder.mkdir(parents=True)
    contents = four_files(seed=5)
    write_four(folder / "データ", contents)
    (_, t), _ = load_mnist(path=folder / ".." / folder.name / "データ")
    np.testing.assert_array_equal(t, elements(contents[NAMES[1]]))


def test_nothing_but_path_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("RASHIN_DATA_DIR", str(write_four(tmp_path / "elsewhere" / "mnist", four_files()).parent))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"^path: got '.*empty', which holds neither train-images-idx3-ubyte nor"
    ):
        load_mnist(path=tmp_path / "empty")


def test_three_files_are_not_four(own):
    folder, _ = own
    (folder / NAMES[3]).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"neither t10k-labels-idx1-ubyte nor .* MNIST/raw, MNIST, raw; expected"
    ):
        load_mnist(path=folder)


def test_a_path_that_is_no_folder_is_named(own):
    for path in (own[0] / "missing", own[0] / NAMES[0]):
        with pytest.raises(NotADirectoryError, match=rf"path: got '{re.escape(str(path))}', which is not a folder"):
            load_mnist(path=path)


def test_as_many_labels_as_images(own):
    folder, _ = own
    (folder / NAMES[1]).write_bytes(idx(np.zeros(49, np.uint8)))
    with pytest.raises(ValueError, match=rf"{NAMES[1]}: got 49 labels; expected 50, one for each image of .*images"):
        load_mnist(path=folder)


def test_a_label_beyond_9_is_named_with_its_place(own):
    folder, (_, _, _, labels) = own
    wrong = labels.copy()
    wrong[[7, 8]] = 250, 10
    (folder / NAMES[3]).write_bytes(idx(wrong))
    with pytest.raises(ValueError, match=rf"{NAMES[3]}: got label 250 at index 7; expected 0 to 9"):
        load_mnist(path=folder)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "got an empty file"),
        (b"<html>", "a page of HTML"),
        (packed(four_files()[NAMES[0]])[:-9], "gzip data that breaks off"),
        (idx(np.zeros((50, 28, 27), np.uint8)), r"shape \(50, 28, 27\) in its header; expected \(any, 28, 28\)"),
        (idx(np.zeros((0, 28, 28), np.uint8)), r"shape \(0, 28, 28\) in its header"),
        (four_files()[NAMES[1]], "magic number 0x00000801"),
    ],
    ids=["empty", "HTML", "cut", "27 columns", "no image", "labels"],
)
def test_a_fault_names_the_file(own, content, found):
    path = own[0] / NAMES[0]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: .*{found}"):
        load_mnist(path=own[0])


def test_folders_and_dangling_links_in_place_of_files_are_named(own):
    path = own[0] / NAMES[2]
    path.unlink()
    path.symlink_to(own[0] / "gone")
    with pytest.raises(ValueError, match=rf"{NAMES[2]}: got a link to nothing; expected a file"):
        load_mnist(path=own[0])
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=rf"{NAMES[2]}: got a folder; expected a file"):
        load_mnist(path=own[0])


def test_other_content_in_the_published_form_brings_a_warning(tmp_path, monkeypatch):
    contents = four_files(seed=1)
    monkeypatch.setitem(VARIANTS, "mnist", published(contents))
    write_four(tmp_path, contents)
    load_mnist(path=tmp_path)  # the published files themselves: no warning, which would be an error here
    flipped = bytearray(contents[NAMES[0]])
    flipped[1000] ^= 1
    (tmp_path / NAMES[0]).write_bytes(flipped)
    with pytest.warns(UserWarning, match=rf"{NAMES[0]} has the form of the published file but other content") as caught:
        (x, _), _ = load_mnist(normalize=False, path=tmp_path)
    assert caught[0].filename == __file__
    assert x.ravel()[1000 - 16] == flipped[1000]
    (tmp_path / NAMES[0]).write_bytes(idx(np.zeros((7, 28, 28), np.uint8)))
    (tmp_path / NAMES[1]).write_bytes(idx(np.zeros(7, np.uint8)))
    assert len(load_mnist(path=tmp_path)[0][0]) == 7  # another number of images is no damage


@pytest.mark.parametrize("name", ["mnits", "", "MNIST", "fashion-mnist"])
def test_an_unknown_variant_is_named(name):
    for function in (load_mnist, fetch_mnist):
        with pytest.raises(ValueError, match=rf"variant: got '{name}'; expected 'mnist', 'fashion', 'kmnist'"):
            function(variant=name)


# -------------------------------------------------------------------------------------------------- the real images


@needs_mnist
def test_the_real_mnist_in_the_form_of_the_book():
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=True, one_hot_label=True)
    assert (x_train.shape, t_train.shape, x_test.shape, t_test.shape) == (
        (60000, 784),
        (60000, 10),
        (10000, 784),
        (10000, 10),
    )
    assert x_train.dtype == x_test.dtype == np.float32
    assert (x_train.min(), x_train.max(), x_test.min(), x_test.max()) == (0, 1, 0, 1)
    assert [*t_train[:5].argmax(axis=1)] == [5, 0, 4, 1, 9]
    assert [*t_test[:5].argmax(axis=1)] == [7, 2, 1, 0, 4]
    assert [*t_train.sum(axis=0)] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert [*t_test.sum(axis=0)] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert x_train.mean(dtype=np.float64) == pytest.approx(0.1306604762738429, rel=1e-7, abs=0)
    assert x_train.std(dtype=np.float64) == pytest.approx(0.30810780717887876, rel=1e-6, abs=0)


@needs_mnist
def test_the_real_mnist_pixel_by_pixel():
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, flatten=False)
    for array, name, offset in zip((x_train, t_train, x_test, t_test), NAMES, (16, 8, 16, 8), strict=True):
        np.testing.assert_array_equal(array.ravel(), np.frombuffer(real_content(name), np.uint8, offset=offset))


@needs_mnist
def test_the_real_mnist_needs_no_download():
    paths = fetch_mnist("mnist", mirrors=[])
    assert [(path.parent, path.name.removesuffix(".gz")) for path in paths] == [(REAL, name) for name in NAMES]


@needs_fashion
def test_the_real_fashion_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("RASHIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (x_train, t_train), (x_test, t_test) = load_mnist(variant="fashion")
    assert (x_train.shape, x_test.shape) == ((60000, 784), (10000, 784))
    assert [*np.bincount(t_train)] == [6000] * 10
    assert [*np.bincount(t_test)] == [1000] * 10
    assert ([*t_train[:5]], [*t_test[:5]]) == ([9, 0, 0, 3, 0], [9, 2, 1, 1, 6])
    assert x_train.mean(dtype=np.float64) == pytest.approx(0.2860405969887955, rel=1e-7, abs=0)
    assert [*tmp_path.iterdir()] == []  # a copy that is there is read where it is
