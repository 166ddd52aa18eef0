"""Taking a baseline: quiet windows are read like any other, frozen, and calibrated on themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor import answers
from monitor.baseline import Baseline, CanaryReference, SuiteReference, WindowData, build_baseline
from monitor.baseline.build import reference_canaries, reference_suite
from monitor.baseline.counts import WindowCounts, count_window, fill
from monitor.baseline.crossfit import cross_forms
from monitor.baseline.features import add_features, needed, profile_features, tally_features
from monitor.baseline.index_look import profile_reported_scores
from monitor.baseline.newcomers import describe_newcomers
from monitor.baseline.ordinary import describe_ordinary
from monitor.baseline.rhythm import find_rhythm
from monitor.baseline.window_profile import has_direction, profile_log, profile_queries
from monitor.documents import embed_documents_again, look_at_index
from monitor.errors import BaselineError
from monitor.judge.calibration import LEAST_WINDOWS, calibrate, find_change
from monitor.pipeline import DEPTH, Collection, query_vectors, sample_log
from monitor.profile import Profile, merge_all
from monitor.protocols import Feature
from monitor.records import CorpusSample, Window
from monitor.segments import segment_name

MAX_VECTORS = 64_000
"""At most so many query vectors are held while a baseline is built (100 MB at 384 dimensions)."""
MAX_WINDOWS = 2_880
"""At most so many windows are counted: thirty days of a quarter of an hour."""
LEAST_FITTED = 16
"""Windows that are fitted on at least, however large they are."""
SEED = 20_250_923

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was just taken, and what people should know about it."""

    baseline: Baseline
    notes: tuple[str, ...]
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Label -> how many sampled records have each of its values, by the name that a segment of it would have."""


def take_baseline(
    collection: Collection,
    windows: Sequence[Window],
    *,
    progress: Progress = lambda *_: None,
    seed: int = SEED,
) -> Taken:
    """Read ``windows`` of quiet history and freeze them, with the index, the suite and the canaries as they are now.

    Codebook, bins and directions are fitted on windows spread over the span. Where the log carries vectors all other
    windows are read as well, counted and forgotten: means, cells, hours and the scatter between windows rest on all of
    them. Texts are embedded for the spread windows only.

    Raises
    ------
    BaselineError
        When the windows hold too little.
    EdgeError
        When the log, the embedder or the index fails.
    """
    notes: list[str] = []
    recent = windows[-MAX_WINDOWS:]
    chosen = spread_evenly(recent, max(LEAST_FITTED, MAX_VECTORS // collection.sample_size))
    data = _read_windows(collection, chosen, progress, notes)
    corpus = _look_at_corpus(collection, progress, notes)
    suite = _ask_suite(collection, corpus, progress, notes)
    canary = _embed_canaries(collection, progress)
    progress("freezing", 0, 1)
    fitted, parts = build_baseline(
        collection.name,
        data,
        metric=collection.metric,
        direction=collection.direction,
        k=collection.k,
        seed=seed,
        corpus=corpus,
        suite=suite,
        canary=canary,
    )
    features = needed(collection.detectors)
    fitted, parts = add_features(fitted, parts, data, features)
    progress("freezing", 1, 1)
    counted = {
        w.window: (part, profile_data(fitted, features, w)) for w, part in zip(data, parts, strict=True)
    }
    if _logs_vectors(data):
        whole, rest = recent, [w for w in recent if w not in set(chosen)]
        counted |= _count_windows(collection, fitted, features, rest, progress)
    else:
        whole = chosen
    if len(whole) < len(windows):
        notes.append(f"{len(whole)} of {len(windows)} windows were taken" + _which(whole is chosen))
    held = [counted[w][0] for w in sorted(counted)]
    baseline = fill(fitted, held)
    baseline = replace(baseline, rhythm=find_rhythm(held))
    ordinary = [counted[w][1] for w in sorted(counted)]
    baseline = _describe_ordinary(collection, baseline, data, ordinary, corpus)
    crossed = cross_forms(data, normalise=baseline.normalise)
    baseline = calibrate(baseline, ordinary, held, collection.detectors, collection.spans, crossed)
    notes.extend(_doubts(collection, baseline, held))
    return Taken(baseline, tuple(notes), _count_labels(data))


def _which(evenly: bool) -> str:
    return ", evenly spread over the span" if evenly else ": the latest"


def _logs_vectors(data: Sequence[WindowData]) -> bool:
    """Return whether the log carries vectors: then reading a window costs no embedding."""
    return all(r.vector is not None for r in data[0].sample.records if r.id in set(data[0].ids))


def profile_data(baseline: Baseline, features: Sequence[Feature], data: WindowData) -> Profile:
    """Return the profile of a window's log, query vectors and features."""
    parts = (
        profile_log(baseline, data.sample),
        profile_queries(baseline, data.vectors),
        profile_features(baseline, features, data),
    )
    return merge_all(baseline.basis, parts)


