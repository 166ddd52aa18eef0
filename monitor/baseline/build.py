"""Building a baseline from quiet history: halves for fitting and counting, totals for means, parts for calibration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.counts import WindowCounts, fill
from monitor.baseline.frozen import (
    PERSISTENT,
    SCORE_COLUMNS,
    Baseline,
    CanaryReference,
    CorpusReference,
    Population,
    SuiteReference,
)
from monitor.baseline.newcomers import observations
from monitor.baseline.window_profile import (
    cosine_rows,
    has_direction,
    measure_answers,
    score_columns,
)
from monitor.errors import BaselineError
from monitor.records import CorpusSample, Direction, JudgedQuery, Metric, Ranking, Sample, Window
from monitor.stats.arrays import FloatArray, VectorArray
from monitor.stats.codebook import fit_codebook, merge_order
from monitor.stats.histogram import count_bins, quantile_edges
from monitor.stats.sampling import hash_ids
from monitor.stats.shift_form import fit_shift_form
from monitor.stats.vector_pass import summarise_vectors

CELLS = 64
BINS = 10
LEAST_RECORDS = 200
"""Fewer usable query vectors make no baseline: the codebook and the deciles would be noise."""


@dataclass(frozen=True, slots=True)
class WindowData:
    """One quiet window's raw material: its sample, the query vectors ``(n, d)`` and the record ids they belong to."""

    sample: Sample
    vectors: VectorArray
    ids: tuple[str, ...]
    window: Window


def build_baseline(
    collection: str,
    windows: Sequence[WindowData],
    *,
    metric: Metric,
    direction: Direction,
    k: int,
    seed: int,
    corpus: CorpusSample | None = None,
    suite: SuiteReference | None = None,
    canary: CanaryReference | None = None,
) -> tuple[Baseline, tuple[WindowCounts, ...]]:
    """Freeze a baseline and return it with each window's share of its counts.

    Further windows may be counted in afterwards (:func:`monitor.baseline.counts.fill`); codebook, bins and form stay.

    The codebook and the score bins are fitted on one half of the records (by the last bit of the id's hash) and
    occupied by the other: cells fitted and counted on the same 1,000 records raise 36% false alarms at a nominal 5%.

    Raises
    ------
    BaselineError
        When there are too few usable query vectors, or their dimensions disagree.
    """
    vectors = _pool(collection, windows)
    normalise = metric == "cosine"
    counting = np.concatenate([counting_half(w.ids) for w in windows])
    population = describe_population(vectors, counting, seed=seed, normalise=normalise)
    populations = {"queries": population}
    edges = _score_edges(windows, direction)
    reference = None
    if corpus is not None and len(corpus.ids):
        alone = observations(corpus.ids)
        populations["corpus"] = describe_population(
            corpus.vectors[alone], counting_half(corpus.ids)[alone], seed=seed + 1, normalise=normalise
        )
        # Every id was there, whatever its vector; only usable vectors can be compared again.
        kept = np.flatnonzero(has_direction(corpus.vectors))[:PERSISTENT]
        reference = CorpusReference(
            hashes=hash_ids(corpus.ids),
            ids=tuple(corpus.ids[i] for i in kept),
            vectors=np.ascontiguousarray(corpus.vectors[kept], dtype=np.float32),
            size=corpus.size,
        )
    baseline = Baseline(
        collection=collection,
        basis=_fingerprint(populations, edges, reference, suite, canary),
        dimension=vectors.shape[1],
        metric=metric,
        direction=direction,
        k=k,
        windows=len(windows),
        records=len(vectors),
        populations=populations,
        score_edges=edges,
        corpus=reference,
        suite=suite,
        canary=canary,
    )
    parts = tuple(count_half(baseline, w) for w in windows)
    return fill(baseline, parts), parts


def _pool(collection: str, windows: Sequence[WindowData]) -> VectorArray:
    """Return the vectors of all windows, after a look at whether they make a baseline."""
    dimensions = sorted({w.vectors.shape[1] for w in windows})
    if len(dimensions) > 1:
        raise BaselineError(
            f"collection {collection!r}: query vectors have {' and '.join(map(str, dimensions))} dimensions; the model "
            "changed within the span: choose one on either side of the change (--start, --end)"
        )
    found = sum(int(has_direction(w.vectors).sum()) for w in windows)
    if found < LEAST_RECORDS:
        raise BaselineError(
            f"collection {collection!r}: a baseline needs at least {LEAST_RECORDS} usable query vectors, the span has "
            f"{found}; take a longer span (--start, --end) or check the column mapping with `driftmon check`"
        )
    return np.concatenate([w.vectors for w in windows])


