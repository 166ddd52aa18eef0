"""Reads ids and vectors from files (.npz, .jsonl, .jsonl.gz, .parquet); what is broken is counted."""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SUFFIXES = (".npz", ".jsonl", ".jsonl.gz", ".parquet")
BLOCK_ROWS = 4096

# What NumPy and zipfile raise over bytes that are no archive of theirs; a header may claim any shape.
_BROKEN_ARCHIVE = (
    KeyError,
    ValueError,
    TypeError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)

# Rows of one dimension: what stands for their ids, and the vectors; or what was wrong, and with how many.
Rows: TypeAlias = tuple[list[Any], NDArray[Any]]
Broken: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Vectors:
    """What the files held: ids, vectors ``(N, d)`` float32 or float16, and what was left out, by reason."""

    ids: Sequence[str]
    vectors: NDArray[Any]
    rejected: Mapping[str, int]


def find_files(path: Path) -> list[Path]:
    """Return the files that a file, a folder or a pattern (``vectors/*.parquet``) stands for, sorted."""
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = [f for f in path.iterdir() if f.is_file() and f.name.lower().endswith(SUFFIXES)]
    else:
        pattern = path.relative_to(path.anchor)
        found = [f for f in type(path)(path.anchor or ".").glob(str(pattern)) if f.is_file()]
    if not found:
        raise EdgeError(
            f"{path} names no file of vectors; give a {', '.join(SUFFIXES)} file, a folder or a pattern."
        )
    for file in found:
        if not file.name.lower().endswith(SUFFIXES):
            raise EdgeError(f"{file} has an unknown format; known are {', '.join(SUFFIXES)}.")
    return sorted(found)


def read_vectors(files: Iterable[Path], id_column: str, vector_column: str) -> Vectors:
    """Return all usable rows of the files; the dimension is the one that most rows have."""
    blocks: dict[int, list[Rows]] = {}
    rejected: Counter[str] = Counter()
    for file in files:
        try:
            for found in _blocks(file, id_column, vector_column):
                if isinstance(found[0], str):
                    rejected[found[0]] += found[1]
                else:
                    blocks.setdefault(found[1].shape[1], []).append(found)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise EdgeError(
                f"{file} cannot be read ({error}); write it again, to a new name, then rename."
            ) from error
    sizes = {d: sum(len(ids) for ids, _ in part) for d, part in blocks.items()}
    dimension = max(sizes, key=lambda d: (sizes[d], d), default=1)
    rejected["wrong dimension"] += sum(sizes.values()) - sizes.get(dimension, 0)
    chosen = blocks.get(dimension, [])
    ids = [_text(identifier) for part, _ in chosen for identifier in part]
    vectors = np.concatenate([v for _, v in chosen]) if chosen else np.empty((0, dimension), dtype=np.float32)
    named = np.fromiter((i is not None for i in ids), dtype=bool, count=len(ids))
    if not named.all():
        rejected["missing id"] += int(np.count_nonzero(~named))
        vectors = vectors[named]
    return Vectors([i for i in ids if i is not None], vectors, {r: c for r, c in rejected.items() if c})


def _text(identifier: Any) -> str | None:
    """Return an id as text; None for what is no id."""
    if isinstance(identifier, str):
        return identifier or None
    if isinstance(identifier, int | np.integer) and not isinstance(identifier, bool):
        return str(identifier)
    return None


def _blocks(file: Path, id_column: str, vector_column: str) -> Iterator[Rows | Broken]:
    if file.name.lower().endswith(".npz"):
        return _npz(file)
    if file.name.lower().endswith(".parquet"):
        return _parquet(file, id_column, vector_column)
    return _jsonl(file, id_column, vector_column)


def _npz(file: Path) -> Iterator[Rows | Broken]:
    try:
        # Opened here: NumPy leaves a file open that turns out to be no archive.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            ids, vectors = arrays["ids"], arrays["vectors"]
    except _BROKEN_ARCHIVE as error:
        raise EdgeError(
            f"{file}: {error}. It must hold two plain arrays, ids (text or whole numbers) and vectors; "
            "object arrays are pickles and never read."
        ) from error
    if not isinstance(ids, np.ndarray) or not isinstance(
        vectors, np.ndarray
    ):  # NumPy gives foreign bytes as they are
        raise EdgeError(f"{file}: ids and vectors are no arrays; write it with numpy.savez.")
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or vectors.dtype.kind != "f":
        raise EdgeError(
            f"{file}: ids {ids.shape} and vectors {vectors.shape} {vectors.dtype} must be (N,), and (N, d) "
            "of floats."
        )
    yield ids.tolist(), vectors if vectors.dtype == np.float16 else _single(vectors)


def _jsonl(file: Path, id_column: str, vector_column: str) -> Iterator[Rows | Broken]:
    rows: dict[int, tuple[list[Any], list[NDArray[np.float32]]]] = {}
    with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                yield "broken line", 1
                continue
            vector = _vector(row.get(vector_column) if isinstance(row, dict) else None)
            if vector is None:
                yield "no vector", 1
                continue
            ids, vectors = rows.setdefault(len(vector), ([], []))
            ids.append(row.get(id_column))
            vectors.append(vector)
            if len(ids) == BLOCK_ROWS:
                yield rows.pop(len(vector))[0], np.stack(vectors)
    for ids, vectors in rows.values():
        yield ids, np.stack(vectors)


def _vector(value: Any) -> NDArray[np.float32] | None:
    if not isinstance(value, list) or not value:
        return None
    try:
        vector = _single(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        return None
    return vector if vector.ndim == 1 else None


def _parquet(file: Path, id_column: str, vector_column: str) -> Iterator[Rows | Broken]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise EdgeError(f'{file} needs pyarrow: pip install "retrieval-drift-monitor[parquet]"') from error
    try:
        with pq.ParquetFile(file) as table:
            _check_columns(file, table.schema_arrow, id_column, vector_column)
            for batch in table.iter_batches(BLOCK_ROWS, columns=[id_column, vector_column]):
                yield from _batch(batch.column(id_column), batch.column(vector_column))
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the last: a name in a broken footer
        raise EdgeError(f"{file} cannot be read as Parquet ({error}); write it again.") from error


def _check_columns(file: Path, schema: Any, id_column: str, vector_column: str) -> None:
    lacking = sorted({id_column, vector_column} - set(schema.names))
    if lacking:
        raise EdgeError(
            f"{file} has no column {', '.join(lacking)}; it has {', '.join(schema.names)}. "
            "Set id_column and vector_column."
        )
    kind = schema.field(vector_column).type
    if str(getattr(kind, "value_type", None)) not in {"halffloat", "float", "double"}:
        raise EdgeError(f"{file}: the column {vector_column} holds {kind}; it must hold lists of floats.")


def _batch(ids: Any, vectors: Any) -> Iterator[Rows | Broken]:
    """Yield the rows of one record batch, dimension by dimension."""
    import pyarrow.compute as pc  # noqa: PLC0415

    lengths = pc.list_value_length(vectors).fill_null(0).to_numpy(zero_copy_only=False)
    if missing := int(np.count_nonzero(lengths == 0)):
        yield "no vector", missing
    for dimension in np.unique(lengths[lengths > 0]).tolist():
        chosen = np.flatnonzero(lengths == dimension)
        flat = vectors.take(chosen).flatten().to_numpy(zero_copy_only=False)
        rows = flat.reshape(len(chosen), dimension)
        yield ids.take(chosen).to_pylist(), rows if rows.dtype == np.float16 else _single(rows)


def _single(vectors: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is rejected as such
        return vectors.astype(np.float32)
