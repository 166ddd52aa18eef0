"""One pass over many vectors: all that a profile needs, each vector read from memory once.

The work is bound by the product with the centroids and by one read of the data. So the rows go by in chunks
that stay in the cache for the further looks at them (for norms, for the sum), and that are long enough for
the product, which arranges the centroids anew in every call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import FloatArray, IntArray, VectorArray

CHUNK_ROWS = 2048
"""Rows per chunk at most; measured with 256 centroids, 2048 rows take 10% less time than 512."""

CHUNK_BYTES = 6 * 2**20
"""Bytes per chunk at most: 2048 rows of 768 float32; the pass needs at most three such buffers."""

SUM_ROWS = 512
"""Sums in float32 run over at most so many rows before they are added up in float64."""

MIN_NORM = 1e-12
"""Vectors shorter than this have no direction and count as zero."""

NORM_BINS = 65
"""Bins of the norm histogram: four per octave, 2**-8 to 2**8, bin 32 centred on norm 1; the ends are open."""

_BINS_PER_OCTAVE = 4
_CENTRE_BIN = NORM_BINS // 2


@dataclass(frozen=True, slots=True)
class VectorSums:
    """What one pass over vectors leaves: additive, so that the sums of two parts are the sums of the whole.

    Attributes
    ----------
    n : int
        Accepted rows.
    total : ndarray, (d,) float64
        Sum of the accepted vectors, of unit length when normalised.
    squares : float
        Sum of their squared norms, equal to ``n`` when normalised.
    cells : ndarray, (K,) int64
        How many vectors are nearest to each centroid.
    norms : ndarray, (NORM_BINS,) int64
        Histogram of the raw norms; :func:`norm_edges` gives the edges.
    nonfinite, zero : int
        Rejected rows: NaN, Inf or a squared norm beyond float32; and norms below :data:`MIN_NORM`.
    """

    n: int
    total: FloatArray
    squares: float
    cells: IntArray
    norms: IntArray
    nonfinite: int
    zero: int


def norm_edges() -> FloatArray:
    """Return the ``(NORM_BINS - 1,)`` interior edges of the norm histogram, in units of the norm.

    Unit vectors, whose norms differ from 1 by rounding only, sit in the middle of a bin, never on an edge.

    >>> edges = norm_edges()
    >>> bool(edges[31] < 1 < edges[32]), round(float(edges[32] / edges[31]), 4)
    (True, 1.1892)
    """
    steps = np.arange(NORM_BINS - 1) - _CENTRE_BIN + 0.5
    return np.asarray(2.0 ** (steps / _BINS_PER_OCTAVE), dtype=np.float64)


def summarise_vectors(vectors: NDArray[Any], centroids: VectorArray, *, normalise: bool) -> VectorSums:
    """Return counts and sums of ``vectors`` against ``centroids`` in one pass.

    Parameters
    ----------
    vectors : ndarray or memmap, (n, d) float32, float16 or float64
        Read once, in chunks; never copied as a whole. Empty is fine.
    centroids : ndarray, (K, d) float32
        The codebook's cells.
    normalise : bool
        Scale vectors and centroids to unit length (the cosine metric); the nearest centroid is then the one
        with the largest cosine. Otherwise it is the nearest in Euclidean distance, ``argmax(x·c - |c|²/2)``.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> rows = np.array([[3.0, 0.0], [0.0, 2.0], [np.nan, 0.0], [0.0, 0.0]], dtype=np.float32)
    >>> sums = summarise_vectors(rows, np.eye(2, dtype=np.float32), normalise=True)
    >>> sums.n, sums.total.tolist(), sums.cells.tolist(), sums.nonfinite, sums.zero
    (2, [1.0, 1.0], [1, 1], 1, 1)
    """
    cells = np.zeros(len(centroids), dtype=np.int64)
    norms = np.zeros(NORM_BINS, dtype=np.int64)
    total = np.zeros(centroids.shape[-1], dtype=np.float64)
    squares, n, nonfinite, zero = 0.0, 0, 0, 0
    nearest = _Nearest(centroids, normalise=normalise)
    for chunk in _chunks(vectors, centroids):
        nonfinite += chunk.nonfinite
        zero += chunk.zero
        rows, squared = chunk.rows, chunk.squared
        if not len(rows):
            continue
        n += len(rows)
        weights = 1.0 / np.sqrt(squared) if normalise else np.ones_like(squared)
        for start in range(0, len(rows), SUM_ROWS):
            total += weights[start : start + SUM_ROWS] @ rows[start : start + SUM_ROWS]
        squares += len(rows) if normalise else float(squared.sum(dtype=np.float64))
        cells += np.bincount(nearest(rows), minlength=len(cells))
        norms += np.bincount(_norm_bins(squared), minlength=NORM_BINS)
    return VectorSums(n, total, squares, cells, norms, nonfinite, zero)


def assign_cells(vectors: NDArray[Any], centroids: VectorArray, *, normalise: bool) -> IntArray:
    """Return the nearest centroid of each vector, ``(n,)`` int64; -1 for rows that are not finite or zero.

    >>> assign_cells(np.array([[1.0, 0.1], [0.0, 0.0]]), np.eye(2, dtype=np.float32), normalise=True).tolist()
    [0, -1]
    """
    cells = np.full(len(vectors), -1, dtype=np.int64)
    nearest = _Nearest(centroids, normalise=normalise)
    for chunk in _chunks(vectors, centroids):
        if len(chunk.rows):
            cells[chunk.start : chunk.stop][chunk.accepted] = nearest(chunk.rows)
    return cells


def squared_norms(rows: VectorArray) -> VectorArray:
    """Return the squared norm of each row, ``(n,)`` float32: a BLAS dot each, in two thirds of einsum's time.

    >>> squared_norms(np.array([[3.0, 4.0]], dtype=np.float32)).tolist()
    [25.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # such rows are rejected and counted
        norms: VectorArray = np.matmul(rows[:, None, :], rows[:, :, None])[:, 0, 0]
    return norms


def accept(squared: VectorArray) -> NDArray[np.bool_]:
    """Return which squared norms belong to usable rows: finite in float32 and not zero.

    >>> accept(np.array([1.0, 0.0, np.nan, np.inf], dtype=np.float32)).tolist()
    [True, False, False, False]
    """
    accepted: NDArray[np.bool_] = (squared >= MIN_NORM**2) & (squared < np.inf)
    return accepted


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A run of rows ``[start, stop)``: the accepted ones, their squared norms, and what was rejected."""

    start: int
    stop: int
    accepted: NDArray[np.bool_] | slice
    rows: VectorArray
    squared: VectorArray
    nonfinite: int = 0
    zero: int = 0


def _chunks(vectors: NDArray[Any], centroids: VectorArray) -> Iterator[_Chunk]:
    if vectors.ndim != 2 or centroids.ndim != 2 or vectors.shape[1] != centroids.shape[1]:
        raise ValueError(
            f"vectors {vectors.shape} and centroids {centroids.shape} must be (n, d) and (K, d) with one d; "
            "were they made by the same model?"
        )
    if not len(centroids):
        raise ValueError("a codebook needs at least one centroid")
    data = np.asarray(vectors)  # slices of a memmap cost more than slices of a plain view of it
    in_place = data.dtype == np.float32 and data.flags.c_contiguous
    step = _chunk_rows(data.shape[1])
    buffer = np.empty((0 if in_place else step, data.shape[1]), dtype=np.float32)
    for start in range(0, len(data), step):
        rows = data[start : start + step]
        stop = start + len(rows)
        if not in_place:
            with np.errstate(over="ignore"):
                np.copyto(buffer[: len(rows)], rows, casting="same_kind")
            rows = buffer[: len(rows)]
        squared = squared_norms(rows)
        accepted = accept(squared)
        if accepted.all():
            yield _Chunk(start, stop, slice(None), rows, squared)
        else:
            zero = int(np.count_nonzero(squared < MIN_NORM**2))
            nonfinite = len(rows) - int(accepted.sum()) - zero
            yield _Chunk(start, stop, accepted, rows[accepted], squared[accepted], nonfinite, zero)


class _Nearest:
    """The nearest centroid of each row of a chunk, by way of one reused buffer."""

    __slots__ = ("_bias", "_centroids", "_products")

    def __init__(self, centroids: VectorArray, *, normalise: bool) -> None:
        matrix = np.asarray(centroids, dtype=np.float64)
        if not np.isfinite(matrix).all():
            raise ValueError("a centroid is not finite; build the codebook anew from finite vectors")
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
        if normalise:
            matrix = matrix / np.maximum(lengths, MIN_NORM)[:, None]
        self._bias = None if normalise else (-0.5 * lengths**2).astype(np.float32)
        self._centroids = np.ascontiguousarray(matrix, dtype=np.float32)
        self._products = np.empty((_chunk_rows(matrix.shape[1]), len(matrix)), dtype=np.float32)

    def __call__(self, rows: VectorArray) -> IntArray:
        products = np.matmul(rows, self._centroids.T, out=self._products[: len(rows)])
        if self._bias is not None:
            products += self._bias
        nearest: IntArray = products.argmax(axis=1)
        return nearest


def _chunk_rows(dimension: int) -> int:
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (4 * max(dimension, 1))))


def _norm_bins(squared: VectorArray) -> IntArray:
    steps = np.rint(np.log2(squared) * (_BINS_PER_OCTAVE / 2)) + _CENTRE_BIN
    bins: IntArray = np.clip(steps, 0, NORM_BINS - 1).astype(np.int64)
    return bins
