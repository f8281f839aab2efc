"""Damaged files are named in an error; none of them ends the process."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest

import rashin
from rashin.storage import read_arrays

# Mutants of small files with text, codes and lists: each is measured, or told by its name, in bytes as few as its own.
# Offsets and codes that point outside a buffer have ended the process, and so has a damaged footer of Parquet: all of
# it runs in another process.
MUTANTS = """
import gzip, resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.csv, pyarrow.feather, pyarrow.parquet
import rashin

folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
names = pa.array(["north", "south", "a longer name", None] * 16)
lists = pa.table({"p": [[0.25, 0.75]] * 64, "t": [0, 1] * 32, "site": names})
codes = pa.table({"p": [0.25, 0.75] * 32, "t": [0, 1] * 32, "site": names.dictionary_encode()})
pa.feather.write_feather(lists, folder / "l.arrow", compression="uncompressed")
pa.feather.write_feather(codes, folder / "c.arrow", compression="lz4")
pa.parquet.write_table(lists, folder / "l.parquet")
pa.parquet.write_table(codes, folder / "c.parquet", compression="none", write_page_checksum=True)
pa.csv.write_csv(codes.select(["p", "t"]), folder / "c.csv")
(folder / "c.csv.gz").write_bytes(gzip.compress((folder / "c.csv").read_bytes()))
np.savez(folder / "c.npz", p=np.array([0.25, 0.75] * 32), t=np.array([0, 1] * 32))
np.save(folder / "c.npy", np.array([[0.25, 0], [0.75, 1]] * 32))
told = same = 0


def measured(file, on_error):
    loss = "categorical_cross_entropy" if file.name[0] == "l" else "binary_cross_entropy"
    p, t = ("0", "1") if file.suffix == ".npy" else ("p", "t")
    group = "site" if file.suffix in (".arrow", ".parquet") else None
    return rashin.measure_table(loss, str(file), prediction=p, target=t, group=group, on_error=on_error)


def mutants(whole, is_parquet):
    for number in range(50 + 40 * is_parquet):
        mutant = bytearray(whole)
        at = int(rng.integers(len(whole)))
        if number % 4 == 1:
            del mutant[at:]
        elif number % 4 == 2:
            mutant[at : at + 20] = bytes(len(mutant[at : at + 20]))
        else:
            mutant[at] = rng.integers(256)
        yield bytes(mutant)
    if is_parquet:  # the sizes and counts in its footer
        yield from (whole[:at] + b"\x7f" + whole[at + 1 :] for at in range(len(whole) * 2 // 3, len(whole), 9))


for file in sorted(folder.iterdir()):
    whole, right = file.read_bytes(), measured(file, "raise").mean
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    for mutant in mutants(whole, file.suffix == ".parquet"):
        file.write_bytes(mutant)
        for on_error in ("raise", "skip"):
            try:
                found = measured(file, on_error)
            except ValueError as error:
                assert file.name in str(error), error
                told += 1
            else:
                same += 1
                if file.suffix in (".gz", ".npz") and not found.skipped:  # they have checksums
                    assert found.mean == right, (file, found.mean)
    file.unlink()
print(told, same)
"""


def test_no_mutant_of_a_file_ends_the_process_or_is_measured_wrong(tmp_path):
    run = subprocess.run([sys.executable, "-c", MUTANTS, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    told, same = map(int, run.stdout.split())
    assert min(told, same) > 100


def header(shape, descr="<f8"):
    """An .npy file of a header and eight bytes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)


CLAIMS = {
    "more than there is": ((1 << 62, 2), "<f8"),
    "a product beyond 64 bits": ((1 << 40, 1 << 40), "<f8"),
    "less than nothing": ((-4, 2), "<f8"),
    "objects": ((1, 1), "|O"),
    "numbers of no bytes": ((1 << 62, 2), "|S0"),
    "columns of no rows": ((0, 1 << 40), "<f8"),
    "a type that is none": ((1, 1), "<q9"),
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_header_is_held_against_the_bytes_of_its_file(name, claim, tmp_path):
    file = tmp_path / name
    shape, descr = CLAIMS[claim]
    if name == "a.npy":
        file.write_bytes(header(shape, descr))
    else:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for column in ("0", "1"):
                archive.writestr(f"{column}.npy", header(shape, descr))
    asked = {"prediction": "0", "target": "1"}
    with pytest.raises(ValueError, match=rf"{name}, (array '0', )?(header|dtype): got .*; expected "):
        rashin.measure_table("squared_error", file, **asked)
    assert rashin.measure_table("squared_error", file, on_error="skip", **asked).skipped == {f"{file} is broken": 1}
    with pytest.raises(ValueError, match=name):
        read_arrays(file, "a network")
    if name == "a.npz":
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("rashin.npy", header(shape, descr))
        with pytest.raises(ValueError, match=f"{name}.*'rashin'"):
            rashin.measure_table(None, file, **asked)


def test_a_header_that_is_no_text_is_refused(tmp_path):
    for text in (b"{'shape': (", b"(" * 9000, b"{" + bytes(30), b"[]"):
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        with pytest.raises(
            ValueError, match=r"a\.npy, header: got bytes that cannot be read .*; expected the header of an array"
        ):
            rashin.measure_table("squared_error", tmp_path / "a.npy", prediction="0", target="1")


def test_many_fields_and_names_in_any_letters_are_read(tmp_path):
    fields = [("予測", "f8"), ("目標", "f8"), *((f"a field with a long name {k}", "f4") for k in range(400))]
    array = np.zeros(3, fields)
    array["予測"], array["目標"] = [1.0, 2.0, 4.0], 1.0
    with pytest.warns(UserWarning, match="format 3"):
        np.save(tmp_path / "a.npy", array)
    found = rashin.measure_table("squared_error", tmp_path / "a.npy", prediction="予測", target="目標")
    assert found.mean == rashin.squared_error(array["予測"], array["目標"])


def test_an_encrypted_archive_is_named_with_its_array(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, p=np.array([0.25, 0.5]), t=np.array([0.0, 1.0]))
    content = bytearray(file.read_bytes())
    for begin, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of each member, twice
        at = -1
        while (at := content.find(begin, at + 1)) >= 0:
            content[at + flags] |= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz, array 'p', content: got encrypted bytes"):
        rashin.measure_table("binary_cross_entropy", file, prediction="p", target="t")
    with pytest.raises(ValueError, match=r"a\.npz, array 'p', content: got encrypted bytes"):
        read_arrays(file, "a network")


def test_an_archive_with_a_member_twice_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", p=np.array([0.25, 0.5]), t=np.array([0.0, 1.0]))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        member = archive.read("p.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("p.npy", member)
    with pytest.raises(ValueError, match=r"a\.npz.*'p'"):
        rashin.measure_table("binary_cross_entropy", tmp_path / "a.npz", prediction="p", target="t")
