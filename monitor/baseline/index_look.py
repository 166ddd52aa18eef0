"""The index held against exact search, reported scores against recomputed ones: what vectors say should come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import cosine_rows, has_direction
from monitor.profile import Profile, counts_profile, merge
from monitor.records import CorpusSample, Metric, Ranking, Sample
from monitor.stats.arrays import FloatArray, VectorArray

SAME_SCORE = 1e-3
"""A reported score farther than this from the recomputed one was made in another way; rounding gives less."""
OTHER_TEXT = 0.05
"""1 - cos beyond which a new document's vector is not what the endpoint makes of its text."""
HITS = 3
"""Hits of an answer whose scores are recomputed: those of one answer are made alike."""
_TIE = 1e-5


def profile_index_recall(baseline: Baseline, corpus: CorpusSample, stored: Ranking) -> Profile:
    """Return how much of what exact search over the sample finds the live answers hold, too.

    Of a query's answer those documents are looked at whose vectors the sample has: were the search exact, they would be
    the nearest of the sample. A judged document of the sample that lies nearer than the farthest known one of the first
    k, and is not among them, is lost by the index alone.

    Parameters
    ----------
    stored : Ranking
        The live answers to the suite's stored vectors.
    """
    suite = baseline.suite
    if suite is None or not corpus.ids or corpus.vectors.shape[1] != suite.vectors.shape[1]:
        return Profile(baseline.basis)
    places = {identifier: i for i, identifier in enumerate(corpus.ids)}
    near = similarities(baseline.metric, suite.vectors, corpus.vectors)
    asked = found = covered = 0
    lost: FloatArray = np.zeros(len(suite.query_ids))
    for query, ids in enumerate(stored.ids):
        row = near[query]
        known = [places[i] for i in ids if i in places]
        usable = np.count_nonzero(np.isfinite(row))
        if known and usable:
            count = min(len(known), int(usable))
            limit = -np.partition(-row, count - 1)[count - 1]
            asked += count
            found += min(count, int(np.count_nonzero(row[known] >= limit - _TIE)))
        judged = [places[i] for i in suite.relevant[query] if i in places]
        first = {places[i] for i in ids[: suite.k] if i in places}
        # The k-th hit itself may be outside the sample; those inside it are the bar that can be known.
        bar = min((row[i] for i in first), default=-np.inf) if len(ids) >= suite.k else -np.inf
        missed = [i for i in judged if i not in first and row[i] > bar + _TIE]
        if judged:
            covered += 1
            lost[query] = len(missed) / len(judged)
    counts = counts_profile(
        baseline.basis, index__looked=1, index__asked=asked, index__found=found, index__covered=covered
    )
    return merge(counts, Profile(baseline.basis, {}, {"index.ann_loss": lost}))


def profile_self_search(baseline: Baseline, ids: tuple[str, ...], answer: Ranking) -> Profile:
    """Return how many documents the index finds by their own vectors: exact search finds every one."""
    found = sum(1 for identifier, hits in zip(ids, answer.ids, strict=True) if identifier in hits)
    return counts_profile(baseline.basis, index__looked=1, index__asked=len(ids), index__found=found)


def profile_reported_scores(
    baseline: Baseline, sample: Sample, ids: tuple[str, ...], vectors: VectorArray, corpus: CorpusSample
) -> Profile:
    """Return how many logged scores could be recomputed from question and document, and how many of them disagree.

    Parameters
    ----------
    ids, vectors : tuple of str, VectorArray
        The records whose vectors are known, and those ``(n, d)``.
    """
    if not corpus.ids or vectors.shape[1] != corpus.vectors.shape[1]:
        return Profile(baseline.basis)
    places = {identifier: i for i, identifier in enumerate(corpus.ids)}
    rows = {identifier: i for i, identifier in enumerate(ids)}
    of_query, of_document, reported = [], [], []
    for record in sample.records:
        row = rows.get(record.id)
        if row is None or not record.scores:
            continue
        for hit, score in zip(record.hits[:HITS], record.scores, strict=False):
            if hit in places:
                of_query.append(row)
                of_document.append(places[hit])
                reported.append(score)
    if not reported:
        return Profile(baseline.basis)
    good = has_direction(vectors)[of_query] & has_direction(corpus.vectors)[of_document]
    made = _pairwise(baseline.metric, vectors[of_query], corpus.vectors[of_document])
    if baseline.direction == "distance":
        made = 1.0 - made if baseline.metric == "cosine" else -made
    said = np.asarray(reported, dtype=np.float64)
    usable = good & np.isfinite(made) & np.isfinite(said)
    apart = np.abs(said[usable] - made[usable]) > SAME_SCORE * np.maximum(1.0, np.abs(made[usable]))
    return counts_profile(
        baseline.basis,
        scores__compared=int(np.count_nonzero(usable)),
        scores__disagree=int(np.count_nonzero(apart)),
    )


def profile_reembedded(baseline: Baseline, stored: VectorArray, made: VectorArray) -> Profile:
    """Return how many documents' stored vectors ``(n, d)`` are not what the endpoint makes of their texts now."""
    if stored.shape != made.shape:
        disagree = len(stored)
    else:
        good = has_direction(stored) & has_direction(made)
        disagree = int(np.count_nonzero(good & (1.0 - cosine_rows(stored, made) > OTHER_TEXT)))
    return counts_profile(baseline.basis, corpus__reembedded=len(stored), corpus__disagree=disagree)


def similarities(metric: Metric, queries: VectorArray, documents: VectorArray) -> FloatArray:
    """Return ``(n, m)`` scores as :func:`monitor.stats.exact_search.exact_top_k` has them; -inf for none."""
    q, x = np.asarray(queries, dtype=np.float64), np.asarray(documents, dtype=np.float64)
    asked, good = has_direction(queries), has_direction(documents)
    q, x = np.where(asked[:, None], q, 1.0), np.where(good[:, None], x, 1.0)
    products: FloatArray = q @ x.T
    if metric == "cosine":
        lengths = np.linalg.norm(q, axis=1).clip(1e-12)[:, None] * np.linalg.norm(x, axis=1)[None, :]
        products = products / lengths
    elif metric == "l2":
        squares = np.sum(q * q, axis=1)[:, None] + np.sum(x * x, axis=1)[None, :] - 2.0 * products
        products = -np.sqrt(np.maximum(squares, 0.0))
    products[:, ~good] = products[~asked] = -np.inf
    return np.nan_to_num(products, nan=-np.inf, posinf=np.inf, neginf=-np.inf)


def _pairwise(metric: Metric, a: VectorArray, b: VectorArray) -> FloatArray:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if metric == "cosine":
        return cosine_rows(x, y)
    if metric == "dot":
        products: FloatArray = np.einsum("ij,ij->i", x, y)
        return products
    distances: FloatArray = -np.linalg.norm(x - y, axis=1)
    return distances


def usable_texts(corpus: CorpusSample, chosen: NDArray[np.bool_], most: int) -> tuple[list[int], list[str]]:
    """Return places and texts of the first ``most`` chosen documents that have a text."""
    texts = corpus.texts or ()
    places = [i for i, (text, wanted) in enumerate(zip(texts, chosen, strict=False)) if wanted and text][
        :most
    ]
    return places, [texts[i] for i in places]
