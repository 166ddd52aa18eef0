"""Causes of drift as they happen to a small RAG service: each at a random size, each with what it does to the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.protocols import Embedder
from monitor.records import Ranking, Record, VectorArray
from tests.core_fakes import rag
from tests.core_fakes.world import D, FakeEmbedder, FakeIndex, random_turn


@dataclass(frozen=True)
class World:
    """The service as one cause has left it: what is asked, the index, the model, and what becomes of the log."""

    topics: tuple[str, ...] = rag.TOPICS
    index: FakeIndex | None = None
    live: Embedder | None = None
    answered: Callable[[Record], Record] | None = None

    def service(self, number: int, questions: int) -> rag.Service:
        """Return the service with the log of window ``number``."""
        index = self.index or _documents()
        live = self.live or FakeEmbedder()
        log = rag.ask(number, questions, topics=self.topics, live=live, index=index)
        if self.answered is not None:
            log = [self.answered(record) for record in log]
        return rag.Service(tuple(log), index, live)


Make = Callable[[np.random.Generator], World]


def quiet(rng: np.random.Generator) -> World:
    """Nothing happens."""
    del rng
    return World()


def empty_results(rng: np.random.Generator) -> World:
    """Answer 10 to 100% of the questions with nothing: a filter or a tenant went missing."""
    share, seed = rng.uniform(0.1, 1.0), int(rng.integers(2**31))

    def answered(record: Record) -> Record:
        chance = np.random.default_rng([seed, *record.id.encode()]).random()
        return replace(record, hits=(), scores=None) if chance < share else record

    return World(answered=answered)


def model_query_side(rng: np.random.Generator) -> World:
    """Embed questions by a model turned by a random rotation, from a fine-tuning's to a wholly other space."""
    return World(live=FakeEmbedder(turn=_turn(rng, float(rng.choice([0.05, 0.15, 0.4, 3.0])))))


def model_reembedded(rng: np.random.Generator) -> World:
    """Embed questions and all documents by another model."""
    live = FakeEmbedder(turn=_turn(rng, float(rng.choice([0.15, 0.4, 3.0]))))
    return World(live=live, index=rag.documents(embedder=live))


def model_mixed_index(rng: np.random.Generator) -> World:
    """Embed 10 to 90% of the documents by another model while questions stay with the old one."""
    other = FakeEmbedder(turn=_turn(rng, 3.0))
    moved = rng.random(len(rag.DOCUMENTS)) < rng.uniform(0.1, 0.9)
    old, new = FakeEmbedder().embed(rag.DOCUMENTS), other.embed(rag.DOCUMENTS)
    return World(index=FakeIndex(rag.DOCUMENTS, np.where(moved[:, None], new, old)))


@dataclass(frozen=True)
class Forgetful(FakeIndex):
    """An approximate index that holds every document and does not reach ``lost`` of them in a search."""

    lost: tuple[int, ...] = ()

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Search what can be reached."""
        kept = np.setdiff1d(np.arange(len(self.ids)), self.lost)
        return FakeIndex([self.ids[i] for i in kept], self.vectors[kept]).search(vectors, k)


def index_degraded(rng: np.random.Generator) -> World:
    """Lose 15 to 50% of the documents, or hold them all and not reach so many."""
    whole = _documents()
    count = int(rng.uniform(0.15, 0.5) * len(whole.ids))
    lost = tuple(rng.permutation(len(whole.ids))[:count].tolist())
    if rng.random() < 0.5:
        return World(index=Forgetful(whole.ids, whole.vectors, lost))
    return World(index=rag.documents([text for i, text in enumerate(rag.DOCUMENTS) if i not in lost]))


def corpus_shift(rng: np.random.Generator) -> World:
    """Add 15 to 60% documents of topics that nothing was about; users ask what they asked."""
    names = [f"field{n}" for n in rng.integers(10_000, size=3)]
    return World(index=_grown(rng, names, rng.uniform(0.15, 0.6), "document"))


def corpus_growth(rng: np.random.Generator) -> World:
    """Add 30 to 150% documents of the topics that there were, the same mix."""
    return World(index=_grown(rng, rag.TOPICS, rng.uniform(0.3, 1.5), f"entry {rng.integers(10_000)}"))


def questions(rng: np.random.Generator) -> World:
    """Ask in 15 to 60% of the cases about one thing that nobody asked about before."""
    strange = round(len(rag.TOPICS) * 10 * (1.0 / (1.0 - rng.uniform(0.15, 0.6)) - 1.0))
    return World(topics=(*rag.TOPICS * 10, *[f"news{rng.integers(10_000)}"] * strange))


def score_scale(rng: np.random.Generator) -> World:
    """Log scores on another scale: times 0.7 to 0.9 or 1.1 to 1.4, or moved by 0.1 to 0.3."""
    factor = rng.choice([rng.uniform(0.7, 0.9), rng.uniform(1.1, 1.4), 1.0])
    step = 0.0 if factor != 1.0 else float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.3))

    def answered(record: Record) -> Record:
        return replace(record, scores=tuple(s * factor + step for s in record.scores or ()))

    return World(answered=answered)


CAUSES: Mapping[str, Make] = {
    make.__name__: make
    for make in (
        empty_results,
        model_query_side,
        model_reembedded,
        model_mixed_index,
        index_degraded,
        corpus_shift,
        corpus_growth,
        questions,
        score_scale,
    )
}
"""Every cause that the attribution can name, by that name."""


def _documents() -> FakeIndex:
    return rag.documents()


def _grown(rng: np.random.Generator, topics: Any, share: float, word: str) -> FakeIndex:
    count = int(share * len(rag.DOCUMENTS))
    new = [f"{topics[t]} {word} {i}" for i, t in enumerate(rng.integers(len(topics), size=count))]
    return rag.documents((*rag.DOCUMENTS, *new))


def _turn(rng: np.random.Generator, size: float) -> VectorArray:
    """Return a rotation: the orthogonal factor of ``I + size G``, near nothing for small sizes, anything for large."""
    if size > 1.0:
        return random_turn(D, int(rng.integers(2**31)))
    noise = rng.normal(size=(D, D)) / np.sqrt(D)
    q, r = np.linalg.qr(np.eye(D) + size * noise)
    turned: VectorArray = (q * np.sign(np.diag(r))).astype(np.float32)
    return turned
