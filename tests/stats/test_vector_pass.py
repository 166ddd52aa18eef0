from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from monitor.stats.vector_pass import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    NORM_BINS,
    SUM_ROWS,
    VectorSums,
    assign_cells,
    norm_edges,
    summarise_vectors,
)


def draw(seed: int, n: int, d: int = 24, k: int = 6) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    offset = rng.standard_normal(d)
    scale = rng.lognormal(0.0, 1.5, (n, 1))
    vectors = ((rng.standard_normal((n, d)) + offset) * scale).astype(np.float32)
    return vectors, rng.standard_normal((k, d)).astype(np.float32)


def expected(vectors: NDArray[Any], centroids: NDArray[np.float32], *, normalise: bool) -> VectorSums:
    """The same numbers by the plainest float64 formulas, all rows at once."""
    rows = vectors.astype(np.float64)
    finite = np.asarray(np.isfinite(rows).all(axis=1))
    lengths = np.linalg.norm(np.where(finite[:, None], rows, 0.0), axis=1)
    zero = finite & (lengths < 1e-12)
    keep = finite & ~zero
    rows, lengths, cells = rows[keep], lengths[keep], centroids.astype(np.float64)
    if normalise:
        rows = rows / lengths[:, None]
        cells = cells / np.linalg.norm(cells, axis=1)[:, None]
    gaps = ((rows[:, None, :] - cells[None]) ** 2).sum(axis=2)
    return VectorSums(
        n=int(keep.sum()),
        total=rows.sum(axis=0),
        squares=float((rows**2).sum()),
        cells=np.bincount(gaps.argmin(axis=1), minlength=len(cells)),
        norms=np.bincount(np.searchsorted(norm_edges(), lengths), minlength=NORM_BINS),
        nonfinite=int((~finite).sum()),
        zero=int(zero.sum()),
    )


def assert_same(found: VectorSums, wanted: VectorSums) -> None:
    assert (found.n, found.nonfinite, found.zero) == (wanted.n, wanted.nonfinite, wanted.zero)
    scale = max(1e-30, float(np.linalg.norm(wanted.total)))
    assert np.linalg.norm(found.total - wanted.total) <= 1e-6 * max(scale, np.sqrt(wanted.squares))
    assert_allclose(found.squares, wanted.squares, rtol=1e-6)
    assert_array_equal(found.cells, wanted.cells)
    assert_array_equal(found.norms, wanted.norms)


def add(a: VectorSums, b: VectorSums) -> VectorSums:
    return VectorSums(
        a.n + b.n,
        a.total + b.total,
        a.squares + b.squares,
        a.cells + b.cells,
        a.norms + b.norms,
        a.nonfinite + b.nonfinite,
        a.zero + b.zero,
    )


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(
    "n", [0, 1, 7, SUM_ROWS, SUM_ROWS + 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS + 700]
)
def test_matches_the_plain_formulas(n: int, normalise: bool) -> None:
    vectors, centroids = draw(n, n)
    assert_same(
        summarise_vectors(vectors, centroids, normalise=normalise),
        expected(vectors, centroids, normalise=normalise),
    )


@pytest.mark.parametrize("normalise", [True, False])
def test_rejects_bad_rows_and_only_them(normalise: bool) -> None:
    vectors, centroids = draw(3, 2 * CHUNK_ROWS)
    vectors[5, 2], vectors[2500, 0], vectors[2501, 1] = np.nan, np.inf, -np.inf
    vectors[[9, 10]] = 0.0
    vectors[11] = 1e-20
    found = summarise_vectors(vectors, centroids, normalise=normalise)
    assert (found.nonfinite, found.zero, found.n) == (3, 3, 2 * CHUNK_ROWS - 6)
    assert np.isfinite(found.total).all()
    assert_same(found, expected(vectors, centroids, normalise=normalise))


def test_nothing_usable_leaves_zeros() -> None:
    sums = summarise_vectors(np.full((600, 4), np.nan), np.eye(4, dtype=np.float32), normalise=True)
    assert (sums.n, sums.nonfinite, sums.squares) == (0, 600, 0.0)
    assert not sums.total.any()
    assert not sums.cells.any()


def test_a_norm_beyond_float32_counts_as_not_finite() -> None:
    rows = np.array([[1e200, 0.0], [3e30, 0.0], [1.0, 0.0]])
    sums = summarise_vectors(rows, np.eye(2, dtype=np.float32), normalise=False)
    assert (sums.n, sums.nonfinite) == (1, 2)


