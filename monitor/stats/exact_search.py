"""Exact nearest neighbours by brute force: the yardstick that approximate indexes are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from monitor.stats.vector_pass import MIN_NORM, squared_norms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from monitor.stats.arrays import IntArray, VectorArray

QUERY_ROWS = 1024
"""Queries per pass over the corpus."""

BLOCK = 1 << 20
"""Scores in a block (4 MB): it stays in the cache between the product that writes it and the screen."""

SLACK = 4
"""Candidates kept beyond k: single-precision rounding near the k-th rank is undone by the last step."""

# |q·c| <= |q| |c|: below this squared norm no product and no difference overflows single precision.
_LARGEST = float(np.finfo(np.float32).max) / 4


def exact_top_k(
    corpus: NDArray[Any], queries: NDArray[Any], k: int, metric: Literal["cosine", "dot", "l2"] = "cosine"
) -> tuple[IntArray, VectorArray]:
    """Return the k nearest rows of the corpus for every query, best first.

    Every score is computed by a blocked matrix product, and a block is looked at closely only where its best
    score beats the query's k-th best so far: some ``k log(N / k)`` times a query if the corpus has no order.
    Nearly all of the time is the product itself. The few survivors are scored again in double precision.

    Parameters
    ----------
    corpus : ndarray
        ``(N, d)`` float32 or float16, C-contiguous for full speed; may be a read-only memory map. Rows with
        NaN, infinity or values near 1e19 are never returned, nor are rows of zero length under ``cosine``.
    queries : ndarray
        ``(n, d)`` float32 or float16, finite, and not of zero length under ``cosine``.
    k : int
        How many neighbours, at least 1.
    metric : {"cosine", "dot", "l2"}
        The score: ``q·c / (|q| |c|)``, ``q·c`` or ``-|q - c|``. Higher is better in all three.

    Returns
    -------
    indices : ndarray
        ``(n, m)`` int64 row numbers, best first, equal scores by lowest row number; ``m`` is k, or the number
        of usable rows where the corpus has fewer.
    scores : ndarray
        ``(n, m)`` float32.

    Raises
    ------
    ValueError
        On shapes or types that do not fit, ``k < 1``, an unknown metric or an unusable query.

    Notes
    -----
    Beyond the corpus it needs a few blocks of ``BLOCK`` numbers (some 20 MB) whatever N is. Where more than
    ``SLACK`` rows tie with the k-th up to single-precision rounding, the rounding chooses among them.

    References
    ----------
    J. Johnson, M. Douze, H. Jégou (2017), "Billion-scale similarity search with GPUs": brute force as a
    matrix product with a running selection. The reference implementation is ``faiss.knn``.

    Examples
    --------
    >>> corpus = np.array([[1, 0], [0, 1], [3, 4]], dtype=np.float32)
    >>> indices, scores = exact_top_k(corpus, np.array([[0, 2]], dtype=np.float32), k=2)
    >>> indices.tolist(), scores.round(6).tolist()
    ([[1, 2]], [[1.0, 0.800000011920929]])
    """
    _check(corpus, queries, k, metric)
    # Unusable rows go through the product like all others, and are struck out of the block afterwards.
    with np.errstate(all="ignore"):
        found = [
            _top_k(corpus, queries[start : start + QUERY_ROWS], k, metric)
            for start in range(0, max(len(queries), 1), QUERY_ROWS)
        ]
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def usable_rows(vectors: NDArray[Any], metric: str = "cosine") -> NDArray[np.bool_]:
    """Return which rows have a score, ``(n,)`` bool: none with NaN, infinity, or zero length under cosine.

    >>> usable_rows(np.array([[1, 0], [0, 0], [np.nan, 1]], dtype=np.float32)).tolist()
    [True, False, False]
    """
    good = np.empty(len(vectors), dtype=bool)
    step = max(1, BLOCK // max(vectors.shape[1], 1))
    for start in range(0, len(vectors), step):  # half-precision rows are widened a block at a time
        rows = np.asarray(vectors[start : start + step], dtype=np.float32)
        good[start : start + step] = _usable(squared_norms(rows), metric)
    return good


def _usable(squared: VectorArray, metric: str) -> NDArray[np.bool_]:
    return (squared <= _LARGEST) & (squared >= (MIN_NORM**2 if metric == "cosine" else 0))


def _check(corpus: NDArray[Any], queries: NDArray[Any], k: int, metric: str) -> None:
    if metric not in {"cosine", "dot", "l2"}:
        raise ValueError(f"metric is {metric!r}; it must be 'cosine', 'dot' or 'l2'")
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    if corpus.ndim != 2 or queries.ndim != 2 or corpus.shape[1] != queries.shape[1] or not corpus.shape[1]:
        raise ValueError(
            f"corpus {corpus.shape} and queries {queries.shape} must be (N, d) and (n, d) with d >= 1"
        )
    for name, array in (("corpus", corpus), ("queries", queries)):
        if array.dtype not in (np.float32, np.float16):
            raise ValueError(f"{name} is {array.dtype}; it must be float32 or float16")
    unusable = np.flatnonzero(~usable_rows(queries, metric))
    if unusable.size:
        raise ValueError(
            f"{unusable.size} of {len(queries)} queries (the first is row {unusable[0]}) have no {metric} "
            "score: NaN, infinity or zero length; leave them out"
        )


def _top_k(corpus: NDArray[Any], queries: NDArray[Any], k: int, metric: str) -> tuple[IntArray, VectorArray]:
    """Search one block of queries: screen every chunk, merge what passes, score the survivors exactly."""
    n, depth = len(queries), min(k + SLACK, len(corpus))
    best = np.full((n, depth), -np.inf, dtype=np.float32)
    rows = np.full((n, depth), -1, dtype=np.int64)
    usable = 0
    left = _left_side(queries, metric)
    chunk_rows = max(1, BLOCK // max(n, left.shape[1], 128))
    scores = np.empty((n, min(chunk_rows, len(corpus))), dtype=np.float32)
    for start, right, bad in _chunks(corpus, metric, chunk_rows):
        block = scores[:, : len(right)]
        np.matmul(left, right.T, out=block)
        if bad.size:
            block[:, bad] = -np.inf
        usable += len(right) - len(bad)
        _merge(best, rows, block, start)
    return _rescore(corpus, queries, rows[:, : min(depth, usable)], k, metric)


def _left_side(queries: NDArray[Any], metric: str) -> VectorArray:
    """Return the queries as the product's left operand; l2 gains a column of ones for the corpus norms."""
    left = np.asarray(queries, dtype=np.float32)
    return np.hstack([left, np.ones((len(left), 1), dtype=np.float32)]) if metric == "l2" else left


