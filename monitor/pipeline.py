"""One window's walk: read it top to bottom and you know what this product does.

source -> sample -> embed -> profile -> detectors -> judge -> outcome (the store commits it, the edges tell it)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor import answers
from monitor.baseline.build import WindowData
from monitor.baseline.features import needed, profile_features
from monitor.baseline.frozen import Baseline, SuiteReference
from monitor.baseline.index_look import profile_reported_scores
from monitor.baseline.ingest import profile_ingest, skip_ingest, watch_ingest
from monitor.baseline.rhythm import match_hours
from monitor.baseline.window_profile import (
    profile_canaries,
    profile_corpus,
    profile_log,
    profile_queries,
    profile_suite,
)
from monitor.documents import embed_documents_again, look_at_index
from monitor.judge.evidence import update_evidence
from monitor.judge.runner import measure_all
from monitor.judge.spans import Past, Span, due_spans, longest, measure_spans
from monitor.judge.verdict import judge
from monitor.profile import Profile, merge, merge_all
from monitor.protocols import Detector, Embedder, Index, LogSource, SampledLog
from monitor.records import (
    Direction,
    Evidence,
    Ingest,
    JudgedQuery,
    Metric,
    Outcome,
    Ranking,
    Records,
    Sample,
    VectorArray,
    Window,
)
from monitor.reservoir import draw_sample, log_entries
from monitor.stats.sampling import hash_ids

DEPTH = 4
"""The suite is replayed this many times K deep."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One monitored retrieval surface, wired: its edges and how to look at them.

    ``embedder`` is the reference model that gives logged texts a place in space: it stays the same, so that the charts
    of the population answer to the population alone. ``live_embedder`` is what production embeds queries with at this
    moment: canaries and suite go through it.
    """

    name: str
    source: LogSource
    detectors: Sequence[Detector]
    spans: Sequence[Span] = ()
    embedder: Embedder | None = None
    live_embedder: Embedder | None = None
    index: Index | None = None
    suite: Sequence[JudgedQuery] = ()
    canaries: Sequence[str] = ()
    metric: Metric = "cosine"
    direction: Direction = "similarity"
    k: int = 10
    sample_size: int = 1000
    corpus_sample: int = 2000


@dataclass(frozen=True, slots=True)
class History:
    """What earlier windows left behind: evidence per stream, documents already seen, profiles, when documents arrived.

    ``recent`` returns the profiles of up to so many windows just before this one, of the same baseline.
    """

    evidence: tuple[Evidence, ...] = ()
    corpus_seen: NDArray[np.uint64] | None = None
    recent: Callable[[int], Sequence[Past]] = lambda _: ()
    ingest: Ingest | None = None


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """The sample's vectors ``(n, d)`` of the right dimension, whose records they are, and what was left out."""

    vectors: VectorArray
    ids: tuple[str, ...]
    missing: int = 0
    wrong_dimension: int = 0


