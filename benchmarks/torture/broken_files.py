"""Reading files whose very bytes are broken: ``python -m benchmarks.torture.broken_files KIND SEED COUNT``.

A process of its own, since a library that meets what it never thought of may end the process.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.torture.mutations import NOW, START, WINDOWS, as_row, good_record, spoil_file
from monitor.errors import DriftmonError
from monitor.indexes.memory import MemoryIndex
from monitor.sources.file import FileSource


def whole_gzip() -> bytes:
    """Return sixty records as compressed lines."""
    rng = np.random.default_rng(1)
    return gzip.compress("\n".join(json.dumps(as_row(good_record(rng, i))) for i in range(60)).encode())


def whole_parquet() -> bytes:
    """Return sixty records as a file of two row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": [f"q{i}" for i in range(60)],
            "at": pa.array([START + timedelta(minutes=i) for i in range(60)], pa.timestamp("us", "UTC")),
            "vector": [[1.0, 2.0]] * 60,
            "hits": [["a", "b"]] * 60,
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content, row_group_size=30)
    return content.getvalue()


def whole_npz() -> bytes:
    """Return sixty documents as arrays."""
    content = io.BytesIO()
    np.savez(content, ids=np.array([f"d{i}" for i in range(60)]), vectors=np.ones((60, 4), np.float32))
    return content.getvalue()


def _read_log(path: Path) -> None:
    source = FileSource(str(path))
    object.__setattr__(source, "clock", lambda: NOW)
    for _entry in source.read(*WINDOWS[2]):
        pass


def _read_index(path: Path) -> None:
    MemoryIndex(path).sample(10)


KINDS = {
    "jsonl.gz": (whole_gzip, _read_log),
    "parquet": (whole_parquet, _read_log),
    "index.npz": (whole_npz, _read_index),
    "index.parquet": (whole_parquet, _read_index),
    "index.jsonl.gz": (whole_gzip, _read_index),
}
"""Name of a file: what it holds, and who reads it."""


def read_broken(kind: str, seed: int, count: int, folder: Path) -> dict[str, Any]:
    """Read ``count`` files, each broken in its own way; return what became of them."""
    rng = np.random.default_rng(seed)
    make, read_file = KINDS[kind]
    whole = make()
    path = folder / f"log.{kind}"
    read = refused = 0
    raised: list[str] = []
    for _ in range(count):
        path.write_bytes(spoil_file(rng, whole))
        try:
            read_file(path)
            read += 1
        except DriftmonError:
            refused += 1
        except Exception as error:  # noqa: BLE001 the source's promise is what is tested
            raised.append(f"{type(error).__name__}: {error}")
    return {"read": read, "refused": refused, "raised": raised}


if __name__ == "__main__":
    warnings.simplefilter("error")
    with TemporaryDirectory(prefix="driftmon-broken-") as place:
        print(json.dumps(read_broken(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(place))))
