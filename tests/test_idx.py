"""The reader of IDX files: exactly what the header says, or an error that names the file, what it is, and what not."""

from __future__ import annotations

import gzip
import re
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idx_files import idx, packed
from rashin.datasets.idx import file_bytes, idx_array, idx_content, idx_header

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([5, 0, 4], np.uint8)
SHAPE = IMAGES.shape
WHOLE = idx(IMAGES)  # 16 + 24 bytes
ZIPPED = packed(WHOLE)
SETTINGS = settings(max_examples=500, deadline=None, derandomize=True)


def header(*lengths, magic=b"\0\0\x08\x03"):
    return magic + b"".join(length.to_bytes(4, "big") for length in lengths)


# ------------------------------------------------------------------------------------------------------- good files


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.zeros((1, 1, 1), np.uint8)], ids=["images", "labels", "one"])
@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzipped"])
def test_what_was_written_is_read(array, pack):
    content = idx_content(pack(idx(array)), array.shape, "file")
    assert content == idx(array)
    np.testing.assert_array_equal(idx_array(content), array)
    assert idx_header(array.shape) == idx(array)[: -array.size]


def test_the_number_of_samples_may_be_left_open():
    for n in (1, 2, 300):
        array = np.full((n, 2, 2), n % 256, np.uint8)
        np.testing.assert_array_equal(idx_array(idx_content(packed(idx(array)), (None, 2, 2), "file")), array)


def test_gzip_with_a_name_and_a_comment_in_its_header_is_read():
    plain = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = plain.compress(WHOLE) + plain.flush()
    trailer = zlib.crc32(WHOLE).to_bytes(4, "little") + len(WHOLE).to_bytes(4, "little")
    named = b"\x1f\x8b\x08\x18" + b"\0" * 6 + b"train-images\0a comment\0" + body + trailer
    assert gzip.decompress(named) == WHOLE
    assert idx_content(named, SHAPE, "file") == WHOLE


# ------------------------------------------------------------------------------------------------------------ faults

