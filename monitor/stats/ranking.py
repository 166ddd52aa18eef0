"""Measures of rankings: against judgements (recall, NDCG, MRR) and against each other (Jaccard, RBO).

Every ranking is taken in the order given, best first. A document that comes twice counts at its first place
only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import FloatArray, IntArray
from monitor.stats.judgements import GainArray, discounts, flatten_grades


@dataclass(frozen=True, slots=True)
class RankingScores:
    """One score per query, each ``(n,)`` float64 in [0, 1], by the definitions of trec_eval.

    Attributes
    ----------
    recall : ndarray
        ``recall.K``: relevant documents among the first K over all relevant documents.
    ndcg : ndarray
        ``ndcg_cut.K``: gain = grade, discount ``1 / log2(rank + 1)``, over the DCG of the best order of all
        judged documents (Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques").
    reciprocal_rank : ndarray
        ``recip_rank`` of the first K: one over the rank of the first relevant document, 0.0 without one.
    """

    recall: FloatArray
    ndcg: FloatArray
    reciprocal_rank: FloatArray


def gains(rankings: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]], k: int) -> GainArray:
    """Return the grade at each of the first ``k`` places of n rankings, ``(n, k)`` int32, 0 for not relevant.

    For documents coded as integers, :func:`monitor.stats.judgements.grade_codes` does the same faster.

    >>> gains([["a", "b", "a"], []], [{"a": 2, "c": 1}, {"d": 1}], 3).tolist()
    [[2, 0, 0], [0, 0, 0]]
    """
    _check_depth(k)
    found = np.zeros((len(rankings), k), dtype=np.int32)
    for row, ranking, grades in zip(found, rankings, relevant, strict=True):
        places = _first_places(ranking[:k])
        for document, grade in grades.items():
            place = places.get(document)
            if place is not None and grade > 0:
                row[place] = grade
    return found


def relevant_counts(relevant: Sequence[Mapping[str, int]]) -> IntArray:
    """Return how many documents are relevant (grade above 0) to each query, ``(n,)`` int64.

    >>> relevant_counts([{"a": 2, "b": 0}, {}]).tolist()
    [1, 0]
    """
    return flatten_grades(relevant).relevant_counts()


def ideal_dcg(relevant: Sequence[Mapping[str, int]], k: int) -> FloatArray:
    """Return the largest DCG that ``k`` documents can reach for each query, ``(n,)`` float64.

    >>> ideal_dcg([{"a": 1, "b": 2}, {}], 1).tolist()
    [2.0, 0.0]
    """
    _check_depth(k)
    return flatten_grades(relevant).ideal_dcg(k)


def measure_rankings(gains: NDArray[Any], relevant_counts: IntArray, ideal_dcg: FloatArray) -> RankingScores:
    """Return recall, NDCG and reciprocal rank at K of n queries.

    Parameters
    ----------
    gains : ndarray, (n, K) numeric
        The grade at each place.
    relevant_counts : ndarray, (n,) int64
        How many documents are relevant to each query, found or not.
    ideal_dcg : ndarray, (n,) float64
        The largest DCG within K places.

    Returns
    -------
    RankingScores
        A query without relevant documents scores 0.0 throughout. trec_eval leaves such queries out of its
        means; a caller does so by ``relevant_counts > 0``.

    Raises
    ------
    ValueError
        When the numbers of queries differ.

    Examples
    --------
    >>> relevant = [{"a": 1, "b": 1}]
    >>> places = gains([["x", "b"]], relevant, 2)
    >>> scores = measure_rankings(places, relevant_counts(relevant), ideal_dcg(relevant, 2))
    >>> float(scores.recall[0]), round(float(scores.ndcg[0]), 4), float(scores.reciprocal_rank[0])
    (0.5, 0.3869, 0.5)
    """
    n, k = gains.shape
    if relevant_counts.shape != (n,) or ideal_dcg.shape != (n,):
        raise ValueError(
            f"{n} rankings, but {relevant_counts.shape} counts and {ideal_dcg.shape} ideal gains"
        )
    hits = np.flatnonzero(gains > 0)
    query, place = np.divmod(hits, max(k, 1))
    found = np.bincount(query, minlength=n)
    dcg = np.bincount(query, weights=gains.reshape(-1)[hits] * discounts(k)[place], minlength=n)
    reciprocal = np.zeros(n, dtype=np.float64)
    first = np.diff(query, prepend=-1) > 0
    reciprocal[query[first]] = 1.0 / (place[first] + 1.0)
    return RankingScores(
        recall=np.divide(found, relevant_counts, out=np.zeros(n), where=relevant_counts > 0),
        ndcg=np.divide(dcg, ideal_dcg, out=np.zeros(n), where=ideal_dcg > 0),
        reciprocal_rank=reciprocal,
    )


def jaccard_at_k(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """Return the documents in both top-k sets over those in either; 1.0 for two empty rankings.

    >>> jaccard_at_k(["a", "b", "c"], ["b", "a", "d"], 2), jaccard_at_k("abc", "abd", 3)
    (1.0, 0.5)
    """
    _check_depth(k)
    left, right = set(a[:k]), set(b[:k])
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def rbo(a: Sequence[str], b: Sequence[str], p: float = 0.9) -> float:
    """Return the extrapolated rank-biased overlap of two rankings, in [0, 1]: the first ranks weigh most.

    ``RBO_EXT``, equation 32 of Webber, Moffat & Zobel (2010), "A similarity measure for indefinite rankings".
    With lists of lengths s <= l and the overlap X_d of their first d documents::

        (1-p)/p (Σ_{d=1..l} X_d/d p^d + Σ_{d=s+1..l} X_s (d-s)/(s d) p^d) + ((X_l - X_s)/l + X_s/s) p^l

    A repeated document is taken out where it comes again. Two empty rankings agree (1.0); an empty one and
    another do not (0.0).

    Raises
    ------
    ValueError
        When not ``0 < p < 1``.

    Examples
    --------
    >>> rbo("abc", "abc"), rbo("abc", "xyz"), round(rbo("abcd", "bacd"), 4)
    (1.0, 0.0, 0.9)
    """
    return float(_rbo([a], [b], p)[0])


def churn(
    a: Sequence[Sequence[str]], b: Sequence[Sequence[str]], k: int, p: float = 0.9
) -> tuple[FloatArray, FloatArray]:
    """Return :func:`jaccard_at_k` and :func:`rbo` (of the whole lists) of n pairs, ``(n,)`` float64 each.

    >>> [values.tolist() for values in churn([["a"], ["a"]], [["a"], ["b"]], 1)]
    [[1.0, 0.0], [1.0, 0.0]]
    """
    jaccard = np.array([jaccard_at_k(x, y, k) for x, y in zip(a, b, strict=True)], dtype=np.float64)
    return jaccard, _rbo(a, b, p)


def _rbo(a: Sequence[Sequence[str]], b: Sequence[Sequence[str]], p: float) -> FloatArray:
    if not 0.0 < p < 1.0:
        raise ValueError(f"p is {p}; rank-biased overlap needs 0 < p < 1, such as 0.9")
    lengths = np.zeros((len(a), 2), dtype=np.int64)
    shared: list[tuple[int, int]] = []  # (pair, depth): from its lower place on, a shared document counts
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        left, right = (_first_places(list(dict.fromkeys(ranking))) for ranking in (x, y))
        lengths[i] = len(left), len(right)
        shared += [(i, max(place, right[document])) for document, place in left.items() if document in right]
    width = max(1, int(lengths.max(initial=0)))
    pair, depth = np.array(shared, dtype=np.int64).reshape(-1, 2).T
    overlap = np.bincount(pair * width + depth, minlength=len(a) * width).reshape(-1, width).cumsum(axis=1)

    d = np.arange(1, width + 1)
    s, l = (np.maximum(length, 1)[:, None] for length in (lengths.min(axis=1), lengths.max(axis=1)))  # noqa: E741
    at_s, at_l = (np.take_along_axis(overlap, length - 1, axis=1) for length in (s, l))
    agreement = overlap / d + np.where(d > s, at_s * (d - s) / (s * d), 0.0)
    tail = ((at_l - at_s) / l + at_s / s) * p**l
    value = (1.0 - p) / p * np.sum(agreement * p**d, axis=1, where=d <= l) + tail[:, 0]
    return np.where(lengths.any(axis=1), np.clip(value, 0.0, 1.0), 1.0)


def _first_places(ranking: Sequence[str]) -> dict[str, int]:
    """Return the first place of each document; written backwards, so that the first of two stays."""
    return dict(zip(reversed(ranking), range(len(ranking) - 1, -1, -1), strict=True))


def _check_depth(k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}; a ranking is measured at depth 1 or more")