def _count_windows(
    collection: Collection,
    baseline: Baseline,
    features: Sequence[Feature],
    windows: Sequence[Window],
    progress: Progress,
) -> dict[Window, tuple[WindowCounts, Profile]]:
    counted = {}
    for done, window in enumerate(windows):
        progress("counting the windows between", done, len(windows))
        sample = sample_log(collection.source, window.start, window.end, collection.sample_size)
        queries = query_vectors(sample, None, baseline.dimension)
        if len(queries.vectors):
            data = WindowData(sample, queries.vectors, queries.ids, window)
            profile = profile_data(baseline, features, data)
            part = count_window(baseline, window, profile)
            counted[window] = replace(part, features=tally_features(baseline, features, data)), profile
    progress("counting the windows between", len(windows), len(windows))
    return counted


def _doubts(collection: Collection, baseline: Baseline, held: Sequence[WindowCounts]) -> list[str]:
    """Return what people should know about a baseline whose windows are few, or moved themselves."""
    notes = []
    if len(held) < LEAST_WINDOWS:
        notes.append(
            f"{len(held)} windows cannot tell how far quiet ones scatter (sessions, hours), {LEAST_WINDOWS} can: "
            "nothing is calibrated and false alarms are likely; take a longer span"
        )
    if baseline.records < 20 * collection.sample_size:
        notes.append(
            f"{baseline.records} records stand against windows of up to {collection.sample_size}: "
            "20 times as many make p-values exact; a longer span helps"
        )
    moved = find_change(baseline, held)
    if moved is not None:
        notes.append(
            f"the questions changed within the span, about {moved:%F %H:%M} UTC: it is not quiet history as a whole; "
            "choose a span on either side of it (--start, --end)"
        )
    return notes


def _describe_ordinary(
    collection: Collection,
    baseline: Baseline,
    data: Sequence[WindowData],
    profiles: Sequence[Profile],
    corpus: CorpusSample | None,
) -> Baseline:
    """Return the baseline with the rates at which logs, scores and answers deviate in quiet times anyway."""
    if collection.index is None or corpus is None:
        return describe_ordinary(baseline, profiles, ())
    looks = [profile_reported_scores(baseline, w.sample, w.ids, w.vectors, corpus) for w in data]
    looks.append(look_at_index(collection.index, baseline, corpus))
    old = np.ones(len(corpus.ids), dtype=np.bool_)
    looks.append(embed_documents_again(collection.live_embedder, baseline, corpus, old))
    return describe_newcomers(describe_ordinary(baseline, profiles, looks), corpus)


def spread_evenly(windows: Sequence[Window], most: int) -> list[Window]:
    """Return at most ``most`` windows, evenly spread, so that every hour of the day keeps its share."""
    if len(windows) <= most:
        return list(windows)
    return [windows[i] for i in np.unique(np.linspace(0, len(windows) - 1, most).round().astype(int))]


