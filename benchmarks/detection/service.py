"""A RAG service in memory on real text: what is asked, what its index holds, what its models make, what it logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any

import numpy as np

from benchmarks.detection.material import Material, Model, load
from benchmarks.detection.pool import EPOCH
from monitor.baseline import Baseline
from monitor.config import CollectionConfig
from monitor.pipeline import Collection
from monitor.protocols import Embedder, Index, TextKind
from monitor.records import (
    CorpusSample,
    IntArray,
    JudgedQuery,
    Ranking,
    Record,
    Rejection,
    VectorArray,
    Window,
)
from monitor.reference import take_baseline
from monitor.stats.sampling import bottom_k, hash_id
from monitor.wiring import wire_detectors, wire_spans

K = 10
QUESTIONS = 400
QUIET = 24
"""Windows of the baseline."""
QUARTER = timedelta(minutes=15)
HELD_OUT = 0.15
"""Least share of the sources whose topics are set aside as something new."""
RESERVE = 0.45
"""Share of the other sources whose documents come later."""
SUITE = 60
CORPUS_SAMPLE = 5000
DETECTORS = wire_detectors({})
SPANS = wire_spans(DETECTORS, CollectionConfig(source={}).spans)


@dataclass(frozen=True)
class Lookup:
    """An embedder out of arrays: the text ``question 7`` has the seventh row."""

    tables: dict[str, VectorArray] = field(repr=False)

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return the rows."""
        del kind
        table = texts[0].partition(" ")[0]
        return self.tables[table][[int(text.rpartition(" ")[2]) for text in texts]]

    def describe(self) -> str:
        """Say what it is."""
        return "vectors made before"


@dataclass(frozen=True)
class Exact:
    """Exact cosine search over unit vectors; its sample is drawn once."""

    ids: Sequence[str]
    vectors: VectorArray = field(repr=False)

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the nearest k."""
        products = vectors @ self.vectors.T
        k = min(k, len(self.ids))
        best = np.argpartition(-products, k - 1, axis=1)[:, :k]
        scores = np.take_along_axis(products, best, axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        ranked = np.take_along_axis(scores, order, axis=1)
        return Ranking([[self.ids[i] for i in row] for row in best.tolist()], ranked)

    def sample(self, n: int) -> CorpusSample:
        """Return the n documents with the smallest hash of their id."""
        del n  # the corpus is smaller
        return self._sample

    @cached_property
    def _sample(self) -> CorpusSample:
        chosen = bottom_k(self.ids, CORPUS_SAMPLE)
        return CorpusSample(tuple(self.ids[i] for i in chosen), self.vectors[chosen], len(self.ids))


@dataclass(frozen=True)
class Telling:
    """An index that gives its documents' texts as well."""

    inner: Exact
    texts: dict[str, str] = field(repr=False)

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Search as ever."""
        return self.inner.search(vectors, k)

    def sample(self, n: int) -> CorpusSample:
        """Return the sample with its texts."""
        corpus = self.inner.sample(n)
        return replace(corpus, texts=tuple(self.texts.get(i, "") for i in corpus.ids))


@dataclass(frozen=True)
class Log:
    """Entries of one window."""

    entries: Sequence[Record | Rejection]

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield them."""
        for entry in self.entries:
            if isinstance(entry, Rejection) or start <= entry.at < end:
                yield entry

    def describe(self) -> str:
        """Say what it is."""
        return f"{len(self.entries)} entries"


