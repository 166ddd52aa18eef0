from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from monitor.stats.ranking import (
    RankingScores,
    churn,
    gains,
    ideal_dcg,
    jaccard_at_k,
    measure_rankings,
    rbo,
    relevant_counts,
)

documents = st.sampled_from([f"d{i}" for i in range(25)])
ranking = st.lists(documents, max_size=20)
distinct = st.lists(documents, max_size=20, unique=True)
grades = st.dictionaries(documents, st.integers(-1, 4), max_size=12)
runs = st.lists(st.tuples(distinct, grades), min_size=1, max_size=8)


def measure(
    rankings: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]], k: int
) -> RankingScores:
    return measure_rankings(gains(rankings, relevant, k), relevant_counts(relevant), ideal_dcg(relevant, k))


@given(runs, st.integers(1, 25))
def test_agrees_with_trec_eval(pairs: list[tuple[list[str], dict[str, int]]], k: int) -> None:
    rankings = [found[:k] for found, _ in pairs]
    relevant = [judged for _, judged in pairs]
    scores = measure(rankings, relevant, k)
    # trec_eval sorts by score, so strictly falling scores hand it the order that we were given.
    run = {str(i): {d: float(-rank) for rank, d in enumerate(row)} for i, row in enumerate(rankings)}
    judged = {str(i): dict(row) for i, row in enumerate(relevant)}
    measures = {f"recall.{k}", f"ndcg_cut.{k}", "recip_rank"}
    expected = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run)
    for query, values in expected.items():
        i = int(query)
        assert_allclose(scores.recall[i], values[f"recall_{k}"], rtol=0, atol=1e-12)
        assert_allclose(scores.ndcg[i], values[f"ndcg_cut_{k}"], rtol=0, atol=1e-12)
        assert_allclose(scores.reciprocal_rank[i], values["recip_rank"], rtol=0, atol=1e-12)
    for i, row in enumerate(relevant):
        if not any(grade > 0 for grade in row.values()):
            assert scores.recall[i] == scores.ndcg[i] == scores.reciprocal_rank[i] == 0.0


@given(st.lists(st.tuples(ranking, grades), max_size=8), st.integers(1, 25))
def test_scores_stay_between_zero_and_one(pairs: list[tuple[list[str], dict[str, int]]], k: int) -> None:
    scores = measure([found for found, _ in pairs], [judged for _, judged in pairs], k)
    for values in (scores.recall, scores.ndcg, scores.reciprocal_rank):
        assert values.dtype == np.float64
        assert values.shape == (len(pairs),)
        assert ((values >= 0.0) & (values <= 1.0 + 1e-12)).all()


def test_a_repeated_document_counts_once_at_its_first_place() -> None:
    relevant = [{"a": 1, "b": 1}]
    assert gains([["a", "a", "a"]], relevant, 3).tolist() == [[1, 0, 0]]
    assert measure([["a", "a", "a"]], relevant, 3).recall.tolist() == [0.5]


def test_the_best_order_scores_one() -> None:
    scores = measure([["c", "b", "a", "x"]], [{"a": 1, "b": 2, "c": 3}], 4)
    assert_allclose([scores.recall[0], scores.ndcg[0], scores.reciprocal_rank[0]], 1.0, rtol=1e-15)


def test_gain_is_the_grade_and_not_its_power() -> None:
    scores = measure([["b", "a"]], [{"a": 3, "b": 1}], 2)
    assert_allclose(scores.ndcg[0], (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)), rtol=1e-14)


def test_an_empty_answer_scores_zero() -> None:
    scores = measure([[]], [{"a": 1}], 5)
    assert (scores.recall[0], scores.ndcg[0], scores.reciprocal_rank[0]) == (0.0, 0.0, 0.0)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="depth 1 or more"):
        gains([["a"]], [{"a": 1}], 0)
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        gains([["a"]], [], 3)
    with pytest.raises(ValueError, match="1 rankings, but"):
        measure_rankings(np.zeros((1, 2)), np.zeros(2, dtype=np.int64), np.zeros(1))
    with pytest.raises(ValueError, match="0 < p < 1"):
        rbo(["a"], ["a"], p=1.0)


def rbo_by_definition(a: Sequence[str], b: Sequence[str], p: float) -> float:
    """Equation 32 of Webber, Moffat & Zobel, set by set."""
    short, long = sorted((list(dict.fromkeys(a)), list(dict.fromkeys(b))), key=len)
    s, size = len(short), len(long)
    if s == 0:
        return 1.0 if size == 0 else 0.0

    def overlap(d: int) -> int:
        return len(set(short[:d]) & set(long[:d]))

    total = sum(overlap(d) / d * p**d for d in range(1, size + 1))
    total += sum(overlap(s) * (d - s) / (s * d) * p**d for d in range(s + 1, size + 1))
    tail = ((overlap(size) - overlap(s)) / size + overlap(s) / s) * p**size
    return (1 - p) / p * total + tail


@given(ranking, ranking, st.floats(0.05, 0.99))
def test_rbo_is_its_definition(a: list[str], b: list[str], p: float) -> None:
    found = rbo(a, b, p)
    assert_allclose(found, rbo_by_definition(a, b, p), rtol=1e-12, atol=1e-12)
    assert_allclose(found, rbo(b, a, p), rtol=1e-12, atol=1e-12)
    assert 0.0 <= found <= 1.0


@given(distinct, distinct, st.floats(0.05, 0.99))
def test_rbo_lies_between_its_bounds(a: list[str], b: list[str], p: float) -> None:
    """The least and the most that continuations of both lists can reach, for lists of one length."""
    if not a or len(a) != len(b):
        return
    shared = [len(set(a[:d]) & set(b[:d])) for d in range(1, len(a) + 1)]
    least = (1 - p) * sum(p ** (d - 1) * x / d for d, x in enumerate(shared, 1))
    assert least - 1e-12 <= rbo(a, b, p) <= least + p ** len(a) + 1e-12


def test_rbo_weighs_the_first_ranks_most() -> None:
    reference = list("abcdefgh")
    assert rbo(reference, list("bacdefgh")) < rbo(reference, list("abcdefhg")) < 1.0


@pytest.mark.parametrize(
    ("a", "b", "jaccard", "overlap"),
    [([], [], 1.0, 1.0), (["a"], [], 0.0, 0.0), (["a", "a"], ["a"], 1.0, 1.0), (["a"], ["b"], 0.0, 0.0)],
)
def test_empty_and_repeated(a: list[str], b: list[str], jaccard: float, overlap: float) -> None:
    assert jaccard_at_k(a, b, 10) == jaccard
    assert rbo(a, b) == overlap


@given(st.lists(st.tuples(ranking, ranking), max_size=8), st.integers(1, 15))
def test_churn_is_each_pair_on_its_own(pairs: list[tuple[list[str], list[str]]], k: int) -> None:
    a, b = [left for left, _ in pairs], [right for _, right in pairs]
    jaccard, overlap = churn(a, b, k, 0.8)
    assert_array_equal(jaccard, [jaccard_at_k(x, y, k) for x, y in pairs])
    assert_allclose(overlap, [rbo(x, y, 0.8) for x, y in pairs], rtol=1e-12, atol=1e-12)
    assert jaccard.shape == overlap.shape == (len(pairs),)


def test_jaccard_looks_at_the_first_k_only() -> None:
    assert jaccard_at_k(["a", "b", "c"], ["b", "a", "x"], 2) == 1.0
    assert jaccard_at_k(["a", "b", "c"], ["b", "a", "x"], 3) == 0.5