def _read_windows(
    collection: Collection, windows: Sequence[Window], progress: Progress, notes: list[str]
) -> list[WindowData]:
    data: list[WindowData] = []
    dimension: int | None = None
    unusable = other_dimension = 0
    for done, window in enumerate(windows):
        progress("reading quiet windows", done, len(windows))
        sample = sample_log(collection.source, window.start, window.end, collection.sample_size)
        queries = query_vectors(sample, collection.embedder, dimension)
        other_dimension += queries.wrong_dimension
        if not len(queries.vectors):
            unusable += bool(sample.records)
            continue
        dimension = queries.vectors.shape[1]
        data.append(WindowData(sample, queries.vectors, queries.ids, window))
    progress("reading quiet windows", len(windows), len(windows))
    if unusable:
        notes.append(
            f"{unusable} of {len(windows)} windows have records but no usable query vector: left out"
        )
    if other_dimension:
        notes.append(
            f"{other_dimension} query vectors have other than {dimension} dimensions: left out; did the model change?"
        )
    if not data:
        raise BaselineError(
            f"collection {collection.name!r}: none of the {len(windows)} windows has a usable query; check the span "
            "(--start, --end) and the column mapping with `driftmon check`"
        )
    return data


def _count_labels(windows: Sequence[WindowData]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for window in windows:
        for record in window.sample.records:
            for label, value in record.segments.items():
                if value:
                    counts.setdefault(label, Counter())[segment_name(value)] += 1
    return counts


def _look_at_corpus(collection: Collection, progress: Progress, notes: list[str]) -> CorpusSample | None:
    if collection.index is None:
        return None
    progress("looking at the index", 0, 1)
    corpus = answers.sample(collection.index, collection.corpus_sample)
    good = has_direction(corpus.vectors)
    if not good.all():
        notes.append(
            f"{int((~good).sum())} of {len(good)} sampled document vectors hold NaN, Inf or zeros: left out"
        )
    progress("looking at the index", 1, 1)
    return corpus


def _ask_suite(
    collection: Collection, corpus: CorpusSample | None, progress: Progress, notes: list[str]
) -> SuiteReference | None:
    if not collection.suite or collection.index is None:
        return None
    progress("asking the reference suite", 0, 1)
    if collection.live_embedder is not None:
        vectors = answers.embed(collection.live_embedder, [q.text for q in collection.suite])
    elif all(q.vector is not None for q in collection.suite):
        vectors = np.stack([np.asarray(q.vector, dtype=np.float32) for q in collection.suite])
    else:
        notes.append(
            "the suite was not asked: it needs an embedder, or a `vector` in every line; recall@K will not be measured"
        )
        return None
    ranking = answers.search(collection.index, vectors, DEPTH * collection.k)
    suite = reference_suite(collection.suite, vectors, ranking, k=collection.k, depth=DEPTH * collection.k)
    notes.extend(_lacking(collection, corpus, suite))
    progress("asking the reference suite", 1, 1)
    return suite


def _lacking(collection: Collection, corpus: CorpusSample | None, suite: SuiteReference) -> list[str]:
    judged = {document for relevant in suite.relevant for document in relevant}
    if corpus is not None and len(corpus.ids) >= corpus.size:
        lacking = sorted(judged.difference(corpus.ids))
        if lacking:
            shown = ", ".join(lacking[:5])
            return [
                f"the index lacks {len(lacking)} of {len(judged)} judged documents ({shown}): they count as missed"
            ]
        return []
    if float(suite.recall.max(initial=0.0)) == 0.0:
        return [
            f"no query of the suite finds a judged document in its first {collection.k}: do the ids match the index?"
        ]
    return []


def _embed_canaries(collection: Collection, progress: Progress) -> CanaryReference | None:
    live = collection.live_embedder
    if live is None or not collection.canaries:
        return None
    progress("embedding canaries", 0, 2)
    first = answers.embed(live, collection.canaries)
    progress("embedding canaries", 1, 2)
    # The second time in another order and in halves: other batches are part of an endpoint's ordinary noise.
    half = len(collection.canaries) // 2
    later = answers.embed(live, collection.canaries[half:])
    sooner = answers.embed(live, collection.canaries[:half])
    progress("embedding canaries", 2, 2)
    return reference_canaries(first, np.concatenate([sooner, later]))
