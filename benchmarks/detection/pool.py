"""Real questions to draw traffic from: vectors, the answers' scores, topics, and a few wordings of each question.

Two pools: the demo's shipped vectors (always there), and clinc150 (22,500 assistant questions of ten domains) where
``DRIFTMON_SHARED_DATA`` names a folder of test collections; its texts are embedded once and kept under build/.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.demo.material import load_material
from monitor.demo.models import load_model
from monitor.records import IntArray, Ragged, Records, VectorArray
from monitor.stats.exact_search import exact_top_k

CACHE = Path(__file__).resolve().parents[2] / "build" / "detection"
VARIABLE = "DRIFTMON_SHARED_DATA"
WORDINGS = 4
"""Vectors per question: as it stands, and as a session would put it in other words."""
NOISE = 0.25
"""Length of the random step between wordings; the cosine to the question is about 0.97."""
HITS = 10
DOCUMENT_SHARE = 10
"""One in so many clinc150 questions is set aside as a document that the others find."""
EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Pool:
    """n questions: ``vectors (n, WORDINGS, d)`` unit float32, ``scores (n, WORDINGS, HITS)``, a topic number each."""

    name: str
    vectors: VectorArray
    scores: VectorArray
    topics: IntArray
    topic_names: tuple[str, ...]
    records: Records = field(repr=False)
    """A record per wording, question after question, made once: a window takes its rows, without a loop over them."""

    def take(self, questions: IntArray, wordings: IntArray | int = 0) -> Records:
        """Return the records of these questions ``(m,)``, each in the wording that is named beside it."""
        return self.records.take(questions * WORDINGS + wordings)

    def of_topic(self, topic: int) -> IntArray:
        """Return the positions of a topic's questions."""
        return np.flatnonzero(self.topics == topic)


def load_pools(names: Sequence[str] = ("demo", "clinc150")) -> tuple[Pool, ...]:
    """Return the pools that can be had here; clinc150 needs ``DRIFTMON_SHARED_DATA``."""
    there = [name for name in names if name != "clinc150" or os.environ.get(VARIABLE)]
    return tuple(load_pool(name) for name in there)


def load_pool(name: str) -> Pool:
    """Return the pool of that name, with the cosine scores of exact search as its answers' scores."""
    documents, questions, labels = {"demo": _demo, "clinc150": _clinc150}[name]()
    rng = np.random.default_rng([2026, len(questions)])
    wordings = [questions] + [_reword(questions, rng) for _ in range(WORDINGS - 1)]
    vectors = np.stack(wordings, axis=1)
    scores = np.stack([exact_top_k(documents, w, HITS, "cosine")[1] for w in wordings], axis=1)
    names, topics = np.unique(np.array(labels), return_inverse=True)
    n = len(questions) * WORDINGS
    everywhere = np.arange(n + 1) * HITS
    known = np.ones(n, dtype=np.bool_)
    records = Records(
        ["drawn"] * n,
        [EPOCH] * n,
        vectors=vectors.reshape(n, -1),
        hits=Ragged(np.array([f"d{i}" for i in range(HITS)] * n, dtype=object), everywhere, known),
        scores=Ragged(scores.reshape(-1).astype(np.float64), everywhere, known),
    )
    return Pool(name, vectors, scores, topics.astype(np.int64), tuple(names.tolist()), records)


def _reword(vectors: VectorArray, rng: np.random.Generator) -> VectorArray:
    step = rng.standard_normal(vectors.shape, dtype=np.float32)
    step *= NOISE / np.linalg.norm(step, axis=1, keepdims=True)
    moved: VectorArray = vectors + step
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return moved


def _demo() -> tuple[VectorArray, VectorArray, tuple[str, ...]]:
    material = load_material()
    return material.documents, unit(material.queries["base"]), material.areas


def _clinc150() -> tuple[VectorArray, VectorArray, tuple[str, ...]]:
    """Return a tenth of the questions as documents, the rest as questions, and each question's domain."""
    path = Path(os.environ[VARIABLE]) / "clinc150" / "queries.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["category"] != "oos"]
    vectors = unit(kept("clinc150", lambda: load_model("base")([row["text"] for row in rows])))
    aside: NDArray[np.bool_] = np.random.default_rng(150).permutation(len(rows)) % DOCUMENT_SHARE == 0
    labels = tuple(row["category"] for row, out in zip(rows, aside, strict=True) if not out)
    return vectors[aside], vectors[~aside], labels


def kept(name: str, embed: Callable[[], VectorArray]) -> VectorArray:
    """Return the vectors of that name, embedded once and kept under build/ in half precision."""
    path = CACHE / f"{name}.npy"
    if not path.exists():
        vectors = embed()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors.astype(np.float16), allow_pickle=False)
    loaded: VectorArray = np.load(path, allow_pickle=False).astype(np.float32)
    return loaded


def unit(rows: VectorArray) -> VectorArray:
    """Return the rows at length one, ``(n, d)`` float32."""
    wide = np.asarray(rows, dtype=np.float32)
    scaled: VectorArray = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled
