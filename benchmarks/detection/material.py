"""Real text for the bench of causes: questions, documents cut two ways, canaries; under two models, two corpora.

The demo's documentation strings come with shipped vectors of one model. News articles (the title is the question, the
text is cut into documents) and the second model need ``DRIFTMON_SHARED_DATA`` and the models' packages; what they
embed is kept under build/.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.detection.pool import VARIABLE, kept, unit
from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.material import load_material
from monitor.demo.models import PACKAGES, load_model
from monitor.records import IntArray, VectorArray

Model = Literal["base", "tuned"]
SOURCES = 1000
"""Documented things of the demo's corpus that are used; of articles, which are cut into several documents, half."""
SHORT, LONG = 320, 480
"""Characters of a document under the one way of cutting texts and under the other."""
COVERED = 960
"""Characters of a text that are cut into documents."""


@dataclass(frozen=True)
class Pieces:
    """Documents cut from sources: ``vectors (n, d)`` under the model in place, ``foreign (n, d)`` under the other."""

    ids: tuple[str, ...]
    sources: IntArray
    vectors: VectorArray
    foreign: VectorArray


@dataclass(frozen=True)
class Material:
    """One corpus under one model: a question and a topic per source, documents, the same text cut otherwise.

    ``questions`` and ``canaries`` are under the model in place, ``foreign_…`` under the other one.
    """

    name: str
    topics: IntArray
    questions: VectorArray
    foreign_questions: VectorArray
    canaries: VectorArray
    foreign_canaries: VectorArray
    documents: Pieces
    cut_otherwise: Pieces


def places() -> tuple[tuple[str, Model], ...]:
    """Return the corpora and models that can be had here."""
    both: tuple[Model, ...] = ("base", "tuned") if has_models() else ("base",)
    corpora = ("demo", "bbc-news") if os.environ.get(VARIABLE) and has_models() else ("demo",)
    return tuple((corpus, model) for corpus in corpora for model in both)


def has_models() -> bool:
    """Return whether the models' packages are installed."""
    return all(find_spec(package) for package, _ in PACKAGES.values()) and bool(
        find_spec("sentence_transformers")
    )


@cache
def load(corpus: str, model: Model) -> Material:
    """Return the material of one corpus under one model."""
    other: Model = "tuned" if model == "base" else "base"
    rows = {"demo": _demo_rows, "bbc-news": _news_rows}[corpus]()
    vectors = {name: _vectors(corpus, name, rows) for name in (model, other)}
    labels = sorted({row["topic"] for row in rows})
    whole, cut = _cut(corpus, rows, short=True), _cut(corpus, rows, short=False)
    here, there = vectors[model], vectors[other]
    return Material(
        name=f"{corpus}, {model}",
        topics=np.array([labels.index(row["topic"]) for row in rows], dtype=np.int64),
        questions=here["questions"],
        foreign_questions=there["questions"],
        canaries=here["canaries"],
        foreign_canaries=there["canaries"],
        documents=Pieces(whole.ids, whole.sources, here["short"], there["short"]),
        cut_otherwise=Pieces(cut.ids, cut.sources, here["long"], there["long"]),
    )


@dataclass(frozen=True)
class _Texts:
    ids: tuple[str, ...]
    sources: IntArray
    texts: tuple[str, ...]


def _cut(corpus: str, rows: Sequence[dict[str, Any]], *, short: bool) -> _Texts:
    """Return the texts of all sources in pieces; the demo's shipped documents are whole, its other way is halves."""
    ids, sources, texts = [], [], []
    for number, row in enumerate(rows):
        text = row["text"]
        if corpus == "demo":
            size = max(1, len(text) if short else -(-len(text) // 2))
        else:
            text, size = text[:COVERED], SHORT if short else LONG
        for place, start in enumerate(range(0, max(1, len(text)), size)):
            ids.append(f"{row['id']}#{place}" if short else f"{row['id']}/part-{place}")
            sources.append(number)
            texts.append(text[start : start + size])
    return _Texts(tuple(ids), np.array(sources, dtype=np.int64), tuple(texts))


def _vectors(corpus: str, model: Model, rows: Sequence[dict[str, Any]]) -> dict[str, VectorArray]:
    texts = {
        "questions": tuple(row["question"] for row in rows),
        "short": _cut(corpus, rows, short=True).texts,
        "long": _cut(corpus, rows, short=False).texts,
        "canaries": CANARY_TEXTS,
    }
    if not has_models():
        return _shipped(model, rows, texts)
    return {
        part: unit(kept(f"cause-{corpus}-{model}-{part}", partial(_embed, model, given)))
        for part, given in texts.items()
    }


def _embed(model: Model, texts: Sequence[str]) -> VectorArray:
    return load_model(model)(texts)


def _shipped(
    model: Model, rows: Sequence[dict[str, Any]], texts: dict[str, tuple[str, ...]]
) -> dict[str, VectorArray]:
    """Return the demo's shipped vectors; what is not shipped stands in by what is nearest to it.

    A document under the second model is its first sentence under that model; a half is its whole, moved a little.
    """
    material = load_material()
    places_ = [row["place"] for row in rows]
    questions = unit(material.queries[model][places_])
    documents = unit(material.documents[places_]) if model == "base" else questions
    halves = documents[_cut("demo", rows, short=False).sources]
    step = np.random.default_rng(320).standard_normal(halves.shape).astype(np.float32)
    step *= 0.45 / np.linalg.norm(step, axis=1, keepdims=True)
    return {
        "questions": questions,
        "short": documents,
        "long": unit(halves + step)[: len(texts["long"])],
        "canaries": unit(material.canaries[model]),
    }


def _demo_rows() -> list[dict[str, Any]]:
    material = load_material()
    chosen = np.linspace(0, len(material.ids) - 1, SOURCES).round().astype(int)
    return [
        {
            "id": material.ids[i],
            "place": i,
            "topic": material.areas[i],
            "question": material.questions[i],
            "text": material.texts[i],
        }
        for i in chosen.tolist()
    ]


def _news_rows() -> list[dict[str, Any]]:
    path = Path(os.environ[VARIABLE]) / "bbc-news" / "corpus.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    chosen = np.linspace(0, len(rows) - 1, SOURCES).round().astype(int)[::2]
    return [
        {
            "id": rows[i]["id"],
            "topic": rows[i]["category"],
            "question": rows[i]["title"],
            "text": rows[i]["text"],
        }
        for i in chosen.tolist()
    ]
