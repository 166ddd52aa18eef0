"""Judged documents as integers in compressed rows: the form for runs too large for dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import FloatArray, IntArray

GainArray = NDArray[np.int32]

_CHUNK_CELLS = 131_072
"""Places of rankings compared at once: 512 KB of int32 stay in the second-level cache."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """The judged documents of n queries.

    Attributes
    ----------
    indptr : ndarray, (n + 1,) int64
        Query i owns the entries ``indptr[i]`` up to ``indptr[i + 1]``.
    codes : ndarray, (m,) integer
        Document codes, at least 0, each at most once per query.
    grades : ndarray, (m,) integer
        Relevant when above 0.
    """

    indptr: IntArray
    codes: NDArray[np.integer[Any]]
    grades: NDArray[np.integer[Any]]

    def relevant_counts(self) -> IntArray:
        """Return the number of relevant documents of each query, ``(n,)`` int64."""
        relevant = np.concatenate(([0], np.cumsum(self.grades > 0)))
        counts: IntArray = relevant[self.indptr[1:]] - relevant[self.indptr[:-1]]
        return counts

    def ideal_dcg(self, k: int) -> FloatArray:
        """Return the largest DCG that k documents can reach, ``(n,)`` float64; 0.0 where nothing is relevant.

        >>> Judgements(np.array([0, 2, 2]), np.array([4, 5]), np.array([1, 2])).ideal_dcg(1).tolist()
        [2.0, 0.0]
        """
        queries = len(self.indptr) - 1
        if not len(self.grades):
            return np.zeros(queries, dtype=np.float64)
        # One number holds query and grade, so that one plain sort puts each query's best grades first.
        grades = np.maximum(self.grades, 0).astype(np.int64)
        top = int(grades.max())
        bits = top.bit_length()
        owner = np.repeat(np.arange(queries, dtype=np.int64), np.diff(self.indptr))
        ordered = np.sort((owner << bits) + (top - grades))
        best = top - (ordered & ((1 << bits) - 1))
        place = np.arange(len(grades)) - self.indptr[owner]
        weights = best * np.append(discounts(k), 0.0)[np.minimum(place, k)]
        return np.bincount(owner, weights=weights, minlength=queries).astype(np.float64, copy=False)


def flatten_grades(relevant: Sequence[Mapping[str, int]]) -> Judgements:
    """Return the judgements of n queries, documents numbered as they come: enough for counts and ideals."""
    indptr = np.cumsum([0, *(len(grades) for grades in relevant)], dtype=np.int64)
    flat = np.array([grade for grades in relevant for grade in grades.values()], dtype=np.int64)
    return Judgements(indptr, np.arange(len(flat), dtype=np.int64), flat)


def grade_codes(rankings: NDArray[np.integer[Any]], judgements: Judgements) -> GainArray:
    """Return the grade at each place of n rankings, ``(n, k)`` int32, 0 for not relevant.

    What :func:`monitor.stats.ranking.gains` does, from documents coded as integers.

    Parameters
    ----------
    rankings : ndarray, (n, k) integer
        Document codes, best first, padded with -1 where an answer was shorter.
    judgements : Judgements
        Of the same n queries in the same codes; fastest in the same dtype.

    Raises
    ------
    ValueError
        When the numbers of queries differ.

    Notes
    -----
    Every judged document is compared with every place of its query's ranking. That is k comparisons per
    judgement, but many at a time and without a branch: faster than sorting or searching up to hundreds of
    judgements per query.

    Examples
    --------
    >>> judged = Judgements(np.array([0, 2, 3]), np.array([7, 9, 5]), np.array([1, 3, 1]))
    >>> grade_codes(np.array([[9, 8, 7], [1, 2, -1]]), judged).tolist()
    [[3, 0, 1], [0, 0, 0]]
    """
    n, k = rankings.shape
    if len(judgements.indptr) != n + 1:
        raise ValueError(f"{n} rankings, but judgements of {len(judgements.indptr) - 1} queries")
    found = np.zeros((n, k), dtype=np.int32)
    step = max(1, _CHUNK_CELLS // max(k, 1))
    for start in range(0, n if k else 0, step):
        chunk = slice(start, start + step)
        _grade_chunk(rankings[chunk], judgements, judgements.indptr[start : start + step + 1], found[chunk])
    return found


def discounts(k: int) -> FloatArray:
    """Return the weights ``1 / log2(rank + 1)`` of the first ``k`` ranks.

    >>> discounts(3).round(2).tolist()
    [1.0, 0.63, 0.5]
    """
    return np.asarray(1.0 / np.log2(np.arange(2.0, k + 2.0)), dtype=np.float64)


def _grade_chunk(
    rankings: NDArray[np.integer[Any]], judgements: Judgements, indptr: IntArray, found: GainArray
) -> None:
    """Write into ``found`` the grades of the rankings of the queries that own the entries of ``indptr``."""
    sizes = np.diff(indptr)
    # Queries with most judgements first: those that have a j-th one are then the head of the chunk.
    order = np.argsort(-sizes, kind="stable")
    rankings, begins = rankings[order], indptr[order]
    heads = len(rankings) - np.cumsum(np.bincount(sizes))[:-1]
    if not len(heads):
        return
    same = np.empty(rankings.shape, dtype=np.bool_)
    hits = []
    for j, head in enumerate(heads.tolist()):
        codes = judgements.codes[begins[:head] + j]
        np.equal(rankings[:head], codes[:, None], out=same[:head])
        hits.append(np.flatnonzero(same[:head]))
    row, place = np.divmod(np.concatenate(hits), rankings.shape[1])
    entry = begins[row] + np.repeat(np.arange(len(hits)), [len(hit) for hit in hits])
    first = np.diff(entry, prepend=-1) != 0  # a document that comes twice counts at its first place
    row, place, entry = row[first], place[first], entry[first]
    found[order[row], place] = np.maximum(judgements.grades[entry], 0)
