"""A codebook of cells: k-means over the baseline's vectors, and the merging of cells for small windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import CountArray, FloatArray, IntArray, VectorArray
from monitor.stats.vector_pass import SUM_ROWS, accept, assign_cells, squared_norms

ROWS_PER_CELL = 8
"""Least vectors per cell, on average; with fewer, the other half of the data leaves cells empty."""

_ROUNDING = 1e-6
"""Squared distances below this share of the squared norm are rounding of float32 products: the same point."""


def fit_codebook(
    vectors: NDArray[Any], k: int, seed: int, *, normalise: bool = True, iterations: int = 25
) -> VectorArray:
    """Return the centroids of at most ``k`` cells fit to ``vectors`` by k-means.

    Spherical k-means (Dhillon & Modha 2001, "Concept decompositions for large sparse text data using
    clustering") when normalised: unit vectors, cells by largest cosine, centroids rescaled to unit length.
    Lloyd's Euclidean k-means otherwise. Seeds by k-means++ (Arthur & Vassilvitskii 2007); a cell that runs
    empty moves to the vector that is farthest from its centroid. The same input and seed give the same cells.

    Parameters
    ----------
    vectors : ndarray, (n, d) floating
        Rows that are not finite or zero are left out.
    k : int
        Cells wanted; the result has ``max(1, min(k, n // 8))``, or fewer when fewer vectors are distinct.
    seed : int
    normalise : bool
    iterations : int
        At most so many rounds; it stops when no vector changes its cell.

    Raises
    ------
    ValueError
        When no vector is usable or ``k`` < 1.

    Examples
    --------
    >>> rows = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    >>> sorted(fit_codebook(rows, 3, seed=7).argmax(axis=1).tolist())
    [0, 1, 2]
    """
    if k < 1:
        raise ValueError(f"k is {k}; a codebook needs at least one cell")
    rows = _usable(vectors, normalise=normalise)
    cells = max(1, min(k, len(rows) // ROWS_PER_CELL))
    centroids = _seed(rows, cells, np.random.default_rng(seed))
    before: IntArray | None = None
    for _ in range(iterations):
        labels = assign_cells(rows, centroids, normalise=normalise)
        if before is not None and np.array_equal(labels, before):
            break
        centroids, labels = _update(rows, labels, centroids, normalise=normalise)
        before = labels
    return centroids


def merge_cells(centroids: VectorArray, counts: CountArray, k: int) -> IntArray:
    """Return which of at most ``k`` groups each of K cells belongs to, so that groups stay well populated.

    Again and again the group with the fewest counts joins the group whose centroid (the mean of its cells,
    weighted by their counts) is nearest in Euclidean distance: bottom-up clustering, smallest group first.
    Groups are numbered by their first cell; ties go to the lowest number.

    Parameters
    ----------
    centroids : ndarray, (K, d) float32
    counts : ndarray, (K,) int64
    k : int

    Returns
    -------
    ndarray, (K,) int64
        Values ``0 .. min(k, K) - 1``, every one of them used.

    Examples
    --------
    >>> merge_cells(np.array([[0.0], [1.0], [9.0]], dtype=np.float32), np.array([50, 2, 40]), 2).tolist()
    [0, 0, 1]
    """
    return cut_order(merge_order(centroids, counts), k)


def merge_order(centroids: VectorArray, counts: CountArray) -> IntArray:
    """Return the joins of :func:`merge_cells` from K cells down to one, ``(K - 1, 2)``: which group joins which.

    The order does not depend on how many groups are wanted, so that it is found once and cut often.
    """
    if centroids.ndim != 2 or counts.shape != (len(centroids),):
        raise ValueError(f"centroids {centroids.shape} and counts {counts.shape} must be (K, d) and (K,)")
    order = np.zeros((max(0, len(centroids) - 1), 2), dtype=np.int64)
    weight = counts.astype(np.float64) + 0.5  # an empty cell still has a place
    gaps = _squared_gaps(centroids.astype(np.float64))
    for step in range(len(order)):
        smallest = int(weight.argmin())
        target = int(gaps[smallest].argmin())
        # The squared distances of a weighted mean follow from those of its parts (Lance & Williams 1967, centroid).
        a, b = weight[target], weight[smallest]
        row = (a * gaps[target] + b * gaps[smallest]) / (a + b) - a * b * gaps[target, smallest] / (
            a + b
        ) ** 2
        gaps[target], gaps[:, target] = row, row
        gaps[target, target] = gaps[smallest] = gaps[:, smallest] = np.inf
        weight[target], weight[smallest] = a + b, np.inf
        order[step] = smallest, target
    return order


def cut_order(order: IntArray, k: int) -> IntArray:
    """Return the groups ``(K,)`` that are left of K cells when an order of joins stops at ``k`` of them.

    >>> cut_order(np.array([[1, 0], [2, 0]]), 2).tolist()
    [0, 0, 1]
    """
    if k < 1:
        raise ValueError(f"k is {k}; at least one group must be left")
    group = np.arange(len(order) + 1, dtype=np.int64)
    for smallest, target in order[: max(0, len(group) - k)].tolist():
        group[group == smallest] = target
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]


def _squared_gaps(rows: FloatArray) -> FloatArray:
    """Return the squared Euclidean distances between all rows, ``(K, K)``; a row has none to itself."""
    squared = np.einsum("ij,ij->i", rows, rows)
    gaps: FloatArray = np.maximum(squared[:, None] + squared[None, :] - 2.0 * (rows @ rows.T), 0.0)
    np.fill_diagonal(gaps, np.inf)
    return gaps


def _usable(vectors: NDArray[Any], *, normalise: bool) -> VectorArray:
    if vectors.ndim != 2:
        raise ValueError(f"vectors must be (n, d), not {vectors.shape}")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
    squared = squared_norms(rows)
    keep = accept(squared)
    if not keep.any():
        raise ValueError(f"none of {len(rows)} vectors is finite and longer than zero; a codebook needs some")
    if not keep.all():
        rows, squared = rows[keep], squared[keep]
    return np.divide(rows, np.sqrt(squared)[:, None], dtype=np.float32) if normalise else rows


def _seed(rows: VectorArray, k: int, rng: np.random.Generator) -> VectorArray:
    """Return k-means++ seeds: each next one drawn by its squared distance from those already chosen."""
    squared = squared_norms(rows)
    chosen = [int(rng.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf, dtype=np.float64)
    while len(chosen) < k:
        last = rows[chosen[-1]]
        gap = squared + squared[chosen[-1]] - 2.0 * (rows @ last)
        gap[gap < _ROUNDING * squared] = 0.0
        nearest = np.minimum(nearest, gap)
        reach = np.cumsum(nearest)
        if reach[-1] <= 0.0:
            break  # every vector is one of those chosen
        draw = np.searchsorted(reach, rng.random() * reach[-1], side="right")
        chosen.append(min(int(draw), len(rows) - 1))
    seeds: VectorArray = rows[chosen]
    return seeds


def _update(
    rows: VectorArray, labels: IntArray, centroids: VectorArray, *, normalise: bool
) -> tuple[VectorArray, IntArray]:
    """Return the mean of each cell and the labels, after empty cells have moved to the farthest vectors."""
    counts = np.bincount(labels, minlength=len(centroids))
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        chunks = (slice(start, start + SUM_ROWS) for start in range(0, len(rows), SUM_ROWS))
        gaps = np.concatenate([squared_norms(rows[chunk] - centroids[labels[chunk]]) for chunk in chunks])
        gaps[counts[labels] < 2] = -1.0  # taking the only vector of a cell would empty that one
        farthest = np.argsort(-gaps, kind="stable")[: len(empty)]
        labels = labels.copy()
        labels[farthest] = empty
        counts = np.bincount(labels, minlength=len(centroids))
    means = np.zeros(centroids.shape, dtype=np.float64)
    for start in range(0, len(rows), SUM_ROWS):
        members = labels[start : start + SUM_ROWS, None] == np.arange(len(centroids))
        means += members.T.astype(np.float32) @ rows[start : start + SUM_ROWS]
    means /= np.maximum(counts, 1)[:, None]
    means[counts == 0] = centroids[counts == 0]
    if normalise:
        lengths = np.sqrt(np.square(means).sum(axis=1))
        flat = lengths < _ROUNDING  # vectors that cancel have no mean direction: stay where it was
        means[flat], lengths[flat] = centroids[flat], 1.0
        means /= lengths[:, None]
    return means.astype(np.float32), labels
