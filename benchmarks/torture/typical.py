"""A typical collection's outcomes, made by the real walk: 384 dimensions, 64 cells, suite, canaries, all detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np

from monitor.baseline.codec import pack
from monitor.canary_texts import CANARY_TEXTS
from monitor.pipeline import Collection, History, walk
from monitor.protocols import TextKind
from monitor.records import JudgedQuery, Outcome, Record, Rejection, VectorArray, Window
from monitor.reference import take_baseline
from monitor.stats.sampling import bottom_k
from monitor.wiring import wire_detectors
from tests.core_fakes.world import FakeEmbedder, FakeIndex, unit

DIMENSION = 384
DOCUMENTS = 3000
QUERIES = 50
READINGS = 20
QUARTER = timedelta(minutes=15)
START = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Log:
    """A log of ``size`` records in every window, another one in each, the same whenever it is read."""

    documents: VectorArray
    size: int

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield queries near some documents, with the scores of ten hits."""
        rng = np.random.default_rng(int(start.timestamp()))
        near = self.documents[rng.integers(len(self.documents), size=self.size)]
        vectors = unit(near + rng.normal(scale=0.03, size=near.shape))
        scores = -np.sort(-rng.normal(0.7, 0.05, size=(self.size, 10)), axis=1)
        for i, vector in enumerate(vectors):
            at = start + (end - start) * i / self.size
            hits = tuple(f"d{j}" for j in range(10))
            yield Record(
                f"{start:%d%H%M}-{i}", at, vector=vector, hits=hits, scores=tuple(scores[i].tolist())
            )
        yield Rejection("no_id", f"row {self.size + 1}", "the column id is empty")

    def describe(self) -> str:
        """Say what it is."""
        return "a synthetic log"


@dataclass(frozen=True)
class Wavering:
    """An embedder of which no two calls give the same bits: what quantised endpoints and other batches do."""

    documents: VectorArray
    plain: FakeEmbedder = field(default_factory=lambda: FakeEmbedder(DIMENSION))
    calls: Iterator[int] = field(default_factory=count)

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Embed canaries anywhere, and the questions of the suite near their documents."""
        rows = self.plain.embed(texts, kind)
        for i, text in enumerate(texts):
            if text.startswith("question "):
                rows[i] = self.documents[int(text.split()[1])] + 0.6 * rows[i]
        noise = np.random.default_rng(next(self.calls)).normal(scale=2e-3, size=rows.shape)
        return unit(rows + noise)

    def describe(self) -> str:
        """Say what it is."""
        return f"{DIMENSION} dimensions, never the same"


def make_documents() -> VectorArray:
    """Return the vectors of some documents on eighty topics."""
    rng = np.random.default_rng(7)
    topics = unit(rng.normal(size=(80, DIMENSION)))
    spread = rng.normal(scale=0.03, size=(DOCUMENTS, DIMENSION))
    return unit(topics[rng.integers(80, size=DOCUMENTS)] + spread)


def make_collection(documents: VectorArray, records: int = 300) -> Collection:
    """Return a collection whose every edge is plain memory, with all detectors that run by default."""
    embedder = Wavering(documents)
    near = np.argsort(-(documents[:QUERIES] @ documents.T), axis=1)
    suite = tuple(
        JudgedQuery(f"q{i}", f"question {i}", {f"d{j}": 1 for j in near[i, :10]}) for i in range(QUERIES)
    )
    return Collection(
        "docs",
        Log(documents, records),
        wire_detectors({}),
        live_embedder=embedder,
        index=make_index(documents, 0),
        suite=suite,
        canaries=CANARY_TEXTS,
    )


def make_index(documents: VectorArray, moment: int) -> FakeIndex:
    """Return the index as it is in the window of that number: one document in fifty is new since the one before."""
    ids = tuple(
        f"d{i}" if i % 50 != moment % 50 or not moment else f"d{i}.{moment}" for i in range(len(documents))
    )
    order = bottom_k(ids, len(ids))
    return FakeIndex(tuple(ids[i] for i in order), documents[order])


def make_outcomes(number: int, records: int = 300) -> tuple[bytes, list[Outcome]]:
    """Return a packed baseline of 24 windows, and the outcomes of the next ``number``, of at least twenty readings."""
    documents = make_documents()
    collection = make_collection(documents, records)
    spans = [Window("docs", START + i * QUARTER, START + (i + 1) * QUARTER) for i in range(24 + number)]
    baseline = take_baseline(collection, spans[:24]).baseline
    history, outcomes = History(), []
    for moment, span in enumerate(spans[24:], 1):
        now = replace(collection, index=make_index(documents, moment))
        outcome = walk(span, now, baseline, 1, history, threshold=20.0)
        history = replace(history, evidence=outcome.evidence or (), corpus_seen=outcome.corpus_seen)
        outcomes.append(_fill(outcome))
    return pack(baseline), outcomes


def _fill(outcome: Outcome) -> Outcome:
    """Add what further detectors, and one of other people's, would have measured: copies under other names."""
    lacking = max(0, READINGS - len(outcome.readings))
    more = [replace(r, detector=f"other_{r.detector}") for r in outcome.readings[:lacking]]
    return replace(outcome, readings=(*outcome.readings, *more))
