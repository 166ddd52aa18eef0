"""A small synthetic world: topics as clusters of unit vectors, answers with scores, and edges that are plain memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.baseline import Baseline, CanaryReference, SuiteReference, WindowData, build_baseline
from monitor.baseline.build import reference_canaries, reference_suite
from monitor.baseline.counts import WindowCounts
from monitor.baseline.features import add_features, needed, profile_features
from monitor.baseline.index_look import profile_index_recall
from monitor.baseline.newcomers import describe_newcomers
from monitor.baseline.ordinary import describe_ordinary
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.detectors.domain_classifier import DomainClassifier
from monitor.detectors.duplicate_rate import DuplicateRate
from monitor.detectors.feedback import Feedback
from monitor.detectors.norm_shift import NormShift
from monitor.detectors.score_anderson_darling import ScoreAndersonDarling
from monitor.detectors.variance_shift import VarianceShift
from monitor.errors import EdgeError
from monitor.profile import Profile, merge_all
from monitor.protocols import TextKind
from monitor.records import (
    CorpusSample,
    JudgedQuery,
    Ranking,
    Record,
    Rejection,
    Sample,
    VectorArray,
    Window,
)
from monitor.stats.sampling import bottom_k, hash_id

D = 24
TOPICS = 8
START = datetime(2026, 3, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FEATURES = needed(
    (DomainClassifier(), VarianceShift(), ScoreAndersonDarling(), NormShift(), DuplicateRate(), Feedback())
)
"""All that built-in detectors ask for beyond the default profile."""


def unit(rows: NDArray[Any]) -> VectorArray:
    wide = np.asarray(rows, dtype=np.float64)
    rows_of_length_one: VectorArray = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return rows_of_length_one


@cache
def centres(topics: int = TOPICS + 4, d: int = D) -> VectorArray:
    """Directions of the topics; the last four are kept for what is new."""
    return unit(np.random.default_rng(5).normal(size=(topics, d)))


def draw(
    rng: np.random.Generator, n: int, *, new: float = 0.0, topics: Sequence[int] = range(TOPICS)
) -> VectorArray:
    """Vectors of ordinary topics; a share ``new`` of them of a topic that nobody asked about before."""
    labels = rng.choice(np.asarray(topics), size=n)
    labels = np.where(rng.random(n) < new, TOPICS, labels)
    return unit(centres()[labels] + rng.normal(scale=0.12, size=(n, D)))


def make_records(
    rng: np.random.Generator, vectors: VectorArray, prefix: str, *, shift: float = 0.0, shrink: float = 1.0
) -> tuple[Record, ...]:
    """One record per vector, with three hits and their scores; a third is clicked, and three make a session."""
    clicks = np.random.default_rng(hash_id(prefix)).random(len(vectors)) < 0.3
    best = (rng.normal(0.7, 0.06, size=len(vectors)) + shift) * shrink
    gaps = rng.gamma(2.0, 0.02, size=(len(vectors), 2)).cumsum(axis=1) * shrink
    return tuple(
        Record(
            id=f"{prefix}-{i}",
            at=START + timedelta(milliseconds=i),
            vector=vectors[i],
            hits=("d1", "d2", "d3"),
            scores=(float(best[i]), float(best[i] - gaps[i, 0]), float(best[i] - gaps[i, 1])),
            segments={"session": f"{prefix}-{i // 3}"},
            feedback={"clicked": float(clicks[i])},
        )
        for i in range(len(vectors))
    )


def make_sample(records: Sequence[Record], **counts: Any) -> Sample:
    return Sample(tuple(records), len(records), **counts)


def make_window(
    rng: np.random.Generator, n: int, prefix: str, *, new: float = 0.0, number: int = 0
) -> WindowData:
    vectors = draw(rng, n, new=new)
    records = make_records(rng, vectors, prefix)
    return WindowData(make_sample(records), vectors, tuple(r.id for r in records), span(number))


def make_corpus(n: int = 400, *, size: int | None = None, seed: int = 2, prefix: str = "doc") -> CorpusSample:
    """The bottom-n sample of a corpus; with ``size`` left out the corpus is sampled whole."""
    ids = [f"{prefix}-{i}" for i in range(n)]
    vectors = draw(np.random.default_rng(seed), n)
    order = bottom_k(ids, n)
    return CorpusSample(tuple(ids[i] for i in order), vectors[order], n if size is None else size)


def make_suite(
    corpus: CorpusSample, n: int = 40, k: int = 5
) -> tuple[tuple[JudgedQuery, ...], SuiteReference]:
    """Queries that stand near one document each, as the corpus answers them."""
    rng = np.random.default_rng(9)
    vectors = unit(corpus.vectors[:n] + rng.normal(scale=0.02, size=(n, corpus.vectors.shape[1])))
    queries = tuple(JudgedQuery(f"q{i}", f"question {i}", {corpus.ids[i]: 1}, vectors[i]) for i in range(n))
    ranking = FakeIndex(corpus.ids, corpus.vectors).search(vectors, 4 * k)
    return queries, reference_suite(queries, vectors, ranking, k=k, depth=4 * k)


def make_canary(n: int = 16) -> CanaryReference:
    vectors = unit(np.random.default_rng(13).normal(size=(n, D)))
    return reference_canaries(vectors, vectors)


def build(windows: Sequence[WindowData], **options: Any) -> tuple[Baseline, tuple[WindowCounts, ...]]:
    given: dict[str, Any] = {"metric": "cosine", "direction": "similarity", "k": 5, "seed": 1}
    return build_baseline("docs", windows, **{**given, **options})


@cache
def quiet_windows(count: int = 20, size: int = 200) -> tuple[WindowData, ...]:
    rng = np.random.default_rng(1)
    return tuple(make_window(rng, size, f"w{i}", number=i) for i in range(count))


@cache
def full_baseline() -> Baseline:
    """A baseline with every part: queries, scores, corpus, suite and canaries."""
    corpus = make_corpus()
    _, suite = make_suite(corpus)
    baseline, held = build(quiet_windows(), corpus=corpus, suite=suite, canary=make_canary())
    baseline = add_features(baseline, held, quiet_windows(), FEATURES)[0]
    profiles = [make_profile(baseline, window) for window in quiet_windows()]
    answers = FakeIndex(corpus.ids, corpus.vectors).search(suite.vectors, suite.depth)
    look = profile_index_recall(baseline, corpus, answers)
    return describe_newcomers(describe_ordinary(baseline, profiles, [look]), corpus)


@dataclass(frozen=True)
class FakeIndex:
    """Exact cosine search over arrays; a vector of another dimension is refused, as an index would."""

    ids: Sequence[str]
    vectors: VectorArray

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        if vectors.shape[1] != self.vectors.shape[1]:
            raise EdgeError(
                f"the index holds {self.vectors.shape[1]} dimensions, the query has {vectors.shape[1]}"
            )
        products = vectors.astype(np.float64) @ self.vectors.astype(np.float64).T
        order = np.argsort(-products, axis=1, kind="stable")[:, :k]
        scores = np.full((len(vectors), k), np.nan, dtype=np.float32)
        scores[:, : order.shape[1]] = np.take_along_axis(products, order, axis=1)
        return Ranking([[self.ids[i] for i in row] for row in order], scores)

    def sample(self, n: int) -> CorpusSample:
        chosen = bottom_k(self.ids, n)
        return CorpusSample(tuple(self.ids[i] for i in chosen), self.vectors[chosen], len(self.ids))

    def describe(self) -> str:
        return f"{len(self.ids)} vectors"


@dataclass(frozen=True)
class FakeEmbedder:
    """The first word of a text is its topic, the rest its place in it; ``turn`` makes another model of it."""

    d: int = D
    turn: VectorArray | None = None
    broken: tuple[str, ...] = ()
    asked: list[int] = field(default_factory=list)

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        self.asked.append(len(texts))
        rows = np.array([_place(text, self.d) for text in texts], dtype=np.float32).reshape(-1, self.d)
        if self.turn is not None:
            rows = rows @ self.turn
        rows[[text in self.broken for text in texts]] = np.nan
        return rows

    def describe(self) -> str:
        return f"{self.d} dimensions"


@cache
def _place(text: str, d: int) -> tuple[float, ...]:
    topic = np.random.default_rng(hash_id(text.partition(" ")[0])).normal(size=d)
    own = np.random.default_rng(hash_id(text)).normal(size=d)
    row = topic / np.linalg.norm(topic) + 0.6 * own / np.linalg.norm(own)
    return tuple((row / np.linalg.norm(row)).tolist())


def random_turn(d: int = D, seed: int = 4) -> VectorArray:
    """An orthogonal matrix: all distances within one model stay, all distances across two are lost."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return q.astype(np.float32)


@dataclass(frozen=True)
class FakeSource:
    """A log in memory; entries are handed out as they lie, those of the span only."""

    entries: Sequence[Record | Rejection]

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        for entry in self.entries:
            if isinstance(entry, Rejection) or start <= entry.at < end:
                yield entry

    def describe(self) -> str:
        return f"{len(self.entries)} entries"


def span(number: int, length: timedelta = QUARTER) -> Window:
    start = START + number * length
    return Window("docs", start, start + length)


def make_profile(baseline: Baseline, window: WindowData) -> Profile:
    """A window's log and query vectors as one profile, with the features that the baseline has."""
    parts = (
        profile_log(baseline, window.sample),
        profile_queries(baseline, window.vectors),
        profile_features(baseline, FEATURES, window),
    )
    return merge_all(baseline.basis, parts)
