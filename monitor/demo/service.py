"""A simulated RAG service: it answers questions from a real index and writes its retrieval log into a SQL table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.material import Material
from monitor.demo.traffic import Traffic, Visit
from monitor.indexes.memory import ArrayIndex
from monitor.mitigation.drift_adapter import DriftAdapter
from monitor.protocols import TextKind
from monitor.records import CorpusSample, Ranking, VectorArray
from monitor.stats.exact_search import exact_top_k

K = 10
TABLE = "retrieval_log"
NOVELTY = 1.5
"""What is new is asked about this much more than what was there."""
_SCHEMA = f"""CREATE TABLE {TABLE} (
    id TEXT PRIMARY KEY, created_at TEXT NOT NULL, session TEXT NOT NULL, query TEXT NOT NULL,
    model TEXT NOT NULL, area TEXT NOT NULL, results TEXT NOT NULL)"""


@dataclass(slots=True)
class RagService:
    """The service: a corpus that may grow, a query model that may be pushed, an adapter that may be put in between.

    It is the live `Embedder` and the live `Index` of the monitored collection at once, as a real one would be behind
    its two endpoints, and changes under the monitor's eyes.
    """

    material: Material
    log: Path
    traffic: Traffic
    indexed: NDArray[np.int64]
    """Positions of the documents that are in the index."""
    model: str = "base"
    adapter: DriftAdapter | None = None
    answered: int = 0
    _index: ArrayIndex = field(init=False, repr=False)
    _table: dict[str, VectorArray] = field(init=False, repr=False)
    _answers: dict[int, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with closing(sqlite3.connect(self.log)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_SCHEMA)
            connection.execute(f"CREATE INDEX by_time ON {TABLE} (created_at)")
        self._restart()

    def grow(self, documents: NDArray[np.int64]) -> None:
        """Add documents to the index; users ask about them from now on."""
        self.indexed = np.union1d(self.indexed, documents)
        self.traffic.ask(documents, interest=NOVELTY)
        self._restart()

    def push(self, model: str, adapter: DriftAdapter | None = None) -> None:
        """Embed queries with another model from now on, through an adapter if there is one."""
        self.model, self.adapter = model, adapter
        self._restart()

    def _restart(self) -> None:
        vectors, canaries = self.material.queries[self.model], self.material.canaries[self.model]
        if self.adapter is not None:
            vectors, canaries = self.adapter.apply(vectors), self.adapter.apply(canaries)
        self._table = dict(zip((*self.material.questions, *CANARY_TEXTS), (*vectors, *canaries), strict=True))
        documents = self.material.documents[self.indexed]
        names = [self.material.ids[i] for i in self.indexed]
        self._index = ArrayIndex(names, documents, "cosine")
        found, scores = exact_top_k(documents, vectors, K, "cosine")
        self._answers = {
            question: json.dumps(
                [{"id": names[d], "score": round(float(s), 6)} for d, s in zip(ids, values, strict=True)]
            )
            for question, (ids, values) in enumerate(zip(found, scores, strict=True))
        }

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return the vectors ``(n, d)`` that the service's endpoint gives for known texts at this moment."""
        del kind  # the models in use take no prompts
        return np.stack([self._table[text] for text in texts])

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the live index's answers."""
        return self._index.search(vectors, k)

    def sample(self, n: int) -> CorpusSample:
        """Return the bottom-n sample of the live index."""
        return self._index.sample(n)

    def describe(self) -> str:
        """Return what runs behind the endpoints."""
        adapter = " through the adapter" if self.adapter is not None else ""
        return f"simulated service: model {self.model}{adapter}, {len(self.indexed)} documents"

    def serve(self, start: datetime, end: datetime) -> None:
        """Answer the traffic of the whole hours in ``[start, end)`` and log it."""
        with closing(sqlite3.connect(self.log)) as connection, connection:
            while start < end:
                rows = [self._row(visit) for visit in self.traffic.hour(start)]
                connection.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 a constant
                start += timedelta(hours=1)

    def _row(self, visit: Visit) -> tuple[str, ...]:
        self.answered += 1
        question = visit.question
        return (
            f"q{self.answered:07d}",
            visit.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            f"s{visit.session:07d}",
            self.material.questions[question],
            self.model,
            self.material.areas[question],
            self._answers[question],
        )


@dataclass(frozen=True, slots=True)
class ReferenceEmbedder:
    """The monitor's own pinned copy of the model in place: it gives logged texts a place, whatever production runs."""

    table: dict[str, VectorArray] = field(repr=False)

    @classmethod
    def of(cls, material: Material) -> ReferenceEmbedder:
        """Return the embedder of the material's ``base`` model."""
        return cls(dict(zip(material.questions, material.queries["base"], strict=True)))

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return ``(n, d)`` vectors of questions that the material knows."""
        del kind
        return np.stack([self.table[text] for text in texts])

    def describe(self) -> str:
        """Return what it is."""
        return f"{len(self.table)} recorded vectors of all-MiniLM-L6-v2"