@given(st.integers(0, 2**32 - 1), st.integers(2, 3000), st.floats(0.0, 1.0), st.booleans())
def test_parts_add_up_to_the_whole(seed: int, n: int, share: float, normalise: bool) -> None:
    vectors, centroids = draw(seed, n)
    vectors[:: max(2, n // 3)] = np.nan
    cut = int(share * n)
    whole = summarise_vectors(vectors, centroids, normalise=normalise)
    parts = add(
        summarise_vectors(vectors[:cut], centroids, normalise=normalise),
        summarise_vectors(vectors[cut:], centroids, normalise=normalise),
    )
    # A product of the last bit may turn a tie between two cells; no vector is counted twice or lost.
    assert np.abs(parts.cells - whole.cells).sum() <= 2
    assert parts.cells.sum() == whole.cells.sum() == whole.n
    assert_same(replace(parts, cells=whole.cells), whole)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_takes_other_floats_like_their_float32(dtype: Any) -> None:
    vectors, centroids = draw(5, 2100)
    other = vectors.astype(np.float16).astype(dtype)
    assert_same(
        summarise_vectors(other, centroids, normalise=True),
        summarise_vectors(other.astype(np.float32), centroids, normalise=True),
    )


def test_takes_strided_views_and_memmaps(tmp_path: Path) -> None:
    vectors, centroids = draw(6, 2100)
    path = tmp_path / "vectors.npy"
    np.save(path, vectors)
    whole = summarise_vectors(vectors, centroids, normalise=True)
    assert_same(summarise_vectors(np.load(path, mmap_mode="r"), centroids, normalise=True), whole)
    assert_same(summarise_vectors(np.asfortranarray(vectors), centroids, normalise=True), whole)
    wide = np.repeat(vectors, 2, axis=1)
    assert_same(summarise_vectors(wide[:, ::2], centroids, normalise=True), whole)


@pytest.mark.parametrize("normalise", [True, False])
def test_assigned_cells_are_those_that_are_counted(normalise: bool) -> None:
    vectors, centroids = draw(8, 2400)
    vectors[[0, 2300]] = np.nan
    vectors[1] = 0.0
    cells = assign_cells(vectors, centroids, normalise=normalise)
    assert cells.dtype == np.int64
    assert np.flatnonzero(cells < 0).tolist() == [0, 1, 2300]
    counted = summarise_vectors(vectors, centroids, normalise=normalise).cells
    assert_array_equal(np.bincount(cells[cells >= 0], minlength=len(centroids)), counted)


def test_unit_vectors_share_one_norm_bin() -> None:
    vectors, centroids = draw(9, 5000)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    norms = summarise_vectors(vectors, centroids, normalise=False).norms
    assert norms[NORM_BINS // 2] == 5000


def test_ten_times_longer_vectors_change_their_norm_bin() -> None:
    rows = np.array([[1.0], [10.0], [1e-9], [1e15]], dtype=np.float32)
    norms = summarise_vectors(rows, np.ones((1, 1), dtype=np.float32), normalise=True).norms
    assert np.flatnonzero(norms).tolist() == [0, 32, 45, 64]


def test_long_vectors_go_by_in_shorter_chunks() -> None:
    vectors, centroids = draw(4, 150, d=CHUNK_BYTES // 4 // 128)
    assert_same(
        summarise_vectors(vectors, centroids, normalise=True), expected(vectors, centroids, normalise=True)
    )


def test_refuses_what_does_not_fit() -> None:
    vectors, centroids = draw(1, 4)
    with pytest.raises(ValueError, match="one d; were they made by the same model"):
        summarise_vectors(vectors[:, :-1], centroids, normalise=True)
    with pytest.raises(ValueError, match="at least one centroid"):
        summarise_vectors(vectors, centroids[:0], normalise=True)
    with pytest.raises(ValueError, match="a centroid is not finite"):
        assign_cells(vectors, np.full_like(centroids, np.nan), normalise=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_does_not_grow_with_the_rows(dtype: type) -> None:
    vectors, centroids = draw(2, 40_000, d=64, k=32)
    data: NDArray[Any] = vectors.astype(dtype)
    tracemalloc.start()
    summarise_vectors(data, centroids, normalise=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_500_000 < vectors.nbytes
