from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from monitor.stats import judgements as module
from monitor.stats.judgements import Judgements, discounts, flatten_grades, grade_codes
from monitor.stats.ranking import gains, ideal_dcg, relevant_counts

codes = st.integers(0, 30)
ranking = st.lists(codes, max_size=15)
grades = st.dictionaries(codes, st.integers(-1, 5), max_size=20)


def encode(
    rankings: list[list[int]], relevant: list[dict[int, int]], k: int
) -> tuple[np.ndarray, Judgements]:
    padded = np.full((len(rankings), k), -1, dtype=np.int32)
    for row, found in zip(padded, rankings, strict=True):
        row[: len(found[:k])] = found[:k]
    indptr = np.cumsum([0, *map(len, relevant)])
    flat = [(code, grade) for row in relevant for code, grade in row.items()]
    judged = np.array(flat, dtype=np.int32).reshape(-1, 2)
    return padded, Judgements(indptr, judged[:, 0], judged[:, 1])


@given(st.lists(st.tuples(ranking, grades), max_size=10), st.integers(1, 18), st.integers(1, 60))
def test_codes_and_names_grade_alike(
    pairs: list[tuple[list[int], dict[int, int]]], k: int, cells: int
) -> None:
    rankings, relevant = [found for found, _ in pairs], [judged for _, judged in pairs]
    coded, judged = encode(rankings, relevant, k)
    named = [{str(code): grade for code, grade in row.items()} for row in relevant]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_CELLS", cells)  # few queries in a chunk, so that chunks are crossed
        found = grade_codes(coded, judged)
    assert_array_equal(found, gains([[str(code) for code in row] for row in rankings], named, k))
    assert_array_equal(judged.relevant_counts(), relevant_counts(named))
    assert_array_equal(judged.ideal_dcg(k), ideal_dcg(named, k))


@given(st.lists(st.lists(st.integers(-2, 9), max_size=12), max_size=10), st.integers(1, 15))
def test_ideal_dcg_is_the_sorted_sum(rows: list[list[int]], k: int) -> None:
    relevant = [{str(i): grade for i, grade in enumerate(row)} for row in rows]
    best = [sorted((max(grade, 0) for grade in row), reverse=True)[:k] for row in rows]
    by_hand = [sum(grade / np.log2(rank + 2) for rank, grade in enumerate(row)) for row in best]
    assert_allclose(flatten_grades(relevant).ideal_dcg(k), by_hand, rtol=1e-13)


def test_discounts_are_those_of_trec_eval() -> None:
    assert_allclose(discounts(4), [1.0, 1 / np.log2(3), 0.5, 1 / np.log2(5)], rtol=1e-15)


def test_refuses_judgements_of_other_queries() -> None:
    _, judged = encode([[1]], [{1: 1}], 1)
    with pytest.raises(ValueError, match="2 rankings, but judgements of 1 queries"):
        grade_codes(np.zeros((2, 3), dtype=np.int32), judged)
