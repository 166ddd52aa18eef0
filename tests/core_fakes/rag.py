"""A small RAG service in memory: texts, documents, answers with scores, and a collection that watches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np

from monitor.pipeline import Collection
from monitor.protocols import Embedder
from monitor.records import JudgedQuery, Record, Window
from monitor.reference import Taken, take_baseline
from monitor.wiring import wire_detectors
from tests.core_fakes.world import FakeEmbedder, FakeIndex, FakeSource, span

TOPICS = tuple(f"topic{i}" for i in range(6))
DOCUMENTS = tuple(f"{topic} document {i}" for topic in TOPICS for i in range(60))
CANARIES = tuple(f"canary{i} text" for i in range(12))
K = 5


def documents(texts: Sequence[str] = DOCUMENTS, embedder: Embedder | None = None) -> FakeIndex:
    return FakeIndex(texts, (embedder or FakeEmbedder()).embed(texts, "passage"))


def judged(texts: Sequence[str] = DOCUMENTS, n: int = 40) -> tuple[JudgedQuery, ...]:
    """Queries whose text is that of their document, so that a sound index finds it first."""
    return tuple(JudgedQuery(f"q{i}", texts[i * 7], {texts[i * 7]: 1}) for i in range(n))


def ask(
    number: int,
    n: int = 150,
    *,
    topics: Sequence[str] = TOPICS,
    live: Embedder | None = None,
    index: FakeIndex | None = None,
    logs_vectors: bool = False,
) -> list[Record]:
    """What users asked in a window and what the service answered."""
    rng = np.random.default_rng([7, number])
    texts = [f"{topics[t]} question {q}" for t, q in rng.integers((len(topics), 500), size=(n, 2))]
    vectors = (live or FakeEmbedder()).embed(texts, "query")
    ranking = (index or documents()).search(vectors, K)
    start = span(number).start
    return [
        Record(
            id=f"w{number}-{i}",
            at=start + timedelta(seconds=i),
            text=None if logs_vectors else texts[i],
            vector=vectors[i] if logs_vectors else None,
            hits=tuple(ranking.ids[i]),
            scores=tuple(float(s) for s in ranking.scores[i]),
        )
        for i in range(n)
    ]


@dataclass(frozen=True)
class Service:
    """The service as it is now: its log, its index and the model that it embeds queries with."""

    log: tuple[Record, ...] = ()
    index: FakeIndex = field(default_factory=documents)
    live: Embedder = field(default_factory=FakeEmbedder)

    def collection(self, **changes: Any) -> Collection:
        made = Collection(
            name="docs",
            source=FakeSource(self.log),
            detectors=wire_detectors({}),
            embedder=FakeEmbedder(),
            live_embedder=self.live,
            index=self.index,
            suite=judged(),
            canaries=CANARIES,
            k=K,
            sample_size=150,
            corpus_sample=400,
        )
        return replace(made, **changes)


QUIET = 24


@cache
def quiet_log() -> tuple[Record, ...]:
    return tuple(r for number in range(QUIET) for r in ask(number))


@cache
def quiet_baseline() -> Taken:
    return take_baseline(Service(quiet_log()).collection(), windows(QUIET))


def windows(count: int, first: int = 0) -> list[Window]:
    return [span(number) for number in range(first, first + count)]
