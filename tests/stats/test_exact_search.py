from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.stats import exact_search
from monitor.stats.exact_search import exact_top_k, usable_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Metric = Literal["cosine", "dot", "l2"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")


def naive_scores(corpus: NDArray[Any], queries: NDArray[Any], metric: Metric) -> NDArray[np.float32]:
    c, q = corpus.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        distances: NDArray[np.float32] = np.linalg.norm(q[:, None] - c[None], axis=2).astype(np.float32)
        return -distances
    if metric == "cosine":
        c, q = c / np.linalg.norm(c, axis=1, keepdims=True), q / np.linalg.norm(q, axis=1, keepdims=True)
    return (q @ c.T).astype(np.float32)


def naive_top_k(
    corpus: NDArray[Any], queries: NDArray[Any], k: int, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    scores = naive_scores(corpus, queries, metric)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def gaussian(seed: int, n: int, d: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def rows(most: int) -> st.SearchStrategy[NDArray[np.int64]]:
    # Small integers: products are exact, and ties, the hard part, are everywhere.
    return arrays(np.int64, st.tuples(st.integers(1, most), st.just(3)), elements=st.integers(-2, 2))


@given(
    corpus=rows(60),
    queries=rows(5),
    k=st.integers(1, 12),
    metric=st.sampled_from(["dot", "l2"]),
    dtype=st.sampled_from([np.float32, np.float16]),
    block=st.sampled_from([1, 40, 1 << 20]),
    query_rows=st.sampled_from([2, 1024]),
)
def test_equals_a_stable_argsort_to_the_last_tie(
    *,
    corpus: NDArray[Any],
    queries: NDArray[Any],
    k: int,
    metric: Metric,
    dtype: type[np.floating[Any]],
    block: int,
    query_rows: int,
) -> None:
    with patch.object(exact_search, "BLOCK", block), patch.object(exact_search, "QUERY_ROWS", query_rows):
        indices, scores = exact_top_k(corpus.astype(dtype), queries.astype(np.float32), k, metric)
    expected, expected_scores = naive_top_k(corpus, queries, k, metric)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(scores, expected_scores)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 300),
    k=st.integers(1, 20),
    metric=st.sampled_from(METRICS),
    block=st.sampled_from([256, 4096, 1 << 20]),
)
@settings(max_examples=40)
def test_equals_a_stable_argsort_on_real_valued_vectors(
    seed: int, n: int, k: int, metric: Metric, block: int
) -> None:
    corpus, queries = gaussian(seed, n, 8), gaussian(seed + 1, 7, 8)
    with patch.object(exact_search, "BLOCK", block):
        indices, scores = exact_top_k(corpus, queries, k, metric)
    _, expected = naive_top_k(corpus, queries, k, metric)
    assert indices.shape == scores.shape == (7, min(k, n))
    assert indices.dtype == np.int64
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    mine = np.take_along_axis(naive_scores(corpus, queries, metric), indices, axis=1)
    np.testing.assert_allclose(scores, mine, atol=2e-6)
    assert all(len(set(row)) == len(row) for row in indices.tolist())


@pytest.mark.parametrize("metric", METRICS)
def test_a_corpus_sorted_towards_the_query_changes_nothing(metric: Metric) -> None:
    corpus, query = gaussian(1, 5000, 16), gaussian(2, 1, 16)
    corpus = corpus[np.argsort(naive_scores(corpus, query, metric)[0])]
    with patch.object(exact_search, "BLOCK", 1 << 14):
        indices, _ = exact_top_k(corpus, query, 10, metric)
    np.testing.assert_array_equal(indices, naive_top_k(corpus, query, 10, metric)[0])


@pytest.mark.parametrize("metric", METRICS)
def test_unusable_rows_are_never_returned(metric: Metric) -> None:
    corpus = gaussian(3, 400, 8)
    corpus[5] = np.nan
    corpus[17, 3] = np.inf
    corpus[18, 3] = -np.inf
    corpus[19] = 3e19
    unusable = {5, 17, 18, 19}
    if metric == "cosine":
        corpus[20] = 0
        unusable.add(20)
    assert set(np.flatnonzero(~usable_rows(corpus, metric))) == unusable
    indices, scores = exact_top_k(corpus, gaussian(4, 3, 8), 400, metric)
    assert indices.shape == (3, 400 - len(unusable))
    assert set(indices.ravel()) == set(range(400)) - unusable
    assert np.isfinite(scores).all()


def test_a_corpus_without_a_usable_row_answers_nothing() -> None:
    indices, scores = exact_top_k(np.full((9, 2), np.nan, np.float32), np.ones((2, 2), np.float32), 3)
    assert indices.shape == scores.shape == (2, 0)


@pytest.mark.parametrize(("corpus_rows", "query_rows"), [(0, 2), (5, 0), (0, 0)])
def test_empty_sides(corpus_rows: int, query_rows: int) -> None:
    indices, scores = exact_top_k(
        np.ones((corpus_rows, 4), np.float32), np.ones((query_rows, 4), np.float32), 3
    )
    assert indices.shape == scores.shape == (query_rows, min(3, corpus_rows))


def test_the_distance_to_itself_is_exactly_zero() -> None:
    corpus = gaussian(5, 1000, 64) + 100  # far from the origin, where |q|² - 2 q·c + |c|² would cancel
    indices, scores = exact_top_k(corpus, corpus[:50], 1, "l2")
    np.testing.assert_array_equal(indices[:, 0], np.arange(50))
    np.testing.assert_array_equal(scores, 0)


def test_answers_do_not_depend_on_the_batch() -> None:
    corpus, queries = gaussian(6, 3000, 32), gaussian(7, 40, 32)
    together = exact_top_k(corpus, queries, 10)
    apart = [exact_top_k(corpus, queries[i : i + 1], 10) for i in range(40)]
    np.testing.assert_array_equal(together[0], np.concatenate([a[0] for a in apart]))
    np.testing.assert_array_equal(together[1], np.concatenate([a[1] for a in apart]))


def test_a_read_only_memory_map_of_half_precision_serves_as_corpus(tmp_path: Path) -> None:
    np.save(tmp_path / "corpus.npy", gaussian(8, 500, 16).astype(np.float16))
    corpus = np.load(tmp_path / "corpus.npy", mmap_mode="r", allow_pickle=False)
    indices, _ = exact_top_k(corpus, corpus[:5], 1)
    assert indices[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_memory_stays_bounded_beside_the_corpus() -> None:
    corpus, queries = gaussian(9, 100_000, 32), gaussian(10, 1000, 32)
    tracemalloc.start()
    try:
        exact_top_k(corpus, queries, 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # all scores at once would be 400e6


ONES = np.ones((4, 2), np.float32)


@pytest.mark.parametrize(
    ("corpus", "queries", "k", "metric", "message"),
    [
        (ONES, ONES, 0, "cosine", "k is 0"),
        (ONES, ONES, 1, "manhattan", "metric is 'manhattan'"),
        (ONES, ONES[0], 1, "cosine", "must be"),
        (ONES, np.ones((4, 3), np.float32), 1, "cosine", r"\(4, 3\)"),
        (ONES[:, :0], ONES[:, :0], 1, "cosine", "d >= 1"),
        (ONES.astype(np.float64), ONES, 1, "cosine", "corpus is float64"),
        (ONES, ONES * np.nan, 1, "dot", "4 of 4 queries"),
        (ONES, ONES * [[1], [0], [1], [1]], 1, "cosine", "queries is float64"),
        (ONES, (ONES * [[1], [0], [1], [1]]).astype(np.float32), 1, "cosine", "row 1"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(
    corpus: NDArray[Any], queries: NDArray[Any], k: int, metric: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        exact_top_k(corpus, queries, k, metric)
