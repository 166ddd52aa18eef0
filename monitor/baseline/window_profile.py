"""From a window's raw material to profiles: one small function per signal, all merged by the monoid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.frozen import SCORE_COLUMNS, Baseline
from monitor.baseline.newcomers import are_pieces, one_of_each_source, profile_newcomers
from monitor.profile import Profile, counts_profile, merge, vectors_profile
from monitor.records import CorpusSample, Direction, Ranking, Records, Sample
from monitor.stats.arrays import FloatArray, VectorArray
from monitor.stats.histogram import count_bins
from monitor.stats.levels import count_levels
from monitor.stats.ranking import RankingScores, churn, gains, ideal_dcg, measure_rankings, relevant_counts
from monitor.stats.sampling import hash_ids
from monitor.stats.vector_pass import accept, squared_norms, summarise_vectors

CHANGED = 1e-3
"""1 - cos (or relative distance) beyond which a stored vector counts as another one; half precision makes 1e-6."""

_LARGEST_SCORE = 1e300
"""No measure gives more; sums and differences of scores below it are finite. NaN is not below it either."""


def score_columns(sample: Sample, direction: Direction) -> dict[str, FloatArray]:
    """Return per query the top score, the mean score and the margin, higher meaning better; one value per query.

    Pooling all k scores of a query instead would count one observation k times. A query with a score that is NaN,
    Inf or near the end of the numbers is left out of all three.
    """
    sign = 1.0 if direction == "similarity" else -1.0
    scores = Records.of(sample.records).scores
    if scores is None:
        return {name: np.zeros(0) for name in ("top1", "mean", "margin")}
    lengths = scores.lengths
    top1, mean, margin = (np.full(len(lengths), np.nan) for _ in range(3))
    for length in np.unique(lengths[lengths > 0]).tolist():  # answers of one length are one table
        rows = np.flatnonzero(lengths == length)
        table = scores.values[scores.edges[rows][:, None] + np.arange(length)] * sign
        usable = (np.abs(table) < _LARGEST_SCORE).all(axis=1)
        rows, table = rows[usable], table[usable]
        top1[rows], mean[rows] = table[:, 0], table.mean(axis=1)
        if length > 1:
            margin[rows] = table[:, 0] - table[:, 1]
    columns = {"top1": top1, "mean": mean, "margin": margin}
    return {name: column[~np.isnan(column)] for name, column in columns.items()}


def profile_queries(
    baseline: Baseline, vectors: VectorArray, *, missing: int = 0, wrong_dimension: int = 0
) -> Profile:
    """Return the profile of the window's query vectors ``(n, d)``."""
    population = baseline.populations["queries"]
    sums = summarise_vectors(vectors, population.centroids, normalise=baseline.normalise)
    return vectors_profile(baseline.basis, "queries", sums, missing=missing, wrong_dimension=wrong_dimension)


def profile_log(baseline: Baseline, sample: Sample) -> Profile:
    """Return the profile of the log itself: scores in the baseline's bins, empty answers, quality counts."""
    columns = score_columns(sample, baseline.direction)
    scores = {
        f"scores.{name}": count_bins(columns[name], baseline.score_edges[name])
        for name in SCORE_COLUMNS
        if name in baseline.score_edges
    }
    records = Records.of(sample.records)
    n = len(records)
    answered = np.zeros(n, dtype=bool) if records.hits is None else records.hits.lengths > 0
    scored = np.zeros(n, dtype=bool) if records.scores is None else records.scores.lengths > 0
    quality = counts_profile(
        baseline.basis,
        records__seen=sample.seen,
        records__sampled=n,
        records__duplicates=sample.duplicates,
        records__rejected=sum(sample.rejected.values()),
        records__entries=sample.seen + sum(sample.rejected.values()),
        records__windows=1,
        records__no_text=n - sum(map(bool, records.texts or ())),
        records__no_vector=n - records.with_vector,
        scores__answers=int(answered.sum()),
        scores__empty=int((~answered).sum()),
        scores__missing=int((answered & ~scored).sum()),
        scores__nonfinite=int(scored.sum()) - len(columns["top1"]),
    )
    return merge(quality, Profile(baseline.basis, scores))


