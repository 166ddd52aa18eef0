from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from monitor.stats.codebook import ROWS_PER_CELL, fit_codebook, merge_cells
from monitor.stats.vector_pass import assign_cells


def blobs(seed: int, groups: int, size: int, d: int = 16) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tight groups around far directions, shuffled, with the group of each row."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((d, d)))[0][:groups]
    labels = rng.permutation(np.repeat(np.arange(groups), size))
    return (centres[labels] + 0.05 * rng.standard_normal((len(labels), d))).astype(np.float32), labels


@pytest.mark.parametrize("normalise", [True, False])
def test_finds_groups_that_are_there(normalise: bool) -> None:
    vectors, labels = blobs(1, groups=8, size=40)
    cells = assign_cells(vectors, fit_codebook(vectors, 8, 5, normalise=normalise), normalise=normalise)
    assert len({(int(a), int(b)) for a, b in zip(labels, cells, strict=True)}) == 8


def test_direction_alone_matters_when_normalised() -> None:
    vectors, _ = blobs(2, groups=4, size=30)
    stretched = vectors * np.random.default_rng(0).uniform(0.1, 50.0, (len(vectors), 1)).astype(np.float32)
    assert_allclose(fit_codebook(vectors, 4, 3), fit_codebook(stretched, 4, 3), atol=1e-4)


def test_euclidean_cells_keep_lengths_apart() -> None:
    rng = np.random.default_rng(4)
    line = np.concatenate([rng.normal(1.0, 0.01, 50), rng.normal(5.0, 0.01, 50)])[:, None]
    vectors = (line * np.array([[1.0, 0.0]])).astype(np.float32)
    centroids = fit_codebook(vectors, 2, 1, normalise=False)
    assert_allclose(np.sort(centroids[:, 0]), [1.0, 5.0], atol=0.05)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 40), st.integers(1, 6), st.booleans())
def test_cells_are_finite_unit_bounded_and_repeatable(
    seed: int, n: int, k: int, d: int, normalise: bool
) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, d)).round(1).astype(np.float32) + np.float32(
        0.01
    )
    centroids = fit_codebook(vectors, k, seed, normalise=normalise, iterations=5)
    assert 1 <= len(centroids) <= max(1, min(k, n // ROWS_PER_CELL))
    assert centroids.dtype == np.float32
    assert np.isfinite(centroids).all()
    if normalise:
        assert_allclose(np.linalg.norm(centroids, axis=1), 1.0, atol=1e-5)
    assert_array_equal(centroids, fit_codebook(vectors, k, seed, normalise=normalise, iterations=5))


def test_iterations_bring_vectors_nearer_to_their_centroids() -> None:
    vectors = np.random.default_rng(6).standard_normal((2000, 12)).astype(np.float32)

    def spread(iterations: int) -> float:
        centroids = fit_codebook(vectors, 16, 2, normalise=False, iterations=iterations)
        cells = assign_cells(vectors, centroids, normalise=False)
        return float(np.square(vectors - centroids[cells]).sum())

    assert spread(25) < spread(1) < spread(0)


def test_no_cell_stays_empty_on_spread_data() -> None:
    vectors = np.random.default_rng(7).standard_normal((1024, 8)).astype(np.float32)
    for seed in range(5):
        cells = assign_cells(vectors, fit_codebook(vectors, 64, seed), normalise=True)
        assert np.bincount(cells, minlength=64).min() > 0


def test_fewer_distinct_vectors_than_cells_give_fewer_cells() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 100, axis=0)
    assert len(fit_codebook(vectors, 20, 0)) == 3


def test_bad_rows_do_not_matter() -> None:
    vectors, _ = blobs(8, groups=4, size=30)
    dirty = np.vstack([vectors, np.full((5, 16), np.nan), np.zeros((5, 16)), np.full((2, 16), 1e30)])
    assert_array_equal(fit_codebook(vectors, 4, 3), fit_codebook(dirty, 4, 3))
    assert len(fit_codebook(dirty, 4, 3, normalise=False)) == 4


@pytest.mark.parametrize("vectors", [np.empty((0, 3)), np.full((9, 3), np.inf), np.zeros((9, 3))])
def test_refuses_to_fit_nothing(vectors: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="a codebook needs some"):
        fit_codebook(vectors, 4, 0)


def test_refuses_no_cells() -> None:
    with pytest.raises(ValueError, match="at least one cell"):
        fit_codebook(np.eye(3), 0, 0)
    with pytest.raises(ValueError, match="at least one group"):
        merge_cells(np.eye(3, dtype=np.float32), np.ones(3, dtype=np.int64), 0)
    with pytest.raises(ValueError, match=r"must be \(K, d\) and \(K,\)"):
        merge_cells(np.eye(3, dtype=np.float32), np.ones(2, dtype=np.int64), 1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 45))
def test_merging_leaves_k_groups_numbered_by_first_cell(seed: int, cells: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    centroids = rng.standard_normal((cells, 5)).astype(np.float32)
    counts = rng.integers(0, 30, cells)
    groups = merge_cells(centroids, counts, k)
    assert groups.dtype == np.int64
    names = list(dict.fromkeys(groups.tolist()))
    assert names == list(range(min(k, cells)))
    # The least populated cell on its own bounds the least populated group: merging never makes it worse.
    assert np.bincount(groups, weights=counts).min() >= counts.min()


def test_merging_levels_the_groups() -> None:
    rng = np.random.default_rng(9)
    centroids = rng.standard_normal((64, 8)).astype(np.float32)
    counts = rng.multinomial(2000, rng.dirichlet(np.full(64, 0.5)))
    sizes = np.bincount(merge_cells(centroids, counts, 16), weights=counts)
    assert counts.min() < 3
    assert sizes.min() > 30


def test_a_small_cell_joins_its_nearest_neighbour() -> None:
    centroids = np.array([[0.0, 0.0], [10.0, 0.0], [10.5, 0.0], [0.0, 9.0]], dtype=np.float32)
    assert merge_cells(centroids, np.array([50, 60, 1, 40]), 3).tolist() == [0, 1, 1, 2]