def counting_half(ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return which ids belong to the counting half: ``(n,)``, decided by the last bit of their hash."""
    return (hash_ids(ids) & np.uint64(1)).astype(bool)


def describe_population(
    vectors: VectorArray, counting: NDArray[np.bool_], *, seed: int, normalise: bool
) -> Population:
    """Return mean, spread and effective dimensions of ``vectors`` ``(n, d)``, and a codebook with its counts.

    ``tr Sigma^2`` is estimated without the bias ``(tr Sigma)^2 / n`` of the plain plug-in (Bai and Saranadasa 1996).
    """
    good = has_direction(vectors)
    x, counting = np.asarray(vectors[good], dtype=np.float64), counting[good]
    if len(x) < 2:
        raise BaselineError(
            f"only {len(x)} of {len(vectors)} sampled vectors are finite and longer than zero; a baseline needs at "
            "least 2: look at what the index holds with `driftmon check`"
        )
    if normalise:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    n = len(x)
    mean = x.mean(axis=0)
    centred = x - mean
    covariance = centred.T @ centred / (n - 1)
    trace = float(np.trace(covariance))
    squares = float(np.sum(covariance * covariance))
    unbiased = max((squares - trace * trace / (n - 1)), squares / 10.0, 1e-30)
    fitting = x[~counting] if int((~counting).sum()) >= 2 else x
    centroids = fit_codebook(fitting.astype(np.float32), CELLS, seed, normalise=normalise)
    counted = x[counting] if int(counting.sum()) >= 2 else x
    sums = summarise_vectors(counted.astype(np.float32), centroids, normalise=normalise)
    return Population(
        n=n,
        mean=mean,
        spread=max(trace, 1e-12),
        effective_dimensions=float(np.clip(trace * trace / unbiased, 1.0, x.shape[1])),
        centroids=centroids,
        cells=sums.cells,
        joins=merge_order(centroids, sums.cells),
        form=fit_shift_form(fitting, counted),
    )


def reference_suite(
    queries: Sequence[JudgedQuery], vectors: VectorArray, ranking: Ranking, *, k: int, depth: int
) -> SuiteReference:
    """Return the suite as the index answers it now, ``depth`` deep."""
    relevant = tuple(dict(q.relevant) for q in queries)
    measures = measure_answers(ranking.ids, relevant, k)
    last = np.array(
        [
            float(ranking.scores[i, len(ids) - 1]) if len(ids) >= depth else -np.inf
            for i, ids in enumerate(ranking.ids)
        ]
    )
    return SuiteReference(
        query_ids=tuple(q.id for q in queries),
        relevant=relevant,
        vectors=np.ascontiguousarray(vectors, dtype=np.float32),
        rankings=tuple(tuple(ids) for ids in ranking.ids),
        depth_scores=last,
        recall=measures.recall,
        ndcg=measures.ndcg,
        reciprocal_rank=measures.reciprocal_rank,
        k=k,
        depth=depth,
    )


def reference_canaries(first: VectorArray, again: VectorArray) -> CanaryReference:
    """Return the canaries' vectors and the endpoint's own noise: the 99th percentile of 1 - cos of two embeddings."""
    noise = np.clip(1.0 - cosine_rows(first, again), 0.0, 2.0)
    # A text without a direction (zero, NaN) says nothing of the noise; it must not raise the floor above all drift.
    noise = noise[has_direction(first) & has_direction(again)]
    floor = float(np.quantile(noise, 0.99)) if len(noise) else 0.0
    return CanaryReference(np.ascontiguousarray(first, dtype=np.float32), floor)


def _score_edges(windows: Sequence[WindowData], direction: Direction) -> dict[str, FloatArray]:
    fitting: dict[str, list[FloatArray]] = {name: [] for name in SCORE_COLUMNS}
    for window in windows:
        half = _half_sample(window.sample, counting=False)
        for name, column in score_columns(half, direction).items():
            fitting[name].append(column)
    pooled = {name: np.concatenate(columns) for name, columns in fitting.items()}
    return {
        name: quantile_edges(column, BINS)
        for name, column in pooled.items()
        if len(column) >= LEAST_RECORDS // 2
    }


def count_half(baseline: Baseline, data: WindowData) -> WindowCounts:
    """Return the share of a window whose fitting half made the codebook and the bins: these count the other half."""
    centroids = baseline.populations["queries"].centroids
    whole = summarise_vectors(data.vectors, centroids, normalise=baseline.normalise)
    half = data.vectors[counting_half(data.ids)]
    counted = summarise_vectors(half, centroids, normalise=baseline.normalise)
    columns = score_columns(_half_sample(data.sample, counting=True), baseline.direction)
    return WindowCounts(
        window=data.window,
        n=whole.n,
        total=whole.total,
        cells=counted.cells,
        scores={name: count_bins(columns[name], edges) for name, edges in baseline.score_edges.items()},
        empty=sum(1 for r in data.sample.records if not r.hits),
        answers=len(data.sample.records),
    )


def _half_sample(sample: Sample, *, counting: bool) -> Sample:
    half = counting_half([r.id for r in sample.records])
    return Sample(
        tuple(r for r, is_counting in zip(sample.records, half, strict=True) if is_counting == counting), 0
    )


def _fingerprint(
    populations: Mapping[str, Population],
    edges: Mapping[str, FloatArray],
    corpus: CorpusReference | None,
    suite: SuiteReference | None,
    canary: CanaryReference | None,
) -> str:
    """Return what two profiles must share to be added up: all that their counts and sums are relative to."""
    digest = hashlib.sha256()
    for name in sorted(populations):
        digest.update(name.encode() + populations[name].centroids.tobytes())
    for name in sorted(edges):
        digest.update(name.encode() + edges[name].tobytes())
    if corpus is not None:
        digest.update(b"corpus" + corpus.hashes.tobytes() + corpus.vectors.tobytes())
    if suite is not None:
        asked = [suite.query_ids, [sorted(r.items()) for r in suite.relevant], suite.k, suite.depth]
        digest.update(b"suite" + json.dumps(asked).encode())
    if canary is not None:
        digest.update(b"canary" + canary.vectors.tobytes())
    return digest.hexdigest()[:16]