def profile_corpus(
    baseline: Baseline, corpus: CorpusSample, seen: NDArray[np.uint64], *, least: int = 30
) -> tuple[Profile, NDArray[np.uint64]]:
    """Return the profile of the index's sample and the hashes that later windows call known.

    Documents count as new when their hash is below the largest known one and not among the known: a sample of
    the smallest hashes shows every newcomer in its range, and none twice. Where ids name sources, one document of each
    stands for it, here as in the baseline. Fewer than ``least`` such newcomers wait for the next window, so that a
    trickle is tested as soon as it is a sample, and never the same document again.
    """
    reference = baseline.corpus
    if reference is None:
        return Profile(baseline.basis), seen
    hashes = hash_ids(corpus.ids)
    known = np.sort(seen)
    # A corpus that was sampled whole has no range beyond which ids are unknown.
    whole = len(reference.hashes) >= reference.size
    in_range = np.ones(len(hashes), dtype=bool) if whole else hashes <= reference.hashes[-1]
    fresh = in_range & ~np.isin(hashes, known)
    since_baseline = in_range & ~np.isin(hashes, reference.hashes)
    horizon = hashes.max(initial=0) if len(corpus.ids) < corpus.size else np.iinfo(np.uint64).max
    still_visible = reference.hashes <= horizon
    gone = int(np.count_nonzero(still_visible & ~np.isin(reference.hashes, hashes)))
    kept, changed, moved = _compare_persistent(baseline, corpus)
    profile = counts_profile(
        baseline.basis,
        corpus__size=corpus.size,
        corpus__looked=1,
        corpus__sampled=int(np.count_nonzero(in_range)),
        corpus__new=int(np.count_nonzero(since_baseline)),
        corpus__gone=gone,
        corpus__kept=kept,
        corpus__changed=changed,
    )
    profile = merge(profile, Profile(baseline.basis, {}, {"corpus.moved": moved}))
    profile = merge(profile, profile_newcomers(baseline, corpus, since_baseline))
    tested = np.flatnonzero(fresh)
    if are_pieces(len(reference.sources), len(reference.hashes)):
        tested = tested[one_of_each_source([corpus.ids[i] for i in tested])]
    newcomers = len(tested)
    if newcomers < least:
        return profile, seen
    if (
        corpus.vectors.shape[1] != baseline.dimension
    ):  # nothing to compare with; the stored vectors tell it too
        return merge(profile, counts_profile(baseline.basis, corpus__wrong_dimension=newcomers)), seen
    population = baseline.populations["corpus"]
    sums = summarise_vectors(corpus.vectors[tested], population.centroids, normalise=baseline.normalise)
    profile = merge(profile, vectors_profile(baseline.basis, "corpus", sums))
    return profile, np.union1d(known, hashes[in_range])


def _compare_persistent(baseline: Baseline, corpus: CorpusSample) -> tuple[int, int, FloatArray]:
    """Return how many of the stored document vectors were found again, how many changed, and the sum of their steps."""
    reference = baseline.corpus
    still: FloatArray = np.zeros(baseline.dimension)
    if reference is None:
        return 0, 0, still
    places = {identifier: i for i, identifier in enumerate(corpus.ids)}
    pairs = [(i, places[identifier]) for i, identifier in enumerate(reference.ids) if identifier in places]
    if not pairs:
        return 0, 0, still
    if corpus.vectors.shape[1] != reference.vectors.shape[1]:
        return len(pairs), len(pairs), still
    old = reference.vectors[[a for a, _ in pairs]].astype(np.float64)
    new = corpus.vectors[[b for _, b in pairs]].astype(np.float64)
    if baseline.normalise:
        distance = 1.0 - cosine_rows(old, new)
    else:
        norms = np.linalg.norm(old, axis=1)
        distance = np.linalg.norm(old - new, axis=1) / np.maximum(norms, 1e-12)
    changed = ~(distance <= CHANGED)
    told = changed & has_direction(old) & has_direction(new)  # a broken vector has changed, and leads nowhere
    old, new = old[told], new[told]
    if baseline.normalise:
        old, new = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (old, new))
    return len(pairs), int(np.count_nonzero(changed)), (new - old).sum(axis=0)