@dataclass(frozen=True)
class Place:
    """A corpus under a model on some day: which sources are asked about, which come later, which are something new."""

    material: Material = field(repr=False)
    day: int
    known: IntArray
    reserve: IntArray
    strange: IntArray

    @property
    def embedder(self) -> Lookup:
        """The model in place."""
        return self.model(foreign=False)

    def model(self, *, foreign: bool) -> Lookup:
        """Return the model in place, or the other one."""
        m = self.material
        if foreign:
            return Lookup(
                {
                    "question": m.foreign_questions,
                    "canary": m.foreign_canaries,
                    "document": m.documents.foreign,
                }
            )
        return Lookup({"question": m.questions, "canary": m.canaries, "document": m.documents.vectors})

    def documents(self, sources: IntArray) -> IntArray:
        """Return the rows of the documents of some sources."""
        return np.flatnonzero(np.isin(self.material.documents.sources, sources))

    def name(self, identifier: str) -> str:
        """Return a document's id as this day's index has it: on odd days it names no source."""
        return identifier if self.day % 2 == 0 else f"{hash_of(identifier):016x}"

    def index(self, rows: IntArray, vectors: VectorArray | None = None) -> Exact:
        """Return the index of some documents, with their vectors under the model in place or those given."""
        pieces = self.material.documents
        ids = [self.name(pieces.ids[i]) for i in rows]
        return Exact(ids, np.ascontiguousarray(pieces.vectors[rows] if vectors is None else vectors))

    @cached_property
    def suite(self) -> tuple[JudgedQuery, ...]:
        """Return judged queries: the question of a source wants the documents of that source."""
        chosen = self.known[np.linspace(0, len(self.known) - 1, SUITE).round().astype(int)]
        pieces = self.material.documents
        return tuple(
            JudgedQuery(
                f"q{source}",
                f"question {source}",
                {self.name(pieces.ids[i]): 1 for i in np.flatnonzero(pieces.sources == source)},
            )
            for source in chosen.tolist()
        )

    def ask(
        self, number: int, index: Index, live: Embedder, strange: float = 0.0, count: int = QUESTIONS
    ) -> list[Record]:
        """Return the log of window ``number``: questions about known sources, a share of them about something new."""
        rng = np.random.default_rng([7, self.day, number])
        sources = rng.choice(self.known, count)
        new = rng.random(count) < strange
        sources[new] = rng.choice(self.strange, int(new.sum()))
        texts = [f"question {source}" for source in sources.tolist()]
        ranking = index.search(live.embed(texts), K)
        start = span(number).start
        return [
            Record(
                id=f"{self.day}-{number}-{i}",
                at=start + timedelta(seconds=i),
                text=text,
                hits=tuple(ranking.ids[i]),
                scores=tuple(float(s) for s in ranking.scores[i][: len(ranking.ids[i])]),
            )
            for i, text in enumerate(texts)
        ]

    def collection(self, log: Sequence[Record | Rejection], index: Index, live: Embedder) -> Collection:
        """Return the collection that watches the service."""
        return Collection(
            name="docs",
            source=Log(log),
            detectors=DETECTORS,
            spans=SPANS,
            embedder=self.embedder,
            live_embedder=live,
            index=index,
            suite=self.suite,
            canaries=tuple(f"canary {i}" for i in range(len(self.material.canaries))),
            k=K,
            sample_size=QUESTIONS,
            corpus_sample=CORPUS_SAMPLE,
        )

    def whole(self) -> Exact:
        """Return the index of the baseline's time."""
        return self.index(self.documents(self.known))


def hash_of(identifier: str) -> int:
    """Return a stable number of an id."""
    return int(hash_id(f"piece {identifier}"))


def span(number: int) -> Window:
    """Return window ``number``."""
    start = EPOCH + number * QUARTER
    return Window("docs", start, start + QUARTER)


@cache
def place(corpus: str, model: Model, day: int) -> Place:
    """Return a corpus under a model on a day, which decides what topics are set aside and what sources come later."""
    material = load(corpus, model)
    rng = np.random.default_rng([150, day])
    topics = rng.permutation(int(material.topics.max()) + 1)
    aside: list[int] = []
    for topic in topics.tolist():
        aside.append(topic)
        if np.isin(material.topics, aside).mean() >= HELD_OUT:
            break
    strange = np.isin(material.topics, aside)
    others = rng.permutation(np.flatnonzero(~strange))
    cut = int(RESERVE * len(others))
    return Place(material, day, np.sort(others[cut:]), np.sort(others[:cut]), np.flatnonzero(strange))


@cache
def baseline(corpus: str, model: Model, day: int) -> Baseline:
    """Return the baseline that a quiet span of the service gives."""
    here = place(corpus, model, day)
    index = here.whole()
    log: list[Any] = [r for number in range(QUIET) for r in here.ask(number, index, here.embedder)]
    telling = with_texts(here, index)
    return take_baseline(
        here.collection(log, telling, here.embedder), [span(n) for n in range(QUIET)]
    ).baseline


def with_texts(here: Place, index: Exact) -> Telling:
    """Return the index with the texts of its documents."""
    pieces = here.material.documents
    texts = {here.name(identifier): f"document {i}" for i, identifier in enumerate(pieces.ids)}
    return Telling(index, texts)
