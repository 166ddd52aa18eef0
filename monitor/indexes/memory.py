"""Exact search over vectors in memory: arrays of this process, or files that are read as they change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from monitor.errors import EdgeError
from monitor.indexes.vector_files import find_files, read_vectors
from monitor.records import CorpusSample, Metric, Ranking
from monitor.stats.exact_search import exact_top_k, usable_rows
from monitor.stats.sampling import bottom_k

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from monitor.records import VectorArray

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ArrayIndex:
    """An index over ids and their vectors ``(N, d)`` float32 or float16, searched exactly.

    ``rejected`` counts by reason what was left out when the index was built.
    """

    ids: Sequence[str]
    vectors: NDArray[Any] = field(repr=False)
    metric: Metric = "cosine"
    rejected: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise ValueError(f"{len(self.ids)} ids do not fit vectors of shape {self.vectors.shape}")

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the exact nearest k of every vector; an unusable vector (NaN, zero) gets no answer."""
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.vectors.shape[1]:
            raise EdgeError(
                f"The index holds vectors of {self.vectors.shape[1]} dimensions, the queries have shape "
                f"{vectors.shape}; use the embedder that filled the index."
            )
        asked = np.flatnonzero(usable_rows(vectors, self.metric))
        rows, found = exact_top_k(self.vectors, vectors[asked], k, self.metric)
        ids: list[list[str]] = [[] for _ in vectors]
        scores = np.full((len(vectors), k), np.nan, dtype=np.float32)
        scores[asked, : found.shape[1]] = found
        for query, row in zip(asked.tolist(), rows.tolist(), strict=True):
            ids[query] = [self.ids[i] for i in row]
        return Ranking(ids, scores)

    def sample(self, n: int) -> CorpusSample:
        """Return the n documents with the smallest hash of their id."""
        chosen = bottom_k(self.ids, n)
        vectors = np.asarray(self.vectors[chosen], dtype=np.float32)
        return CorpusSample(tuple(self.ids[i] for i in chosen), vectors, len(self.ids))

    def describe(self) -> str:
        """Say how much is in the index and what was left out."""
        left_out = _spell(self.rejected)
        return (
            f"{len(self.ids)} vectors of {self.vectors.shape[1]} dimensions in memory, {self.metric}, exact"
            f"{f'; left out: {left_out}' if left_out else ''}"
        )


def _spell(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))


def from_arrays(
    ids: Sequence[str],
    vectors: NDArray[Any],
    metric: Metric = "cosine",
    rejected: Mapping[str, int] | None = None,
) -> ArrayIndex:
    """Return an index over what is usable: finite vectors, not zero under cosine, the first of each id.

    Raises `ValueError` where ids and vectors do not fit together.
    """
    if vectors.ndim != 2 or len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids do not fit vectors of shape {vectors.shape}")
    if vectors.dtype not in (np.float32, np.float16):
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is left out as such
            vectors = vectors.astype(np.float32)
    counts = dict(rejected or {})
    finite = usable_rows(vectors, "dot")
    usable = usable_rows(vectors, metric) if metric == "cosine" else finite
    first = np.zeros(len(ids), dtype=bool)
    # Only a usable row may stand for its id: a broken copy before a good one does not hide it.
    candidates = np.flatnonzero(usable)
    first[list({ids[i]: i for i in candidates[::-1].tolist()}.values())] = True
    for reason, count in (
        ("not finite", np.count_nonzero(~finite)),
        ("zero length", np.count_nonzero(finite & ~usable)),
        ("duplicate id", np.count_nonzero(usable & ~first)),
    ):
        if count:
            counts[reason] = counts.get(reason, 0) + int(count)
    if not first.all():
        kept = np.flatnonzero(first)
        ids, vectors = [ids[i] for i in kept.tolist()], vectors[kept]
    return ArrayIndex(tuple(ids), np.ascontiguousarray(vectors), metric, counts)


@dataclass(frozen=True, slots=True)
class MemoryIndex:
    """An index over files of vectors, held in memory and read again when a file changes.

    Attributes
    ----------
    path : Path
        A file, a folder or a pattern. What is broken in it is left out and counted.
    metric : str
        How production compares vectors.
    id_column, vector_column : str
        Where ids and vectors stand in ``.jsonl``, ``.jsonl.gz`` and ``.parquet``; ``.npz`` holds ``ids`` and
        ``vectors``.
    """

    path: Path | str
    metric: Metric = "cosine"
    id_column: str = "id"
    vector_column: str = "vector"
    # State, not configuration: the files' stamp and the index over them (Any: pydantic resolves field types).
    _loaded: dict[Stamp, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _loading: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric is {self.metric!r}; it must be one of {', '.join(get_args(Metric))}")
        if not str(self.path).strip():
            raise ValueError("path is empty; name a file, a folder or a pattern")

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the exact nearest k of every vector; an unusable vector (NaN, zero) gets no answer."""
        return self._current().search(vectors, k)

    def sample(self, n: int) -> CorpusSample:
        """Return the n documents with the smallest hash of their id."""
        return self._current().sample(n)

    def describe(self) -> str:
        """Read the files and say how much is in them and what was left out."""
        return f"{self.path}: {self._current().describe()}"

    def _current(self) -> ArrayIndex:
        """Return the index over the files as they are now."""
        files = find_files(Path(self.path).expanduser())
        try:
            stamp = tuple((str(f), (s := f.stat()).st_mtime_ns, s.st_size) for f in files)
        except OSError as error:
            raise EdgeError(f"{error.filename}: {error.strerror}; is it being replaced?") from error
        with self._loading:
            index: ArrayIndex | None = self._loaded.get(stamp)
            if index is None:
                index = self._read(files)
                self._loaded.clear()
                self._loaded[stamp] = index
            return index

    def _read(self, files: Iterable[Path]) -> ArrayIndex:
        found = read_vectors(files, self.id_column, self.vector_column)
        index = from_arrays(found.ids, found.vectors, self.metric, found.rejected)
        if not index.ids:
            raise EdgeError(
                f"{self.path} holds no usable vector ({_spell(index.rejected) or 'it is empty'}). Check "
                f"id_column ({self.id_column}) and vector_column ({self.vector_column}), or fill the index."
            )
        return index