def cosine_rows(a: FloatArray | VectorArray, b: FloatArray | VectorArray) -> FloatArray:
    """Return the cosine of each row pair ``(n,)``; 0.0 where a row is zero or not finite."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # an infinite row beside a zero one has no cosine either
        norms = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
        dots = np.einsum("ij,ij->i", a, b)
    good = np.isfinite(dots) & np.isfinite(norms) & (norms > 0)
    cosines: FloatArray = np.divide(dots, norms, out=np.zeros(len(dots)), where=good)
    return cosines


def has_direction(rows: FloatArray | VectorArray) -> NDArray[np.bool_]:
    """Return which rows are finite and longer than zero, ``(n,)``: those that a pass over them accepts."""
    return accept(squared_norms(np.ascontiguousarray(rows, dtype=np.float32)))


def profile_suite(baseline: Baseline, live: Ranking | None, stored: Ranking | None) -> Profile:
    """Return the profile of the suite's replay with live embeddings (``suite``) and with stored vectors (``index``).

    The stored vectors reproduce the baseline's ranking exactly while the old documents stand. A document that was
    not in the baseline's ranking and now scores above its last one is therefore new; without those newcomers
    the ranking is the *era ranking*: it does not fall when the corpus merely grows.
    """
    suite = baseline.suite
    profile = Profile(baseline.basis)
    if suite is None:
        return profile
    newcomers: set[str] = set()
    if stored is not None:
        # Any ranking proves that a document was there: an approximate index misses it for one query, not for another.
        before = set().union(*suite.rankings)
        for query, ids in enumerate(stored.ids):
            for rank, identifier in enumerate(ids):
                if identifier not in before and stored.scores[query, rank] > suite.depth_scores[query] + 1e-6:
                    newcomers.add(identifier)
    if stored is not None:
        profile = merge(profile, _replay_profile(baseline, "index", stored.ids, newcomers))
    if live is not None and live is stored:  # the same answers: measured once, told of both
        sums = {name.replace("index.", "suite.", 1): array for name, array in profile.sums.items()}
        return merge(
            profile, Profile(baseline.basis, {"suite.replays": profile.counts["index.replays"]}, sums)
        )
    if live is not None:
        profile = merge(profile, _replay_profile(baseline, "suite", live.ids, newcomers))
    return profile


def measure_answers(
    answers: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]], k: int
) -> RankingScores:
    """Return recall@k, NDCG@k and reciprocal rank of each answer against its judgements."""
    return measure_rankings(gains(answers, relevant, k), relevant_counts(relevant), ideal_dcg(relevant, k))


def _replay_profile(
    baseline: Baseline, signal: str, ids: Sequence[Sequence[str]], newcomers: set[str]
) -> Profile:
    suite = baseline.suite
    if suite is None:
        return Profile(baseline.basis)
    plain = measure_answers(ids, suite.relevant, suite.k)
    era_ids = [[i for i in ranking if i not in newcomers] for ranking in ids]
    era = measure_answers(era_ids, suite.relevant, suite.k)
    jaccard, rbo = churn(suite.rankings, ids, suite.k)
    return Profile(
        baseline.basis,
        {f"{signal}.replays": np.array([1], dtype=np.int64)},
        {
            f"{signal}.recall": plain.recall,
            f"{signal}.ndcg": plain.ndcg,
            f"{signal}.reciprocal_rank": plain.reciprocal_rank,
            f"{signal}.era_recall": era.recall,
            f"{signal}.jaccard": jaccard,
            f"{signal}.rbo": rbo,
        },
    )


def profile_canaries(baseline: Baseline, vectors: VectorArray) -> Profile:
    """Return the profile of the canaries' live vectors ``(c, d)``: 1 - cos to the stored ones, and levels, per text."""
    canary = baseline.canary
    if canary is None:
        return Profile(baseline.basis)
    if vectors.shape != canary.vectors.shape:
        distances = np.ones(len(canary.vectors))  # another dimension is another model
    else:
        distances = np.clip(1.0 - cosine_rows(canary.vectors, vectors), 0.0, 2.0)
        # A text that had no direction when the baseline was taken cannot have moved.
        distances[~has_direction(canary.vectors)] = 0.0
    once = np.array([1], dtype=np.int64)
    return Profile(
        baseline.basis,
        # Windows that a release before has profiled have no levels: they are counted by themselves.
        {"canary.replays": once, "canary.graded": once},
        {"canary.distance": distances, "canary.levels": count_levels(vectors)},
    )