def walk(
    window: Window,
    collection: Collection,
    baseline: Baseline,
    baseline_id: int,
    history: History,
    *,
    threshold: float,
    late: bool = False,
    backfill: bool = False,
    stopwatch: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Walk one window from its log to its verdict.

    Parameters
    ----------
    threshold : float
        Log evidence at which a stream fires; the deployment's budget decides it.
    late : bool
        A late window is measured and kept, and never rewrites evidence.
    backfill : bool
        A window made up long after its end: the index that is looked at is today's, so nothing is learnt of arrivals.

    Raises
    ------
    EdgeError
        When the log, the embedder or the index fails; nothing has been changed then and the window may be retried.
    """
    started = stopwatch()
    sample = sample_log(collection.source, window.start, window.end, collection.sample_size)
    profile, corpus_seen = profile_window(window, collection, baseline, sample, history.corpus_seen)
    if late or backfill:
        ingest = skip_ingest(history.ingest, window)
    else:
        ingest = watch_ingest(history.ingest, window, profile)
        profile = merge(profile, profile_ingest(baseline.basis, ingest, window))
    of_these_hours = match_hours(baseline, [(window, 1.0)])
    readings = measure_all(collection.detectors, of_these_hours, profile)
    if not late and (spans := due_spans(collection.spans, baseline, window)):
        readings += measure_spans(spans, baseline, window, profile, history.recent(longest(spans) - 1))
    idle = {s.key for s in collection.spans if not s.due(window)}
    evidence = history.evidence if late else update_evidence(history.evidence, readings, threshold, idle)
    verdict = judge(readings, evidence)
    return Outcome(
        window=window,
        baseline_id=baseline_id,
        readings=readings,
        verdict=verdict,
        sample=replace(sample, records=()),
        profile=profile.pack(),
        evidence=None if late else evidence,
        corpus_seen=None if late else corpus_seen,
        duration=stopwatch() - started,
        ingest=None if late else ingest,
    )


def hand_on(outcome: Outcome, history: History, windows: int = 31) -> History:
    """Return what the next window inherits where windows are walked in memory, one after the other.

    So many windows' profiles are held.
    """
    past = (*history.recent(windows - 1), Past(outcome.window, Profile.unpack(outcome.profile)))
    return History(
        outcome.evidence or (),
        outcome.corpus_seen,
        lambda count: past[max(0, len(past) - count) :],
        outcome.ingest,
    )


def profile_window(
    window: Window,
    collection: Collection,
    baseline: Baseline,
    sample: Sample,
    corpus_seen: NDArray[np.uint64] | None,
) -> tuple[Profile, NDArray[np.uint64] | None]:
    """Return everything that was measured in a window as one profile, and the documents now known."""
    queries = query_vectors(sample, collection.embedder, baseline.dimension)
    parts = [
        profile_log(baseline, sample),
        profile_queries(
            baseline, queries.vectors, missing=queries.missing, wrong_dimension=queries.wrong_dimension
        ),
    ]
    if features := needed(collection.detectors):
        parts.append(
            profile_features(baseline, features, WindowData(sample, queries.vectors, queries.ids, window))
        )
    live, canary = collection.live_embedder, baseline.canary
    # Canaries that were switched off, or that a release has added to, cannot be held against the stored ones.
    if live is not None and canary is not None and len(collection.canaries) == len(canary.vectors):
        parts.append(profile_canaries(baseline, answers.embed(live, collection.canaries)))
    dimension = baseline.dimension
    corpus, stored = None, None
    if collection.index is not None and baseline.corpus is not None:
        seen = baseline.corpus.hashes if corpus_seen is None else corpus_seen
        corpus = answers.sample(collection.index, collection.corpus_sample)
        profile, corpus_seen = profile_corpus(baseline, corpus, seen)
        parts.append(profile)
        parts.append(profile_reported_scores(baseline, sample, queries.ids, queries.vectors, corpus))
        if corpus.texts is not None:
            fresh = ~np.isin(hash_ids(corpus.ids), baseline.corpus.hashes)
            parts.append(embed_documents_again(live, baseline, corpus, fresh))
        dimension = corpus.vectors.shape[1] if corpus.ids else dimension
    if collection.index is not None and baseline.suite is not None:
        stored, replay = replay_suite(collection, collection.index, baseline, dimension)
        parts.append(replay)
    if collection.index is not None and corpus is not None:
        parts.append(look_at_index(collection.index, baseline, corpus, stored))
    return merge_all(baseline.basis, parts), corpus_seen


def sample_log(source: LogSource, start: datetime, end: datetime, size: int) -> Sample:
    """Return the sample of a log's span ``[start, end)``; raises `EdgeError`."""
    if isinstance(source, SampledLog):
        return source.sample(start, end, size)
    return draw_sample(log_entries(source, start, end), size)


def query_vectors(sample: Sample, embedder: Embedder | None, dimension: int | None) -> QueryVectors:
    """Return the sample's query vectors: those that the log carries as they are, the others embedded from their text.

    ``dimension`` None takes the most frequent one (when a baseline is built).
    """
    records = Records.of(sample.records)
    if isinstance(records.vectors, np.ndarray) and dimension in {None, records.vectors.shape[1]}:
        return QueryVectors(records.vectors, tuple(records.ids))
    logged = {} if records.vectors is None else dict(zip(records.ids, records.vectors, strict=True))
    known = {identifier: vector for identifier, vector in logged.items() if vector is not None}
    texts = zip(records.ids, records.texts or (), strict=False)
    unknown = [(identifier, text) for identifier, text in texts if text and identifier not in known]
    if unknown and embedder is not None:
        embedded = answers.embed(embedder, [text for _, text in unknown])
        known.update(zip((identifier for identifier, _ in unknown), embedded, strict=True))
    if dimension is None and known:
        dimension = Counter(len(v) for v in known.values()).most_common(1)[0][0]
    ids = tuple(i for i in records.ids if i in known and len(known[i]) == dimension)
    vectors = np.zeros((0, dimension or 0), dtype=np.float32)
    if ids:
        vectors = np.concatenate([known[identifier] for identifier in ids], dtype=np.float32).reshape(
            len(ids), -1
        )
    return QueryVectors(vectors, ids, len(records) - len(known), len(known) - len(ids))


def replay_suite(
    collection: Collection, index: Index, baseline: Baseline, dimension: int
) -> tuple[Ranking | None, Profile]:
    """Return the answers to the suite's stored vectors, and the profile of these and of live embeddings.

    The second answer is the control: what it loses too is not the query model's doing. ``dimension`` is that of the
    index now: it answers nothing to vectors of another, and that is what its users see as well.
    """
    suite = baseline.suite
    if suite is None:
        return None, Profile(baseline.basis)

    def ask(vectors: VectorArray) -> Ranking:
        if vectors.shape[1] == dimension:
            return answers.search(index, vectors, suite.depth)
        return Ranking([[] for _ in vectors], np.zeros((len(vectors), 0), dtype=np.float32))

    stored = ask(suite.vectors)
    vectors = _embed_suite(collection, suite)
    if vectors is None or np.array_equal(vectors, suite.vectors):
        # Not a bit has changed: the control is the answer.
        return stored, profile_suite(baseline, stored, stored)
    return stored, profile_suite(baseline, ask(vectors), stored)


def _embed_suite(collection: Collection, suite: SuiteReference) -> VectorArray | None:
    """Return the suite's vectors as production would embed its queries now; None where nothing embeds them."""
    texts = {q.id: q.text for q in collection.suite}
    known = [i for i, identifier in enumerate(suite.query_ids) if identifier in texts]
    if collection.live_embedder is None or not known:
        return None
    embedded = answers.embed(collection.live_embedder, [texts[suite.query_ids[i]] for i in known])
    if embedded.shape[1] != suite.vectors.shape[1]:
        rows = np.zeros((len(suite.query_ids), embedded.shape[1]), dtype=np.float32)
    else:
        # A query that has left the suite's file has no text any more: it is asked as it was.
        rows = suite.vectors.astype(np.float32)
    rows[known] = embedded
    return rows