def _chunks(corpus: NDArray[Any], metric: str, size: int) -> Iterator[tuple[int, VectorArray, IntArray]]:
    """Yield the corpus as ``(first row, right operand, unusable rows within it)``.

    A row's score times a constant of the query, plus another, is its product with the left side:
    ``c / |c|`` for cosine, ``c`` for dot and ``[c, -|c|²/2]`` for l2.
    """
    d = corpus.shape[1]
    direct = metric == "dot" and corpus.dtype == np.float32
    buffer = np.empty((0 if direct else min(size, len(corpus)), d + (metric == "l2")), dtype=np.float32)
    for start in range(0, len(corpus), size):
        part = np.asarray(corpus[start : start + size], dtype=np.float32)
        if direct and np.vdot(part, part) <= _LARGEST:  # bounds the norm of every row, in half the time
            yield start, part, np.empty(0, dtype=np.int64)
            continue
        norms = squared_norms(part)
        good = _usable(norms, metric)
        right = part if direct else buffer[: len(part)]
        if metric == "cosine":
            np.multiply(part, (1 / np.sqrt(np.where(good, norms, 1)))[:, None], out=right)
        elif metric == "l2":
            right[:, :d] = part
            right[:, d] = norms / -2
        elif not direct:
            right[:] = part
        yield start, right, np.flatnonzero(~good)


def _merge(best: VectorArray, rows: IntArray, block: VectorArray, start: int) -> None:
    """Take into ``best`` and ``rows`` what the block has to offer; both are ``(n, depth)``, best first."""
    depth = best.shape[1]
    # argmax and a look-up: numpy's argmax runs at the speed of memory, its max does not.
    peaks = block[np.arange(len(block)), block.argmax(axis=1)]
    hit = np.flatnonzero(peaks > best[:, -1])
    if not hit.size:
        return
    offered = block[hit]
    mask = offered > best[hit, -1:]
    query, column, counts = _set_bits(mask)
    if counts.max() > 4 * depth:
        # The first chunk, or a corpus sorted towards the queries: cut to the chunk's own best before sorting.
        mask &= offered >= np.partition(offered, -depth, axis=1)[:, [-depth]]
        query, column, counts = _set_bits(mask)
    slot = depth + np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    pool = np.full((len(hit), depth + counts.max()), -np.inf, dtype=np.float32)
    pool_rows = np.full(pool.shape, -1, dtype=np.int64)
    pool[:, :depth], pool_rows[:, :depth] = best[hit], rows[hit]
    pool[query, slot], pool_rows[query, slot] = offered[query, column], start + column
    # Stable, and older rows stand first: equal scores keep the order of the corpus.
    order = np.argsort(-pool, axis=1, kind="stable")[:, :depth]
    best[hit] = np.take_along_axis(pool, order, axis=1)
    rows[hit] = np.take_along_axis(pool_rows, order, axis=1)


def _set_bits(mask: NDArray[np.bool_]) -> tuple[IntArray, IntArray, IntArray]:
    """Return row and column of every True, and how many each row has."""
    # Flat, because numpy's search for non-zeros is several times faster in one dimension than in two.
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return row, column, np.bincount(row, minlength=len(mask))


def _rescore(
    corpus: NDArray[Any], queries: NDArray[Any], rows: IntArray, k: int, metric: str
) -> tuple[IntArray, VectorArray]:
    """Score the candidates ``(n, m)`` in double precision and keep the k best."""
    scores = np.empty(rows.shape, dtype=np.float32)
    step = max(1, BLOCK // max(8 * rows.shape[1] * corpus.shape[1], 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        q = queries[part].astype(np.float64)
        c = corpus[rows[part]].astype(np.float64)
        if metric == "l2":
            scores[part] = -np.linalg.norm(c - q[:, None, :], axis=2)
            continue
        dots = np.einsum("nd,nmd->nm", q, c)
        if metric == "cosine":
            dots /= np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(c, axis=2)
        scores[part] = dots
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
