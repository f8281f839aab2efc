"""A small table with everything in it, and the same rows in every format."""

from __future__ import annotations

import bz2
import gzip
import lzma

import numpy as np
import pyarrow as pa
from pyarrow import csv, feather, ipc, parquet

ROWS, CLASSES = 1000, 11


def make_rows(seed=0):
    """Columns by name: logits of eleven classes, probabilities of two, and what goes with them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (ROWS, CLASSES))
    p = rng.uniform(0.01, 0.99, ROWS)
    return {
        **{f"z_{k}": logits[:, k] for k in range(CLASSES)},
        "target": rng.integers(0, CLASSES, ROWS),
        "p": p,
        "hit": (rng.random(ROWS) < p).astype(np.int8),
        "weight": rng.integers(0, 5, ROWS) / 4,
        "site": np.array(["north", "south", "east"])[rng.integers(0, 3, ROWS)],
        "patient": rng.integers(100, 140, ROWS),
    }


def arrow_table(columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def write(path, columns):
    """Write columns in the format that the name of the file asks for."""
    name, table = path.name, arrow_table(columns)
    if name.endswith(".parquet"):
        parquet.write_table(table, path, row_group_size=170)
    elif name.endswith(".feather"):
        feather.write_feather(table, str(path), compression="lz4", chunksize=300)
    elif name.endswith(".arrow"):
        with ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, 300)
    elif name.endswith(".arrows"):
        with ipc.new_stream(str(path), table.schema) as writer:
            writer.write_table(table, 300)
    elif name.endswith(".npz"):
        (np.savez_compressed if "compressed" in name else np.savez)(path, **columns)
    elif name.endswith(".npy"):
        fields = [(key, values.dtype) for key, values in columns.items()]
        array = np.empty(ROWS, fields)
        for key, values in columns.items():
            array[key] = values
        np.save(path, array)
    else:
        write_text(path, table)
    return path


def write_text(path, table):
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(delimiter="\t" if ".tsv" in path.name else ","))
    text = sink.getvalue().to_pybytes()
    packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix)
    if path.suffix in (".zst", ".lz4"):
        with pa.output_stream(str(path), compression={".zst": "zstd", ".lz4": "lz4"}[path.suffix]) as stream:
            stream.write(text)
    else:
        path.write_bytes(packed(text) if packed else text)