FLIPPED = bytearray(ZIPPED)
FLIPPED[-8] ^= 1  # in the checksum
LENGTH = bytearray(ZIPPED)
LENGTH[-1] ^= 1
BODY = bytearray(packed(idx(np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8))))
BODY[len(BODY) // 2] ^= 0x10

FAULTS = {
    "empty": (b"", "an empty file", "an IDX file of shape (2, 3, 4)"),
    "half a magic number": (b"\0\0", "2 bytes", "a header of 16"),
    "half a header": (WHOLE[:9], "9 bytes", "a header of 16"),
    "a page of HTML": (b"<!DOCTYPE html><p>403", "b'<!DO', a page of HTML, in place", "0x00000803"),
    "text": (b"not found", "b'not ' in place of the magic number", "0x00000803 (unsigned bytes, 3 dimensions)"),
    "labels for images": (idx(LABELS), "magic number 0x00000801", "0x00000803"),
    "floats for bytes": (idx(IMAGES.astype(">f4"), 0x0D), "magic number 0x00000D03", "unsigned bytes"),
    "signed bytes": (idx(IMAGES.astype(np.int8), 0x09), "magic number 0x00000903", "unsigned bytes"),
    "three samples, not two": (idx(np.zeros((3, 3, 4), np.uint8)), "shape (3, 3, 4) in its header", "(2, 3, 4)"),
    "transposed": (idx(np.zeros((2, 4, 3), np.uint8)), "shape (2, 4, 3) in its header", "(2, 3, 4)"),
    "no element": (WHOLE[:16], "16 bytes", "40, as its header says"),
    "one byte short": (WHOLE[:-1], "39 bytes", "40, as its header says"),
    "one byte more": (WHOLE + b"\0", "41 bytes", "40, as its header says"),
    "gzip: only its mark": (ZIPPED[:2], "breaks off after 0 bytes", "a whole gzip file"),
    "gzip: cut in its header": (ZIPPED[:7], "breaks off after 0 bytes", "a whole gzip file"),
    "gzip: cut in mid-stream": (ZIPPED[:-20], "breaks off after ", "a whole gzip file"),
    "gzip: cut in its trailer": (ZIPPED[:-3], "breaks off after 40 bytes", "a whole gzip file"),
    "gzip: without its trailer": (ZIPPED[:-8], "breaks off after 40 bytes", "a whole gzip file"),
    "gzip: wrong checksum": (
        bytes(FLIPPED),
        "damaged gzip data (Error -3 while decompressing data: incorrect",
        "whole",
    ),
    "gzip: wrong length": (bytes(LENGTH), "incorrect length check", "a whole gzip file"),
    "gzip: a flipped bit": (bytes(BODY), "damaged gzip data", "a whole gzip file"),
    "gzip: unknown method": (b"\x1f\x8b\x07" + ZIPPED[3:], "unknown compression method", "a whole gzip file"),
    "gzip: two members": (ZIPPED * 2, f"{len(ZIPPED)} bytes after the end", "none"),
    "gzip: garbage behind": (ZIPPED + b"\0\0\0", "3 bytes after the end", "none"),
    "gzip: of gzip": (packed(ZIPPED), "b'\\x1f\\x8b\\x08\\x00' in place of the magic number", "0x00000803"),
    "gzip: of HTML": (packed(b"<html>"), "b'<htm', a page of HTML,", "0x00000803"),
    "gzip: of nothing": (packed(b""), "an empty file", "(2, 3, 4)"),
    "gzip: one byte short": (packed(WHOLE[:-1]), "39 bytes when inflated", "40, as its header says"),
    "gzip: one byte more": (packed(WHOLE + b"\0"), "more than 40 bytes when inflated", "40, as its header says"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault):
    data, found, expected = FAULTS[fault]
    with pytest.raises(ValueError, match=re.escape(found)) as error:
        idx_content(data, SHAPE, "some/file")
    assert re.fullmatch(r"some/file: got .+; expected .+", str(error.value))
    assert expected in str(error.value).partition("; expected ")[2]


@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("lengths", "found"),
    [
        ((2**31, 28, 28), "bytes"),
        ((2**32 - 1, 28, 28), "bytes"),
        ((0, 28, 28), "shape (0, 28, 28) in its header"),
        ((1, 2**32 - 1, 2**32 - 1), "shape (1, 4294967295, 4294967295) in its header"),
    ],
    ids=str,
)
def test_a_header_that_announces_too_much_costs_nothing(pack, lengths, found):
    data = pack(header(*lengths) + bytes(784))
    tracemalloc.start()
    with pytest.raises(ValueError, match=re.escape(found)):
        idx_content(data, (None, 28, 28), "file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_dimensions_whose_product_overflows_64_bits_are_told_by_their_product():
    data = header(2**32 - 1, 2**32 - 1, 2**32 - 1)
    with pytest.raises(ValueError, match=rf"12 bytes|16 bytes; expected {(2**32 - 1) ** 3 + 16:,},"):
        idx_content(data, (None, 2**32 - 1, 2**32 - 1), "file")


@pytest.mark.parametrize("shape", [(3,), (None,)], ids=["three", "any number"])
def test_a_gzip_bomb_is_inflated_by_one_byte_too_many_only(shape):
    bomb = packed(header(3, magic=b"\0\0\x08\x01") + bytes(200_000_000))
    assert len(bomb) < 300_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 11 bytes when inflated; expected 11"):
        idx_content(bomb, shape, "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(bomb)


# -------------------------------------------------------------------------------------------------------------- fuzz


def mutated(seed, edits):
    data = bytearray(seed)
    for kind, where, value in edits:
        at = where % (len(data) + 1)
        if kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = bytes([value])
        elif at < len(data):
            data[at] = value
    return bytes(data)


edits = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "cut"]), st.integers(0, 2**16), st.integers(0, 255)), max_size=4
)
near_misses = st.builds(mutated, st.sampled_from([WHOLE, ZIPPED, idx(LABELS), packed(idx(LABELS))]), edits)
headers = st.builds(
    lambda lengths, body: header(*lengths) + body, st.tuples(*[st.integers(0, 2**32 - 1)] * 3), st.binary()
)
anything = st.one_of(
    st.binary(max_size=300), near_misses, headers, st.builds(packed, near_misses), st.builds(packed, headers)
)


def content_or_error(data, shape):
    try:
        return idx_content(data, shape, "some/file")
    except ValueError as error:
        return error


@SETTINGS
@given(data=anything, shape=st.sampled_from([(2, 3, 4), (None, 3, 4), (3,), (None,), (None, 28, 28)]))
def test_any_bytes_give_a_valid_array_or_our_error_in_bounded_memory(data, shape):
    tracemalloc.start()
    content = content_or_error(data, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000 + 3 * 1032 * len(data)
    if isinstance(content, ValueError):
        assert re.fullmatch(r"some/file: got .+; expected .+", str(content), re.DOTALL)
    else:
        array = idx_array(content)
        assert array.dtype == np.uint8
        assert array.size >= 1
        assert all(wanted in (None, length) for length, wanted in zip(array.shape, shape, strict=True))
        assert content == idx(array)
        assert content == (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)


# ------------------------------------------------------------------------------------------------------------- files


def test_a_file_is_read_whole_but_not_beyond_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    assert file_bytes(path) == file_bytes(path, len(WHOLE)) == WHOLE
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}: got more than 39 bytes; expected fewer"):
        file_bytes(path, len(WHOLE) - 1)


def test_a_sparse_file_of_a_terabyte_is_not_read(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        file_bytes(path, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for name, found in (
        ("folder", "a folder"),
        ("dangling", "a link to nothing"),
        ("gone", "a name that does not exist"),
    ):
        with pytest.raises(ValueError, match=rf"{name}: got {found}; expected a file"):
            file_bytes(tmp_path / name)
